"""Generalised end-to-end loss: every utterance close to its own speaker's centroid, far from the others'."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.errors import UserError
from voxboard.heads.base import Head, Labelled
from voxboard.limits import NotNegative, Size

SMALLEST = 1e-6


class GE2E(Head):
    """GE2E loss (Wan et al., Generalized End-to-End Loss for Speaker Verification, ICASSP 2018, equations 5 to 9).

    It needs batches of N speakers × M ≥ 2 utterances and has no weights per class; `predict` compares with the
    centroid that each class had in its latest training batch. Raises `UserError` for batches of another form.
    """

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config(Labelled):
        """Options of `ge2e`."""

        form: str = "softmax"
        """`softmax` (equation 6), or `contrast` (equation 7), which looks at the nearest wrong speaker only."""
        reduction: str = "mean"
        """`mean` over utterances, or their `sum`, as the paper writes it."""
        speakers: Size = 6
        """N, the speakers per batch (the paper 64)."""
        utterances: Size = 8
        """M, the utterances of each of them (the paper 10)."""
        init_w: float = 10.0
        """Factor on the cosines at the start."""
        init_b: float = -5.0
        """What is added to them at the start."""
        gradient_scale: float = 0.01
        """Factor on the gradients of both, which smooths convergence (the paper's)."""
        normalize: bool = True
        """Give embeddings unit length first; without, longer ones count more in a centroid."""
        clamp: bool = False
        """Raise cosines to at least 1e-6, as a public implementation of the contrast form does: no gradient below."""
        eps: NotNegative = 1e-5
        """What is added to a vector's length before dividing by it, as in the reference; keeps silence finite."""
        reference: bool = False
        """Let the factor become negative, as the reference does; the paper keeps it positive."""

    def __init__(self, embedding_size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        if config.form not in ("softmax", "contrast") or config.reduction not in ("mean", "sum"):
            raise UserError(
                f"ge2e has no {config.form} form with {config.reduction} reduction.", "See voxboard show ge2e."
            )
        self.config = config
        self.batches = self.wants(config)
        self.similarity_weight = nn.Parameter(torch.tensor([config.init_w]))
        self.similarity_bias = nn.Parameter(torch.tensor([config.init_b]))
        self.centroids: Tensor
        self.register_buffer("centroids", torch.zeros(n_classes, embedding_size))

    @classmethod
    def wants(cls, config: Config) -> tuple[int, int]:
        return config.speakers, config.utterances

    def similarities(self, embeddings: Tensor) -> Tensor:
        """Speaker-major embeddings [N, M, E] → scaled cosines [N, M, N]: to the own centroid without the utterance."""
        speakers, each, _ = embeddings.shape
        unit = self._unit(embeddings)
        total = unit.sum(1, keepdim=True)
        directions = self._normalized(unit)
        cosines = torch.einsum("nme,ke->nmk", directions, self._normalized(total[:, 0] / each))
        own = (directions * self._normalized((total - unit) / (each - 1))).sum(-1, keepdim=True)
        same = torch.eye(speakers, dtype=torch.bool, device=embeddings.device)[:, None]
        return self._scaled(torch.where(same, own, cosines))

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        order, speakers = _by_speaker(labels)
        grouped = torch.unflatten(embeddings[order].float(), 0, (len(speakers), -1))
        if self.training:
            self.centroids[speakers] = self._unit(grouped.detach()).mean(1).to(self.centroids)
        return self.loss_of(self.similarities(grouped))

    def loss_of(self, similarities: Tensor) -> Tensor:
        """Similarities [N, M, N] → scalar loss."""
        speakers, each, _ = similarities.shape
        target = torch.arange(speakers, device=similarities.device).repeat_interleave(each)
        flat = similarities.flatten(0, 1)
        if self.config.form == "softmax":
            return F.cross_entropy(flat, target, reduction=self.config.reduction)
        near = flat.sigmoid()
        wrong = near.scatter(1, target[:, None], 0.0).amax(1)
        losses = 1.0 - near.gather(1, target[:, None])[:, 0] + wrong
        return losses.mean() if self.config.reduction == "mean" else losses.sum()

    def predict(self, embeddings: Tensor) -> Tensor:
        return self._scaled(self._normalized(embeddings.float()) @ self._normalized(self.centroids).T)

    def _unit(self, embeddings: Tensor) -> Tensor:
        return self._normalized(embeddings) if self.config.normalize else embeddings

    def _normalized(self, vectors: Tensor) -> Tensor:
        return vectors / (torch.linalg.vector_norm(vectors, dim=-1, keepdim=True) + self.config.eps)

    def _scaled(self, cosines: Tensor) -> Tensor:
        """w · cos + b."""
        scaled = [
            _slowed(value, self.config.gradient_scale) for value in (self.similarity_weight, self.similarity_bias)
        ]
        weight = scaled[0] if self.config.reference else scaled[0].clamp(min=SMALLEST)
        return weight * (cosines.clamp(min=SMALLEST) if self.config.clamp else cosines) + scaled[1]


def _slowed(value: Tensor, factor: float) -> Tensor:
    """The same value with a gradient that is `factor` as large."""
    return value.detach() + factor * (value - value.detach())


def _by_speaker(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels [N · M] → the order [N · M] that groups them by speaker, and the speakers [N]."""
    speakers, counts = torch.unique(labels, return_counts=True)
    if len(speakers) < 2 or int(counts.min()) < 2 or int(counts.min()) != int(counts.max()):
        raise UserError(
            "GE2E needs batches of several speakers with equally many utterances each, at least two; "
            f"got {int(counts.min())} to {int(counts.max())} utterances each of {len(speakers)} speakers.",
            "Batch speakers × utterances, as the head's `batches` says.",
        )
    return labels.argsort(stable=True), speakers
