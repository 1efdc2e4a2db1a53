"""ECAPA-TDNN and X-vector give UniPool-SV's embeddings with its weights, where the shared fixtures are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from voxboard import backbones, heads
from voxboard.reference_weights import load_reference

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"


def fixture(component: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """Config, inputs and outputs of a fixture's first variant."""
    folder = PARITY / component / "a"
    if not folder.is_dir():
        pytest.skip("the shared parity fixtures are not here")
    arrays = [np.load(folder / name, allow_pickle=False) for name in ("input.npz", "output.npz")]
    inputs, outputs = ({key: torch.from_numpy(array[key]) for key in array.files} for array in arrays)
    return json.loads((folder / "config.json").read_text()), inputs, outputs


def weights_by_rule(seed: int, manifest: list[tuple[str, list[int]]]) -> dict[str, Tensor]:
    """The fixtures' README, rule_v1: weights that a seed stands for."""
    generator = np.random.default_rng(seed)
    weights = {}
    for key, shape in manifest:
        z = generator.standard_normal(shape)
        if key.endswith("running_var"):
            value = 0.5 + abs(z)
        elif key.endswith("running_mean"):
            value = 0.1 * z
        elif len(shape) <= 1:
            value = 0.1 * z + (1.0 if key.endswith(("weight", "gamma")) else 0.0)
        else:
            value = z / np.sqrt(np.prod(shape[1:])) * (4.0 if len(shape) == 3 and ".attention." in key else 1.0)
        weights[key] = torch.from_numpy(np.asarray(value, dtype=np.float32))
    return weights


@pytest.mark.parametrize("component", ["ecapa", "xvector"])
def test_embeds_as_the_reference(component: str) -> None:
    config, inputs, outputs = fixture(component)
    ctor, rule = config["ctor"], config["weights"]
    if component == "ecapa":
        backbone = backbones.create("ecapa", features="mfcc", channels=ctor["n_channels"])
        head = heads.create("aam", 192, ctor["nb_class_train"])
    else:
        backbone = backbones.create("xvector", features="mfcc", bins=ctor["input_dim"])
        head = heads.create("softmax", 512, ctor["nb_class_train"], hidden=512, bias=False)
    pooler = backbone.native_pooler()
    assert pooler is not None
    weights = weights_by_rule(rule["seed"], rule["manifest"])
    load_reference(component, weights, backbone=backbone, pooler=pooler, head=head)
    backbone.eval(), pooler.eval()
    with torch.no_grad():
        waveform = inputs["waveform"]
        embedding = pooler(backbone(waveform, torch.tensor([waveform.shape[1]])))
    unit = torch.nn.functional.normalize(embedding, dim=-1)
    assert torch.allclose(unit, outputs["embedding"], **config["tol"])
