"""Clustering of windows: embeddings → speaker numbers, in memory that grows with the windows, not their pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voxboard.diarization.agglomerative import tree
from voxboard.diarization.spectral import spectral

if TYPE_CHECKING:
    from voxboard.diarization.config import Diarization

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]
Flags = NDArray[np.bool_]


def cluster(
    embeddings: Floats, settings: Diarization, num_speakers: int | None = None, founders: Flags | None = None
) -> Labels:
    """Speaker numbers [W] of normalised rows [W, E], numbered by first appearance.

    `num_speakers` None takes the settings', and 0 estimates it; there are never more speakers than rows. Only
    `founders` [W] (default: all, also where they are fewer than the speakers) are clustered; the others join them.
    """
    count = settings.num_speakers if num_speakers is None else num_speakers
    rows = centered(embeddings) if settings.center else embeddings
    if founders is None or founders.sum() < count:
        founders = np.ones(len(rows), np.bool_)
    return join(rows, founders, _METHODS[settings.clustering](rows[founders], settings, count))


def join(rows: Floats, founders: Flags, labels: Labels) -> Labels:
    """Speaker numbers [W] of all rows from those of the founders: the rest goes to the nearest mean, by cosine."""
    numbered = in_order(labels)
    means = np.stack([rows[founders][numbered == number].mean(axis=0) for number in range(numbered.max() + 1)])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    numbers = np.empty(len(rows), np.intp)
    numbers[founders] = numbered
    numbers[~founders] = (rows[~founders] @ means.T).argmax(axis=1)
    return in_order(numbers)


def centered(embeddings: Floats) -> Floats:
    """Rows [W, E] without their mean, normalised again; a row that is the mean stays zero."""
    rows = embeddings - embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > 1e-6, rows / np.maximum(lengths, 1e-6), 0), np.float32)


def in_order(labels: Labels) -> Labels:
    """The same clusters, numbered by first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _agglomerative(embeddings: Floats, settings: Diarization, count: int) -> Labels:
    grown = tree(embeddings)
    return grown.into(count) if count else grown.cut(settings.threshold, settings.max_speakers)


def _spectral(embeddings: Floats, settings: Diarization, count: int) -> Labels:
    return spectral(embeddings, count, settings.max_speakers, settings.threshold)


_METHODS: Mapping[str, Callable[[Floats, Diarization, int], Labels]] = {
    "agglomerative": _agglomerative,
    "spectral": _spectral,
}
