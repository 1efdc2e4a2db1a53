"""Spectral clustering, with the number of speakers from the eigengap.

Park et al., Auto-tuning spectral clustering for speaker diarization using normalized maximum eigengap, IEEE Signal
Processing Letters 27 (2020): every window keeps its p nearest, p is chosen so that the graph falls apart most clearly
for how sparse it is. Here the Laplacian is the symmetric normalised one (Ng et al., NIPS 2001), whose eigenvalues do
not grow with p.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.diarization.agglomerative import tree

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

MOST = 2000  # points of a graph; more windows are first merged into that many groups
FEWEST = 6  # below, there is no graph to speak of
NEIGHBOURS = 0.25  # of the points, at most: Park et al.'s bound on p
DENSE = 512  # points up to which all eigenvalues are found directly, those of separate parts included
CANDIDATES = 8  # values of p that are tried


def spectral(embeddings: Floats, count: int, most: int, threshold: float) -> Labels:
    """Cluster numbers [W] of normalised rows [W, E]; `count` 0 estimates the number of clusters, up to `most`.

    More than `MOST` rows are first merged by average linkage; fewer than `FEWEST` are only that, with `threshold`.
    """
    if len(embeddings) < max(FEWEST, count + 1):
        grown = tree(embeddings)
        return grown.into(count) if count else grown.cut(threshold, most)
    if len(embeddings) > MOST:
        groups = tree(embeddings).into(MOST)
        return _spectral(_centers(embeddings, groups), count, most)[groups]
    return _spectral(embeddings, count, most)


def _spectral(points: Floats, count: int, most: int) -> Labels:
    from sklearn.cluster import KMeans

    ranked = _neighbours(points)
    best: tuple[float, int, NDArray[np.float64]] | None = None
    fewest = min(int(np.ceil(np.log2(len(points)))), ranked.shape[1])  # with less, one speaker falls apart by chance
    for p in np.unique(np.geomspace(fewest, ranked.shape[1], CANDIDATES).round().astype(int)):
        values, vectors = _eigen(_graph(ranked[:, :p]), min(max(most, count) + 1, len(points) - 1))
        gaps = np.diff(values)
        clusters = count or int(gaps.argmax()) + 1
        score = p / len(points) / max(float(gaps[clusters - 1]), 1e-10)
        if best is None or score < best[0]:
            best = score, clusters, vectors[:, :clusters]
    assert best is not None
    _, clusters, vectors = best
    if clusters == 1:
        return np.zeros(len(points), np.intp)
    rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray(KMeans(clusters, n_init=10, random_state=0).fit(rows).labels_, np.intp)


def _neighbours(points: Floats) -> NDArray[np.intp]:
    """The nearest of every point, nearest first and itself left out: [N, at most a quarter of N]."""
    cosines = points @ points.T
    np.fill_diagonal(cosines, -np.inf)
    width = max(int(np.ceil(np.log2(len(points)))), int(NEIGHBOURS * len(points)))
    return np.asarray(np.argsort(-cosines, axis=1, kind="stable")[:, :width], np.intp)


def _graph(neighbours: NDArray[np.intp]) -> csr_array:
    """The symmetric graph [N, N] in which a point is joined to its neighbours: 1 if mutual, ½ if one-sided."""
    from scipy.sparse import csr_array

    points, width = neighbours.shape
    rows = np.repeat(np.arange(points), width)
    directed = csr_array((np.ones(rows.size), (rows, neighbours.ravel())), shape=(points, points))
    return csr_array((directed + directed.T) / 2)


def _eigen(graph: csr_array, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The `count` lowest eigenvalues, ascending, and eigenvectors [N, count] of the normalised Laplacian."""
    from scipy.linalg import eigh
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import eigsh

    points = graph.shape[0]
    scale: Any = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    scaled = scale @ graph @ scale
    if points <= DENSE:
        values, vectors = eigh(scaled.toarray(), subset_by_index=[points - count, points - 1])
    else:
        values, vectors = eigsh(scaled, k=count, which="LA", v0=np.random.default_rng(0).standard_normal(points))
    order = np.argsort(-values)
    return 1 - values[order], vectors[:, order]


def _centers(embeddings: Floats, groups: Labels) -> Floats:
    """The mean direction [G, E] of every group."""
    from scipy.sparse import csr_array

    chosen = csr_array((np.ones(len(groups), np.float32), (groups, np.arange(len(groups)))))
    sums = chosen @ embeddings
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)
