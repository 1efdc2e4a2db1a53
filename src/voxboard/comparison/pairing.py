"""Finding the raw outputs of two records, and the differences that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from voxboard.comparison import outputs
from voxboard.comparison.raw import Paired, PairingOptions, owners_of
from voxboard.errors import UserError
from voxboard.imported import speakers as known_speakers
from voxboard.records import Record, slug
from voxboard.records import outputs as kept

CLOSE = 1e-4  # how far a value of raw outputs may be from the record's: some outputs keep four digits


@dataclass(frozen=True)
class Pairs:
    """The paired differences of two records by metric id, or why there are none."""

    found: Mapping[str, Paired] = field(default_factory=dict)
    reason: str = ""

    def of(self, metric: str) -> Paired | None:
        """The difference of a metric; an id that ends in `@` stands for all that begin so."""
        return self.found.get(metric) or self.found.get(f"{metric.partition('@')[0]}@")

    def why(self, metric: str) -> str:
        """Reason why a metric has no paired difference; empty where it has one."""
        return "" if self.of(metric) else self.reason or "raw outputs do not tell it"


def pairs(first: Record, second: Record, homes: Sequence[Path], runs: Path, options: PairingOptions) -> Pairs:
    """The differences of two records of one protocol, whose outputs lie below `homes`, or in their run below `runs`.

    Who speaks is said by `options`, else by the outputs, else by the prepared corpus that the records name.
    """
    files = [_outputs_of(record, homes, runs) for record in (first, second)]
    lacking = [side for side, held in zip("AB", files, strict=True) if not held]
    if lacking:
        return Pairs(reason=f"no raw outputs of {' and '.join(lacking)}")
    options = replace(options, thresholds=(_threshold(first), _threshold(second)))
    paired: dict[str, Paired] = {}
    for name in files[0].keys() & files[1].keys():
        both = files[0][name], files[1][name]
        try:
            if owners_of(both, options) is None:
                options = replace(options, speakers=_speakers_of(first.benchmark.corpus))
            some = Pairs(outputs.paired(*both, options))
        except UserError as error:
            return Pairs(reason=str(error))
        # A later evaluation of a run with other settings leaves its outputs under the same name.
        if not (_belong(some, first, "before") and _belong(some, second, "after")):
            return Pairs(reason=f"{name} is not what the records were made of")
        paired |= some.found
    return Pairs(paired, "" if paired else "raw outputs of other kinds")


def _belong(pairs: Pairs, record: Record, side: str) -> bool:
    """True if raw outputs give the numbers that a record has."""
    values = {metric: value.value for metric, value in record.values.items() if value.value is not None}
    given = ((pairs.of(metric), value) for metric, value in values.items())
    return all(abs(getattr(pair, side) - value) <= CLOSE for pair, value in given if pair is not None)


def _outputs_of(record: Record, homes: Sequence[Path], runs: Path) -> dict[str, Path]:
    """The raw outputs of a record, by name: those that it names by digest, else what its run's folder holds."""
    digest = record.provenance.digests.get(kept.NAME, "")
    folder = kept.find(digest, homes) if digest else None
    if folder is not None:
        return {path.name.removesuffix(".gz"): path for path in sorted(folder.iterdir()) if outputs.is_raw(path)}
    run, protocol = record.provenance.run, record.protocol
    if not run or Path(run).name != run or run.startswith(".") or protocol is None:
        return {}
    stem = f"-{slug(record.benchmark.corpus)}-{protocol.items.digest[:8]}."
    files = sorted((runs / run).iterdir()) if (runs / run).is_dir() else []
    return {path.name.removesuffix(".gz"): path for path in files if stem in path.name and outputs.is_raw(path)}


def _threshold(record: Record) -> float | None:
    value = record.values.get("far@valid_threshold")
    return value.threshold if value else None


@cache
def _speakers_of(corpus: str) -> Mapping[str, str] | None:
    """Utterance → speaker; None where a record's corpus is not prepared here or holds no utterances."""
    try:
        return known_speakers.known(corpus)
    except UserError:
        return None
