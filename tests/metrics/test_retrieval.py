"""Retrieval metrics against brute force on few distinct similarities, and on inputs that must be refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from voxboard.metrics import retrieval
from voxboard.metrics.retrieval import map_at_k, recall_at_k

SIMILARITY = st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 0.5, np.inf])  # few, so that ties are the rule
Case = tuple[np.ndarray, np.ndarray]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Similarities [Q, N] and what is relevant [Q, N], at least one item to every query."""
    queries, items = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    cells = draw(st.lists(SIMILARITY, min_size=queries * items, max_size=queries * items))
    relevant = np.array(draw(st.lists(st.booleans(), min_size=queries * items, max_size=queries * items)))
    relevant = relevant.reshape(queries, items)
    relevant[np.arange(queries), draw(st.lists(st.integers(0, items - 1), min_size=queries, max_size=queries))] = True
    return np.array(cells).reshape(queries, items), relevant


def listed(scores: np.ndarray, relevant: np.ndarray) -> list[bool]:
    """The items of one query from the most similar down, wrong ones first among equals."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], relevant[item]))
    return [bool(relevant[item]) for item in order]


def average_precision(hits: list[bool], k: int) -> float:
    precisions = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits[:k]) if hit]
    return sum(precisions) / min(sum(hits), k)


@given(cases(), st.integers(1, 8))
def test_values_are_those_of_sorting_everything(case: Case, k: int) -> None:
    lists = [listed(*query) for query in zip(*case, strict=True)]
    assert retrieval.ranks(*case).tolist() == [hits.index(True) + 1 for hits in lists]
    assert recall_at_k(*case, k) == pytest.approx(np.mean([any(hits[:k]) for hits in lists]))
    assert map_at_k(*case, k) == pytest.approx(np.mean([average_precision(hits, k) for hits in lists]))


@given(cases())
def test_a_longer_list_never_loses_a_query_and_all_items_lose_none(case: Case) -> None:
    recalls = recall_at_k(*case, list(range(1, 9)))
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1.0


@given(cases())
def test_the_order_of_items_does_not_matter(case: Case) -> None:
    backwards = tuple(side[:, ::-1] for side in case)
    assert map_at_k(*case, [1, 3, 10]) == pytest.approx(map_at_k(*backwards, [1, 3, 10]))
    assert recall_at_k(*case, [1, 3, 10]) == recall_at_k(*backwards, [1, 3, 10])


@given(cases())
def test_all_forms_of_relevance_and_of_matrices_mean_the_same(case: Case) -> None:
    similarities, relevant = case
    expected = map_at_k(similarities, relevant, 3)
    right = [set(np.flatnonzero(row).tolist()) for row in relevant]
    forms: list[Any] = [right, [list(each) for each in right], relevant.tolist(), torch.from_numpy(relevant)]
    for form in forms:
        assert map_at_k(similarities, form, 3) == expected
    assert map_at_k(torch.from_numpy(similarities).requires_grad_(), right, 3) == expected
    first = relevant.argmax(1)
    assert recall_at_k(similarities, first) == recall_at_k(similarities, [{each} for each in first.tolist()])


def test_a_model_that_cannot_tell_items_apart_gains_nothing() -> None:
    assert recall_at_k(np.zeros((4, 10)), [0, 1, 2, 3], [1, 9, 10]) == [0.0, 0.0, 1.0]
    assert map_at_k(np.zeros((4, 10)), [0, 1, 2, 3], 10) == pytest.approx(0.1)


def test_values_by_hand() -> None:
    similarities = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]])
    right = [{0, 2}, {1}]  # ranks 1 and 3; rank 3
    assert recall_at_k(similarities, right, [1, 2, 3]) == [0.5, 0.5, 1.0]
    assert map_at_k(similarities, right, 3) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)
    assert map_at_k(similarities, right, 1) == pytest.approx(0.5)


def test_the_reference_counts_too_well() -> None:
    # The second of two right items stands first: precisions in the order of the items are 1/2 and 2/1.
    assert map_at_k([[0.1, 0.2]], [{0, 1}], 10, reference=True) == pytest.approx(1.25)
    assert map_at_k([[0.1, 0.2]], [{0, 1}], 10) == 1.0
    # A query that misses the top k is left out.
    similarities = [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]]
    assert map_at_k(similarities, [0, 2], 2, reference=True) == 1.0
    assert map_at_k(similarities, [0, 2], 2) == 0.5
    assert map_at_k(similarities, [2, 2], 2, reference=True) == 0.0


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    similarities = np.random.default_rng(0).standard_normal((50, 30)).astype(np.float32)
    expected = map_at_k(similarities, np.arange(50) % 30, [1, 5])
    monkeypatch.setattr(retrieval, "BLOCK_CELLS", 100)
    assert map_at_k(similarities, np.arange(50) % 30, [1, 5]) == expected


@pytest.mark.parametrize(
    ("similarities", "relevant", "message"),
    [
        (np.zeros(3), [0], r"similarities must be \[queries, items\], got shape \(3,\)"),
        (np.zeros((0, 3)), [], "got shape"),
        ([[0.0, np.nan]], [0], "1 similarities of query 0 are NaN"),
        (np.zeros((2, 3)), [0], "2 queries but right items for 1"),
        (np.zeros((2, 3)), [{0}, set()], "nothing is relevant to query 1"),
        (np.zeros((2, 3)), np.zeros((2, 3), bool), "nothing is relevant to query 0"),
        (np.zeros((2, 3)), [0, 3], "query 1 names item 3, there are 3 items"),
        (np.zeros((2, 3)), [-1, 0], "query 0 names item -1"),
        (np.zeros((2, 3)), [0.5, 1], "must be indices"),
        (np.zeros((2, 3)), [True, False], "must be indices"),
        (np.zeros((2, 3)), np.eye(2, 3), r"indices \[Q\] or booleans \[Q, N\], got float64 \[2, 3\]"),
        (np.zeros((2, 3)), np.eye(2, 4, dtype=bool), "4 booleans say what is relevant among 3 items"),
    ],
)
def test_bad_input_is_named(similarities: Any, relevant: Any, message: str) -> None:
    for metric in (recall_at_k, map_at_k):
        with pytest.raises(ValueError, match=message):
            metric(similarities, relevant)


def test_k_must_be_positive() -> None:
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        recall_at_k(np.eye(3), [0, 1, 2], [1, 0])
