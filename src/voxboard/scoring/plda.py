"""Probabilistic linear discriminant analysis: the two-covariance model, scored by its exact likelihood ratio.

    embedding = speaker + rest,   speaker ~ N(µ, B),   rest ~ N(0, W)         (Brümmer & de Villiers, Odyssey 2010)

With full-rank B this is the PLDA of Ioffe (2006) and of Kaldi. B and W are of maximum likelihood: EM, however many
utterances each speaker has. Before it, embeddings are centred, optionally reduced by LDA, whitened, and scaled to
length √D (Garcia-Romero & Espy-Wilson, Interspeech 2011).

SpeechBrain's `PLDA_LDA` fits a speaker subspace by ten EM steps with a loop over speakers, and scores every model with
every segment: the matrix of 145,000 × 145,000 scores does not fit anywhere. Here both matrices are kept diagonal by one
change of basis, in which a trial is a dot product of two rows. On the same parameters both give the same ratios.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.errors import UserError
from voxboard.metrics.ranked import Floats, array
from voxboard.scoring.cosine import BLOCK
from voxboard.scoring.rows import finite, matrix, sides

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plda:
    """A fitted model, as arrays.

    x [E] ↦ u = (x − mean) · projection, to length √D where `scaled`, ↦ z = (u − centre) · basis [D]; in z, W is the
    identity and B is diag(`between`).
    """

    mean: Float64  # [E]
    projection: Float64  # [E, D]
    scaled: NDArray[np.bool_]  # [1]
    centre: Float64  # [D]
    basis: Float64  # [D, D]
    between: Float64  # [D], descending

    def transform(self, embeddings: ArrayLike) -> Float64:
        """Embeddings [U, E] in the basis where W is the identity and B diagonal: [U, D]."""
        given = finite(matrix(embeddings, "embeddings"), "embeddings")
        if given.shape[1] != len(self.mean):
            raise ValueError(f"the model takes embeddings of {len(self.mean)} numbers, got {given.shape[1]}")
        return (_prepared(given, self.mean, self.projection, bool(self.scaled[0])) - self.centre) @ self.basis

    def score(self, embeddings: ArrayLike, enrol: ArrayLike, test: ArrayLike) -> Float64:
        """Natural-log likelihood ratios [N] of trials: `embeddings` [U, E], row numbers `enrol` and `test` [N].

        ln N([x; y] | 0, [[T, B], [B, T]]) − ln N(x | 0, T) − ln N(y | 0, T) with T = B + W: one-session enrolment; a
        model of several utterances enters as their mean (`enrolment`). Raises `ValueError` for NaN or rows that do not
        exist.
        """
        rows = self.transform(embeddings)
        first, second = sides(enrol, test, len(rows))
        b = self.between
        own = rows**2 @ (-0.5 * b**2 / ((1 + b) * (1 + 2 * b)))  # [U] what either side adds by itself
        constant = float(np.sum(np.log1p(b) - 0.5 * np.log1p(2 * b)))
        rows *= np.sqrt(b / (1 + 2 * b))
        scores = own[first] + own[second] + constant
        for start in range(0, len(scores), BLOCK):
            block = slice(start, start + BLOCK)
            scores[block] += np.einsum("nd,nd->n", rows[first[block]], rows[second[block]])
        return scores

    def save(self, path: str | Path) -> None:
        """Write the arrays as safetensors."""
        from safetensors.numpy import save_file

        save_file({f.name: np.ascontiguousarray(getattr(self, f.name)) for f in fields(self)}, path)

    @classmethod
    def load(cls, path: str | Path) -> Plda:
        """The reverse of `save`; raises `UserError` for a file that is not one of these."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return cls(**load_file(path))
        except (OSError, SafetensorError, TypeError) as error:
            raise UserError(f"{path} is no PLDA model: {error}", "Write one with Plda.save.") from error


def fit(
    embeddings: ArrayLike,
    speakers: ArrayLike,
    lda: int | None = None,
    length_norm: bool = True,
    iterations: int = 50,
    tolerance: float = 1e-4,
) -> Plda:
    """Fit the model to embeddings [n, E] of `speakers` [n] (names or numbers).

    `lda` reduces to that many dimensions first. EM stops when the log likelihood per utterance rises by less than
    `tolerance`, or after `iterations` steps. Raises `ValueError` for NaN, for fewer than two speakers, or where there
    are too few utterances for the dimensions.
    """
    given = finite(matrix(embeddings, "embeddings"), "embeddings")
    numbers = np.unique(array(speakers), return_inverse=True)[1]
    if len(numbers) != len(given):
        raise ValueError(f"{len(given)} embeddings but {len(numbers)} speakers")
    groups, size = int(numbers.max()) + 1, lda or given.shape[1]
    if groups < 2:
        raise ValueError("PLDA needs two speakers or more")
    if lda is not None and not 1 <= lda <= min(given.shape[1], groups - 1):
        raise ValueError(f"lda must lie between 1 and {min(given.shape[1], groups - 1)}, got {lda}")
    if len(given) - groups < size:
        raise ValueError(f"{len(given)} utterances of {groups} speakers are too few for {size} dimensions: "
                         "reduce them with lda")  # fmt: skip
    mean = given.mean(axis=0, dtype=np.float64)
    projection = _whitening(given, numbers, mean, lda)
    prepared = _prepared(given, mean, projection, length_norm)
    centre, basis, between = _em(_Sums.of(prepared, numbers), iterations, tolerance)
    return Plda(mean, projection, np.array([length_norm]), centre, basis, between)


def _prepared(rows: Floats, mean: Float64, projection: Float64, scaled: bool) -> Float64:
    """Centred, projected and, where asked, scaled to length √D."""
    projected = (rows - mean) @ projection
    if scaled:
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        projected *= projected.shape[1] ** 0.5 / np.maximum(lengths, np.finfo(np.float64).tiny)
    return projected


def _whitening(rows: Floats, numbers: NDArray[np.intp], mean: Float64, lda: int | None) -> Float64:
    """[E, D] so that (rows − mean) · it has the identity as covariance, after LDA where asked."""
    reduction = np.eye(rows.shape[1])
    if lda is not None:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        reduction = LinearDiscriminantAnalysis(solver="svd").fit(rows, numbers).scalings_[:, :lda].astype(np.float64)
    covariance = reduction.T @ _covariance(rows) @ reduction
    variances, directions = np.linalg.eigh(covariance)
    if variances[0] <= 1e-10 * variances[-1]:
        flat = int(np.count_nonzero(variances <= 1e-10 * variances[-1]))
        raise ValueError(f"the embeddings do not vary in {flat} of {len(variances)} dimensions: reduce them with lda")
    return np.asarray(reduction @ (directions / np.sqrt(variances)))


def _covariance(rows: Floats) -> Float64:
    """[E, E] population covariance, also where E is 1."""
    return np.atleast_2d(np.cov(rows, rowvar=False, bias=True, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class _Sums:
    """All that EM needs to know of the data."""

    counts: Float64  # [S] utterances per speaker
    means: Float64  # [S, D]
    within: Float64  # [D, D] scatter around the speakers' means

    @classmethod
    def of(cls, rows: Float64, numbers: NDArray[np.intp]) -> _Sums:
        from scipy.sparse import csr_array

        counts = np.bincount(numbers).astype(np.float64)
        chosen = csr_array((np.ones(len(rows)), (numbers, np.arange(len(rows)))))
        means = (chosen @ rows) / counts[:, None]
        return cls(counts, means, rows.T @ rows - (means.T * counts) @ means)


def _em(sums: _Sums, iterations: int, tolerance: float) -> tuple[Float64, Float64, Float64]:
    """(µ, basis, diagonal of B) of maximum likelihood.

    Each step starts in the basis that makes W the identity and B diagonal: there the posterior of a speaker is one
    division per dimension, and speakers of any number of utterances cost the same. The first B is that of the means
    less what W adds to them: exact where all speakers have equally many utterances.
    """
    total = sums.counts.sum()
    centre = sums.means.mean(axis=0)
    basis, diagonal = _diagonal(_covariance(sums.means), sums.within / (total - len(sums.counts)))
    diagonal = np.maximum(diagonal - (1 / sums.counts).mean(), 1e-2)  # EM never leaves 0
    before = -np.inf
    for _ in range(iterations):
        likelihood = _log_likelihood(sums, centre, basis, diagonal) / total
        if likelihood - before < tolerance:
            break
        before = likelihood
        centre, basis, diagonal = _step(sums, centre, basis, diagonal)
    return centre, basis, diagonal


def _step(sums: _Sums, centre: Float64, basis: Float64, diagonal: Float64) -> tuple[Float64, Float64, Float64]:
    """One EM step: the speakers' posteriors, then the parameters that fit them."""
    means, counts = (sums.means - centre) @ basis, sums.counts[:, None]
    variances = diagonal / (1 + counts * diagonal)  # [S, D] of the posteriors
    posteriors = counts * variances * means
    shift = posteriors.mean(axis=0)
    spread, rest = posteriors - shift, means - posteriors
    between = spread.T @ spread / len(means) + np.diag(variances.mean(axis=0))
    within = basis.T @ sums.within @ basis + (rest * counts).T @ rest + np.diag((counts * variances).sum(axis=0))
    turn, diagonal = _diagonal(between, within / counts.sum())
    return centre + np.linalg.solve(basis.T, shift), basis @ turn, diagonal


def _diagonal(between: Float64, within: Float64) -> tuple[Float64, Float64]:
    """(V, d) with Vᵀ W V = I and Vᵀ B V = diag(d), d ≥ 0 and descending."""
    from scipy.linalg import LinAlgError, eigh

    try:
        values, vectors = eigh((between + between.T) / 2, (within + within.T) / 2)
    except LinAlgError as error:
        raise ValueError("the speakers' utterances do not vary in every dimension: reduce them with lda") from error
    return vectors[:, ::-1], np.maximum(values[::-1], 0.0)


def _log_likelihood(sums: _Sums, centre: Float64, basis: Float64, diagonal: Float64) -> float:
    """Natural log of the density of all the data under the model."""
    means, counts = (sums.means - centre) @ basis, sums.counts[:, None]
    total, size = sums.counts.sum(), len(centre)
    volume = -2 * np.linalg.slogdet(basis)[1]  # ln |W|
    scatter = np.sum((sums.within @ basis) * basis)
    spread = counts * means**2 / (1 + counts * diagonal) + np.log1p(counts * diagonal)
    return float(-0.5 * (total * (size * np.log(2 * np.pi) + volume) + scatter + spread.sum()))
