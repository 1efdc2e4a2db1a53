"""Input of clustering and its result: embeddings of windows, or of local speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voxboard.diarization import stitching
from voxboard.diarization.clustering import cluster, in_order
from voxboard.diarization.config import Diarization
from voxboard.diarization.regions import clip
from voxboard.diarization.stitching import NOBODY, Decisions, FrameGrid
from voxboard.diarization.turns import turns
from voxboard.diarization.windows import Window, founders
from voxboard.errors import UserError
from voxboard.metrics.rttm import Region, Turn

if TYPE_CHECKING:
    from voxboard.scoring.plda import Plda

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Regions of speech, windows, and their normalised embeddings [W, E]."""

    regions: Sequence[Region]
    windows: Sequence[Window]
    embeddings: Floats
    rate: int

    def founders(self, settings: Diarization) -> NDArray[np.bool_]:
        """Mask [W] of the rows that found speakers."""
        return founders(self.windows, self.rate, settings)

    def labelled(self, labels: Labels) -> list[Turn]:
        """The turns that speaker numbers [W] mean."""
        return turns(self.regions, self.windows, labels, self.rate)

    def turns(self, settings: Diarization, num_speakers: int | None = None, plda: Plda | None = None) -> list[Turn]:
        """Clusters and names. `num_speakers` is that of `cluster`. Raises `UserError` for VBx without a PLDA."""
        if settings.resegmentation == "vbx" and plda is None:
            raise UserError("VBx needs a PLDA of the encoder's embeddings.", "Pass one, or leave resegmentation out.")
        if not len(self.embeddings):
            return []
        labels = cluster(self.embeddings, settings, num_speakers, self.founders(settings))
        if settings.resegmentation == "vbx" and plda is not None:
            from voxboard.diarization.vbx import vbx

            labels = in_order(vbx(self.embeddings, labels, plda, settings))
        return self.labelled(labels)


@dataclass(frozen=True, eq=False)
class LocalSpeakers(Prepared):
    """The same of local speakers: row w is speaker `owners[w, 1]` of window `owners[w, 0]` of the segmentation.

    `decisions` [C, F, S] tell who of a window speaks when; who speaks outside of the regions only has no row. `clean`
    [W] are the seconds that an owner is heard alone.
    """

    decisions: Decisions
    grid: FrameGrid
    owners: NDArray[np.intp]
    clean: NDArray[np.float64]

    def founders(self, settings: Diarization) -> NDArray[np.bool_]:
        long = np.asarray(self.clean >= settings.founding)
        return long if long.any() else ~long

    def labelled(self, labels: Labels) -> list[Turn]:
        clusters = np.full((len(self.decisions), self.decisions.shape[2]), NOBODY, np.int64)
        clusters[tuple(self.owners.T)] = labels
        tracks = stitching.tracks(self.decisions, clusters, self.grid, heard=True)
        segments = stitching.segments(tracks, self.grid)
        named = [
            (f"speaker{number:02}", *region)
            for number in range(tracks.shape[1])
            for region in clip([(start, end) for start, end, one in segments if one == number], self.regions)
        ]
        return sorted(named, key=lambda turn: (turn[1], turn[2], turn[0]))
