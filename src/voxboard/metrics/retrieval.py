"""Retrieval metrics: how far up the right items stand when all are sorted by their similarity to a query.

Similarities are [Q, N], a row per query and a column per item, NumPy or torch; ±inf are legal, NaN is a `ValueError`.
What is relevant to each query is said in one of three ways: the index of the one right item [Q], a collection of
indices per query, or a boolean matrix [Q, N]. A query to which nothing is relevant is a `ValueError`.

Equal similarities: a right item stands behind all wrong items that tie with it, so that a model that cannot tell items
apart gains nothing. Only counts of higher items are needed; rows are worked through in blocks, nothing is sorted whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import Floats, array

Relevant = ArrayLike | Sequence[Collection[int]]
Indices = NDArray[np.int64]

BLOCK_CELLS = 2**22  # similarities that are looked at together: 16 MiB of float32


@overload
def recall_at_k(similarities: ArrayLike, relevant: Relevant, k: int = 1) -> float: ...
@overload
def recall_at_k(similarities: ArrayLike, relevant: Relevant, k: Sequence[int]) -> list[float]: ...
def recall_at_k(similarities: ArrayLike, relevant: Relevant, k: int | Sequence[int] = 1) -> float | list[float]:
    """R@k: the share of queries with at least one right item among the k most similar. A list of k gives a list."""
    best = ranks(similarities, relevant)
    return _at(k, lambda most: float(np.mean(best <= most)))


@overload
def map_at_k(similarities: ArrayLike, relevant: Relevant, k: int = 10, *, reference: bool = False) -> float: ...
@overload
def map_at_k(
    similarities: ArrayLike, relevant: Relevant, k: Sequence[int], *, reference: bool = False
) -> list[float]: ...
def map_at_k(
    similarities: ArrayLike, relevant: Relevant, k: int | Sequence[int] = 10, *, reference: bool = False
) -> float | list[float]:
    """mAP@k: precision at every right item among the k most similar, averaged. A list of k gives a list.

    A query with R right items adds up their precisions and divides by min(R, k), so that a perfect order is 1 and right
    items that are missed count 0. `reference` gives the numbers of Auden's CLAP evaluation, which are too good: queries
    without a right item in the top k are left out where every query has one right item; otherwise precisions are
    taken in the order of the items rather than of their ranks, and may exceed 1.
    """
    ranks = list(_all_ranks(similarities, relevant))
    average = _average_precision_unsorted if reference else _average_precision
    single = reference and all(each.size == 1 for each in ranks)

    def mean(most: int) -> float:
        within = [each for each in ranks if each[0] <= most] if single else ranks
        return float(np.mean([average(each, most) for each in within])) if within else 0.0

    return _at(k, mean)


def ranks(similarities: ArrayLike, relevant: Relevant) -> Indices:
    """The rank [Q] of every query's best right item; 1 is the most similar item."""
    return np.array([each.min() for each in _all_ranks(similarities, relevant)], dtype=np.int64)


def _at(k: int | Sequence[int], measure: Callable[[int], float]) -> float | list[float]:
    """A measure at one k, or at every k of a list."""
    wanted = [k] if isinstance(k, int | np.integer) else list(k)
    if any(each < 1 for each in wanted):
        raise ValueError(f"k must be at least 1, got {min(wanted)}")
    values = [measure(each) for each in wanted]
    return values[0] if isinstance(k, int | np.integer) else values


def _average_precision(ranks: Indices, k: int) -> float:
    """From the ranks of all right items of a query."""
    hits = np.sort(ranks[ranks <= k])
    return float(np.sum(np.arange(1, hits.size + 1) / hits)) / min(ranks.size, k)


def _average_precision_unsorted(ranks: Indices, k: int) -> float:
    """Average precision as Auden's CLAP evaluation computes it."""
    hits = ranks[ranks <= k]
    return float(np.sum(np.arange(1, hits.size + 1) / hits)) / ranks.size


def _all_ranks(similarities: ArrayLike, relevant: Relevant) -> Iterator[Indices]:
    """For every query the ranks of its right items, in the order of the items."""
    rows: Any = similarities if hasattr(similarities, "detach") else np.asarray(similarities)
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"similarities must be [queries, items], got shape {tuple(rows.shape)}")
    queries, items = rows.shape
    right = _indices(relevant, queries, items)
    block = max(1, BLOCK_CELLS // items)
    for start in range(0, queries, block):
        for query, scores in enumerate(array(rows[start : start + block]), start):
            if np.isnan(scores).any():
                raise ValueError(f"{int(np.isnan(scores).sum())} similarities of query {query} are NaN")
            yield _ranks(scores, right[query])


def _ranks(scores: Floats, right: Indices) -> Indices:
    """Ranks of the right items in one row of similarities [N]."""
    ranks = scores[right]
    if right.size == 1:
        return np.array([np.count_nonzero(scores >= ranks[0])])
    wrong = np.ones(scores.size, bool)
    wrong[right] = False
    others = np.sort(scores[wrong])
    ahead = others.size - np.searchsorted(others, ranks, side="left")
    place = np.empty(right.size, np.int64)  # among the right items themselves
    place[np.argsort(ranks)[::-1]] = np.arange(1, right.size + 1)
    return ahead + place


def _indices(relevant: Relevant, queries: int, items: int) -> list[Indices]:
    """Ascending indices of the right items of every query; `ValueError` names the query where they make no sense."""
    indices = [np.unique(each) for each in _given(relevant, items)]
    if len(indices) != queries:
        raise ValueError(f"{queries} queries but right items for {len(indices)}")
    for query, each in enumerate(indices):
        if each.size == 0:
            raise ValueError(f"nothing is relevant to query {query}")
        if not np.issubdtype(each.dtype, np.integer):
            raise ValueError(f"the right items of query {query} must be indices, got {each[0]!r}")
        if each[0] < 0 or each[-1] >= items:
            raise ValueError(f"query {query} names item {each[0 if each[0] < 0 else -1]}, there are {items} items")
    return indices


def _given(relevant: Any, items: int) -> Iterator[NDArray[Any]]:
    """Indices of the right items, query by query, from any of the three forms."""
    if isinstance(relevant, Sequence) and any(isinstance(each, Collection) for each in relevant):
        rows = [array(each if hasattr(each, "dtype") else list(each)) for each in relevant]
    else:
        whole = array(relevant)
        if whole.ndim == 1:
            yield from whole[:, None]
            return
        if whole.ndim != 2 or whole.dtype != np.bool_:
            raise ValueError(f"relevant must be indices [Q] or booleans [Q, N], got {whole.dtype} {list(whole.shape)}")
        rows = list(whole)
    for row in rows:
        if row.dtype == np.bool_ and row.size != items:
            raise ValueError(f"{row.size} booleans say what is relevant among {items} items")
        yield np.flatnonzero(row) if row.dtype == np.bool_ else row
