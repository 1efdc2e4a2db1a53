"""The threshold of agglomerative clustering, and its centring, from development recordings only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voxboard.diarization.agglomerative import Tree, tree
from voxboard.diarization.clustering import centered, join
from voxboard.diarization.config import Diarization
from voxboard.diarization.pipeline import Conversation, prepare_one
from voxboard.diarization.prepared import Prepared
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.metrics.rttm import Turn
    from voxboard.model import EncoderModule

MOST = 60  # thresholds that are tried


@dataclass(frozen=True)
class TunedSettings:
    """Settings with what gave the lowest DER on dev, and the DER of all thresholds tried with that centring."""

    settings: Diarization
    der: float
    tried: tuple[tuple[float, float], ...]  # (threshold, DER), ascending


def tune(
    encoder: EncoderModule,
    dev: Sequence[Conversation],
    settings: Diarization,
    *,
    collar: float = 0.0,
    skip_overlap: bool = False,
    heads: int = 1,
) -> TunedSettings:
    """The threshold, and whether to centre, of the lowest DER on recordings that must not be those of the test.

    Every recording is embedded once. Raises as `tune_prepared`.
    """
    _check(dev, settings)
    prepared = {one.name: prepare_one(encoder, one, settings, heads) for one in dev}
    return tune_prepared(dev, prepared, settings, collar=collar, skip_overlap=skip_overlap)


def tunable(settings: Diarization) -> bool:
    """True if a threshold decides about the number of speakers."""
    return settings.clustering == "agglomerative" and not settings.num_speakers and not settings.oracle_speakers


def tune_prepared(
    dev: Sequence[Conversation],
    prepared: Mapping[str, Prepared],
    settings: Diarization,
    *,
    collar: float = 0.0,
    skip_overlap: bool = False,
) -> TunedSettings:
    """`tune` on recordings that are embedded already, by name.

    Candidates lie between the merges of the recordings themselves, so that they suit any encoder; of equally good ones
    the middle of the longest run is taken. Every recording is linked once; resegmentation is left out. Raises
    `UserError` when there is nothing to tune or nothing to tune it on.
    """
    _check(dev, settings)
    references = {one.name: list(one.reference or ()) for one in dev}
    uem = {one.name: one.scored for one in dev}
    from voxboard.metrics.diarization import der

    results = []
    for center in (False, True):
        grown = {name: _Grown.of(one, replace(settings, center=center)) for name, one in prepared.items()}
        tried = []
        for threshold in _candidates([one.tree.heights for one in grown.values()], settings.threshold):
            cut = replace(settings, threshold=threshold, center=center)
            turns = {name: one.turns(cut) for name, one in grown.items()}
            tried.append((threshold, der(references, turns, collar, skip_overlap, uem)))
        threshold, error = _best(tried)
        results.append(TunedSettings(replace(settings, threshold=threshold, center=center), error, tuple(tried)))
    return min(results, key=lambda result: result.der)  # plain embeddings where both are as good


def _check(dev: Sequence[Conversation], settings: Diarization) -> None:
    if not tunable(settings):
        raise UserError(
            "Only agglomerative clustering with an unknown number of speakers has a threshold to tune.",
            "Leave tuning out, or the number of speakers.",
        )
    if not dev or any(one.reference is None for one in dev):
        raise UserError("Tuning needs development recordings that all have a reference.")


@dataclass(frozen=True, eq=False)
class _Grown:
    """A recording whose windows are linked, to be cut anywhere."""

    prepared: Prepared
    rows: NDArray[np.float32]
    founders: NDArray[np.bool_]
    tree: Tree

    @classmethod
    def of(cls, prepared: Prepared, settings: Diarization) -> _Grown:
        founders = prepared.founders(settings)
        rows = centered(prepared.embeddings) if settings.center and len(founders) else prepared.embeddings
        return cls(prepared, rows, founders, tree(rows[founders]))

    def turns(self, settings: Diarization) -> list[Turn]:
        if not len(self.rows):
            return []
        labels = join(self.rows, self.founders, self.tree.cut(settings.threshold, settings.max_speakers))
        return self.prepared.labelled(labels)


def _candidates(heights: Sequence[np.ndarray], default: float) -> list[float]:
    """Quantiles of the middles between neighbouring merges, one below all of them and one above."""
    merged = np.unique(np.concatenate(heights).clip(0, 2)) if heights else np.zeros(0)
    if not merged.size:
        return [default]
    middles = np.concatenate([[merged[0] / 2], (merged[1:] + merged[:-1]) / 2, [(merged[-1] + 2) / 2]])
    places = np.unique(np.linspace(0, len(middles) - 1, MOST).round().astype(int))
    return [float(value) for value in middles[places]]


def _best(tried: Sequence[tuple[float, float]]) -> tuple[float, float]:
    lowest = min(error for _, error in tried)
    runs = [list(run) for equal, run in groupby(tried, key=lambda pair: pair[1] <= lowest) if equal]
    longest = max(runs, key=len)
    return longest[len(longest) // 2]
