"""Turns as pyannote wants them, and hypotheses made of references: a diarization system's errors in known amounts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyannote.core import Annotation, Segment

from voxboard.metrics.diarization import Turn

Turns = list[tuple[str, float, float]]
Corpus = dict[str, Turns]


def annotation(turns: Sequence[Turn], uri: str | None = None) -> Annotation:
    """A track for every turn, so that equal turns of two speakers stay two."""
    found = Annotation(uri=uri)
    for track, (speaker, start, end) in enumerate(turns):
        found[Segment(start, end), track] = speaker
    return found


def perturbed(reference: Corpus, seed: int) -> Corpus:
    """Boundaries jitter by 0.2 s, 5 % of the turns are dropped and 5 % invented, speakers are merged and split."""
    rng = np.random.default_rng(seed)
    return {name: _file(turns, rng) for name, turns in reference.items()}


def _file(turns: Turns, rng: np.random.Generator) -> Turns:
    speakers = sorted({speaker for speaker, _, _ in turns})
    length = max(end for _, _, end in turns)
    names = {speaker: f"s{number}" for number, speaker in enumerate(speakers)}
    if len(speakers) > 2:
        names[speakers[0]] = names[speakers[1]]
    found = []
    for speaker, start, end in turns:
        jitter = rng.normal(0.0, 0.2, 2)
        first, last = max(0.0, start + jitter[0]), end + jitter[1]
        if rng.random() >= 0.05 and last > first:
            split = "b" if speaker == speakers[-1] and start > length / 2 else ""
            found.append((names[speaker] + split, float(first), float(last)))
        if rng.random() < 0.05:
            at = rng.uniform(0.0, length)
            found.append((names[str(rng.choice(speakers))], float(at), float(at + rng.uniform(0.2, 2.0))))
    # pyannote counts a speaker twice who overlaps with itself: what comes later is left out.
    kept: Turns = []
    ends: dict[str, float] = {}
    for turn in sorted(found, key=lambda turn: turn[1]):
        if turn[1] > ends.get(turn[0], -1.0):
            kept.append(turn)
            ends[turn[0]] = turn[2]
    return kept
