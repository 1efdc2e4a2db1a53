"""Connectionist temporal classification: every frame to a token or the blank (Graves et al. 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import Frames, valid
from voxboard.data.vocabulary import BLANK
from voxboard.errors import UserError
from voxboard.heads.base import MISSING, Head
from voxboard.limits import DepthOrZero, Dropout, Size, SizeOrZero


class CTC(Head):
    """Negative log-likelihood of a text, summed over all its alignments to the frames.

    Labels [B, U] are token indices from 1; the rest of a row is `MISSING`. A row of only `MISSING` has no transcript
    and trains nothing; an empty transcript is `BLANK` followed by `MISSING`. A text that needs more frames than there
    are (its tokens, and one between equal neighbours) costs nothing either, as its likelihood is 0.

    Raises `UserError` for a vocabulary of the blank alone, an unknown reduction, and labels outside the vocabulary.
    """

    label = "text"
    reads = "frames"
    targets = "tokens"

    @dataclass(frozen=True)
    class Config:
        """Options of `ctc`."""

        stack: int = 1
        """Frames that are put side by side as one before everything else: a quarter as many steps and a chance to spell
        for frames of 10 ms with 4 (Sak et al. 2015, section 3)."""
        dropout: Dropout = 0.0
        """Share of the input of the LSTM's layers after the first and of the output layer that is dropped in
        training."""
        project: SizeOrZero = 0
        """Size of a linear map before the LSTM (SUPERB's probe, 1024); 0 leaves it out."""
        layers: DepthOrZero = 0
        """Layers of a bidirectional LSTM (SUPERB's probe, 2); 0 leaves it out, as wav2vec 2.0 does."""
        hidden: Size = 1024
        """Size of the LSTM, per direction."""
        reduction: str = "mean"
        """`mean` over the utterances that have a text of their loss per token, or the `sum` of their losses."""

    def __init__(self, size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        if config.reduction not in ("mean", "sum"):
            raise UserError(f"ctc has no reduction {config.reduction!r}.", "Known: mean, sum.")
        if n_classes < 2:
            raise UserError("A vocabulary of the blank alone spells nothing.", "Train on texts that are not empty.")
        if config.stack < 1:
            raise UserError(f"ctc cannot stack {config.stack} frames.", "Give a number from 1.")
        self.reduction, self.stack = config.reduction, config.stack
        size *= config.stack
        self.project: nn.Module = nn.Linear(size, config.project) if config.project else nn.Identity()
        size = config.project or size
        self.lstm: BidirectionalLSTM | None = None
        if config.layers:
            self.lstm = BidirectionalLSTM(size, config.hidden, config.layers, config.dropout)
            size = 2 * config.hidden
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(size, n_classes)

    def loss(self, embeddings: Frames, labels: Tensor) -> Tensor:
        log_probs = self.predict(embeddings)
        self._check(labels, log_probs)
        spoken = labels > BLANK
        lengths = spoken.sum(1)
        losses = F.ctc_loss(
            log_probs.transpose(0, 1),
            labels[spoken],
            self.steps(embeddings.lengths).to(lengths.device),
            lengths,
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        labelled = (labels != MISSING).any(1)
        if self.reduction == "sum":
            return torch.where(labelled, losses, 0.0).sum()
        return torch.where(labelled, losses / lengths.clamp(min=1), 0.0).sum() / labelled.sum().clamp(min=1)

    def steps(self, lengths: Tensor) -> Tensor:
        """Valid frames [B] → valid rows of `predict` [B]."""
        return torch.div(lengths + self.stack - 1, self.stack, rounding_mode="floor")

    def rows(self, frames: Frames) -> list[Tensor]:
        """`Frames` of a sequence → log-probabilities [T / stack, C] of every utterance, on the CPU."""
        log_probs = self.predict(frames).cpu()
        return [row[:length] for row, length in zip(log_probs, self.steps(frames.lengths).tolist(), strict=True)]

    def predict(self, embeddings: Frames) -> Tensor:
        """`Frames` of a sequence [B, 1, T, D] → log-probabilities [B, T / stack, C], float32, anything past `steps`."""
        x = self.project(self._stacked(embeddings))
        if self.lstm is not None:
            x = self.lstm(x, self.steps(embeddings.lengths))
        return self.output(self.dropout(x)).float().log_softmax(-1)

    def _stacked(self, frames: Frames) -> Tensor:
        """`Frames` [B, 1, T, D] → [B, T / stack, D · stack], zeros after an utterance's last frame."""
        x = frames.states[:, 0]
        if self.stack == 1:
            return x
        x = F.pad(x.masked_fill(~frames.mask[..., None], 0.0), (0, 0, 0, -x.shape[1] % self.stack))
        return x.reshape(len(x), -1, self.stack * x.shape[2])

    def _check(self, labels: Tensor, log_probs: Tensor) -> None:
        """torch reads past its memory at a token that is not there."""
        if labels.ndim != 2 or len(labels) != len(log_probs):
            raise UserError(f"There are labels {list(labels.shape)} for {len(log_probs)} utterances, not [B, U].")
        classes = log_probs.shape[-1]
        if bool(((labels >= classes) | ((labels < BLANK) & (labels != MISSING))).any()):
            raise UserError(
                f"The labels hold tokens outside the vocabulary of {classes}.",
                "Build the head with the size of the vocabulary that encoded the texts.",
            )


class BidirectionalLSTM(nn.Module):
    """Layers of LSTMs in both directions; the backward one starts at an utterance's own end.

    The numbers of a packed `nn.LSTM`, whose backward pass takes several times as long on a CPU.
    """

    def __init__(self, size: int, hidden: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [size, *[2 * hidden] * (layers - 1)]
        self.there = nn.ModuleList(nn.LSTM(inputs, hidden, batch_first=True) for inputs in sizes)
        self.back = nn.ModuleList(nn.LSTM(inputs, hidden, batch_first=True) for inputs in sizes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, D] and valid steps [B] → [B, T, 2 · hidden]; past the lengths, anything."""
        lengths = lengths.to(x.device)[:, None]
        inside = valid(lengths[:, 0], x.shape[1])
        steps = torch.arange(x.shape[1], device=x.device)
        mirror = torch.where(inside, lengths - 1 - steps, steps)[..., None]  # [B, T, 1]
        x = x.masked_fill(~inside[..., None], 0.0)
        for number, (there, back) in enumerate(zip(self.there, self.back, strict=True)):
            x = self.dropout(x) if number else x
            mirrored, _ = back(x.gather(1, mirror.expand_as(x)))
            x = torch.cat([there(x)[0], mirrored.gather(1, mirror.expand_as(mirrored))], 2)
        return x
