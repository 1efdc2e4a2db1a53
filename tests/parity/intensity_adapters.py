"""How the intensity reference's model, targets and baseline are run on voxboard's."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from tests.parity.reference_fixture import Fixture
from voxboard import backbones, heads
from voxboard.backbones.frames import Frames
from voxboard.benchmarks.intensity_baseline import features
from voxboard.data import loudness
from voxboard.heads.base import MISSING
from voxboard.metrics import regression
from voxboard.reference_weights import load_reference
from voxboard.scoring.probe import ValueProbe

Outputs = Mapping[str, Any]


def whisper_intensity(fixture: Fixture) -> Outputs:
    """Log-mel [B, bins, 2T], tokens [B, U] and levels [B] → the frames, both losses and the level that is told."""
    shape = fixture.config["whisper_config"]
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
            json.dump({"model_type": "whisper", **shape}, file)
        backbone: Any = backbones.create(
            "whisper",
            cfg=folder,
            layers=shape["encoder_layers"],
            heads=shape["encoder_attention_heads"],
            ffn=shape["encoder_ffn_dim"],
        ).eval()
        weight = fixture.config["lambda_intensity"]
        sizes = {"rms_dbfs": 1, "text": shape["vocab_size"]}
        head: Any = heads.create(
            "whisper-intensity", shape["d_model"], sizes, cfg=folder, weight=weight, reference=True
        ).eval()
    load_reference("whisper-intensity", fixture.weights, backbone=backbone, head=head)
    states = backbone.states(fixture.inputs["input_features"])[:, -1:]
    frames = Frames(states, torch.full(states.shape[:1], states.shape[2]), 0.02)
    labels, levels = fixture.inputs["labels"], fixture.inputs["intensity_targets"]
    error = head.value_loss(frames, levels)
    spoken = head.decoder.loss(frames, labels)
    silent = {"text": torch.full_like(labels, MISSING), "rms_dbfs": levels}
    return {
        "encoder_last_hidden_state": states[:, 0],
        "pooled": head.pooled(frames),
        "intensity_pred": head.predict(frames)[:, 0],
        "logits": head.decoder(frames, head.decoder.shifted(labels)),
        "asr_loss": spoken,
        "intensity_loss": error,
        "loss": spoken + weight * error,
        "loss_without_labels": head.loss(frames, silent),
    }


def intensity_targets(fixture: Fixture) -> Outputs:
    """Signals [N] → levels in dB, a row per signal, by all of the reference's ways."""
    rate = fixture.config["sample_rate"]
    waves = [fixture.inputs[name].numpy() for name in fixture.config["signals"]]
    loud, fell = zip(*(loudness.lufs_or_rms(wave, rate) for wave in waves), strict=True)
    return {
        "rms_dbfs": [loudness.rms_dbfs(wave, rate) for wave in waves],
        "lufs": loud,
        "lufs_fell_back_to_rms": np.array(fell, dtype=float),
        "sagemaker_rms_dbfs": [loudness.endpoint_rms_dbfs(wave) for wave in waves],
    }


def intensity_baseline(fixture: Fixture) -> Outputs:
    """Waveforms [N] → 130 features each, and the ridge regression of their levels on them."""
    rate, train = fixture.config["sample_rate"], fixture.config["n_train"]
    waves = [fixture.inputs[f"wav{number}"].numpy() for number in range(train + fixture.config["n_test"])]
    rows = np.stack([features(wave, rate) for wave in waves])
    levels = np.array([loudness.rms_dbfs(wave, rate) for wave in waves])
    ridge = ValueProbe.fit(rows[:train], levels[:train], standardised=False)
    predictions = ridge.predict(rows[train:])
    return {
        "features": rows,
        "targets": levels,
        "coef": ridge.pipeline[-1].coef_,
        "intercept": ridge.pipeline[-1].intercept_,
        "predictions": predictions,
        "rmse": regression.rmse(levels[train:], predictions),
    }


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "whisper_intensity": whisper_intensity,
    "intensity_targets": intensity_targets,
    "intensity_baseline": intensity_baseline,
}
