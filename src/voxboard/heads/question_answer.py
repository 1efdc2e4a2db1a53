"""Questions about a voice, answered by a frozen chat model that hears projected frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import Frames
from voxboard.errors import UserError
from voxboard.heads import chat_model
from voxboard.heads.base import MISSING, Head
from voxboard.limits import SizeOrZero

QUESTION = "What is the {label} of the speaker?"


class QuestionAnswer(Head):
    """Some frames side by side, a linear map, ReLU and another map → what the chat model hears (Auden's LALM).

    Frames that are left over from whole groups are dropped; an utterance of fewer than one group is filled up with
    zeros. The projector alone is trained, by the cross entropy of the answer's tokens; the chat model is loaded when it
    is first needed and is in no checkpoint. Labels are code points of the answers [B, U]; the number of classes says
    nothing. Raises `UserError` for a chat model that is not there.
    """

    reads = "frames"
    targets = "texts"

    @dataclass(frozen=True)
    class Config:
        """Options of `question-answer`."""

        label: str = "gender"
        """What is asked for: its names in the manifest are the answers."""
        question: str = ""
        """What the chat model is asked (default: What is the <label> of the speaker?)."""
        lm: str = "Qwen/Qwen2.5-0.5B-Instruct"
        """Chat model of transformers that answers: a hub id or a local folder."""
        frames: int = 8
        """Frames that become one of the chat model's tokens (AZeroS 4)."""
        hidden: SizeOrZero = 0
        """Size between the projector's layers; 0 takes that of the chat model."""

    def __init__(self, size: int, n_classes: int, config: Config) -> None:
        super().__init__()
        if config.frames < 1:
            raise UserError(f"question-answer cannot put {config.frames} frames together.", "Give 1 or more.")
        self.config = config
        self.question = config.question or QUESTION.format(label=config.label.replace("_", " "))
        out = chat_model.size_of(config.lm)
        hidden = config.hidden or out
        self.projector = nn.Sequential(nn.Linear(config.frames * size, hidden), nn.ReLU(), nn.Linear(hidden, out))

    def predict(self, embeddings: Frames) -> Tensor:
        """`Frames` of a sequence [B, 1, T, D] → what the chat model hears [B, S, H]; past `heard_lengths`, anything."""
        group = self.config.frames
        x = embeddings.states[:, 0]
        x = F.pad(x, (0, 0, 0, max(0, group - x.shape[1])))
        x = x[:, : x.shape[1] // group * group]
        # An utterance of fewer frames than a group reaches into its padding, whatever that holds.
        x = x.masked_fill(torch.arange(x.shape[1], device=x.device)[:, None] >= self._lengths(embeddings), 0.0)
        return self.projector(x.reshape(len(x), -1, group * x.shape[2]))

    def heard_lengths(self, embeddings: Frames) -> Tensor:
        """[B] how many tokens of `predict` are an utterance's own, at least one."""
        return (embeddings.lengths // self.config.frames).clamp(min=1)

    def loss(self, embeddings: Frames, labels: Tensor) -> Tensor:
        labelled = (labels != MISSING).any(1).tolist()
        heard = self._heard(embeddings)
        if not any(labelled):
            return 0.0 * torch.stack([audio.sum() for audio in heard]).sum()
        texts = [_text(row) for row, there in zip(labels, labelled, strict=True) if there]
        some = [audio for audio, there in zip(heard, labelled, strict=True) if there]
        return chat_model.load(self.config.lm).loss(some, self.question, texts)

    @torch.no_grad()
    def answer(self, embeddings: Frames, question: str = "", most: int = 32) -> list[str]:
        """`Frames` [B, 1, T, D] → what the chat model answers, greedily, in at most so many tokens."""
        model = chat_model.load(self.config.lm)
        return model.answer(self._heard(embeddings), question or self.question, most)

    def _heard(self, embeddings: Frames) -> list[Tensor]:
        lengths = self.heard_lengths(embeddings).tolist()
        return [row[:length] for row, length in zip(self.predict(embeddings), lengths, strict=True)]

    def _lengths(self, embeddings: Frames) -> Tensor:
        return embeddings.lengths.to(embeddings.states.device)[:, None, None]


def _text(codes: Tensor) -> str:
    return "".join(map(chr, codes[codes != MISSING].tolist()))
