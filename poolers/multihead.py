"""Multi-head attention pooling and double multi-head attention (India et al., arXiv 2007.13199, ICASSP 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import FramesSpec
from voxboard.errors import UserError
from voxboard.limits import Share, Size, SizeOrZero
from voxboard.poolers.base import SingleLayer, masked_softmax
from voxboard.poolers.selfattentive import SelfAttentive


class MultiHead(SingleLayer):
    """Every head pools its own slice of the features: contexts [B, H · d] with H · d = D, or [B, project].

    Scores are scaled by the square root of the slice's size d, as the paper says; the published code divides by the
    square root of the number of heads, which `reference=True` does. Raises `UserError` where H does not divide D.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `mha`."""

        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        heads: Size = 16
        """Slices that the features are cut into, each with a query of its own."""
        project: SizeOrZero = 0
        """Size of a linear map after the pooling; 0 leaves it out."""
        reference: bool = False
        """Give the published code's numbers: scores scaled by the number of heads, padding counts as frames."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer, masked=not config.reference)
        size, heads = slice_size(spec, config.heads), config.heads
        self.heads = heads
        self.scale = (heads if config.reference else size) ** -0.5
        self.query = nn.Parameter(nn.init.xavier_normal_(torch.empty(size, heads)))
        self.end_with(spec.size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.project(self.contexts(x, mask).flatten(1))

    def contexts(self, x: Tensor, mask: Tensor) -> Tensor:
        """Frames [B, T, D] and their mask [B, T] → one weighted mean per head [B, H, d]."""
        return torch.einsum("bth,bthd->bhd", self.weights(x, mask), slices(x, self.heads))

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """Frames [B, T, D] and their mask [B, T] → weights [B, T, H], which sum to 1 over time."""
        scores = torch.einsum("bthd,dh->bth", slices(x, self.heads), self.query)
        return masked_softmax(self.scale * scores, mask)


class DoubleMultiHead(SingleLayer):
    """Multi-head attention over time, then one attention over the heads: [B, D / H], or [B, project].

    In training heads are left out of the second attention at random, but never all of them (the published code can do
    that, which gives NaN). Raises `UserError` where H does not divide D.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `double-mha`."""

        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        heads: Size = 16
        """Slices that the features are cut into, each with a query of its own."""
        mask_prob: Share = 0.3
        """Probability that a head is left out in training."""
        project: SizeOrZero = 0
        """Size of a linear map after the pooling; 0 leaves it out."""
        reference: bool = False
        """Give the published code's numbers: scores scaled by the number of heads, padding counts as frames, a head
        is left out once in int(1 / mask_prob) times, and one head means a softmax over the batch."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer, masked=not config.reference)
        if not 0 <= config.mask_prob < 1:
            raise UserError(f"mask_prob={config.mask_prob} is no probability below 1.", "Use one from 0 to 0.5.")
        size, reference = slice_size(spec, config.heads), config.reference
        rounded = reference and config.mask_prob > 0
        self.mask_prob = 1 / int(1 / config.mask_prob) if rounded else config.mask_prob
        self.utteranceAttention = MultiHead(spec, MultiHead.Config(heads=config.heads, reference=reference))
        # The heads of an utterance are to this one what its frames are to the first.
        over_heads = SelfAttentive.Config(hidden=0, reference=reference)
        self.headsAttention = SelfAttentive(FramesSpec(1, size), over_heads)
        self.end_with(size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        contexts = self.utteranceAttention.contexts(x, mask)  # [B, H, d]
        return self.project(self.headsAttention.pool(contexts, self._kept(contexts)))

    def _kept(self, contexts: Tensor) -> Tensor:
        """Mask [B, H] of the heads that the second attention sees."""
        probability = self.mask_prob if self.training else 0.0
        dropped = torch.rand(contexts.shape[:2], device=contexts.device) < probability
        return ~dropped | dropped.all(1, keepdim=True)


def slices(x: Tensor, heads: int) -> Tensor:
    """[…, D] → […, H, D / H]."""
    return x.reshape(*x.shape[:-1], heads, -1)


def slice_size(spec: FramesSpec, heads: int) -> int:
    """The size of one of `heads` equal slices of the features. Raises `UserError` where they do not divide."""
    if heads < 1 or spec.size % heads:
        fitting = [number for number in range(1, min(spec.size, 64) + 1) if spec.size % number == 0]
        raise UserError(f"{heads} heads do not divide {spec.size} features.", f"Use heads of {fitting}.")
    return spec.size // heads
