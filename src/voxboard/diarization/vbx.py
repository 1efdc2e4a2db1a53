"""VBx: Bayesian HMM clustering of a sequence of embeddings (Landini et al., Computer Speech & Language 71, 2022).

A hidden Markov model over windows whose states are speakers. In the space of a PLDA the rows of a speaker s are
N(V·y, I) with y ~ N(0, I) and V² = diag(`between`); speakers' posteriors and windows' responsibilities are updated in
turn, and speakers that nothing supports fade. Section and variable names are the paper's (section 2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxboard.diarization.config import Diarization
from voxboard.scoring.plda import Plda

Float64 = NDArray[np.float64]
Labels = NDArray[np.intp]

ITERATIONS = 40
TOLERANCE = 1e-4  # of the evidence lower bound, in nats
SHARPNESS = 7.0  # how sure the first responsibilities are of the first labels: e⁷ to one
_TINY = 1e-8


def vbx(embeddings: ArrayLike, labels: Labels, plda: Plda, settings: Diarization) -> Labels:
    """Refined speaker numbers [W] of windows [W, E] in the order of time; speakers may vanish, none is added."""
    rows = plda.transform(embeddings)
    variances = plda.between  # Φ [D]
    rho = rows * np.sqrt(variances)
    own = -0.5 * (np.sum(rows**2, axis=1, keepdims=True) + rows.shape[1] * np.log(2 * np.pi))
    ratio, size = settings.fa / settings.fb, int(labels.max(initial=0)) + 1
    gamma = np.exp(SHARPNESS * (np.eye(size)[labels] - 1))
    gamma /= gamma.sum(axis=1, keepdims=True)
    shares = np.full(size, 1 / size)  # π
    before = -np.inf
    for _ in range(ITERATIONS):
        inverse = 1 / (1 + ratio * gamma.sum(axis=0)[:, None] * variances)  # L⁻¹ [S, D], (17)
        alpha = ratio * inverse * (gamma.T @ rho)  # (16)
        fit = rho @ alpha.T - 0.5 * (inverse + alpha**2) @ variances + own  # (23) without its weight
        gamma, likelihood, shares = _forward_backward(settings.fa * fit, shares, settings.loop)
        prior = 0.5 * np.sum(1 + np.log(inverse) - inverse - alpha**2)
        bound = likelihood + settings.fb * float(prior)
        if bound - before < TOLERANCE:
            break
        before = bound
    return np.asarray(gamma.argmax(axis=1), np.intp)


def _forward_backward(scores: Float64, shares: Float64, loop: float) -> tuple[Float64, float, Float64]:
    """(γ [W, S], the log likelihood, new π [S]) of log emissions [W, S].

    From every state the chain stays with probability `loop`, else draws a speaker from π: a step costs S, not S².
    """
    top = scores.max(axis=1, keepdims=True)
    emissions = np.exp(scores - top)
    forward, backward = np.empty_like(scores), np.ones_like(scores)
    scales = np.empty(len(scores))
    state = shares
    for place, emission in enumerate(emissions):
        arriving = state if place == 0 else loop * state + (1 - loop) * shares
        state = np.maximum(arriving * emission, 1e-300)
        scales[place] = state.sum()
        state = forward[place] = state / scales[place]
    for place in range(len(scores) - 2, -1, -1):
        ahead = emissions[place + 1] * backward[place + 1] / scales[place + 1]
        backward[place] = loop * ahead + (1 - loop) * (shares @ ahead)
    gamma = forward * backward
    gamma /= gamma.sum(axis=1, keepdims=True)
    entered = (1 - loop) * shares * (emissions[1:] * backward[1:] / scales[1:, None]).sum(axis=0)  # (24)
    fresh = np.maximum(gamma[0] + entered, _TINY)
    return gamma, float(np.log(scales).sum() + top.sum()), fresh / fresh.sum()
