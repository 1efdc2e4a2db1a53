"""Train × test: systems that met several test corpora, and how much worse they are away from their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from voxboard.boards.gap import gap, signed, unit_of
from voxboard.boards.model import Board, BoardCell, BoardColumn, BoardRow, Panel
from voxboard.boards.test_sets import Family, TestSet, families, homes
from voxboard.charts.numbers import plain, show_interval
from voxboard.records import Value

SHADES = 6
ABOUT = (
    "A row is one set of weights, a column a test set. The generalisation gap is the mean over the test sets of other "
    "corpora less the value at home, on the corpus that the system was trained on (home less mean where higher is "
    "better): above zero it is worse elsewhere. A signed number beside a value is the gap of that test set alone."
)
NOTE = (
    "Test sets without a number are left out of the mean. There is no gap (–) without training, or without a number at "
    "home; home of a mixture are its parts. Corpora are told apart by their names, and what a published backbone heard "
    "before it was trained here does not count. A gap also holds how hard the test sets are: read it beside the other "
    "rows, down a column. Its interval follows from those of its values, as of independent ones (Zou and Donner 2008)."
)

Met = Mapping[int, tuple[Panel, BoardCell]]  # place of a test set → what became of a system there


@dataclass(frozen=True)
class CrossField:
    """One system on one test set; no panel where it was not run."""

    cell: BoardCell
    panel: Panel | None
    home: bool  # the corpus is one that the system was trained on
    shade: int = 0  # 0 (the worst of its column) to SHADES (the best)
    gap: Value | None = None  # to home; above zero is worse
    text: str = ""  # "+12.3"

    @property
    def value(self) -> Value | None:
        """The number that is shown; None where there is none."""
        return self.cell.value if self.cell.text else None


@dataclass(frozen=True)
class CrossLine:
    """One set of weights."""

    row: BoardRow
    weights: str  # the start of their digest, where the same row has several
    fields: tuple[CrossField, ...]  # one per test set
    gap: Value | None = None
    text: str = ""  # "+12.3 points"
    interval: str = ""
    away: int = 0  # test sets behind the gap …
    elsewhere: int = 0  # … of all that are not at home

    @property
    def partial(self) -> str:
        """`2 of 3 test sets` where some have no number."""
        return f"{self.away} of {self.elsewhere} test sets" if self.gap and self.away < self.elsewhere else ""

    @property
    def told(self) -> str:
        """Text behind the gap: `[10.0, 14.1] (2 of 3 test sets)`."""
        return f"{self.interval} {f'({self.partial})' if self.partial else ''}".strip()

    @property
    def full(self) -> str:
        """`+12.3 points [10.0, 14.1] (2 of 3 test sets)`, or `–`."""
        return f"{self.text} {self.told}".strip() or "–"


@dataclass(frozen=True)
class Cross:
    """The matrix of one family of test sets."""

    family: Family
    column: BoardColumn  # the metric
    sets: tuple[TestSet, ...]  # those of the family where one of the systems was
    lines: tuple[CrossLine, ...]  # by the test set at home, untrained ones last

    @property
    def title(self) -> str:
        return self.family.title

    @property
    def task(self) -> str:
        return plain(self.family.first.benchmark.task)


def crosses(board: Board) -> tuple[Cross, ...]:
    """The matrices of a board: one wherever a trained system has numbers on test sets of two corpora."""
    crosses = (_cross(family, board.rows) for family in families(board.panels))
    return tuple(cross for cross in crosses if cross)


def _cross(family: Family, rows: Sequence[BoardRow]) -> Cross | None:
    met = _met(family.sets)
    shared = [(row, weights, cells) for row in rows for weights, cells in met[row.id].items() if _crossed(cells)]
    if not any(row.system.trained for row, _, _ in shared):
        return None
    places = sorted({place for _, _, cells in shared for place in cells})
    sets = tuple(family.sets[place] for place in places)
    trained = [row.system.trained for row, _, _ in shared]
    shades = {place: _shades([cells.get(place) for _, _, cells in shared], trained) for place in places}
    several = Counter(row.id for row, _, _ in shared)
    lines = []
    for index, (row, weights, cells) in enumerate(shared):
        fields = (_field(row, family.sets[place], cells.get(place), shades[place][index]) for place in places)
        lines.append(_with_gap(CrossLine(row, plain(weights)[:8] if several[row.id] > 1 else "", tuple(fields))))
    lines = _told(sorted(lines, key=_order), family.first.main.digits)
    return Cross(family, family.first.main, sets, tuple(lines))


def _met(sets: Sequence[TestSet]) -> Mapping[str, Mapping[str, Met]]:
    """Row id → digest of the weights → what became of them; a failure, which has none, is that of all weights."""
    met: dict[str, dict[str, dict[int, tuple[Panel, BoardCell]]]] = defaultdict(lambda: defaultdict(dict))
    failed: list[tuple[str, int, tuple[Panel, BoardCell]]] = []
    for place, panel in ((place, panel) for place, one in enumerate(sets) for panel in one.panels):
        for row in panel.rows:
            cell, record = panel.cell(row, panel.main), panel.filed[row.id].record
            if record.status == "failed":
                failed.append((row.id, place, (panel, cell)))
                continue
            held = met[row.id][record.provenance.digests.get("weights", "")]
            if place not in held or _age(held[place][1]) < _age(cell):
                held[place] = panel, cell
    for row_id, place, there in failed:
        for held in met[row_id].values():
            held.setdefault(place, there)
    return met


def _age(cell: BoardCell) -> tuple[str, str]:
    assert cell.filed is not None
    return cell.filed.record.provenance.created, cell.filed.record.id


def _crossed(cells: Met) -> bool:
    return len({panel.benchmark.corpus for panel, cell in cells.values() if cell.text}) > 1


def _shades(column: Sequence[tuple[Panel, BoardCell] | None], trained: Sequence[bool]) -> list[int]:
    """The shade of each cell of a column: an untrained baseline, often far off, does not stretch the scale."""
    values = [there[1].value if there else None for there in column]
    numbers = [value.value if value else None for value in values]
    scale = [number for number, is_one in zip(numbers, trained, strict=True) if is_one and number is not None]
    low, high = min(scale, default=0.0), max(scale, default=0.0)
    if not high > low:
        return [0] * len(values)
    if all(value.better == "lower" for value in values if value):
        low, high = high, low
    shares = [0.0 if number is None else (number - low) / (high - low) for number in numbers]
    return [round(SHADES * min(1.0, max(0.0, share))) for share in shares]


def _field(row: BoardRow, one: TestSet, there: tuple[Panel, BoardCell] | None, shade: int) -> CrossField:
    panel, cell = there or (None, BoardCell(reason="not run"))
    return CrossField(cell, panel, one.panels[0].benchmark.corpus in homes(row.system), shade)


def _with_gap(line: CrossLine) -> CrossLine:
    """The line with the gap of each test set away from home, and of all of them."""
    home = [field.value for field in line.fields if field.home and field.value]
    away = [field.value for field in line.fields if not field.home and field.value]
    elsewhere = sum(not field.home for field in line.fields)
    if not home or not away:
        return replace(line, away=len(away), elsewhere=elsewhere)
    fields = tuple(
        replace(field, gap=gap([field.value], home)) if not field.home and field.value else field
        for field in line.fields
    )
    return replace(line, fields=fields, gap=gap(away, home), away=len(away), elsewhere=elsewhere)


def _told(lines: Sequence[CrossLine], digits: int) -> list[CrossLine]:
    """The lines with their gaps as text, with as many decimals as their metric."""
    sentences = []
    for line in lines:
        fields = tuple(replace(f, text=signed(f.gap, digits)) if f.gap else f for f in line.fields)
        text = f"{signed(line.gap, digits)} {unit_of(line.gap.unit)}".strip() if line.gap else ""
        interval = show_interval(line.gap, digits) if line.gap else ""
        sentences.append(replace(line, fields=fields, text=text, interval=interval))
    return sentences


def _order(line: CrossLine) -> tuple[bool, int]:
    """Untrained last, the others by where they are at home, so that home runs down the diagonal."""
    homes = [place for place, field in enumerate(line.fields) if field.home]
    return not line.row.system.trained, homes[0] if homes else len(line.fields)
