"""Verification of a record that was made again: differences from the old numbers, and tolerances."""

from __future__ import annotations

from dataclasses import dataclass

from voxboard.errors import UserError, printable
from voxboard.records import Provenance, Record

TOLERANCE = 1e-3  # of another code version, package, processor or device: a tenth of a point


@dataclass(frozen=True)
class RepeatCheck:
    """One number of both records; `after` is None where the new one has none."""

    name: str  # a metric id, with its stratum in front
    before: float | None
    after: float | None
    close: bool


@dataclass(frozen=True)
class Repetition:
    """Outcome of making a record again."""

    command: str
    tolerance: float
    because: str  # why this tolerance
    protocol: tuple[str, str]  # before, after
    checks: tuple[RepeatCheck, ...]

    @property
    def holds(self) -> bool:
        """True if the protocol is the same and every number within the tolerance."""
        return self.protocol[0] == self.protocol[1] and all(check.close for check in self.checks)

    @property
    def largest(self) -> float:
        """The largest difference of two values."""
        both = ((check.before, check.after) for check in self.checks)
        return max((abs(after - before) for before, after in both if None not in (before, after)), default=0.0)  # type: ignore[operator]


def compare(record: Record, again: Record, command: str, tolerance: float | None = None) -> Repetition:
    """Compare a record with what its command made again, number by number.

    Values may differ by `tolerance`, or for values above one by this share of them; by default by nothing where code,
    packages, CPU and threads are the same, else by `TOLERANCE`. Raises `UserError` for code of the user's that has
    changed.
    """
    check_code(record, again.provenance.digests.get("user_code", ""), "the run's files")
    allowed, because = (tolerance, "as asked") if tolerance is not None else _tolerance(record, again)
    protocols = (record.protocol_id, again.protocol_id)
    return Repetition(command, allowed, because, protocols, tuple(_checks(record, again, allowed)))


def check_code(record: Record, now: str, where: str) -> None:
    """Raise `UserError` where the user's code is not what made the record."""
    before = record.provenance.digests.get("user_code", "")
    if before and now != before:
        raise UserError(
            f"The code in {printable(where)}, or what it imports, is not what made the record.",
            "Bring that code back, and verify again.",
        )


def _tolerance(before: Record, after: Record) -> tuple[float, str]:
    first, second = before.provenance, after.provenance
    differs = [
        name
        for name, alike in {
            "code version": _same_code(first, second),
            "packages": dict(first.packages) == dict(second.packages),
            "processor": (first.cpu, first.platform) == (second.cpu, second.platform),
            "threads": first.threads == second.threads,
            "device": first.device == second.device and first.device in ("cpu", ""),
        }.items()
        if not alike
    ]
    if differs:
        return TOLERANCE, f"not the same, or not known to be: {', '.join(differs)}"
    return 0.0, "same code, packages, processor and threads: equal bit for bit"


def _same_code(first: Provenance, second: Provenance) -> bool:
    """True if the code is known to be the same: by a clean revision, of a wheel by the digests in the records."""
    names = ("training_code", "measuring_code", "user_code")
    codes = [[provenance.digests.get(name, "") for name in names] for provenance in (first, second)]
    if not first.git_revision and not second.git_revision:
        return codes[0] == codes[1] and bool(codes[0][1])
    return first.git_revision == second.git_revision and first.git_dirty is False is second.git_dirty


def _checks(before: Record, after: Record, tolerance: float) -> list[RepeatCheck]:
    """Every number of the first record beside that of the second, where both are of one column."""
    new = _numbers(after, before) if before.protocol_id == after.protocol_id else _numbers(after)
    checks = []
    for name, value in _numbers(before).items():
        other = new.get(name)
        if value is None or other is None:
            checks.append(RepeatCheck(name, value, other, value is None and other is None and name in new))
        else:
            checks.append(RepeatCheck(name, value, other, abs(other - value) <= tolerance * max(1.0, abs(value))))
    return checks


def _numbers(record: Record, other: Record | None = None) -> dict[str, float | None]:
    """The numbers of a record, of those metrics that are the same column in the other one."""
    strata = [(f"{stratum.name} ", stratum.values) for stratum in record.groups]
    return {
        f"{where}{metric}": value.value
        for where, values in [("", record.values), *strata]
        for metric, value in values.items()
        if other is None or record.column(metric) == other.column(metric)
    }
