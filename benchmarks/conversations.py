"""The recordings of a split with the turns of their reference, as diarization scores them."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxboard.benchmarks.base import Items
from voxboard.data.corpus import Corpus, speakers_of
from voxboard.diarization import Conversation
from voxboard.diarization.regions import spoken
from voxboard.errors import UserError
from voxboard.metrics.diarization import DiarizationReport, Errors, score
from voxboard.metrics.rttm import Region, Turn

if TYPE_CHECKING:
    from lhotse.cut import Cut

ERRORS = ("der", "miss", "false_alarm", "confusion", "jer")  # a system's rates


@dataclass(frozen=True)
class RecordingItems(Items):
    """Recordings, each a cut with a supervision per turn."""

    @property
    def speakers(self) -> np.ndarray:
        """[S] everybody who speaks, sorted."""
        return np.array(sorted({speaker for cut in self.cuts for speaker in speakers_of(cut)}), dtype=np.str_)

    @cached_property
    def conversations(self) -> tuple[Conversation, ...]:
        """The recordings as the pipeline takes them."""
        return tuple(Conversation(cut.id, cut, _turns(cut), _uem(cut)) for cut in self.cuts)

    @property
    def one_speaker(self) -> dict[str, list[Turn]]:
        """Baseline diarization: one speaker wherever anybody speaks."""
        return {one.name: [("one", *region) for region in spoken(one.reference or ())] for one in self.conversations}

    def first(self, count: int) -> RecordingItems:
        return replace(self, cuts=self.cuts[:count])

    def without(self, skipped: set[str]) -> RecordingItems:
        """All but those whose audio could not be read; the digest stays that of the whole."""
        return replace(self, cuts=tuple(cut for cut in self.cuts if cut.id not in skipped))

    def score(self, turns: Mapping[str, Sequence[Turn]], collar: float, skip_overlap: bool) -> DiarizationReport:
        """The errors of turns, in all and per recording. Raises `UserError` when no reference speech is scored."""
        reference = {one.name: list(one.reference or ()) for one in self.conversations}
        uem = {one.name: one.scored for one in self.conversations}
        errors = score(reference, turns, collar, skip_overlap, uem)
        if not errors.total:
            raise UserError(
                f"No speech of the {self.split} recordings of {self.corpus.name} is scored.",
                "Check the reference and the UEM, or lower --collar.",
            )
        return errors


@dataclass(frozen=True)
class DiarizationScores:
    """The errors of a system, and those of `one_speaker`, of the same recordings."""

    system: DiarizationReport
    one: DiarizationReport

    def columns(self, rate: str) -> tuple[np.ndarray, np.ndarray]:
        """[F], [F]: what a rate counts in every recording, and what it is a share of."""
        if rate == "jer":
            return self._sums("jaccard"), self._sums("speakers")
        if rate == "der_one_speaker":
            return self._errors(self.one), self._sums("total")
        return (self._errors(self.system) if rate == "der" else self._sums(rate)), self._sums("total")

    def of_each(self, rate: str) -> list[float]:
        """[F] the rate of every recording, NaN where there is nothing that it is a share of."""
        above, below = self.columns(rate)
        return [a / b if b else math.nan for a, b in zip(above.tolist(), below.tolist(), strict=True)]

    def write(self, path: Path, rates: Sequence[str], speakers: Mapping[str, int] | None = None) -> None:
        """A table of the recordings: seconds, speakers, how many were `found` where that is known, and the rates."""
        columns = [self.of_each(rate) for rate in rates]
        with open(path, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["recording", "seconds", "speakers", *(["found"] if speakers else []), *rates])
            for (name, errors), *values in zip(self.system.files.items(), *columns, strict=True):
                count = [speakers[name]] if speakers else []
                cells = ["" if math.isnan(value) else value for value in values]
                rows.writerow([name, errors.total, errors.speakers, *count, *cells])

    def _sums(self, name: str) -> np.ndarray:
        return np.array([getattr(errors, name) for errors in self.system.files.values()], np.float64)

    @staticmethod
    def _errors(report: DiarizationReport) -> np.ndarray:
        def seconds(errors: Errors) -> float:
            return errors.miss + errors.false_alarm + errors.confusion

        return np.array([seconds(errors) for errors in report.files.values()], np.float64)


def recordings(corpus: Corpus, split: str) -> RecordingItems:
    """The recordings of a split in the order of their names. Raises `UserError` for a corpus of utterances."""
    cuts = tuple(sorted(corpus.recordings(split), key=lambda cut: cut.id))
    digest = hashlib.sha256()
    for cut in cuts:
        digest.update(f"{cut.id}\t{cut.duration}\t{_turns(cut)}\t{_uem(cut)}\n".encode())
    return RecordingItems(corpus, split, cuts, digest.hexdigest())


def _turns(cut: Cut) -> list[Turn]:
    return [(str(one.speaker), float(one.start), float(one.end)) for one in cut.supervisions]


def _uem(cut: Cut) -> list[Region] | None:
    """Regions to be scored. Raises `UserError` for anything but a list of [start, end]."""
    given = (cut.custom or {}).get("uem")
    if given is None:
        return None
    try:
        regions = [(float(start), float(end)) for start, end in given]
    except (TypeError, ValueError):
        regions = [(0.0, -1.0)]
    if not all(0 <= start < end < float("inf") for start, end in regions):
        raise UserError(f"The UEM of {cut.id} in its manifest is not a list of (start, end).", "Prepare it again.")
    return regions
