"""What the demo does one by one: a system on a task, with weights that it trains, has, or takes from another run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard import benchmarks, systems
from voxboard.errors import UserError
from voxboard.grid import Entry, Grid, Tasks, Weights
from voxboard.systems import Part, System
from voxboard.training.config import Evaluation, General, RunConfig, Training, training_of

if TYPE_CHECKING:
    from voxboard.records import Record


@dataclass(frozen=True)
class Work:
    """One row of the board."""

    data: str
    benchmark: Part
    system: System
    seed: int
    weights: Weights

    @property
    def training(self) -> Training | None:
        return None if self.weights == "untrained" else training_of(self.system)

    @property
    def title(self) -> str:
        """As records call the benchmark: `Voices gender`."""
        made = benchmarks.create(self.benchmark.name, **self.benchmark.options)
        return f"{benchmarks.card(self.data).corpus} {made.name}"

    @property
    def key(self) -> str:
        """Equal to that of its record."""
        return _key(self.title, self.system.name, self.seed, asdict(self.training) if self.training else None)


def of_grid(grid: Grid) -> list[Work]:
    """Every cell untrained, then every cell trained, on verification."""
    task = Part(benchmarks.DEFAULT_TASK)
    kinds: tuple[Weights, Weights] = ("untrained", "trained")
    return [Work(grid.data, task, cell.system, cell.seed, weights) for weights in kinds for cell in grid.cells()]


def of_tasks(tasks: Tasks, grid: Grid, given: Mapping[str, str]) -> tuple[list[Work], list[str]]:
    """The entries that can be done here, and a line for each that cannot; `given` has what entries ask for.

    Raises `UserError` for a system that is to come from the grid, which does not train it.
    """
    found, skipped = [], []
    for entry in tasks.entries:
        if reason := _lacking(entry, given):
            skipped.append(f"{entry.data} {entry.task}: skipped: {reason}")
        else:
            found.append(_work(entry, grid, given))
    return found, skipped


def _lacking(entry: Entry, given: Mapping[str, str]) -> str:
    if entry.package and find_spec(entry.package) is None:
        return entry.install
    if entry.asks and not given.get(entry.asks):
        return f"the demo downloads nothing; name one with --{entry.asks}"
    return ""


def _work(entry: Entry, grid: Grid, given: Mapping[str, str]) -> Work:
    from voxboard.cli.train import fitted

    benchmark = entry.benchmark
    if entry.asks:
        benchmark = Part(benchmark.name, {**benchmark.options, entry.asks: given[entry.asks]})
    if entry.weights == "verification":
        cells = {(cell.system.name, cell.seed): cell.system for cell in grid.cells()}
        if (entry.system, entry.seed) not in cells:
            raise UserError(f"The grid {grid.name} does not train {entry.system}.", "Name one of its cells.")
        system = cells[entry.system, entry.seed]
    else:
        system = systems.check(systems.parse(entry.system))
        system = replace(fitted(system, benchmark), training=dict(entry.training))
    return Work(entry.data, benchmark, system, entry.seed, entry.weights)


def known(records: Path) -> set[str]:
    """The keys of what has a record already."""
    return {key_of(record) for record in _records(records)}


def _records(folder: Path) -> list[Record]:
    from voxboard.records import load

    return [record for record in load(folder) if record.status == "ok"] if folder.is_dir() else []


def key_of(record: Record) -> str:
    """The key of the work that made a record."""
    settings = record.system.training.hyperparameters if record.system.training else None
    return _key(record.benchmark.name, record.system.name, record.provenance.seed, settings)


def _key(title: str, system: str, seed: int, training: Mapping[str, Any] | None) -> str:
    settings = {name: value for name, value in (training or {}).items() if name != "speakers"}
    return json.dumps([title, system, seed, settings], sort_keys=True)


def carry_out(work: Work, out: Path, device: str, name: str) -> Record:
    """Trains where that is asked for, evaluates, and writes the record. `name` is that of the grid."""
    from voxboard.cli.eval import Eval
    from voxboard.training import run

    config = _config(work, out, device, name)
    options = Eval(device=device, seed=work.seed, records=out / "records", runs=out / "runs")
    if work.weights == "untrained":
        return run.evaluate_untrained(
            work.data, work.benchmark, work.system, options, config.evaluation, show_progress=False
        )
    if work.weights == "verification":
        from voxboard.training.config import Weights as Chosen

        return run.evaluate_run(work.data, work.benchmark, _run_of(work, out), options, config.evaluation, Chosen())
    _, record = run.train(config, show_progress=False)
    assert record is not None
    return record


def _run_of(work: Work, out: Path) -> str:
    """The run for verification that ended with this system. Raises `UserError` where there is none."""
    for record in _records(out / "records"):
        same = (record.system.name, record.provenance.seed) == (work.system.name, work.seed)
        if same and record.system.training and record.benchmark.task == benchmarks.DEFAULT_TASK:
            return record.provenance.run
    raise UserError(f"{work.system.name} has no run for verification.", "Run the demo again.")


def record_failure(work: Work, out: Path, device: str, name: str, reason: str) -> None:
    """Writes a record that says why there is no number."""
    from voxboard import model
    from voxboard.data.prepare import find_corpus
    from voxboard.records import Training as Trained
    from voxboard.training import evaluate

    config = _config(work, out, device, name)
    corpus = find_corpus(config.corpus)
    training = Trained(corpus.name, hyperparameters=asdict(work.training)) if work.training else None
    subject = evaluate.Subject(model.build(work.system, None, work.seed), work.system, work.seed, training=training)
    benchmark = benchmarks.create(work.benchmark.name, **work.benchmark.options)
    setting = evaluate.Setting(benchmark, config.evaluation, config.general.records, arguments=config.command())
    evaluate.failed(subject, corpus, reason, setting)


def _config(work: Work, out: Path, device: str, name: str) -> RunConfig:
    general = General(
        seed=work.seed,
        device=device,
        workers=0,
        runs=out / "runs",
        records=out / "records",
        description=f"{name} grid",
    )
    training = work.training or training_of(work.system)
    return RunConfig(work.data, work.benchmark, work.system, general, training, Evaluation())


def corpora(works: Sequence[Work]) -> list[str]:
    """The corpora that some works read, each once."""
    return list(dict.fromkeys(benchmarks.card(work.data).corpus for work in works))
