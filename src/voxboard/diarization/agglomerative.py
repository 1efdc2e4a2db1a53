"""Average linkage of cosine distances, exact, without a matrix of distances.

The mean cosine between the members of two clusters is the dot product of their mean rows, so that a cluster is one row.
Nearest-neighbour chains (Murtagh, The Computer Journal 26, 1983) find all merges with O(W·E) memory and O(W²·E) time.
SciPy's `linkage` keeps two copies of the W·(W − 1)/2 distances: 1.7 GB for three hours at a hop of 0.75 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

_TIE = 1e-6  # cosines that differ by less are equal: rounding must not send a chain in circles


@dataclass(frozen=True, eq=False)
class Tree:
    """All merges of `size` rows, the closest first: `pairs` [size − 1, 2] rows, one of each side; `heights`."""

    size: int
    pairs: NDArray[np.intp]
    heights: NDArray[np.float64]  # cosine distances, ascending

    def cut(self, threshold: float, most: int) -> Labels:
        """Cluster numbers [size] after all merges up to a distance, and as many more as leave `most` clusters."""
        return self._after(max(int(np.searchsorted(self.heights, threshold, side="right")), self.size - most))

    def into(self, count: int) -> Labels:
        """Cluster numbers [size] of `count` clusters, or of `size` where there are fewer rows."""
        return self._after(max(self.size - count, 0))

    def _after(self, merges: int) -> Labels:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        rows, columns = self.pairs[:merges].T
        graph = coo_array((np.ones(merges, np.int8), (rows, columns)), shape=(self.size, self.size))
        return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def tree(embeddings: Floats) -> Tree:
    """Merge normalised rows [W, E] until one is left. Ties go to the earlier row."""
    means = np.array(embeddings, np.float32)  # [active clusters, E], always without gaps
    active = len(means)
    sizes, leaf = np.ones(active), np.arange(active)
    pairs, heights = np.zeros((max(active - 1, 0), 2), np.intp), np.zeros(max(active - 1, 0))
    chain: list[int] = []
    for merge in range(active - 1):
        cosine = _grow(chain, means[:active])
        keep, gone = sorted((chain.pop(), chain.pop()))
        pairs[merge], heights[merge] = (leaf[keep], leaf[gone]), 1.0 - cosine
        share = sizes[gone] / (sizes[keep] + sizes[gone])
        means[keep] += np.float32(share) * (means[gone] - means[keep])
        sizes[keep] += sizes[gone]
        active -= 1
        means[gone], sizes[gone], leaf[gone] = means[active], sizes[active], leaf[active]
        chain = [gone if place == active else place for place in chain]
    order = np.argsort(heights, kind="stable")
    return Tree(len(embeddings), pairs[order], heights[order])


def _grow(chain: list[int], means: Floats) -> float:
    """Walk to ever nearer neighbours until the last two are each other's nearest; returns their cosine."""
    if not chain:
        chain.append(0)
    while True:
        cosines = means @ means[chain[-1]]
        cosines[chain[-1]] = -np.inf
        nearest = int(cosines.argmax())
        if len(chain) > 1 and cosines[chain[-2]] >= cosines[nearest] - _TIE:
            return float(cosines[chain[-2]])
        chain.append(nearest)
