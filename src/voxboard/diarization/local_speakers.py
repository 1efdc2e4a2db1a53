"""Local speakers of a segmentation network, embedded by any encoder: one embedding each, of where they speak alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from voxboard.data import audio
from voxboard.diarization import segmentation
from voxboard.diarization.config import Diarization
from voxboard.diarization.prepared import LocalSpeakers
from voxboard.diarization.regions import clip
from voxboard.diarization.stitching import Decisions, FrameGrid
from voxboard.diarization.vad import detect
from voxboard.metrics.rttm import Region

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import EncoderModule

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

TOGETHER = 64  # local speakers whose audio is in memory


def prepare_local(
    encoder: EncoderModule,
    cut: Cut,
    settings: Diarization,
    speech: Sequence[Region] | None = None,
    uem: Sequence[Region] | None = None,
    *,
    heads: int = 1,
) -> LocalSpeakers:
    """Find the speakers of every window of the segmentation, and embed each by what it says alone in there.

    Where that is shorter than `settings.shortest`, what it says together with others counts too. Nobody speaks outside
    of what the VAD finds. Raises as `vad.detect` and `embed_waves`.
    """
    from voxboard.embedding.waves import embed_waves

    network = segmentation.published_network()
    grid = segmentation.grid_of(network, settings.segmentation_hop)
    raw = segmentation.decisions(network, cut, settings.segmentation_hop)
    regions = _regions(raw, grid, cut, settings, speech, uem)
    decisions = segmentation.within(raw, grid, regions) if len(raw) and regions else np.zeros_like(raw)
    owners = np.argwhere(decisions.any(axis=1))
    heard = [_heard(decisions[window], local, grid, settings.shortest) for window, local in owners.tolist()]
    pieces = _waves(cut, owners[:, 0].tolist(), heard, grid, encoder.backbone.spec.sample_rate)
    rows = [embed_waves(encoder, some, heads) for some in _chunks(pieces)]
    alone = (decisions.sum(axis=2, keepdims=True) == 1) & (decisions > 0)
    return LocalSpeakers(
        regions,
        [],
        np.concatenate(rows) if rows else np.zeros((0, 0), np.float32),
        int(cut.sampling_rate),
        raw,  # turns end where regions do, not with the last frame whose middle is inside
        grid,
        owners,
        alone.sum(axis=1)[tuple(owners.T)] * grid.frame_step,
    )


def _regions(
    raw: Decisions,
    grid: FrameGrid,
    cut: Cut,
    settings: Diarization,
    speech: Sequence[Region] | None,
    uem: Sequence[Region] | None,
) -> list[Region]:
    """Regions of speech from the VAD, which are in `raw` already where it is the same network."""
    if settings.vad != segmentation.NAME:
        return detect(cut, settings, speech, uem)
    whole: list[Region] = [(0.0, float(cut.duration))]
    scope = whole if uem is None else clip(whole, uem)
    return clip(segmentation.speech(raw, grid, settings), scope) if len(raw) else []


def _heard(decisions: Decisions, local: int, grid: FrameGrid, shortest: float) -> Flags:
    """[F]: the frames of a window that a local speaker is embedded by."""
    own = decisions[:, local] > 0
    alone = own & (decisions.sum(axis=1) == 1)
    return alone if alone.sum() * grid.frame_step >= shortest else own


def _waves(cut: Cut, windows: Sequence[int], heard: Sequence[Flags], grid: FrameGrid, rate: int) -> Iterator[Floats]:
    """The samples of what every local speaker is embedded by, one stretch behind another."""
    last, samples = -1, np.zeros(0, np.float32)
    for window, flags in zip(windows, heard, strict=True):
        if window != last:
            start = round(window * grid.step * rate)
            last, samples = window, audio.window(cut, start, round(grid.window * rate), rate)
        # A frame stands for a step around its middle.
        begin = (grid.frame_duration - grid.frame_step) / 2
        times = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
        edges = np.rint((times * grid.frame_step + begin) * rate).astype(int).reshape(-1, 2)
        yield np.concatenate([samples[first:end] for first, end in edges])


def _chunks(waves: Iterator[Floats]) -> Iterator[list[Floats]]:
    chunk: list[Floats] = []
    for wave in waves:
        chunk.append(wave)
        if len(chunk) == TOGETHER:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
