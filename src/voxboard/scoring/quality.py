"""Quality measures of utterances, and of trials: what quality-aware calibration sees beside the score.

After the VoxSRC systems (Thienpondt, Desplanques & Demuynck, "The IDLab VoxSRC-20 submission", ICASSP 2021): how long
an utterance is, how sure the encoder was of it (magnitude), and how close it comes to impostors (cohort mean). A trial
has two utterances and no order: both are combined by a symmetric function.

    measures = [log_duration(seconds), magnitude(raw_embeddings), cohort_mean(embeddings, cohort, top_k=100)]
    quality = per_trial(measures, enrol, test, ways=("min", "max"))
    calibration.fit(scores, labels, quality=quality).apply(scores, quality)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Unpack, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import as_floats
from voxboard.scoring.normalization import CohortOptions, statistics
from voxboard.scoring.rows import finite, matrix, sides

Float64 = NDArray[np.float64]
Way = Literal["min", "max", "mean", "difference"]
_WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "min": np.minimum,
    "max": np.maximum,
    "mean": lambda first, second: (first + second) / 2,
    "difference": lambda first, second: np.abs(first - second),
}


def log_duration(seconds: ArrayLike) -> Float64:
    """[U] the natural logarithm of the utterances' durations in seconds [U]; raises `ValueError` where one is ≤ 0."""
    values = as_floats(seconds, "seconds").astype(np.float64)
    if not (values > 0).all():
        raise ValueError(f"durations must be positive, got {values[~(values > 0)][0]}")
    return np.log(values)


def magnitude(embeddings: ArrayLike) -> Float64:
    """[U] the lengths of embeddings [U, E] as the encoder gives them, before they are normalised.

    Raises `ValueError` for rows that are normalised already (all lengths equal): they say nothing.
    """
    rows = finite(matrix(embeddings, "embeddings"), "embeddings")
    lengths = np.sqrt(np.einsum("ue,ue->u", rows, rows, dtype=np.float64))
    if len(rows) > 1 and np.ptp(lengths) <= 1e-5 * lengths.max():
        raise ValueError("all embeddings have the same length: magnitudes are those from before normalisation")
    return lengths


def cohort_mean(
    embeddings: ArrayLike, cohort: ArrayLike, top_k: int = 100, **options: Unpack[CohortOptions]
) -> Float64:
    """[U] the mean of every utterance's `top_k` highest cohort scores; see `normalisation.statistics`."""
    return statistics(embeddings, cohort, top_k, **options).mean


def per_trial(
    measures: Sequence[ArrayLike], enrol: ArrayLike, test: ArrayLike, ways: Sequence[Way] = ("min", "max")
) -> Float64:
    """[N, measures × ways] of trials, from measures [U] each and row numbers [N] of both sides.

    Columns: every way of the first measure, then of the second, …. Raises `ValueError` for an unknown way, row numbers
    out of range, or measures that are not finite.
    """
    unknown = [way for way in ways if way not in _WAYS]
    if unknown or not ways or not len(measures):
        raise ValueError(f"measures and ways ({', '.join(get_args(Way))}) are needed, got {list(ways)}")
    columns = []
    for measure in measures:
        values = as_floats(measure, "measures").astype(np.float64)
        first, second = sides(enrol, test, len(values))
        pair = values[first], values[second]
        if not all(np.isfinite(side).all() for side in pair):
            raise ValueError("the quality measure of an utterance is not finite")
        columns += [_WAYS[way](*pair) for way in ways]
    return np.column_stack(columns)
