"""Embeddings as rows of a matrix, trials as row numbers: the checks and the normalisation that all scoring shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import Floats, array

Places = NDArray[np.integer[Any]]


def matrix(values: ArrayLike, name: str) -> Floats:
    """Rows [n, E] of floats; float32 and float64 stay what they are, everything else becomes float32 or float64.

    Raises `ValueError` for any other number of dimensions, or an empty matrix.
    """
    given = array(values)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"{name} must be a matrix with a row each, got shape {given.shape}")
    if given.dtype in (np.float32, np.float64):
        return given
    return given.astype(np.float32 if given.dtype == np.float16 else np.float64)


def finite(rows: Floats, name: str) -> Floats:
    """The rows themselves; raises `ValueError` that names the first row with a NaN or an infinity."""
    with np.errstate(invalid="ignore", over="ignore"):  # a sum that overflows is looked at more closely
        good = np.isfinite(rows.sum(axis=1))
    if not good.all():
        good = np.isfinite(rows).all(axis=1)
    if not good.all():
        raise ValueError(f"{np.count_nonzero(~good)} of {len(rows)} rows of {name} are not finite, the first is row "
                         f"{np.argmin(good)}")  # fmt: skip
    return rows


def places(values: ArrayLike, count: int, name: str) -> Places:
    """Row numbers [n]; raises `ValueError` where one is no integer, or not in 0 … count − 1."""
    given = array(values)
    if given.ndim != 1 or not (np.issubdtype(given.dtype, np.integer) or not given.size):
        raise ValueError(f"{name} must be row numbers in one dimension, got {given.dtype} of shape {given.shape}")
    if given.size and not (given.min() >= 0 and given.max() < count):
        raise ValueError(f"{name} must lie in 0 … {count - 1}, got {given.min()} … {given.max()}")
    return given.astype(np.intp) if not given.size else given


def sides(enrol: ArrayLike, test: ArrayLike, count: int) -> tuple[Places, Places]:
    """The row numbers of both sides of trials, [n] each; raises `ValueError` like `places`, or where lengths differ."""
    first, second = places(enrol, count, "enrol"), places(test, count, "test")
    if len(first) != len(second):
        raise ValueError(f"{len(first)} enrol but {len(second)} test row numbers")
    return first, second


def unit(rows: ArrayLike, heads: int = 1) -> Floats:
    """Rows [n, E] whose dot products are cosines, averaged over `heads` equal pieces where there are several.

    What `model.normalize` does to tensors. A row (or piece) of zeros stays zeros.
    """
    given = matrix(rows, "rows")
    if heads < 1 or given.shape[1] % heads:
        raise ValueError(f"rows of {given.shape[1]} numbers cannot be cut into {heads} equal pieces")
    pieces = given.reshape(len(given), heads, -1)
    lengths = np.linalg.norm(pieces, axis=-1, keepdims=True)
    return (pieces / np.maximum(lengths, np.finfo(given.dtype).tiny) / heads**0.5).reshape(given.shape)
