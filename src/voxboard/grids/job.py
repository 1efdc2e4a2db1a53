"""Carrying out one job of a grid: every cell of it ends as a record, of numbers or of the reason why there are none."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from voxboard import api, benchmarks, records, trust
from voxboard.data.catalogue import find_corpus
from voxboard.errors import UserError
from voxboard.grids import again
from voxboard.grids.identity import Named
from voxboard.grids.plan import Job, RunSettings, candidates, config
from voxboard.grids.spec import Cell
from voxboard.grids.tuning import Tuned, reason_of, tune
from voxboard.grids.workspace import Workspace
from voxboard.records import Record
from voxboard.records.codec import encode
from voxboard.settings import Eval, Weights, words_for_paths
from voxboard.training import run_folder
from voxboard.training.search import SETTING


@dataclass(frozen=True)
class Result:
    """Outcome of a cell, and a line for the log."""

    cell: str  # its id
    well: bool
    line: str


def carry_out(job: Job, workspace: Workspace, how: RunSettings) -> list[Result]:
    """Carry out a job. A bank that fails as a whole is tried again cell by cell, so that only the guilty fail."""
    _name_parts(job)
    try:
        failed = _done(job, workspace, how)
    except Exception as error:
        if not job.bank:
            failed = {job.cells[0].id: reason_of(error)}
        else:
            done, left = _filed(job, workspace)
            return done + [result for named in left for result in carry_out(Job((named,)), workspace, how)]
    _file(job, workspace)
    for named in job.cells:
        if named.id in failed:
            record_failure(named, workspace, how, failed[named.id])
    return [_result(named, workspace) for named in job.cells]


def go_on(job: Job, workspace: Workspace, how: RunSettings) -> list[Result]:
    """Carry out what is left of a job: an earlier attempt at it may have finished some of its cells."""
    _name_parts(job)
    bases = {named.base for named in job.cells if named.base}
    with workspace.at_hand([named.id for named in job.cells], bases):
        done, left = _filed(job, workspace)
        return done + (carry_out(Job(tuple(left)), workspace, how) if left else [])


def _name_parts(job: Job) -> None:
    """Let files run that the grid names: whoever started it has named them, here or on another machine."""
    trust.name(*(str(part) for named in job.cells for _, part in named.cell.system.parts()))


def _done(job: Job, workspace: Workspace, how: RunSettings) -> dict[str, str]:
    """Leave records in the job's staging folder; returns cell id → reason for those that have none."""
    left = [each for each in job.cells if again.measured(each, workspace, how, job.staging) is None]
    return _made(replace(job, cells=tuple(left)), workspace, how, job.staging) if left else {}


def _made(job: Job, workspace: Workspace, how: RunSettings, staging: str) -> dict[str, str]:
    """Train the cells of a job, or evaluate its only one; returns cell id → reason for those that failed."""
    from voxboard.training import run

    named, cell = job.cells[0], job.cells[0].cell
    if cell.trained and cell.base is None:
        runs = [workspace.runs / each.id for each in job.cells]
        if cell.rates:
            tuned = zip(runs, (candidates(each, workspace, how, staging) for each in job.cells), strict=True)
            outcomes = tune([Tuned(home, configs) for home, configs in tuned])
        else:
            outcomes = run.train_bank([config(each, workspace, how, staging) for each in job.cells], runs, False)
        pairs = zip(job.cells, outcomes, strict=True)
        return {each.id: outcome.reason for each, outcome in pairs if outcome.reason}
    _evaluate(named, workspace, how)
    return {}


def _evaluate(named: Named, workspace: Workspace, how: RunSettings) -> Record:
    """Evaluate the run of another cell, or an untrained system."""
    cell = named.cell
    options = Eval(device=how.device, seed=cell.seed, records=workspace.staging / named.id, runs=workspace.runs)
    settings = (options, cell.evaluation, Weights())
    if cell.base is None:
        return api.measure(cell.system, cell.data, cell.benchmark, *settings, progress=False)
    base = workspace.record(named.base)
    if base is None or base.status == "failed":
        raise UserError(f"{cell.system.name} has no run for verification.", "Run the grid again.")
    return api.measure(run_folder.find(named.base, workspace.runs), cell.data, cell.benchmark, *settings)


def _filed(job: Job, workspace: Workspace) -> tuple[list[Result], list[Named]]:
    """File the records of a job. Return the results of the cells that are done, and the other cells."""
    _file(job, workspace)
    left = [named for named in job.cells if not _ok(workspace, named)]
    return [_result(named, workspace) for named in job.cells if named not in left], left


def _file(job: Job, workspace: Workspace) -> None:
    """Move a job's records to where they mean that cells are done."""
    staged = workspace.staging / job.staging
    for record in records.load(staged) if staged.is_dir() else ():
        workspace.keep(record.provenance.run if job.bank else job.cells[0].id, record)
    shutil.rmtree(staged, ignore_errors=True)


def record_failure(named: Named, workspace: Workspace, how: RunSettings, reason: str) -> None:
    """File a record that says why a cell has no number, unless there is one that says the same."""
    before = workspace.record(named.id)
    record = _failure(named, workspace, how, reason)
    if before is None or (before.status == "failed" and before.reason != records.portable(reason)):
        workspace.keep(named.id, record)


def _failure(named: Named, workspace: Workspace, how: RunSettings, reason: str) -> Record:
    """Record of a failure, made without building the system, which may be what failed."""
    from voxboard.evaluation.evaluate import benchmark_of

    cell, corpus = named.cell, find_corpus(benchmarks.card(named.cell.data).corpus)
    made = benchmarks.create(cell.benchmark.name, **cell.benchmark.options)
    parts: dict[str, Any] = {kind: records.Part(part.name, dict(part.options)) for kind, part in cell.system.parts()}
    if not cell.trained:
        parts.pop("head")
    training = None
    if cell.training:
        settings = words_for_paths(asdict(cell.training))
        training = records.Training(
            corpus.name, licence=corpus.info.licence, hyperparameters=settings, search=_tried(cell)
        )
    return Record(
        system=records.System(
            cell.system.name,
            "+".join(str(part) for kind, part in cell.system.parts() if kind in parts),
            **parts,
            training=training,
            frozen=cell.frozen,
        ),
        benchmark=benchmark_of(made, made.name, corpus, "test"),
        protocol=None,
        provenance=records.collect(seed=cell.seed, arguments=_words(named, workspace, how)),
        status="failed",
        reason=reason,
    )


def _tried(cell: Cell) -> dict[str, Any]:
    """Candidates of a cell that has no number; its reason says how each of them ended."""
    if not cell.rates or cell.training is None:
        return {}
    tried = tuple(records.Candidate(rate) for rate in cell.rates)
    return dict(encode(records.Search(SETTING, cell.training.nb_total_step, tried), sparse=True))


def _words(named: Named, workspace: Workspace, how: RunSettings) -> Sequence[str]:
    """The command that fails in the same way."""
    if named.cell.trained:
        return config(named, workspace, how).command()
    return ["eval", named.cell.data, named.cell.system.name, "--seed", str(named.cell.seed)]


def _ok(workspace: Workspace, named: Named) -> bool:
    record = workspace.record(named.id)
    return record is not None and record.status != "failed"


def _result(named: Named, workspace: Workspace) -> Result:
    """Summarize the record of a cell in one line."""
    from voxboard.shown import show

    record = workspace.record(named.id)
    assert record is not None
    about = describe(named.cell, record)
    if record.status == "failed":
        return Result(named.id, False, f"{'failed':28}{about}: {record.reason}")
    metric = record.metric(record.benchmark.main_metric)
    return Result(named.id, True, f"{metric.name} {show(record.values[metric.id], metric.digits)}".ljust(28) + about)


def describe(cell: Cell, record: Record | None = None) -> str:
    """A cell in one line, with the learning rate that its record says was chosen."""
    word = "trained" if cell.trained else record.system.origin if record else "as it is"
    return f"{word:<9}  {cell.title}: {cell.system.name}, seed {cell.seed}{_rate(cell, record)}"


def _rate(cell: Cell, record: Record | None) -> str:
    """`, max_lr 0.003 of 0.001, 0.003`; empty for what is not trained."""
    if cell.training is None:
        return ""
    if not cell.rates:
        return f", max_lr {cell.training.max_lr:g}"
    tried = record.system.training.tried if record and record.system.training else None
    chosen = "one" if tried is None or tried.chosen is None else f"{tried.chosen:g}"
    return f", max_lr {chosen} of {', '.join(f'{rate:g}' for rate in cell.rates)}"
