"""Sources of plots: records by path, folder or system name, and the score files that evaluations write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from voxboard.boards.arrange import rows_of
from voxboard.boards.model import BoardRow
from voxboard.charts.numbers import plain
from voxboard.charts.operating import Point
from voxboard.charts.titles import tell_apart, title
from voxboard.errors import UserError, unknown
from voxboard.plots.style import Source
from voxboard.records import Curves, Filed, Record, System, Unread, read, survey

_EVALUATE = "Evaluate again, or plot the score file of the run."


@dataclass(frozen=True)
class Plotted:
    """A system with what there is to draw: its record, or its scores [n] with labels [n]."""

    name: str
    origin: str  # where it was found
    record: Record | None = None
    scores: Any = field(default=None, repr=False)
    labels: Any = field(default=None, repr=False)
    digest: str = ""  # of the trial list

    @property
    def protocol(self) -> str:
        """Protocol in words, which must be equal on one DET plot."""
        return f"protocol {self.record.protocol_id}" if self.record else f"list {self.digest[:12]}"

    @property
    def source(self) -> Source:
        """Curves or scores. Raises `UserError` for a record that was written without curves."""
        if self.record is None:
            return self.scores, self.labels
        if self.record.curves is None:
            raise UserError(f"{self.origin} has no curves: it was written before records kept them.", _EVALUATE)
        return self.record.curves

    @property
    def likelihood_ratios(self) -> Source:
        """Like `source`, with calibrated scores behind it."""
        curves = self.source
        if isinstance(curves, Curves) and not curves.log_odds:
            raise UserError(f"{self.origin} has no calibrated scores.", "They need a validation list to be made on.")
        return curves

    def operating_point(self, threshold: float | None) -> Point | None:
        """The (FAR, FRR) at a threshold, of a record at that of its validation list; None where it is not known."""
        if self.record:
            pair = [self.record.values.get(f"{name}@valid_threshold") for name in ("far", "frr")]
            rates = [value.value for value in pair if value and value.value is not None]
            return (rates[0], rates[1]) if len(rates) == 2 else None
        if threshold is None:
            return None
        from voxboard.metrics.detection import far_frr

        return far_frr(self.scores, self.labels, threshold)

    def threshold(self) -> float | None:
        """The score that decides: the validation list's, else that of the main metric."""
        if self.record is None:
            return None
        for metric in ("far@valid_threshold", self.record.benchmark.main_metric):
            value = self.record.values.get(metric)
            if value and value.threshold is not None:
                return value.threshold
        return None


def collect(
    words: Sequence[str],
    records: Path,
    corpus: str = "",
    protocol: str = "",
    left_out: list[tuple[Path, Unread]] | None = None,
) -> list[Plotted]:
    """The systems that some words name: files, folders of records, or systems with a record below `records`.

    `corpus` and `protocol` (the start of an id) choose among records; of repetitions the newest counts. Names are
    made distinct. Files in folders that are no valid records go to `left_out`, with their folder. Raises `UserError`
    that says what was not found, and without `left_out` what is no valid record.
    """
    library = _Library(records, corpus, protocol, left_out)
    subjects = [subject for word in words for subject in _subjects(word, library)]
    if not subjects:
        where = f" on {corpus}" if corpus else ""
        raise UserError(
            f"{', '.join(words)} holds no record with numbers{where}.", "voxboard board lists what there is."
        )
    return _told_apart(subjects)


def same_protocol(subjects: Sequence[Plotted]) -> None:
    """Raise `UserError` unless all systems were scored under one protocol, or on one list where only that is known."""
    first, digests = subjects[0], {subject.digest for subject in subjects}
    protocols = {subject.record.protocol_id for subject in subjects if subject.record}
    if len(protocols) > 1 or len(digests) > 1:
        other = next(s for s in subjects if (s.protocol, s.digest) != (first.protocol, first.digest))
        raise UserError(
            f"{first.name} has {first.protocol}, {other.name} has {other.protocol}: their errors cannot share a plot.",
            f"Choose one with --corpus or {_protocol_flag(protocols)}, or evaluate both on the same list.",
        )


def _protocol_flag(protocols: Iterable[str]) -> str:
    """Flag that chooses one protocol: `--protocol 1a2b3c4d or 5e6f7a8b`, three at most."""
    return f"--protocol {' or '.join(one[:8] for one in sorted(protocols)[:3])}".rstrip()


@dataclass(frozen=True)
class _Library:
    """Records in which systems are looked up by name, and filters on them."""

    records: Path
    corpus: str
    protocol: str
    left_out: list[tuple[Path, Unread]] | None

    def chosen(self, folder: Path) -> list[Filed]:
        """The records of a folder that count."""
        records = survey(folder)
        if self.left_out is None:
            records.complete(folder)
        else:
            unread = [(folder, one) for one in records.unread]
            self.left_out.extend(one for one in unread if one not in self.left_out)
        return _chosen(records.filed, self.corpus, self.protocol)


def _subjects(word: str, library: _Library) -> list[Plotted]:
    path = Path(word)
    if path.is_dir():
        return _of_records(library.chosen(path), word)
    if path.suffix == ".json" and path.is_file():
        return _of_records([Filed(word, read(path))], "")
    if path.is_file():
        return [_of_scores(path)]
    if path.suffix in (".json", ".txt", ".gz") or len(path.parts) > 1:
        raise UserError(f"There is no file {word}.", "Pass a record, a score file, a folder of records, or a system.")
    filed = library.chosen(library.records)
    named = [item for item in filed if word.casefold() in map(str.casefold, _called(item.record.system))]
    if not named:
        raise unknown("system", word, {name for item in filed for name in _called(item.record.system)})
    return _of_records(named, str(library.records))


def _called(system: System) -> tuple[str, str]:
    """The names that a system goes by: what was typed, and what boards call it."""
    return system.name, title(system)


def _chosen(filed: Iterable[Filed], corpus: str, protocol: str) -> list[Filed]:
    """The newest record with numbers of each cell, on one corpus and protocol where they are asked for."""
    newest: dict[str, Filed] = {}
    for item in sorted(filed, key=lambda item: (item.record.provenance.created, item.path)):
        record = item.record
        fits = not corpus or record.benchmark.corpus.casefold() == corpus.casefold()
        if record.status != "failed" and fits and record.protocol_id.startswith(protocol):
            newest[record.cell] = item
    return sorted(newest.values(), key=lambda item: item.path)


def _of_records(filed: Sequence[Filed], folder: str) -> list[Plotted]:
    subjects = []
    for path, record in ((item.path, item.record) for item in filed):
        if record.protocol is None:
            raise UserError(f"{path} holds no numbers: {record.reason}.", "Evaluate again.")
        origin, digest = str(Path(folder) / path), record.protocol.items.digest
        subjects.append(Plotted(title(record.system), origin, record, digest=digest))
    return subjects


def _of_scores(path: Path) -> Plotted:
    """Scores with labels, as evaluations and other toolkits write them."""
    from voxboard.imported import scores

    try:
        table = scores.read(path)
        trials = table.trials()
    except UserError as error:
        reason = error.problem.removeprefix(f"{path} ").rstrip(".")
        raise UserError(f"{path} is no score file ({reason}).", "Each line is: label enrol test score.") from error
    name = path.name.removesuffix(".gz").removesuffix(".txt").removesuffix(".csv")
    return Plotted(name, str(path), None, table.scores, trials.labels, trials.digest())


def _told_apart(subjects: list[Plotted]) -> list[Plotted]:
    """Namesakes get what differs: corpora, what was measured, seed, settings, or at last a number."""
    rows = rows_of(subject.record for subject in subjects if subject.record)
    names = [rows[subject.record.row].label if subject.record else subject.name for subject in subjects]
    numbers = [f"#{1 + names[:place].count(name)}" for place, name in enumerate(names)]
    apart = tell_apart(names, [_features(subject, rows) for subject in subjects], numbers)
    return [
        replace(subject, name=f"{name} ({hint})" if hint else name)
        for subject, name, hint in zip(subjects, names, apart, strict=True)
    ]


def _features(subject: Plotted, rows: Mapping[str, BoardRow]) -> tuple[str, ...]:
    if subject.record is None:
        return plain(Path(subject.origin).parent.name), "", "", "", ""
    benchmark, row = subject.record.benchmark, rows[subject.record.row]
    measured = benchmark.name.removeprefix(benchmark.corpus).strip()
    return row.trained_on, *map(plain, (f"on {benchmark.corpus}", measured)), f"seed {row.seed}", row.variant
