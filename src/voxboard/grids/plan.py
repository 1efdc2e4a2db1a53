"""The plan of a grid: its cells, their states, and the jobs of cells that can be trained together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from voxboard import benchmarks
from voxboard.data.catalogue import find_corpus
from voxboard.errors import UserError
from voxboard.grids.identity import Named, Names
from voxboard.grids.spec import Cell
from voxboard.grids.workspace import Workspace
from voxboard.records import Record
from voxboard.records.provenance import package_versions
from voxboard.training import search
from voxboard.training.config import General, RunConfig, Training, training_of
from voxboard.training.start import bank_key, created

State = Literal["done", "missing", "failed"]


@dataclass(frozen=True)
class RunSettings:
    """Settings for carrying out the cells of a grid; none of them changes a number."""

    grid: str
    device: str = "auto"
    workers: int = 0  # processes that read audio, per job
    strict: bool = False  # redo cells that were made with other versions of packages


@dataclass(frozen=True)
class Job:
    """Cells that are carried out together: one, or a bank on one frozen backbone."""

    cells: tuple[Named, ...]

    @property
    def bank(self) -> bool:
        return len(self.cells) > 1

    @property
    def staging(self) -> str:
        """The name of the folder that its records go to first."""
        return f"bank-{self.cells[0].id}" if self.bank else self.cells[0].id

    @property
    def forwards_saved(self) -> int:
        """Batches that the backbone need not hear again."""
        training = self.cells[0].cell.training
        if training is None or not self.cells[0].cell.frozen:
            return 0
        probes = sum(max(1, len(named.cell.rates)) for named in self.cells)
        return (probes - 1) * training.nb_total_step * training.accumulate


@dataclass(frozen=True)
class Plan:
    """The cells of a grid, each with its record so far."""

    cells: tuple[Named, ...]
    records: dict[str, Record]  # by cell id

    def state(self, cell: Named) -> State:
        record = self.records.get(cell.id)
        return "missing" if record is None else "failed" if record.status == "failed" else "done"

    def aged(self, cell: Named) -> str:
        """Packages that a cell with numbers was made with, where other versions are installed now: `torch 2.10.0`."""
        record = self.records.get(cell.id)
        if record is None or record.status == "failed":
            return ""
        return ", ".join(f"{name} {version}" for name, version in other_versions(record).items())

    def outdated(self) -> list[Named]:
        """Cells with numbers that `aged`, or whose number comes from the run of one that did."""
        aged = {cell.id for cell in self.cells if self.aged(cell)}
        return [cell for cell in self.having("done") if cell.id in aged or cell.base in aged]

    def todo(self, retry: bool, strict: bool) -> list[Named]:
        """The cells to carry out: missing ones, with `retry` failed ones, and with `strict` outdated ones."""
        wanted = self.having("missing", "failed") if retry else self.having("missing")
        ids = {cell.id for cell in (*wanted, *(self.outdated() if strict else ()))}
        return [cell for cell in self.cells if cell.id in ids]

    def having(self, *states: State) -> list[Named]:
        """The cells in some states, in the order of the grid."""
        return [cell for cell in self.cells if self.state(cell) in states]


def other_versions(record: Record) -> dict[str, str]:
    """Packages that a record was made with, where other versions are installed now."""
    then, now = dict(record.provenance.packages), _installed()
    then.pop("voxboard", None)  # its code is in the name of the cell
    return {name: version for name, version in then.items() if now.get(name, version) != version}


@cache
def _installed() -> dict[str, str]:
    return package_versions()


def make(cells: Sequence[Cell], workspace: Workspace) -> Plan:
    """Name all cells and look up their records. Equal cells are one.

    Raises `UserError` for candidates that no validation can choose among.
    """
    for cell in cells:
        _check_choice(cell)
    names = Names()
    named = {cell.id: cell for cell in map(names.named, cells)}
    filed = {cell: record for cell in named if (record := workspace.record(cell)) is not None}
    return Plan(tuple(named.values()), filed)


def _check_choice(cell: Cell) -> None:
    if not cell.rates or cell.base is not None:
        return
    corpus = find_corpus(benchmarks.card(cell.data).corpus)
    if not created(cell.benchmark).has_validation(corpus):
        raise UserError(
            f"{corpus.name} has no validation split, which would choose one of {len(cell.rates)} learning rates.",
            "Name one max_lr in the grid, or prepare the corpus with a validation split.",
        )


def jobs(cells: Sequence[Named], workspace: Workspace, how: RunSettings) -> list[Job]:
    """Group cells that can be trained together into one job, at the place of its first cell."""
    groups: dict[str, list[Named]] = {}
    for named in cells:
        cell = named.cell
        key = bank_key(config(named, workspace, how)) if cell.trained and cell.base is None else ""
        groups.setdefault(f"{key} {bool(cell.rates)}" if key else named.id, []).append(named)
    return [Job(tuple(group)) for group in groups.values()]


def config(named: Named, workspace: Workspace, how: RunSettings, staging: str = "") -> RunConfig:
    """The configuration of a cell's run."""
    cell = named.cell
    general = General(
        seed=cell.seed,
        device=how.device,
        workers=how.workers,
        frz_pretrain=cell.frozen,
        embedding_layer=cell.system.embedding_layer,
        runs=workspace.runs,
        records=workspace.staging / staging,
        description=f"{how.grid} grid",
    )
    training: Training = training_of(cell.system)
    return RunConfig(cell.data, cell.benchmark, cell.system, general, training, cell.evaluation)


def candidates(named: Named, workspace: Workspace, how: RunSettings, staging: str = "") -> tuple[RunConfig, ...]:
    """The configurations of a cell's run with each of its learning rates."""
    first = config(named, workspace, how, staging)
    return tuple(search.with_rate(first, rate) for rate in named.cell.rates)
