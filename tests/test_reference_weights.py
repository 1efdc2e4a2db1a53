"""Weights of the references: their key names, their file formats, and what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from voxboard import backbones, heads, poolers
from voxboard.errors import UserError
from voxboard.reference_weights import load_reference, read_weights

PREFIX = "speaker_encoder."
SMALL = {"channels": 16, "frame_size": 24, "embedding": 12}
OURS = {  # (reference prefix, part, ours): the product's rules, the other way round
    "ecapa": [
        (f"{PREFIX}attention.", "pooler", "pooler.attention."),
        (f"{PREFIX}bn5.", "pooler", "pooler.norm."),
        (f"{PREFIX}fc6.", "pooler", "pooler.project."),
        (f"{PREFIX}bn6.", "pooler", "pooler.out_norm."),
        (PREFIX, "backbone", ""),
    ],
    "xvector": [
        (f"{PREFIX}segment6.", "pooler", "pooler.project."),
        (f"{PREFIX}bn6.", "head", "hidden.1."),
        (f"{PREFIX}segment7.", "head", "hidden.2."),
        (f"{PREFIX}bn7.", "head", "hidden.4."),
        ("loss_head.fc.", "head", "output."),
        (PREFIX, "backbone", ""),
    ],
}


def parts(system: str, seed: int) -> dict[str, nn.Module]:
    torch.manual_seed(seed)
    options = {**SMALL, "scale": 4} if system == "ecapa" else SMALL
    backbone = backbones.create(system, **options)
    pooler = backbone.native_pooler()
    assert pooler is not None
    built: dict[str, nn.Module] = {"backbone": backbone, "pooler": pooler}
    if system == "xvector":
        built["head"] = heads.create("softmax", 12, 5, hidden=12, bias=False)
    return built


def reference_names(system: str, built: dict[str, nn.Module]) -> dict[str, Tensor]:
    found = {}
    for prefix, part, ours in OURS[system]:
        for key, value in built[part].state_dict().items():
            if key.startswith(ours) and "num_batches_tracked" not in key:
                found[prefix + key.removeprefix(ours)] = value
    return found


@pytest.mark.parametrize("system", ["ecapa", "xvector"])
def test_reference_names_load_into_our_parts(system: str) -> None:
    source, target = parts(system, 0), parts(system, 1)
    load_reference(system, reference_names(system, source), **target)
    for part, module in target.items():
        expected = source[part].state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in module.state_dict().items())


def test_both_layouts_of_margin_weights_load() -> None:
    rows = torch.randn(5, 8)
    embeddings = torch.randn(3, 8)
    expected = 30 * nn.functional.normalize(embeddings) @ nn.functional.normalize(rows).T
    for layout, weight in (("aam", rows), ("aam-columns", rows.T), ("multi-head-aam", rows.T[None])):
        head = heads.create("aam", 8, 5)
        load_reference(layout, {"weight": weight}, head=head)
        assert torch.allclose(head.predict(embeddings), expected, atol=1e-5)


def test_old_names_of_weight_norm_load() -> None:
    options = {"layers": 1, "size": 32, "heads": 4, "ffn": 48, "conv_size": 16}
    source, target = (backbones.create("wav2vec2-base", **options) for _ in range(2))
    named = {f"backbone.{key.removeprefix('model.')}": value for key, value in source.state_dict().items()}
    old = {
        key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for key, value in named.items()
    }
    assert set(old) != set(named)
    load_reference("unipool", old, backbone=target)
    assert target.fingerprint() == source.fingerprint()


def test_what_does_not_fit_is_listed_and_nothing_changes() -> None:
    pooler = poolers.create("unipool", (4, 6), conv_dim=4, pool_dim=8)
    before = {key: value.clone() for key, value in pooler.state_dict().items()}
    weights: dict[str, Any] = {f"encoder.{key}": value + 1 for key, value in before.items()}
    weights["surprise"] = torch.zeros(1)
    weights["encoder.t_pool.out_proj.bias"] = torch.zeros(9)
    del weights["encoder.l_pool.W1"]
    with pytest.raises(UserError) as caught:
        load_reference("unipool", weights, pooler=pooler)
    message = str(caught.value)
    assert "3 problems" in message
    assert "unexpected surprise" in message
    assert "missing l_pool.W1 (pooler)" in message
    assert "t_pool.out_proj.bias is [9], not [8] (pooler)" in message
    assert all(torch.equal(value, before[key]) for key, value in pooler.state_dict().items())


def test_parts_that_are_not_given_are_left_out() -> None:
    pooler = poolers.create("unipool", (4, 6), conv_dim=4, pool_dim=8)
    weights = {f"module.encoder.{key}": value for key, value in pooler.state_dict().items()}
    weights["module.backbone.anything"] = torch.zeros(1)
    load_reference("unipool", weights, pooler=pooler, head=None)


def test_an_unknown_layout_gets_the_nearest_match() -> None:
    with pytest.raises(UserError, match="Did you mean unipool"):
        load_reference("unipol", {})


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
def test_reads_every_format(suffix: str, tmp_path: Path) -> None:
    weights = {"a.weight": torch.randn(2, 3), "b": torch.zeros(1)}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".npz":
        np.savez(path, **{key: value.numpy() for key, value in weights.items()})
    elif suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    found = read_weights(path)
    assert set(found) == set(weights)
    assert all(torch.equal(found[key], weights[key]) for key in weights)


def test_reads_the_model_out_of_a_training_checkpoint(tmp_path: Path) -> None:
    """As UniPool-SV writes it: the state of numpy's random generator and arrays beside the model."""
    random = {"numpy": np.random.RandomState(0).get_state(), "torch": torch.get_rng_state()}
    state = {"epoch_no": 3, "rand_state": random, "val_FAR": np.zeros(99), "val_threshold": np.float64(0.5)}
    state["model_state"] = {"encoder.x": torch.ones(2)}
    torch.save(state, tmp_path / "model_best.pt")
    assert set(read_weights(tmp_path / "model_best.pt")) == {"encoder.x"}


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def test_a_file_that_would_execute_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(UserError, match="would have to execute code"):
        read_weights(tmp_path / "trap.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["broken.pt", "broken.npz", "broken.safetensors", "absent.pt"])
def test_damaged_and_absent_files_are_named(name: str, tmp_path: Path) -> None:
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(UserError, match=name):
        read_weights(tmp_path / name)
