"""Estimates of what a grid needs: hours (from records of similar cells, else from multiply-adds), disk and memory.

A job needs memory for weights, with what the optimizer keeps, and for the activations of a batch.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voxboard import benchmarks, catalogue, records
from voxboard.data.catalogue import find_corpus
from voxboard.errors import UserError
from voxboard.grids.identity import Named
from voxboard.grids.plan import Job
from voxboard.grids.spec import Cell
from voxboard.grids.workspace import Workspace
from voxboard.parts import Part
from voxboard.records import Record
from voxboard.training.config import Training, training_of

BACKWARD = 3  # a training step of a network costs so many forwards
EFFICIENCY = 0.3  # of what plain matrix products reach
PROCESS = 0.6e9  # bytes of Python with PyTorch and a corpus
WEIGHT = 4  # bytes
TRAINED = 4  # times a weight that is trained is there: itself, its gradient, and Adam's two moments
SECONDS = 3  # of audio that the catalogue's multiply-adds are of
# Bytes of a crop's activations are c × multiply-adds ** power: measured on CPUs from X-vector to WavLM-large, within a
# factor of two. Deep networks make more of every number that they keep.
WITH_GRADIENT, WITHOUT = (12.0, 0.73), (2900.0, 0.44)
PROBE = 1024  # rows of the matrices that the speed is measured on


@dataclass(frozen=True)
class GridEstimate:
    """Time, disk and memory that the missing cells of a grid need."""

    hours: float  # at so many jobs at a time
    disk_gb: float  # of the checkpoints
    memory_gb: float  # of the largest jobs that run at the same time
    from_records: int  # cells whose hours come from records of earlier ones
    unknown: int  # cells of backbones that nobody has measured: they count nothing

    def check(self, max_hours: float, max_disk_gb: float, max_memory_gb: float, workspace: Workspace) -> None:
        """Raise `UserError` above a limit (0: none), or for more than the disk holds."""
        if max_hours and self.hours > max_hours:
            raise UserError(
                f"This takes about {self.hours:.2g} hours, more than --max_hours {max_hours:g}.",
                "Raise the limit, or leave cells out.",
            )
        if max_disk_gb and self.disk_gb > max_disk_gb:
            raise UserError(
                f"This takes about {self.disk_gb:.2g} GB of disk, more than --max_disk_gb {max_disk_gb:g}.",
                "Raise the limit, or leave cells out.",
            )
        if max_memory_gb and self.memory_gb > max_memory_gb:
            raise UserError(
                f"This takes about {self.memory_gb:.2g} GB of memory, more than --max_memory_gb {max_memory_gb:g}.",
                "Raise the limit, run fewer --jobs at a time, or make batches smaller.",
            )
        root = next(path for path in (workspace.root, *workspace.root.absolute().parents) if path.exists())
        free = shutil.disk_usage(root).free / 1e9
        if self.disk_gb > free:
            raise UserError(
                f"This takes about {self.disk_gb:.2g} GB of disk, and {free:.2g} GB are free.", "Make room."
            )


def estimate(jobs: Sequence[Job], at_once: int, earlier: Iterable[Record], speed: float) -> GridEstimate:
    """Estimate jobs; `speed` is in multiply-adds per second, `earlier` are the records that the grid has."""
    finished = [record for record in earlier if record.status == "ok"]
    seconds, remembered, unknown = 0.0, 0, 0
    for job in jobs:
        for number, named in enumerate(job.cells):
            cost = _remembered(named.cell, finished)
            if cost is not None:
                remembered += 1
            else:
                # In a bank the backbone runs once per batch, for the first.
                cost = _computed(named.cell, speed, number == 0)
                unknown += cost is None
            seconds += cost or 0.0
    disk = sum(_bytes(named) for job in jobs for named in job.cells) / 1e9
    largest = sorted((job_bytes(job) for job in jobs), reverse=True)[: max(at_once, 1)]
    return GridEstimate(seconds / 3600 / max(at_once, 1), disk, sum(largest) / 1e9, remembered, unknown)


def _remembered(cell: Cell, finished: Sequence[Record]) -> float | None:
    """Seconds, from cells with this backbone on this benchmark."""
    alike = [record for record in finished if _same(record.system.backbone, cell.system.backbone)]
    evaluations = [r.cost.wall_seconds for r in alike if r.benchmark.name == cell.title and r.cost.wall_seconds]
    if not evaluations:
        return None
    tested = sum(evaluations) / len(evaluations)
    training = cell.training
    if training is None or cell.base is not None:
        return tested
    steps = [per for r in alike if (per := _per_step(r, cell, training)) is not None]
    return tested + cell.trainings * training.nb_total_step * sum(steps) / len(steps) if steps else None


def _same(done: records.Part | None, asked: Part) -> bool:
    return done is not None and (done.name, dict(done.options)) == (asked.name, dict(asked.options))


def _per_step(record: Record, cell: Cell, training: Training) -> float | None:
    """Seconds of a step in a run with the same batches, validations included in its number of steps."""
    done = record.system.training
    if done is None or record.system.frozen != cell.frozen or not record.cost.training_steps:
        return None
    geometry = ("batch_size", "accumulate", "train_max_sec")
    if any(done.hyperparameters.get(name) != getattr(training, name) for name in geometry):
        return None
    return (record.cost.training_seconds or 0.0) / record.cost.training_steps


def _computed(cell: Cell, speed: float, hears: bool) -> float | None:
    """Seconds, from the multiply-adds of the backbone at its default options; None where they are unknown."""
    cost = catalogue.measured()["backbone"].get(cell.system.backbone.name, {}).get("multiply_adds")
    if cost is None:
        return None
    counts = find_corpus(benchmarks.card(cell.data).corpus).info.counts
    valid, test = (3600 * counts.get(split, {}).get("hours", 0.0) for split in ("valid", "test"))
    heard, training = valid + test, cell.training
    if training is not None and cell.base is None:
        rounds = -(-training.nb_total_step // training.nb_steps_eval)
        crops = training.nb_total_step * training.accumulate * training.batch_size
        taken = crops * (training.train_max_sec or SECONDS)
        once = rounds * valid + (taken * (1 if cell.frozen else BACKWARD) if hears else 0.0)
        # On a frozen backbone the candidates are a bank.
        heard += once * (1 if cell.frozen else cell.trainings)
    return heard / SECONDS * cost / speed


def _bytes(named: Named) -> float:
    """Of the best and the last checkpoint, with two moments of what is trained, and of those that are kept.

    A frozen backbone is not in them. Heads count as `voxboard list heads` has them, for a thousand classes or so.
    """
    cell = named.cell
    if not cell.trained or cell.base is not None:
        return 0.0
    sizes = catalogue.measured()
    learned = [(kind, part) for kind, part in cell.system.parts() if kind != "backbone" or not cell.frozen]
    trained = sum(sizes[kind].get(part.name, {}).get("parameters", 0) for kind, part in learned)
    whole = (2 + training_of(cell.system).keep_checkpoints) * trained
    return WEIGHT * cell.trainings * (whole + 2.0 * trained)


def job_bytes(job: Job) -> float:
    """Peak memory of a job, in bytes; what nobody has measured counts nothing."""
    cell = job.cells[0].cell
    sizes = catalogue.measured()
    backbone = sizes["backbone"].get(cell.system.backbone.name, {})
    learns = cell.trained and cell.base is None
    poolers = sum(
        sizes["pooler"].get(named.cell.system.pooler.name, {}).get("parameters", 0) * named.cell.trainings
        for named in job.cells
    )
    copies = TRAINED if learns and not cell.frozen else 1
    weights = WEIGHT * (copies * backbone.get("parameters", 0) + (TRAINED if learns else 1) * poolers)
    training = cell.training
    crops = training.batch_size * (training.train_max_sec or SECONDS) / SECONDS if training and learns else 1.0
    return PROCESS + weights + crops * activations(backbone.get("multiply_adds", 0), learns and not cell.frozen)


def activations(multiply_adds: float, gradient: bool) -> float:
    """Bytes that a network of so many multiply-adds for 3 s of audio holds for a crop of 3 s."""
    factor, power = WITH_GRADIENT if gradient else WITHOUT
    return factor * multiply_adds**power


def measured_speed(device: str) -> float:
    """Multiply-adds per second that networks can be expected to reach: a share of what matrix products do.

    On a CPU it is that of one thread, which is what a job has.
    """
    import torch

    from voxboard.devices import device_of

    processor, threads = device_of(device), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        matrix = torch.ones(PROBE, PROBE, device=processor)
        float((matrix @ matrix)[0, 0])
        started = time.perf_counter()
        float((matrix @ matrix @ matrix)[0, 0])
        return EFFICIENCY * 2 * PROBE**3 / (time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
