"""Resampling of clusters (speakers, sessions): who belongs to which, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import array

# Counts of this many bytes are drawn at a time: memory stays bounded by the trials, not by the replicates.
CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True, eq=False)
class Clusters:
    """`size` clusters, numbered by sorted name; `first` and `second` [n] are those of either side of a row."""

    size: int
    first: NDArray[np.int32]
    second: NDArray[np.int32]

    @classmethod
    def of(cls, rows: int, clusters: ArrayLike, partners: ArrayLike | None = None) -> Clusters:
        """Numbers names or integers [rows]; the numbering does not depend on the order of the rows."""
        import pandas as pd

        sides = [array(clusters), *([] if partners is None else [array(partners)])]
        for side in sides:
            if side.shape != (rows,):
                raise ValueError(f"{rows} rows but clusters of shape {side.shape}")
        codes, names = pd.factorize(np.concatenate(sides), sort=True)
        if (codes < 0).any():
            raise ValueError(f"{int((codes < 0).sum())} rows have no cluster (None or NaN)")
        numbers = np.asarray(codes, np.int32)
        return cls(len(names), numbers[:rows], numbers[-rows:])

    def draws(self, replicates: int, seed: int) -> Iterator[NDArray[np.uint8]]:
        """Counts [size, r] of how often each cluster is drawn, in chunks that add up to `replicates` columns."""
        rng = np.random.default_rng(seed)
        at_once = max(1, CHUNK_BYTES // self.size)
        for start in range(0, replicates, at_once):
            columns = min(at_once, replicates - start)
            # The draws themselves are numbers of eight bytes: fewer at a time.
            portions = np.array_split(np.arange(columns), max(1, -(-8 * columns * self.size // CHUNK_BYTES)))
            yield np.ascontiguousarray(np.concatenate([self._drawn(rng, part.size) for part in portions]).T)

    def _drawn(self, rng: np.random.Generator, replicates: int) -> NDArray[np.uint8]:
        """Counts [replicates, size]."""
        drawn = rng.integers(0, self.size, size=(replicates, self.size))
        drawn += np.arange(replicates)[:, None] * self.size
        counts = np.bincount(drawn.ravel(), minlength=replicates * self.size)
        # A count above 255 cannot happen: it takes more than 255 clusters, where it has probability 0.
        return counts.astype(np.uint8).reshape(replicates, self.size)

    def leave_one_out(self) -> Iterator[NDArray[np.uint8]]:
        """Counts [size, r] where every cluster in turn is left out: the jackknife that BCa needs."""
        chunk = max(1, CHUNK_BYTES // self.size)
        for start in range(0, self.size, chunk):
            counts = np.ones((self.size, min(chunk, self.size - start)), np.uint8)
            counts[np.arange(start, start + counts.shape[1]), np.arange(counts.shape[1])] = 0
            yield counts

    def weights(self, counts: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The weight [n] of every row under one column of counts [size]: product of both sides, or the one side's."""
        one = counts[self.first].astype(np.int64)
        return np.where(self.first == self.second, one, one * counts[self.second])

    def pairs(self, chosen: NDArray[np.bool_], values: NDArray[np.generic] | None = None) -> Any:
        """Per pair of clusters the sum of the chosen rows' `values` [n] (default: their number).

        A sparse upper triangle [size, size]; the diagonal holds the rows of a cluster with itself.
        """
        from scipy.sparse import csr_array

        first, second = self.first[chosen], self.second[chosen]
        summed = np.ones(first.size) if values is None else np.asarray(values[chosen], np.float64)
        places = np.minimum(first, second), np.maximum(first, second)
        return csr_array((summed, places), shape=(self.size, self.size))


def totals(pairs: Any, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """What sums per pair of clusters (`Clusters.pairs`) add up to in resamples with counts [size, r]: [r].

    Equal to weighing every row as `Clusters.weights` does.
    """
    alone = pairs.diagonal()
    return np.einsum("sr,sr->r", counts, pairs @ counts) - alone @ counts**2 + alone @ counts
