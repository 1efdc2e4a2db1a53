"""Enrolment from several utterances: a model is the mean direction of its utterances' embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from voxboard.metrics.ranked import Floats
from voxboard.scoring.cosine import BLOCK
from voxboard.scoring.rows import Places, finite, matrix, places, unit


@dataclass(frozen=True, eq=False)
class Models:
    """Normalised rows [M, E] of the models `ids`, in their order."""

    ids: tuple[str, ...]
    matrix: Floats

    def beside(self, ids: Sequence[str], embeddings: ArrayLike) -> tuple[dict[str, int], Floats]:
        """Models and utterances in one matrix, for trials whose enrolment side is a model.

        `embeddings` [U, E] are the rows of the utterances `ids`. Gives the row number of every name, and the rows
        [M + U, E] that `cosine`, `normalisation` and `plda` take. Raises `ValueError` where a model is called like an
        utterance.
        """
        both = sorted(set(self.ids) & set(ids))
        if both:
            raise ValueError(f"{len(both)} names are models and utterances, the first is {both[0]!r}")
        rows = np.concatenate([self.matrix, matrix(embeddings, "embeddings")])
        return {name: row for row, name in enumerate([*self.ids, *ids])}, rows


def enrol(
    embeddings: ArrayLike, models: Mapping[str, Sequence[str]], rows: Mapping[str, int], heads: int = 1
) -> Models:
    """Normalise every utterance's row, take the mean over each model's utterances, and normalise that.

    `embeddings` [U, E], normalised or not, have the row number of an utterance in `rows`; `models` lists utterances,
    an utterance that is listed twice counts twice. Raises `ValueError` for an unknown utterance or an empty model.
    """
    given = matrix(embeddings, "embeddings")
    unknown = [name for utterances in models.values() for name in utterances if name not in rows]
    if unknown:
        raise ValueError(f"{len(unknown)} utterances of the models have no embedding, the first is {unknown[0]!r}")
    if not models or not all(models.values()):
        empty = next((repr(name) for name, utterances in models.items() if not utterances), "")
        raise ValueError(f"the model {empty} has no utterance" if empty else "there are no models")
    members = np.array([rows[name] for utterances in models.values() for name in utterances])
    sizes = [len(utterances) for utterances in models.values()]
    return Models(tuple(models), mean_direction(given[members], np.repeat(np.arange(len(models)), sizes), heads))


def mean_direction(embeddings: ArrayLike, groups: ArrayLike, heads: int = 1) -> Floats:
    """[G, E] the normalised mean of the normalised rows [n, E] of every group; `groups` [n] are numbers 0 … G − 1.

    Sums are taken in float64. Raises `ValueError` for rows that are not finite, a group without rows, or one whose
    rows cancel out.
    """
    given = finite(matrix(embeddings, "embeddings"), "embeddings")
    numbers = places(groups, len(given), "groups")
    if len(numbers) != len(given):
        raise ValueError(f"{len(given)} embeddings but {len(numbers)} group numbers")
    counts = np.bincount(numbers)
    if not counts.all():
        raise ValueError(f"group {np.argmin(counts)} has no embedding")
    means = _sums(given, numbers, heads) / counts[:, None]
    lengths = np.linalg.norm(means.reshape(len(means), heads, -1), axis=-1) * heads**0.5
    if (lengths < 1e-6).any():
        group = int(np.argmin(lengths.min(axis=1)))
        raise ValueError(f"the {counts[group]} embeddings of group {group} cancel out: their mean has no direction")
    return unit(means, heads).astype(given.dtype)


def _sums(rows: Floats, numbers: Places, heads: int) -> Floats:
    """[G, E] sums of the normalised rows of every group, in float64 and in the order of the rows, block by block."""
    from scipy.sparse import csr_array

    sums = np.zeros((int(numbers.max()) + 1, rows.shape[1]))
    for start in range(0, len(rows), BLOCK):
        block = unit(rows[start : start + BLOCK], heads)
        where = numbers[start : start + BLOCK], np.arange(len(block))
        sums += csr_array((np.ones(len(block)), where), shape=(len(sums), len(block))) @ block.astype(np.float64)
    return sums
