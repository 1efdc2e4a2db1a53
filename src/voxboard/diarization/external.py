"""Diarizers that bring a pipeline of their own: a waveform → who speaks when."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard import progress
from voxboard.data import audio
from voxboard.diarization.pipeline import Conversation
from voxboard.errors import UserError, printable
from voxboard.metrics.rttm import Turn
from voxboard.registry import Registry

REGISTRY = Registry("diarizer", {})  # entry points of other packages, and the user's files
SLACK = 0.1  # seconds that a turn may end after its recording: windows are padded


class Diarizer(ABC):
    """Says who speaks when in a recording; everything between waveform and turns is its own."""

    sample_rate = 16_000  # Hz, of the waveforms that it takes

    @dataclass(frozen=True)
    class Config:
        """Options of a diarizer that has none."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def turns(self, waveform: NDArray[np.float32]) -> Iterable[Turn]:
        """Return (speaker, start, end) in seconds for a recording [N] at `sample_rate`, in any order."""


def diarized(
    diarizer: Diarizer, conversations: Sequence[Conversation], show_progress: bool = True
) -> dict[str, list[Turn]]:
    """Return the turns of every recording, in the order of time. Raises `UserError` for what are no turns of it."""
    turns: dict[str, list[Turn]] = {}
    with progress.bar("diarizing", len(conversations), show_progress, "recordings") as advance:
        for one in conversations:
            waveform = audio.load(one.cut, diarizer.sample_rate)
            turns[one.name] = _checked(diarizer.turns(waveform), one)
            advance(1)
    return turns


def _checked(turns: Any, conversation: Conversation) -> list[Turn]:
    """Return turns as plain numbers, cut where the recording ends."""
    length = float(conversation.cut.duration)
    try:
        plain = [(str(speaker), float(start), float(end)) for speaker, start, end in turns]
    except (TypeError, ValueError) as error:
        raise _refused(conversation, f"they cannot be read: {error}") from error
    for speaker, start, end in plain:
        if not (math.isfinite(end) and 0 <= start < end <= length + SLACK):
            raise _refused(conversation, f"{printable(speaker)} speaks from {start:g} to {end:g} of {length:g} s")
    inside = [(speaker, start, min(end, length)) for speaker, start, end in plain if start < length]
    return sorted(inside, key=lambda turn: (turn[1], turn[2], turn[0]))


def _refused(conversation: Conversation, why: str) -> UserError:
    return UserError(
        f"The diarizer's turns of {printable(conversation.name)} are none: {why}.",
        "Return (speaker, start, end) in seconds, with 0 <= start < end.",
    )
