"""The cohort of score normalisation: one mean embedding per training speaker, as WeSpeaker's recipes have it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from voxboard.metrics.ranked import Floats, array
from voxboard.scoring.enrolment import mean_direction


@dataclass(frozen=True, eq=False)
class Cohort:
    """Normalised rows [C, E], one per speaker, sorted by the speakers' names."""

    speakers: tuple[str, ...]
    matrix: Floats
    digest: str = ""  # of the utterances that it was made of


def draw(speakers: Iterable[str], size: int, seed: int) -> list[str]:
    """`size` of the distinct speakers, sorted (0: all): before anything is embedded.

    Which ones depends on the seed and their names alone. Raises `ValueError` where there are fewer.
    """
    names = np.array(sorted(set(speakers)))
    if not 0 <= size <= len(names):
        raise ValueError(f"a cohort of {size} speakers cannot be drawn from {len(names)}")
    order = np.random.default_rng(seed).permutation(len(names))
    return names[np.sort(order[: size or len(names)])].tolist()


def mean_per_speaker(
    embeddings: ArrayLike, speakers: ArrayLike, utterances: Sequence[str] = (), heads: int = 1
) -> Cohort:
    """The cohort of training utterances [n, E] and their speakers [n]; `utterances` [n] are what the digest is of.

    Raises `ValueError` for differing lengths or NaN.
    """
    names, numbers = np.unique(array(speakers), return_inverse=True)
    digest = hashlib.sha256("\n".join(sorted(utterances)).encode()).hexdigest() if utterances else ""
    return Cohort(tuple(str(name) for name in names), mean_direction(embeddings, numbers, heads), digest)
