"""The cells of the demo: a grid of verification, and a few rows of every other task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec

from voxboard import benchmarks, systems
from voxboard.errors import UserError
from voxboard.grids import Cell, Grid, GridEntry, Tasks
from voxboard.parts import Part


def of_tasks(tasks: Tasks, grid: Grid, given: Mapping[str, str]) -> tuple[list[Cell], list[str]]:
    """The entries that can be done here, and a line for each that cannot; `given` has what entries ask for.

    Raises `UserError` for a system that is to come from the grid, which does not train it.
    """
    cells, skipped = [], []
    for entry in tasks.entries:
        if reason := _lacking(entry, given):
            skipped.append(f"{entry.data} {entry.task}: skipped: {reason}")
        else:
            cells.append(_cell(entry, grid, given))
    return cells, skipped


def _lacking(entry: GridEntry, given: Mapping[str, str]) -> str:
    if entry.package and find_spec(entry.package) is None:
        return entry.install
    if entry.asks and not given.get(entry.asks):
        return f"the demo downloads nothing; name one with --{entry.asks}"
    return ""


def _cell(entry: GridEntry, grid: Grid, given: Mapping[str, str]) -> Cell:
    benchmark = entry.benchmark
    if entry.asks:
        benchmark = Part(benchmark.name, {**benchmark.options, entry.asks: given[entry.asks]})
    if entry.weights == "verification":
        base = _trained(entry, grid)
        return replace(base, data=entry.data, benchmark=benchmark, base=base)
    system = systems.check(systems.parse(entry.system))
    system = replace(benchmarks.fitted(system, benchmark), training=dict(entry.training))
    return Cell(entry.data, benchmark, system, entry.seed, entry.weights == "trained")


def _trained(entry: GridEntry, grid: Grid) -> Cell:
    """The cell of the grid that trains an entry's system for verification."""
    for cell in grid.cells():
        same = (cell.system.name, cell.seed) == (entry.system, entry.seed)
        if same and cell.trained and cell.benchmark.name == benchmarks.DEFAULT_TASK:
            return cell
    raise UserError(f"The grid {grid.name} does not train {entry.system}.", "Name one of its cells.")


def corpora(cells: Sequence[Cell]) -> list[str]:
    """The corpora that some cells read, each once."""
    return list(dict.fromkeys(benchmarks.card(cell.data).corpus for cell in cells))
