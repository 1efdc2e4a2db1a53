"""What a job of a grid will need of memory: weights with what the optimiser keeps, and the activations of a batch."""

from __future__ import annotations

from voxboard import catalogue
from voxboard.grids.plan import Job

PROCESS = 0.6e9  # bytes of Python with PyTorch and a corpus
WEIGHT = 4  # bytes
TRAINED = 4  # times a weight that is trained is there: itself, its gradient, and Adam's two moments
SECONDS = 3  # of audio that the catalogue's multiply-adds are of
# Bytes of a crop's activations are c × multiply-adds ** power: measured on CPUs from X-vector to WavLM-large, within a
# factor of two. Deep networks make more of every number that they keep.
WITH_GRADIENT, WITHOUT = (12.0, 0.73), (2900.0, 0.44)


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
