"""Errors of a diarization over time: pyannote's error analysis, under the conventions of our DER."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from voxboard.metrics.rttm import Region, Turn

if TYPE_CHECKING:
    from pyannote.core import Annotation

Kind = Literal["correct", "missed", "false alarm", "confusion"]
KINDS: Mapping[str, Kind] = {
    "correct": "correct",
    "missed detection": "missed",
    "false alarm": "false alarm",
    "confusion": "confusion",
}  # pyannote's word → ours


@dataclass(frozen=True)
class Stretch:
    """Scored time in which `speaker` spoke (None: false alarm) and the system heard `taken_for` (None: missed).

    `taken_for` is the speaker of the reference that the system's is mapped to, or its own name in brackets.
    """

    kind: Kind
    start: float  # seconds
    end: float  # seconds
    speaker: str | None
    taken_for: str | None


@dataclass(frozen=True)
class ErrorTimeline:
    """A recording's turns on both sides, and what each scored stretch of them is."""

    recording: str
    reference: Sequence[Turn]
    hypothesis: Sequence[Turn]  # by the names of `stretches`
    stretches: Sequence[Stretch]
    unscored: Sequence[Region]  # collars, what a UEM leaves out, and overlap where it is left out
    unmapped: Sequence[str]  # speakers of the system's that are nobody of the reference, in brackets
    span: Region

    @property
    def seconds(self) -> dict[Kind, float]:
        """Return kind → speaker time; missed, false alarm and confusion are the terms of the DER."""
        totals: dict[Kind, float] = dict.fromkeys(KINDS.values(), 0.0)
        for one in self.stretches:
            totals[one.kind] += one.end - one.start
        return totals

    @property
    def der(self) -> float:
        """Return the diarization error rate; NaN where no reference speech is scored."""
        seconds = self.seconds
        total = seconds["correct"] + seconds["missed"] + seconds["confusion"]
        return (seconds["missed"] + seconds["false alarm"] + seconds["confusion"]) / total if total else float("nan")


def error_timeline(
    recording: str,
    reference: Sequence[Turn],
    hypothesis: Sequence[Turn],
    *,
    collar: float = 0.25,
    skip_overlap: bool = False,
    uem: Sequence[Region] | None = None,
) -> ErrorTimeline:
    """Return what is right and wrong, when, by `pyannote.metrics.errors.identification.IdentificationErrorAnalysis`.

    Speakers are mapped on scored time. `collar` is in seconds on each side of a boundary of the reference. Without UEM
    the recording is scored from the first to the last turn of either side. Raises `ValueError` without any turn.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate
    from pyannote.metrics.errors.identification import IdentificationErrorAnalysis

    edges = [edge for _, *turn in (*reference, *hypothesis) for edge in turn]
    if not edges:
        raise ValueError(f"{recording} has no turn in either file")
    span = (min(edges), max(edges))
    scored = Timeline([Segment(*region) for region in (uem if uem is not None else [span])]).support()
    # pyannote's collar is the whole width. Labels of both sides are kept apart: equal names mean nothing.
    true, guess = _annotation(reference, "r"), _annotation(hypothesis, "h")
    settings: dict[str, Any] = {"collar": 2 * collar, "skip_overlap": skip_overlap}
    metric = DiarizationErrorRate(**settings)
    uemified: Any = metric.uemify(true, guess, uem=scored, returns_uem=True, **settings)
    cut_true, cut_guess, left = uemified
    mapped = guess.rename_labels(mapping=metric.optimal_mapping(cut_true, cut_guess))
    errors = IdentificationErrorAnalysis(**settings).difference(true, mapped, uem=scored)
    return ErrorTimeline(
        recording,
        _turns(true),
        _turns(mapped),
        _stretches(errors),
        [(gap.start, gap.end) for gap in left.gaps(support=Timeline([Segment(*span)]))],
        sorted(str(_shown(label)) for label in mapped.labels() if label.startswith("h")),
        span,
    )


def _annotation(turns: Sequence[Turn], side: str) -> Annotation:
    """Turns under labels of a side; those of one speaker that overlap are one, which pyannote would count twice."""
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for speaker, own in groupby(sorted(turns), key=lambda turn: turn[0]):
        merged: list[list[float]] = []
        for _, start, end in own:
            if merged and start < merged[-1][1]:
                merged[-1][1] = max(end, merged[-1][1])
            elif end > start:
                merged.append([start, end])
        for start, end in merged:
            annotation[Segment(start, end), f"{side} {speaker}"] = f"{side} {speaker}"
    return annotation


def _name(label: str) -> str:
    """Return the name behind a side's label."""
    return label[2:]


def _shown(label: str | None) -> str | None:
    """Return a speaker of the reference by its name, one of the system's alone in brackets."""
    if label is None:
        return None
    return f"({_name(label)})" if label.startswith("h") else _name(label)


def _turns(annotation: Annotation) -> list[Turn]:
    tracks = annotation.itertracks(yield_label=True)
    return [(str(_shown(label)), segment.start, segment.end) for segment, _, label in tracks]


def _stretches(errors: Annotation) -> list[Stretch]:
    return [
        Stretch(KINDS[kind], segment.start, segment.end, _shown(speaker), _shown(other))
        for segment, _, (kind, speaker, other) in errors.itertracks(yield_label=True)
    ]
