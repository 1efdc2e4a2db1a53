"""Embeddings and captions in one space, where an utterance lies near what describes it (CLAP)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.data.sentences import DEFAULT
from voxboard.errors import UserError
from voxboard.heads.base import Head
from voxboard.limits import Depth, Positive, Size

LARGEST_SCALE = 100.0  # of similarities, as in CLIP (Radford et al., ICML 2021, section 2.5)


class Contrastive(Head):
    """Both sides go through projections to one space; matching pairs must be more alike than the others of a batch.

    `infonce`: cross entropy of both directions (Elizalde et al., CLAP, ICASSP 2023, equation 3), averaged. `siglip`:
    every pair by itself (Zhai et al., ICCV 2023, algorithm 1). The scale of similarities is learned.

    Labels are vectors of texts [B, K, D] or [B, D], NaN where there is none; a step of training takes one of the K. A
    text that also belongs to another utterance of the batch is no negative to it. Built for D in place of n classes.
    Raises `UserError` for an unknown loss and a number of layers other than 1 and 2.
    """

    label = "caption"
    targets = "vectors"
    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `contrastive`."""

        label: str = "caption"
        """What utterances are matched with: texts of the manifest, of which an utterance may have several."""
        sentence_encoder: str = DEFAULT
        """What makes vectors of texts, frozen: a hub id or a local folder of sentence-transformers."""
        size: Size = 1024
        """Size of the common space."""
        layers: Depth = 2
        """Layers of either projection: 1, or 2 with a ReLU between them."""
        objective: str = "infonce"
        """`infonce`, a softmax over the batch, or `siglip`, a sigmoid per pair."""
        temperature: Positive = 0.07
        """What similarities are divided by at first (SigLIP 0.1)."""

    def __init__(self, embedding_size: int, n_values: int, config: Config) -> None:
        super().__init__()
        if config.objective not in ("infonce", "siglip"):
            raise UserError(f"contrastive has no objective {config.objective!r}.", "Known: infonce, siglip.")
        if config.layers not in (1, 2):
            raise UserError(f"contrastive has no projections of {config.layers} layers.", "Known: 1, 2.")
        self.config = config
        self.audio = _projection(embedding_size, config)
        self.text = _projection(n_values, config)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))
        # With so few positives among all pairs, everything is a negative at first.
        self.bias = nn.Parameter(torch.tensor(-10.0)) if config.objective == "siglip" else None

    def predict(self, embeddings: Tensor) -> Tensor:
        """Embeddings [B, E] → the common space [B, S], of unit length."""
        return F.normalize(self.audio(embeddings), dim=-1)

    def project_texts(self, vectors: Tensor) -> Tensor:
        """Vectors of texts [B, D] → the common space [B, S], of unit length."""
        return F.normalize(self.text(vectors), dim=-1)

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        labels = labels[:, None] if labels.ndim == 2 else labels
        present = ~labels[..., 0].isnan()
        usable = present.any(1)
        if not bool(usable.any()):
            return 0.0 * sum((p.sum() for p in self.parameters()), embeddings.sum())
        labels, present = labels[usable], present[usable]
        vectors, matches = _chosen(labels, present, self.training)
        audio, text = self.predict(embeddings[usable]), self.project_texts(vectors)
        similarities = self.log_scale.exp().clamp(max=LARGEST_SCALE) * (audio.float() @ text.float().T)
        if self.bias is not None:
            signs = torch.where(matches, 1.0, -1.0)
            return -F.logsigmoid(signs * (similarities + self.bias)).sum() / len(signs)
        own = torch.arange(len(matches), device=matches.device)
        others = matches.clone().fill_diagonal_(False)
        similarities = similarities.masked_fill(others, -math.inf)
        return (F.cross_entropy(similarities, own) + F.cross_entropy(similarities.T, own)) / 2


def _projection(size: int, config: Contrastive.Config) -> nn.Module:
    if config.layers == 1:
        return nn.Linear(size, config.size)
    return nn.Sequential(nn.Linear(size, config.size), nn.ReLU(), nn.Linear(config.size, config.size))


def _chosen(labels: Tensor, present: Tensor, at_random: bool) -> tuple[Tensor, Tensor]:
    """One text of every utterance [B, D], and whether utterance i (row) has the text of utterance j (column) too."""
    places = torch.rand(present.shape, device=present.device) if at_random else present.float()
    place = places.masked_fill(~present, -1.0).argmax(1)
    rows = torch.arange(len(labels), device=labels.device)
    _, number = torch.unique(labels[present], dim=0, return_inverse=True)
    numbers = torch.full(present.shape, -1, device=labels.device).masked_scatter(present, number)
    return labels[rows, place], (numbers[:, None, :] == numbers[rows, place][None, :, None]).any(2)
