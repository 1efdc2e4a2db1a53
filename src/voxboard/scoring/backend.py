"""Back-ends: a map of embeddings that is learned from training speakers, in front of the score.

    x ↦ (x − mean) · LDA · WCCN, scaled to unit length, then the cosine; or the likelihood ratio of PLDA

Raw features of pretrained networks share a large component, which centering takes away before lengths are normalized.
LDA keeps the directions in which speakers differ most for what varies within them (Dehak et al., "Front-End Factor
Analysis for Speaker Verification", 2011, section III); WCCN gives what varies within speakers the same weight in all
directions (Hatch et al., Interspeech 2006).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.metrics.ranked import Floats, array
from voxboard.scoring import plda as likelihood
from voxboard.scoring.plda import Plda
from voxboard.scoring.rows import finite, matrix, unit

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Backend:
    """A fitted back-end: `mean` [E], `projection` [E, D] (None: none), `plda` in place of the cosine."""

    mean: Float64
    projection: Float64 | None = None
    plda: Plda | None = None
    digest: str = ""  # of the utterances that it was learned from

    def rows(self, embeddings: ArrayLike, heads: int = 1) -> Floats:
        """Embeddings [U, E] as the encoder gives them → rows [U, D] whose dot products are cosines.

        `heads` equal pieces are scaled one by one, as `unit` has it, unless a projection has mixed them.
        """
        given = finite(matrix(embeddings, "embeddings"), "embeddings")
        centered = given - self.mean
        if self.projection is None:
            return unit(centered, heads).astype(given.dtype)
        return unit(centered @ self.projection).astype(given.dtype)

    def heads(self, heads: int) -> int:
        """Number of pieces that a row of `rows` is scored by."""
        return heads if self.projection is None else 1


def fit(
    embeddings: ArrayLike,
    speakers: ArrayLike,
    *,
    center: bool = True,
    lda: int = 0,
    wccn: bool = False,
    plda: bool = False,
    utterances: Sequence[str] = (),
) -> Backend:
    """Fit a back-end to training embeddings [n, E], as the encoder gives them, of `speakers` [n].

    `center` subtracts the mean of the speakers' means; `lda` reduces to that many dimensions, 0 leaves it out; LDA and
    PLDA center by themselves. `utterances` [n] are what the digest is of. Raises `ValueError` for NaN, more dimensions
    than speakers allow, or too few utterances for a covariance within speakers.
    """
    given = finite(matrix(embeddings, "embeddings"), "embeddings").astype(np.float64)
    numbers = np.unique(array(speakers), return_inverse=True)[1]
    if len(numbers) != len(given):
        raise ValueError(f"{len(given)} embeddings but {len(numbers)} speakers")
    groups, size = int(numbers.max()) + 1, given.shape[1]
    if lda and not 1 <= lda <= min(size, groups - 1):
        raise ValueError(f"lda must lie between 1 and {min(size, groups - 1)}, got {lda}")
    if lda and len(given) == groups:
        raise ValueError("every speaker has a single utterance, which shows nothing of what varies within speakers")
    digest = hashlib.sha256("\n".join(sorted(utterances)).encode()).hexdigest() if utterances else ""
    if plda:
        return Backend(np.zeros(size), plda=likelihood.fit(given, numbers, lda=lda or None), digest=digest)
    means = _means(given, numbers, groups)
    mean = means.mean(axis=0) if center or lda else np.zeros(size)
    projection = _discriminants(given, numbers, lda) if lda else None
    if wccn:
        reduced = np.eye(size) if projection is None else projection
        projection = reduced @ _whitening((given - means[numbers]) @ reduced, groups)
    return Backend(mean, projection, digest=digest)


def _means(rows: Float64, numbers: NDArray[np.intp], groups: int) -> Float64:
    """[S, E] the mean of every speaker's rows."""
    sums = np.zeros((groups, rows.shape[1]))
    np.add.at(sums, numbers, rows)
    return np.asarray(sums / np.bincount(numbers)[:, None])


def _discriminants(rows: Float64, numbers: NDArray[np.intp], size: int) -> Float64:
    """[E, size] the directions of linear discriminant analysis."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    directions = LinearDiscriminantAnalysis(solver="svd").fit(rows, numbers).scalings_[:, :size].astype(np.float64)
    if directions.shape[1] < size:
        raise ValueError(
            f"the embeddings differ between speakers in {directions.shape[1]} dimensions, fewer than {size}"
        )
    return np.asarray(directions)


def _whitening(residuals: Float64, groups: int) -> Float64:
    """[D, D] whose product with its transpose is the inverse covariance within speakers; `residuals` [n, D]."""
    size = residuals.shape[1]
    if len(residuals) - groups < size:
        raise ValueError(
            f"{len(residuals)} utterances of {groups} speakers are too few for a covariance of {size} dimensions"
        )
    covariance = residuals.T @ residuals / (len(residuals) - groups)
    variances, directions = np.linalg.eigh(covariance)
    if variances[0] <= 1e-10 * variances[-1]:
        flat = int(np.count_nonzero(variances <= 1e-10 * variances[-1]))
        raise ValueError(f"the embeddings do not vary within speakers in {flat} of {size} dimensions")
    return np.asarray(directions / np.sqrt(variances))
