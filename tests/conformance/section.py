"""What a section of the conformance page is made of: our numbers beside those of peers, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Answer = float | str  # a number, or what a peer says instead of one: "ValueError", "nan"


@dataclass(frozen=True)
class Row:
    """One input; `reason` says why a peer differs, and is empty exactly when all agree."""

    case: str
    ours: Answer
    peers: Mapping[str, Answer]  # a peer that cannot do the case is left out
    reason: str = ""

    def differs(self, tolerance: float) -> bool:
        """Whether any peer's answer is another than ours."""
        return any(not _same(self.ours, peer, tolerance) for peer in self.peers.values())


@dataclass(frozen=True)
class Section:
    """A part of docs/metrics.md: how we define a number, and what others make of the same input."""

    title: str
    text: str  # Markdown: the definition, its source, the conventions that matter
    rows: Sequence[Row]
    tolerance: float = 1e-9
    digits: int = 6


def answer(function: Callable[[], float]) -> Answer:
    """What a peer answers: its number, or the name of the error that it raises."""
    try:
        return float(function())
    except Exception as error:
        return type(error).__name__


def _same(ours: Answer, peer: Answer, tolerance: float) -> bool:
    if isinstance(ours, str) or isinstance(peer, str):
        return ours == peer
    return abs(ours - peer) <= tolerance
