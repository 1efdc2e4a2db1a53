"""Resampling of clusters (speakers, sessions): who belongs to which, and how often each is drawn.

How often is a function of the clusters' names alone: the same for every system, seed, machine and release of NumPy. So
two results on one list have seen the same resamples, whenever and wherever they were made, and can be paired.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import array

# Counts of this many bytes are drawn at a time: memory stays bounded by the trials, not by the replicates.
CHUNK_BYTES = 32 * 2**20
SCHEME = "philox4x64, sha256 of the names, (word >> 32) * S >> 32"


@dataclass(frozen=True, eq=False)
class Clusters:
    """`size` clusters, numbered by sorted name; `first` and `second` [n] are those of either side of a row."""

    size: int
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    key: bytes = b""  # SHA-256 of the names in their order: what the draws depend on

    @classmethod
    def of(
        cls, rows: int, clusters: ArrayLike, partners: ArrayLike | None = None, names: Sequence[str] | None = None
    ) -> Clusters:
        """Number names or integers [rows] in ascending order; that of the rows does not matter.

        With `names` the integers are places in it, as long names take more memory than numbers.
        """
        import pandas as pd

        sides = [array(clusters), *([] if partners is None else [array(partners)])]
        for side in sides:
            if side.shape != (rows,):
                raise ValueError(f"{rows} rows but clusters of shape {side.shape}")
        codes, unique = pd.factorize(np.concatenate(sides))
        if (codes < 0).any():
            raise ValueError(f"{int((codes < 0).sum())} rows have no cluster (None or NaN)")
        unsorted = unique.tolist() if names is None else [str(names[one]) for one in unique.tolist()]
        order = sorted(range(len(unsorted)), key=unsorted.__getitem__)
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        numbers = place[codes]
        key = hashlib.sha256(json.dumps([str(unsorted[one]) for one in order]).encode()).digest()
        return cls(len(order), numbers[:rows], numbers[-rows:], key)

    def among(self, rows: NDArray[np.intp]) -> Clusters:
        """Return the clusters of some of the rows, numbered and drawn as those of all."""
        return Clusters(self.size, self.first[rows], self.second[rows], self.key)

    def digest(self, replicates: int) -> str:
        """Return 16 hexadecimal digits that tell the clusters, how many rows each pair of them has, and the draws.

        Where they are equal, so are the resamples, and results can be paired.
        """
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        pairs, counts = np.unique(low.astype(np.int64) * self.size + high, return_counts=True)
        content = hashlib.sha256(json.dumps([SCHEME, replicates]).encode() + self.key)
        content.update(np.stack([pairs, counts]).astype("<i8").tobytes())
        return content.hexdigest()[:16]

    def draws(self, replicates: int) -> Iterator[NDArray[np.uint8]]:
        """Yield counts [size, r] of how often each cluster is drawn, in chunks that add up to `replicates` columns.

        Resample r draws `size` clusters by the raw words r · size to (r + 1) · size of Philox (Salmon et al. 2011,
        "Parallel random numbers: as easy as 1, 2, 3"), keyed by the first 16 bytes of `key`.
        """
        stream = np.random.Philox(key=np.frombuffer(self.key[:16].ljust(16, b"\0"), "<u8"))
        at_once = max(1, CHUNK_BYTES // self.size)
        for start in range(0, replicates, at_once):
            columns = min(at_once, replicates - start)
            # The draws themselves are numbers of eight bytes: fewer at a time.
            portions = np.array_split(np.arange(columns), max(1, -(-8 * columns * self.size // CHUNK_BYTES)))
            yield np.ascontiguousarray(np.concatenate([self._drawn(stream, part.size) for part in portions]).T)

    def _drawn(self, stream: np.random.Philox, replicates: int) -> NDArray[np.uint8]:
        """Count [replicates, size]."""
        words = stream.random_raw(replicates * self.size)
        drawn = ((words >> np.uint64(32)) * np.uint64(self.size) >> np.uint64(32)).astype(np.int64)
        drawn += np.repeat(np.arange(replicates) * self.size, self.size)
        counts = np.bincount(drawn, minlength=replicates * self.size)
        # A count above 255 cannot happen: it takes more than 255 clusters, where it has probability 0.
        return counts.astype(np.uint8).reshape(replicates, self.size)

    def leave_one_out(self) -> Iterator[NDArray[np.uint8]]:
        """Count [size, r] where every cluster in turn is left out: the jackknife that BCa needs."""
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
    """Totals [r] of sums per pair of clusters (`Clusters.pairs`) in resamples with counts [size, r].

    Equal to weighing every row as `Clusters.weights` does.
    """
    alone = pairs.diagonal()
    return np.einsum("sr,sr->r", counts, pairs @ counts) - alone @ counts**2 + alone @ counts
