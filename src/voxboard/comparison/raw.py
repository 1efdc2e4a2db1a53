"""Raw outputs of two evaluations: rows in one order, their speakers, and paired differences."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.errors import UserError
from voxboard.imported import speakers as known_speakers
from voxboard.metrics import bootstrap, paired
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.paired import Difference, Evidence
from voxboard.records import PackedEvidence

Thresholds = tuple[float | None, float | None]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Paired:
    """A metric of both sides, and its difference: the second less the first."""

    before: float
    after: float
    difference: Difference
    clusters: int
    better: str = "lower"
    unit: str = "fraction"

    @classmethod
    def of(
        cls, before: Interval, after: Interval, options: PairingOptions, better: str = "lower", unit: str = "fraction"
    ) -> Paired:
        """Pair both sides' values, to the precision of records: their difference is the same from either."""
        first, second = _packed(before), _packed(after)
        if first is None or second is None:
            difference = Difference(after.value - before.value, p=1.0 if before.value == after.value else None)
        else:
            difference = paired.difference(first, second, options.level)
        return cls(before.value, after.value, difference, after.clusters, better, unit)


@dataclass(frozen=True)
class PairingOptions:
    """Options of a pairing beside the two files."""

    speakers: Mapping[str, str] | None = None  # utterance → speaker, for files that have none beside them
    assumed: bool = False  # they are of the corpus that a record names: a list may call its utterances otherwise
    thresholds: Thresholds = (None, None)  # each side's operating point, for files that have none beside them
    replicates: int = 1000
    level: float = 0.95

    def resampling(self) -> dict[str, Any]:
        return {"replicates": self.replicates, "level": self.level}


def _packed(interval: Interval) -> Evidence | None:
    """The evidence of a value, as a record would keep it."""
    given = interval.evidence
    if given is None:
        return None
    moves, replicates = PackedEvidence.of(given.digest, given.influences, given.replicates).arrays()
    return replace(given, influences=moves, replicates=replicates)


def about(path: Path) -> Mapping[str, Any]:
    """Read the file beside raw outputs: `speakers` of utterances, and parameters `fixed` by validation."""
    stem = path.name.partition("-")[2].partition(".")[0]
    for name in (f"about-{stem}.json", f"about-{stem}.json.gz"):
        if (path.parent / name).is_file():
            content = _parsed(text(path.parent / name), path.parent / name)
            if isinstance(content, dict):
                return content
    return {}


def owners_of(paths: Sequence[Path], options: PairingOptions) -> Mapping[str, str] | None:
    """Utterance → speaker: as asked, else as a file's evaluation knew it, else as the corpus has it."""
    owners = next((speakers for path in paths if (speakers := about(path).get("speakers"))), None)
    return options.speakers if not options.assumed or owners is None else owners


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, gzipped or not. Raises `UserError`."""
    return [_parsed(line, path) for line in text(path).split("\n") if line.strip()]


def _parsed(line: str, path: Path) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        raise UserError(f"{path} cannot be read: {error}.", "Evaluate again.") from error


def text(path: Path) -> str:
    """The content of a text, gzipped or not. Raises `UserError`."""
    from voxboard import text_files

    return text_files.text(path, plain_ends=False)


def utterances(
    before: Path, after: Path, options: PairingOptions, *same: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], NDArray[np.str_]]:
    """The rows of two files in one order, and whose they are; what `same` names must not differ.

    Raises `UserError` for other utterances, and where nobody says who speaks.
    """
    owners = owners_of((before, after), options)
    if owners is None:
        raise UserError(f"Who speaks in {before} is not known here.", "Pass --speakers FILE or --speakers CORPUS.")
    tables = [{row["id"]: row for row in rows(path)} for path in (before, after)]
    names = sorted(tables[0])
    if names != sorted(tables[1]) or any(
        tables[0][name][key] != tables[1][name][key] for name in names for key in same
    ):
        raise UserError(f"{before} and {after} are of other utterances.", "Evaluate both on the same split.")
    first, second = ([table[name] for name in names] for table in tables)
    return first, second, known_speakers.of_each(names, owners)


def quotient(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide sums by sums, element by element."""
    return np.asarray(above / below)


def sums(
    statistic: Callable[..., NDArray[np.float64]],
    sides: Sequence[Sequence[NDArray[Any]]],
    owners: ArrayLike,
    options: PairingOptions,
    better: str = "lower",
) -> Paired:
    """A metric that follows from sums of columns; `sides` holds those of both."""
    before, after = (
        bootstrap.sums(statistic, *side, clusters=owners, share=True, **options.resampling()) for side in sides
    )
    return Paired.of(before, after, options, better)
