"""A head that reads frames: a linear map from each to a token or the blank, trained by torch's CTC loss.

It offers `rows`, so it keeps the protocol `ScoresTokens` of voxboard.heads.base: transcription decodes what it gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import Frames
from voxboard.data.vocabulary import BLANK
from voxboard.heads.base import MISSING, Head


class Letters(Head):
    """Connectionist temporal classification by one linear map (Graves et al., ICML 2006)."""

    label = "text"
    reads = "frames"
    targets = "tokens"

    @dataclass(frozen=True)
    class Config:
        """Options of `letters`."""

        temperature: float = 1.0
        """What scores are divided by before they become probabilities."""

    def __init__(self, size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.output = nn.Linear(size, n_classes)

    def loss(self, embeddings: Frames, labels: Tensor) -> Tensor:
        spoken = labels > BLANK
        lengths, scores = spoken.sum(1), self.predict(embeddings).transpose(0, 1)
        steps = embeddings.lengths.to(lengths.device)
        losses = F.ctc_loss(scores, labels[spoken], steps, lengths, blank=BLANK, reduction="none", zero_infinity=True)
        labelled = (labels != MISSING).any(1)  # a row of nothing else has no transcript
        return torch.where(labelled, losses / lengths.clamp(min=1), 0.0).sum() / labelled.sum().clamp(min=1)

    def predict(self, embeddings: Frames) -> Tensor:
        """Frames [B, 1, T, D] → log-probabilities [B, T, C]."""
        return (self.output(embeddings.states[:, 0]).float() / self.config.temperature).log_softmax(-1)

    def rows(self, frames: Frames) -> list[Tensor]:
        """Log-probabilities [T, C] of each utterance, on the CPU."""
        scores = self.predict(frames).cpu()
        return [row[:length] for row, length in zip(scores, frames.lengths.tolist(), strict=True)]
