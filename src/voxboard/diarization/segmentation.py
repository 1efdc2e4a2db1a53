"""The published segmentation network over a recording: who of a few local speakers speaks, window by window."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from voxboard import published
from voxboard.data import audio
from voxboard.diarization import stitching
from voxboard.diarization.config import Diarization
from voxboard.diarization.pyannet import RATE, PyanNet, decided, from_weights
from voxboard.diarization.regions import clean
from voxboard.diarization.stitching import Decisions, FrameGrid
from voxboard.metrics.rttm import Region

if TYPE_CHECKING:
    from lhotse.cut import Cut

NAME = "pyannet"  # of the published weights
WINDOW = 10.0  # seconds that the network was trained on
TOGETHER = 16  # windows in a batch


def grid_of(network: PyanNet, hop: float) -> FrameGrid:
    """Grid of the windows and frames of a network, a window every `hop` seconds."""
    sizes = network.sizes
    return FrameGrid(WINDOW, hop, sizes.step / RATE, sizes.field / RATE)


def published_network() -> PyanNet:
    """The network with its published weights. Raises `UserError` where they are not here, with what brings them."""
    return _opened(published.path(NAME))


@cache
def _opened(place: Path) -> PyanNet:
    return from_weights(published.weights(NAME))


def decisions(network: PyanNet, cut: Cut, hop: float) -> Decisions:
    """Decide who speaks in every window of a recording: [C, F, S], 0 or 1, by the likeliest set of speakers.

    Windows of 10 s begin every `hop` seconds; where the last full one does not end with the recording, another follows,
    filled with silence. Raises `BadAudio` for a file that cannot be read.
    """
    total, length, step = audio.num_samples(cut, RATE), round(WINDOW * RATE), round(hop * RATE)
    sizes, device = network.sizes, network.classifier.weight.device
    starts = window_starts(total, length, step)
    windows = [np.zeros((0, sizes.frames(length), sizes.speakers), np.uint8)]
    with torch.inference_mode():
        for first in range(0, len(starts), TOGETHER):
            waves = np.zeros((len(starts[first : first + TOGETHER]), 1, length), np.float32)
            for wave, start in zip(waves, starts[first : first + TOGETHER], strict=True):
                samples = audio.window(cut, start, length, RATE)
                wave[0, : len(samples)] = samples
            logs = network(torch.from_numpy(waves).to(device))
            windows.append(decided(logs, sizes.speakers, sizes.at_once).cpu().numpy().astype(np.uint8))
    return np.concatenate(windows)


def window_starts(total: int, length: int, step: int) -> list[int]:
    """The first samples of the windows of a recording of `total` samples."""
    if total <= 0:
        return []
    full = 0 if total < length else (total - length) // step + 1
    whole = total >= length and (total - length) % step == 0
    return [place * step for place in range(full + (not whole))]


def speech(active: Decisions, grid: FrameGrid, settings: Diarization) -> list[Region]:
    """Regions of speech: frames in which most windows hear somebody; short pauses filled, short speech dropped."""
    anybody = stitching.counted(active.max(axis=2, keepdims=True), grid).astype(np.uint8)
    regions = [(start, end) for start, end, _ in stitching.segments(anybody[:, None], grid)]
    return clean(regions, settings.min_speech, settings.min_silence)


def detected(cut: Cut, settings: Diarization) -> list[Region]:
    """Speech of a recording by the network. Raises as `published_network` and `decisions`."""
    network = published_network()
    active = decisions(network, cut, settings.segmentation_hop)
    return speech(active, grid_of(network, settings.segmentation_hop), settings) if len(active) else []


def within(active: Decisions, grid: FrameGrid, regions: list[Region]) -> Decisions:
    """Decisions without what is outside of regions, which ascend."""
    inside = np.stack([_inside(grid, number, active.shape[1], regions) for number in range(len(active))])
    return np.where(inside[:, :, None], active, 0).astype(np.uint8)


def _inside(grid: FrameGrid, number: int, frames: int, regions: list[Region]) -> NDArray[np.bool_]:
    """[F]: whether the middle of a window's frame lies in a region."""
    middles = number * grid.step + np.arange(frames) * grid.frame_step + grid.frame_duration / 2
    starts, ends = np.array(regions).reshape(-1, 2).T
    place = np.searchsorted(starts, middles, side="right") - 1
    return (place >= 0) & (middles < ends[place]) if len(starts) else np.zeros(frames, np.bool_)
