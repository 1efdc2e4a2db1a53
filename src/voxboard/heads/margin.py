"""Base of margin softmaxes: a direction per class, cosines, and cross entropy of scaled cosines with a margin."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.errors import UserError
from voxboard.heads import losses
from voxboard.heads.base import Head


class MarginSoftmax(Head):
    """Cross entropy of scaled cosines, the true class's lowered by a margin that the subclass gives in `_pushed`.

    `weight` [heads, E / heads, C · centers] holds the directions; only angles matter, not lengths. With several
    directions per class the nearest one counts (Deng et al., Sub-center ArcFace, ECCV 2020).
    """

    def __init__(self, embedding_size: int, n_classes: int, scale: float, heads: int = 1, centers: int = 1) -> None:
        super().__init__()
        if embedding_size % heads:
            raise UserError(f"{heads} heads do not divide an embedding of {embedding_size}.")
        self.scale, self.heads, self.centers = scale, heads, centers
        self.weight = nn.Parameter(torch.empty(heads, embedding_size // heads, n_classes * centers))
        for directions in self.weight:
            nn.init.xavier_uniform_(directions)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """[B, E] → cosines [B, heads, C]."""
        # Margins in half precision would round cosines to a few hundred values.
        pieces = F.normalize(torch.unflatten(embeddings.float(), -1, (self.heads, -1)), dim=-1)
        products = torch.einsum("bhd,hdc->bhc", pieces, F.normalize(self.weight.float(), dim=1))
        return products if self.centers == 1 else torch.unflatten(products, -1, (-1, self.centers)).amax(-1)

    def margin_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[B, E] and classes [B] → [B, heads, C]: scaled cosines, the true class's with the margin."""
        return self.scale * self._with_margin(self.cosines(embeddings), labels)

    def _with_margin(self, cosines: Tensor, labels: Tensor) -> Tensor:
        target = labels.clamp(min=0)[:, None, None].expand(-1, self.heads, 1)  # the loss skips what is MISSING
        return self._others(cosines, target).scatter(2, target, self._pushed(cosines.gather(2, target)))

    def _pushed(self, cosine: Tensor) -> Tensor:
        """The true class's cosine, lowered by the margin."""
        raise NotImplementedError

    def _others(self, cosines: Tensor, target: Tensor) -> Tensor:
        """The cosines of the wrong classes; what it does to the true class `target` [B, heads, 1] is overwritten."""
        return cosines

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        logits = self.margin_logits(embeddings, labels)
        return losses.cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(self.heads))

    def predict(self, embeddings: Tensor) -> Tensor:
        return self.scale * self.cosines(embeddings).mean(1)
