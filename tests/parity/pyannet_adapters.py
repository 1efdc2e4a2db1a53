"""How pyannote's segmentation network and its stitching are run on voxboard's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from tests.conftest import DATA
from tests.parity.reference_fixture import Fixture
from voxboard import published
from voxboard.diarization import pyannet, stitching
from voxboard.diarization.stitching import FrameGrid

Outputs = Mapping[str, Any]
WINDOW = 160_000  # samples


def network(fixture: Fixture, weights: Mapping[str, Tensor]) -> pyannet.PyanNet:
    """The network of a fixture's sizes, which its weights must have."""
    speakers, at_once = fixture.ctor["speakers"], fixture.ctor["max_speakers_per_frame"]
    made = pyannet.from_weights(weights, stride=fixture.ctor["sincnet"]["stride"], speakers=speakers, at_once=at_once)
    lstm, linear = fixture.ctor["lstm"], fixture.ctor["linear"]
    assert (made.sizes.hidden, made.sizes.layers) == (lstm["hidden_size"], lstm["num_layers"])
    assert made.sizes.bidirectional == lstm["bidirectional"]
    assert made.sizes.linears == linear["num_layers"]
    if "powerset_classes" in fixture.ctor:
        assert pyannet.powerset(speakers, at_once) == tuple(map(tuple, fixture.ctor["powerset_classes"]))
    return made


def stages(made: pyannet.PyanNet, waveforms: Tensor) -> Outputs:
    """What every stage gives."""
    front = made.sincnet(waveforms)
    states = made.recur(front)
    logs = made.classify(states)
    sets = made.sizes.speakers, made.sizes.at_once
    return {
        "filters": made.sincnet.conv1d[0].filterbank(),
        "sincnet": front,
        "lstm": states,
        "log_probabilities": logs,
        "multilabel": pyannet.decided(logs, *sets),
        "soft_multilabel": pyannet.probabilities(logs, *sets),
    }


def of_waveforms(fixture: Fixture) -> Outputs:
    """Waveforms [B, 1, N] → every stage."""
    return stages(network(fixture, fixture.weights), fixture.inputs["waveform"])


def of_a_recording(fixture: Fixture) -> Outputs:
    """Windows of a real recording through the published weights → log-probabilities and decisions."""
    recording = DATA / fixture.config["data"]
    if not recording.is_file():
        pytest.skip("no real data: VOXBOARD_DATA names no folder")
    if not published.is_here("pyannet"):
        pytest.skip(f"the published weights are not here: {published.entry('pyannet').command}")
    assert fixture.config["weights"]["package"] == published.entry("pyannet").source.project
    samples, rate = soundfile.read(Path(recording), dtype="float32", always_2d=True)
    assert rate == pyannet.RATE
    wave = torch.from_numpy(samples[:, 0].copy())
    windows = torch.stack([wave[start : start + WINDOW] for start in fixture.inputs["starts"].tolist()])
    return stages(network(fixture, published.weights("pyannet")), windows[:, None])


def stitch(fixture: Fixture) -> Outputs:
    """Decisions [C, F, S] and clusters [C, S] → how many speak, who speaks, and turns."""
    given = fixture.ctor
    assert not any(given.get("warm_up", ()))
    grid = FrameGrid(*(given[name] for name in ("window", "step", "frame_step", "frame_duration")))
    decisions = fixture.inputs["segmentations"].numpy().astype(np.uint8)
    found = stitching.tracks(decisions, fixture.inputs["clusters"].numpy(), grid)
    turns = stitching.segments(found, grid, given["min_duration_on"], given["min_duration_off"])
    return {
        "count": stitching.counted(decisions, grid),
        "diarization": found,
        "segments": np.array(turns, np.float64).reshape(-1, 3),
    }


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "pyannet": of_waveforms,
    "pyannet_real": of_a_recording,
    "pyannet_stitch": stitch,
}
