"""Diarization metrics: how much of the time is given to the wrong speaker, to nobody, or to somebody who is silent.

DER = (miss + false alarm + confusion) / total, in speaker time over all files (NIST RT-09 evaluation plan). With R(t)
and H(t) speakers in reference and hypothesis, miss = ∫ max(0, R − H), false alarm = ∫ max(0, H − R), total = ∫ R, and
confusion = ∫ min(R, H) less the time that mapped speakers share; the one-to-one mapping per file is the best one.
JER = the mean over reference speakers of 1 − |r ∩ h| / |r ∪ h|, mapped so that it is smallest (DIHARD II, simpleder).

Conventions, where scorers part:

- `collar` is in seconds on *each* side of every reference boundary, as in md-eval; pyannote's is the whole width.
- `mapping="scored"`: speakers are mapped on scored time, as pyannote and simpleder do: the lowest DER there is.
  `"all"`: on all time of the UEM, collars and overlap included, as md-eval, dscore and spy-der do.
- Turns of one speaker that overlap are merged (pyannote counts the speaker twice). Turns that only touch keep the
  collar at their boundary, as in pyannote, md-eval and dscore; `merge_touching` merges them, as spy-der and simpleder.
- Without a UEM a file is scored from the first to the last turn of either side; `span="reference"` takes the
  reference's, as md-eval does. With one, every file must be in it, and a file that only the UEM names has no reference
  speech. A turn that the UEM cuts has no collar at the cut.
- A file without hypothesis counts as missed. A hypothesis for an unknown file is refused: it is a misspelt name.
- NOSCORE in an RTTM reference takes time out before speakers are mapped; NON-LEX only out of what is counted. A
  `Reference` says both of turns in memory.
- Turns of zero length say nothing and are left out. A negative, NaN or infinite one is refused.

Reference and hypothesis are {file: [(speaker, start, end), …]}, a list of turns (of one file), pyannote Annotations, or
the path of an RTTM file or a folder of them. A UEM is {file: [(start, end), …]}, a list, a pyannote Timeline or a path.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics.rttm import Reference, Region
from voxboard.metrics.tape import Intervals, Tape, lay, sums
from voxboard.metrics.turns import TICKS, Given, Ints, Scored, Span, Speech, Turn, gather

Mapper = Literal["scored", "all"]
Floats = NDArray[np.float64]

__all__ = ["DiarizationReport", "Errors", "Reference", "Region", "Turn", "der", "jer", "score"]


@dataclass(frozen=True)
class Errors:
    """Sums of errors: those of several files add up, so that resampled files make a resampled DER and JER."""

    total: float  # seconds of scored reference speech, a second of two speakers counting twice
    miss: float  # seconds
    false_alarm: float  # seconds
    confusion: float  # seconds
    speakers: int  # of the reference, who speak in the UEM
    jaccard: float  # the sum over them of 1 − |r ∩ h| / |r ∪ h|

    @property
    def der(self) -> float:
        """The diarization error rate; NaN where no reference speech is scored."""
        return (self.miss + self.false_alarm + self.confusion) / self.total if self.total else math.nan

    @property
    def jer(self) -> float:
        """The Jaccard error rate, without collar and with overlap; NaN where the reference has no speaker."""
        return self.jaccard / self.speakers if self.speakers else math.nan


@dataclass(frozen=True)
class DiarizationReport(Errors):
    """The errors of all files, and of each in the order of the reference."""

    files: Mapping[str, Errors]


def der(
    reference: Speech,
    hypothesis: Speech,
    collar: float = 0.25,
    skip_overlap: bool = False,
    uem: Scored | None = None,
    *,
    mapping: Mapper = "scored",
    merge_touching: bool = False,
    span: Span = "both",
) -> float:
    """The diarization error rate over all files, a fraction that may exceed 1; see the module for its conventions.

    `collar` is in seconds on each side; `skip_overlap` leaves out where two or more reference speakers speak. Raises
    `ValueError` for malformed turns, unknown files, and a reference of which no speech is scored.
    """
    parts = _der_parts(_Recordings.of(reference, hypothesis, collar, uem, merge_touching, span), skip_overlap, mapping)
    total, miss, false_alarm, confusion = (int(part.sum()) for part in parts)
    if not total:
        raise ValueError("no reference speech is scored: DER has nothing to divide by")
    return (miss + false_alarm + confusion) / total


def jer(reference: Speech, hypothesis: Speech, uem: Scored | None = None) -> float:
    """The Jaccard error rate over all reference speakers of all files, a fraction in [0, 1].

    Without collar and with overlap. Raises `ValueError` as `der`, and when the reference has no speaker.
    """
    speakers, errors = _jer_parts(_Recordings.of(reference, hypothesis, 0.0, uem, True).whole)
    if not speakers.sum():
        raise ValueError("the reference has no speaker in the scored time: JER is a mean over none")
    return float(errors.sum() / speakers.sum())


def score(
    reference: Speech,
    hypothesis: Speech,
    collar: float = 0.25,
    skip_overlap: bool = False,
    uem: Scored | None = None,
    *,
    mapping: Mapper = "scored",
    merge_touching: bool = False,
    span: Span = "both",
) -> DiarizationReport:
    """DER with its components and JER, of all files together and of each; arguments as `der`.

    Raises `ValueError` as `der`, but a reference without scored speech gives a NaN.
    """
    recordings = _Recordings.of(reference, hypothesis, collar, uem, merge_touching, span)
    ticks, (speakers, jaccard) = _der_parts(recordings, skip_overlap, mapping), _jer_parts(recordings.whole)
    columns = [*(part / TICKS for part in ticks), speakers, jaccard]
    rows = zip(recordings.given.files, *(column.tolist() for column in columns), strict=True)
    files = {name: Errors(*values) for name, *values in rows}
    # Summed in ticks and by fsum, so that the order of the files does not matter.
    total, miss, false_alarm, confusion = (int(part.sum()) / TICKS for part in ticks)
    return DiarizationReport(total, miss, false_alarm, confusion, int(speakers.sum()), math.fsum(jaccard), files)


@dataclass(frozen=True, eq=False)
class _Recordings:
    given: Given
    tape: Tape
    outside: Intervals  # what the UEM leaves out, or NOSCORE takes out
    unscored: Intervals
    collar: int  # ticks

    @classmethod
    def of(
        cls,
        reference: Speech,
        hypothesis: Speech,
        collar: float,
        uem: Scored | None,
        merge_touching: bool,
        span: Span = "both",
    ) -> _Recordings:
        if not 0 <= collar <= 1e6:
            raise ValueError(f"collar must be seconds from 0 to a million, got {collar}")
        given, width = gather(reference, hypothesis, uem, span), round(collar * TICKS)
        return cls(given, *lay(given, width, merge_touching), width)

    @property
    def whole(self) -> Tape:
        """All time of the UEM."""
        return self.tape.cut(*self.outside) if self.outside[0].size else self.tape

    def scored(self, skip_overlap: bool) -> Tape:
        """The time of the UEM without collars, what is unscored and, if so wished, overlap in the reference."""
        cuts = [self.outside, self.unscored] if self.unscored[0].size else [self.outside]
        if self.collar:
            boundaries = self.tape.reference.boundaries()
            cuts.append((boundaries - self.collar, boundaries + self.collar))
        if skip_overlap:
            cuts.append(self.tape.reference.overlap())
        if len(cuts) == 1:
            return self.whole
        return self.tape.cut(*(np.concatenate(side) for side in zip(*cuts, strict=True)))


def _der_parts(recordings: _Recordings, skip_overlap: bool, mapping: Mapper) -> tuple[Ints, Ints, Ints, Ints]:
    """Total, miss, false alarm and confusion per file, in ticks."""
    if mapping not in ("scored", "all"):
        raise ValueError(f"mapping must be scored or all, got {mapping!r}")
    tape = recordings.scored(skip_overlap)
    shared = tape.shared()
    chosen = _assigned(shared if mapping == "scored" else recordings.whole.shared())
    correct = np.array([table[pairs].sum() for table, pairs in zip(shared, chosen, strict=True)], np.int64)
    total, claimed = (sums(side.file, side.spoken(), len(shared)) for side in (tape.reference, tape.hypothesis))
    together = tape.together()
    return total, total - together, claimed - together, together - correct


def _jer_parts(tape: Tape) -> tuple[Ints, Floats]:
    """Per file: reference speakers, and the sum of their Jaccard errors."""
    spoken, claimed = tape.reference.spoken(), tape.hypothesis.spoken()
    files = tape.edges.size - 1
    rows, columns = (np.searchsorted(side.file, np.arange(files + 1)) for side in (tape.reference, tape.hypothesis))
    ratios = []
    for file, both in enumerate(tape.shared()):
        either = spoken[rows[file] : rows[file + 1], None] + claimed[columns[file] : columns[file + 1]] - both
        ratios.append(both / np.maximum(either, 1))
    gained = np.array([ratio[pairs].sum() for ratio, pairs in zip(ratios, _assigned(ratios), strict=True)], np.float64)
    speakers = sums(tape.reference.file, spoken > 0, files)
    return speakers, speakers.astype(np.float64) - gained


def _assigned(gains: Sequence[NDArray[np.generic]]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Of every matrix the pairs (row, column) that gain most when each row and column is used once at most."""
    from scipy.optimize import linear_sum_assignment

    return [linear_sum_assignment(matrix, maximize=True) for matrix in gains]
