"""Score normalisation: a trial's score, measured against what its two sides score with a cohort of impostors.

    utterance a ──cosine──> its scores with the cohort ──the top k──> mean µ(a), deviation σ(a)     once per utterance
    z-norm (s − µ(enrol)) / σ(enrol)           Reynolds, "Comparison of background normalization methods", 1997
    t-norm (s − µ(test)) / σ(test)             Auckenthaler, Carey & Lloyd-Thomas, 2000
    s-norm ((s − µ(enrol)) / σ(enrol) + (s − µ(test)) / σ(test)) / 2                    Kenny, Odyssey 2010, symmetric
    as-norm: s-norm with the top k cohort scores of either side            Matějka et al., Interspeech 2017, AS-norm1

The cohort holds speakers whom neither side can be: those of the training set (see `cohort.mean_per_speaker`), which
voxboard keeps apart from the test speakers. An utterance of a cohort speaker would find itself among its impostors: µ
and σ rise, its targets are pushed down, and nothing here can notice.

σ is the population deviation (divided by k), as WeSpeaker has it; `std="sample"` divides by k − 1, as SpeechBrain's
recipe does. All scores then shrink by √(1 − 1/k) and thresholds with them; EER and minDCF do not change.

Cohort scores are computed block by block: memory is `memory_mib`, never utterances × cohort, and never by trial.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from queue import SimpleQueue
from typing import Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import Floats, as_floats
from voxboard.scoring.rows import Places, finite, matrix, places, sides

Std = Literal["population", "sample"]
Float64 = NDArray[np.float64]
BLOCK_ROWS = 512  # measured: a block of more rows leaves the caches, one of fewer starves the matrix product


class CohortOptions(TypedDict, total=False):
    """Options of cohort scores; `heads` and `clamp` as the trials' own scores were (see `cosine`)."""

    heads: int  # default 1
    clamp: bool  # default False
    memory_mib: float  # default 256
    workers: int  # default: one per processor that this process may use


@dataclass(frozen=True, eq=False)
class CohortStatistics:
    """`mean` and `std` [U] of every utterance's `top_k` highest cohort scores; NaN where not asked for."""

    mean: Float64
    std: Float64
    top_k: int

    def standardise(self, scores: Floats, side: Places) -> Float64:
        """(scores [N] − mean) / std of the utterances `side` [N]."""
        return (scores - self.mean[side]) / self.std[side]


def as_norm(
    scores: ArrayLike, embeddings: ArrayLike, enrol: ArrayLike, test: ArrayLike, cohort: ArrayLike,
    top_k: int = 300, std: Std = "population", **options: Unpack[CohortOptions],
) -> Float64:  # fmt: skip
    """Adaptive s-norm of scores [N]: each side is measured against the `top_k` cohort rows that are closest to it.

    `embeddings` [U, E] and `cohort` [C, E] are normalised rows, `enrol` and `test` [N] row numbers of `embeddings`.
    Raises `ValueError` for NaN, row numbers out of range, a `top_k` outside 2 … C, or constant cohort scores.
    """
    values, first, second = _trials(scores, embeddings, enrol, test)
    stats = statistics(embeddings, cohort, top_k, std, np.union1d(first, second), **options)
    return (stats.standardise(values, first) + stats.standardise(values, second)) / 2


def s_norm(
    scores: ArrayLike, embeddings: ArrayLike, enrol: ArrayLike, test: ArrayLike, cohort: ArrayLike,
    std: Std = "population", **options: Unpack[CohortOptions],
) -> Float64:  # fmt: skip
    """Symmetric normalisation: `as_norm` with the whole cohort."""
    return as_norm(scores, embeddings, enrol, test, cohort, len(matrix(cohort, "cohort")), std, **options)


def z_norm(
    scores: ArrayLike, embeddings: ArrayLike, enrol: ArrayLike, test: ArrayLike, cohort: ArrayLike,
    top_k: int | None = None, std: Std = "population", **options: Unpack[CohortOptions],
) -> Float64:  # fmt: skip
    """Zero normalisation: only the enrolment side is measured against the cohort (its `top_k` closest, default all)."""
    values, first, _ = _trials(scores, embeddings, enrol, test)
    return statistics(embeddings, cohort, top_k, std, np.unique(first), **options).standardise(values, first)


def t_norm(
    scores: ArrayLike, embeddings: ArrayLike, enrol: ArrayLike, test: ArrayLike, cohort: ArrayLike,
    top_k: int | None = None, std: Std = "population", **options: Unpack[CohortOptions],
) -> Float64:  # fmt: skip
    """Test normalisation: only the test side is measured against the cohort (its `top_k` closest, default all)."""
    return z_norm(scores, embeddings, test, enrol, cohort, top_k, std, **options)


def statistics(
    embeddings: ArrayLike, cohort: ArrayLike, top_k: int | None = None, std: Std = "population",
    rows: ArrayLike | None = None, *, heads: int = 1, clamp: bool = False, memory_mib: float = 256.0,
    workers: int | None = None,
) -> CohortStatistics:  # fmt: skip
    """Mean and deviation of the `top_k` (default: all) cohort scores of every utterance, or of those in `rows`.

    float32 rows give float32 products and float64 statistics; float64 rows give float64 throughout. Each of up to
    `workers` threads holds one block; as many start as fit into `memory_mib`. The result is the same bit for bit
    whatever their number. Raises `ValueError` like `as_norm`.
    """
    given, others = matrix(embeddings, "embeddings"), finite(matrix(cohort, "cohort"), "the cohort")
    asked = np.arange(len(given)) if rows is None else places(rows, len(given), "rows")
    count = len(others) if top_k is None else top_k
    _check(given, others, count, std, heads)
    kind = np.result_type(given, others)
    task = _Task(given, others.astype(kind, copy=False), count, count - (std == "sample"), heads, clamp)
    size, threads = _plan(task, kind.itemsize, memory_mib, workers)
    mean, deviation = np.full((2, len(given)), np.nan)
    buffers: SimpleQueue[Floats] = SimpleQueue()

    def run(start: int) -> None:
        block, buffer = asked[start : start + size], buffers.get()
        try:
            mean[block], deviation[block] = task.block(block, buffer)
        finally:  # also after an error, or the other threads would wait for ever
            buffers.put(buffer)

    starts = range(0, len(asked), size)
    for _ in range(min(threads, len(starts))):
        buffers.put(np.empty((size, len(others)), kind))
    with _one_blas_thread(), ThreadPoolExecutor(min(threads, len(starts)) or 1) as pool:
        list(pool.map(run, starts))
    return CohortStatistics(mean, deviation, count)


@dataclass(frozen=True, eq=False)
class _Task:
    """Arguments that all blocks share."""

    embeddings: Floats
    cohort: Floats
    top_k: int
    divisor: int  # of the sum of squares
    heads: int
    clamp: bool

    def block(self, rows: Places, buffer: Floats) -> tuple[Float64, Float64]:
        """(mean, deviation) of the top scores of some utterances."""
        given = self.embeddings[rows].astype(buffer.dtype, copy=False)
        scores = self._scores(given, buffer[: len(rows)])
        others = scores.shape[1] - self.top_k
        if others:
            scores.partition(others, axis=1)
        top = scores[:, others:].astype(np.float64)
        mean = top.mean(axis=1)
        with np.errstate(invalid="ignore"):  # of infinities: refused below
            top -= mean[:, None]
        deviation = np.sqrt(np.einsum("uk,uk->u", top, top) / self.divisor)
        self._refuse(rows, given, deviation)
        return mean, deviation

    def _scores(self, given: Floats, out: Floats) -> Floats:
        """[B, C] the cosines of a block with the cohort, as `cosine` computes those of trials."""
        if not self.clamp:
            return np.matmul(given, self.cohort.T, out=out)
        out[:] = 0.0
        pieces = zip(np.split(given, self.heads, axis=1), np.split(self.cohort, self.heads, axis=1), strict=True)
        for ours, others in pieces:
            cosines = ours @ others.T
            cosines *= self.heads
            out += np.clip(cosines, 0.0, 1.0, out=cosines)
        out /= self.heads
        return out

    def _refuse(self, rows: Places, given: Floats, deviation: Float64) -> None:
        """Raise where scores are not finite, or so close to one another that only rounding tells them apart."""
        rounding = 4 * np.finfo(given.dtype).eps * np.linalg.norm(given, axis=1) * self.longest
        bad = ~(deviation > rounding)  # NaN is no more than anything
        if bad.any():
            where = int(rows[np.argmax(bad)])
            if np.isfinite(self.embeddings[where]).all():
                problem = f"the top {self.top_k} cohort scores of row {where} are all the same: nothing to divide by"
            else:
                problem = f"row {where} of embeddings is not finite"
            raise ValueError(problem)

    @cached_property
    def longest(self) -> float:
        """The length of the longest cohort row."""
        return float(np.sqrt(np.einsum("ce,ce->c", self.cohort, self.cohort).max()))


def _trials(
    scores: ArrayLike, embeddings: ArrayLike, enrol: ArrayLike, test: ArrayLike
) -> tuple[Floats, Places, Places]:
    values = as_floats(scores, "scores")
    first, second = sides(enrol, test, len(matrix(embeddings, "embeddings")))
    if len(values) != len(first):
        raise ValueError(f"{len(values)} scores but {len(first)} trials")
    if np.isnan(values).any():
        raise ValueError(f"{np.count_nonzero(np.isnan(values))} of {len(values)} scores are NaN")
    return values, first, second


def _check(given: Floats, cohort: Floats, top_k: int, std: str, heads: int) -> None:
    if given.shape[1] != cohort.shape[1]:
        raise ValueError(f"embeddings have {given.shape[1]} columns but the cohort {cohort.shape[1]}")
    if not 2 <= top_k <= len(cohort):
        raise ValueError(f"top_k must lie between 2 and the cohort's {len(cohort)} rows, got {top_k}")
    if std not in ("population", "sample"):
        raise ValueError(f"std must be population or sample, got {std!r}")
    if heads < 1 or given.shape[1] % heads:
        raise ValueError(f"rows of {given.shape[1]} numbers cannot be cut into {heads} equal pieces")


def _plan(task: _Task, itemsize: int, memory_mib: float, workers: int | None) -> tuple[int, int]:
    """(rows of a block, threads). Rows depend on memory alone: another number of threads rounds nothing differently."""
    if memory_mib <= 0 or (workers is not None and workers < 1):
        raise ValueError(f"memory_mib and workers must be positive, got {memory_mib} and {workers}")
    scores = len(task.cohort) * itemsize * (2 if task.clamp else 1)
    row = scores + task.top_k * 8 + task.embeddings.shape[1] * itemsize * 2
    memory = memory_mib * 2**20
    size = max(1, min(BLOCK_ROWS, int(memory / 2 / row)))
    return size, max(1, min(workers or _processors(), int(memory / (size * row))))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """The blocks are the threads; BLAS's own would get in their way, and round by their number."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
