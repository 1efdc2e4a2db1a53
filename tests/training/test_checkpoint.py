"""Checkpoints: numbers and JSON in one file that is replaced as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from voxboard.errors import UserError
from voxboard.training import checkpoint
from voxboard.training.scaled_adam import ScaledAdam


def _stepped(kind: type[torch.optim.Optimizer], **options: float) -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimizer = kind(layer.parameters(), lr=0.1, **options)  # type: ignore[call-arg]
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    return layer, optimizer


def test_tensors_and_meta_come_back_as_they_were(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(3)}
    checkpoint.save(tmp_path / "x.safetensors", tensors, {"step": 3, "best": None})
    read, meta = checkpoint.load(tmp_path / "x.safetensors")
    assert checkpoint.same(read, tensors)
    assert meta == {"step": 3, "best": None}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.Adam, {}),
        (torch.optim.AdamW, {"weight_decay": 0.1}),
        (torch.optim.SGD, {"momentum": 0.9}),
        (ScaledAdam, {"clipping_scale": 2.0}),
    ],
)
def test_an_optimiser_goes_on_as_if_never_stopped(kind: type, options: dict[str, float], tmp_path: Path) -> None:
    layer, optimizer = _stepped(kind, **options)
    tensors, meta = checkpoint.pack_optimizer(optimizer.state_dict())
    checkpoint.save(tmp_path / "o.safetensors", tensors, meta)
    read, read_meta = checkpoint.load(tmp_path / "o.safetensors")
    twin = torch.nn.Linear(3, 2)
    twin.load_state_dict(layer.state_dict())
    other = kind(twin.parameters(), lr=0.5)
    other.load_state_dict(checkpoint.unpack_optimizer(read, read_meta))
    for module, stepper in ((layer, optimizer), (twin, other)):
        stepper.zero_grad()
        module(torch.full((1, 3), 2.0)).sum().backward()
        stepper.step()
    assert checkpoint.same(layer.state_dict(), twin.state_dict())


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04K\x01."])
def test_a_file_that_is_no_checkpoint_is_refused_without_running_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoint.load(path)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.save(path, {"a": torch.zeros(2)}, {"step": 1})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(UserError, match=r"No space.*--resume"):
        checkpoint.save(path, {"a": torch.ones(2)}, {"step": 2})
    assert checkpoint.load(path)[1] == {"step": 1}
