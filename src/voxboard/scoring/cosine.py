"""Scores of trials: the dot product of two rows, gathered block by block."""

from __future__ import annotations

import numpy as np

BLOCK = 65_536  # trials at a time: memory does not grow with the list


def cosine(matrix: np.ndarray, enrol: np.ndarray, test: np.ndarray, heads: int = 1, clamp: bool = False) -> np.ndarray:
    """`matrix` [U, E] normalised rows, `enrol` and `test` [N] row numbers → scores [N] float32.

    `clamp` cuts every head's cosine to [0, 1] before they are averaged, as UniPool-SV does.
    """
    scores = np.empty(len(enrol), np.float32)
    for start in range(0, len(enrol), BLOCK):
        block = slice(start, start + BLOCK)
        products = matrix[enrol[block]] * matrix[test[block]]
        if clamp:
            per_head = products.reshape(len(products), heads, -1).sum(-1) * heads
            scores[block] = per_head.clip(0.0, 1.0).mean(-1)
        else:
            scores[block] = products.sum(-1)
    return scores
