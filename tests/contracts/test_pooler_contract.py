"""What holds for every registered pooler, plugins included, over one layer and over many."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.contracts import small
from voxboard import poolers
from voxboard.backbones.base import Frames, FramesSpec
from voxboard.poolers.base import Pooler

EVERY = pytest.mark.parametrize(
    ("name", "spec"),
    [pytest.param(name, spec, id=f"{name}, {key}") for name in poolers.names() for key, spec in small.SPECS.items()],
)


def build(name: str, spec: FramesSpec, seed: int = 0) -> Pooler:
    torch.manual_seed(seed)
    pooler = poolers.create(name, spec, **small.POOLERS.get(name, {}))
    small.settle(pooler)
    return pooler


@EVERY
def test_gives_one_embedding_per_utterance(name: str, spec: FramesSpec) -> None:
    pooler = build(name, spec)
    with torch.no_grad():
        embeddings = pooler(small.frames(spec, 30, 12, 1))
    assert embeddings.shape == (3, pooler.embedding_size)
    assert torch.isfinite(embeddings).all()


@EVERY
@pytest.mark.parametrize("padding", [0.0, 1e30, float("inf"), float("nan")])
def test_padding_changes_nothing(name: str, spec: FramesSpec, padding: float) -> None:
    pooler = build(name, spec)
    lengths = (40, 23, 2, 1)
    batch = small.frames(spec, *lengths, padding=padding)
    with torch.no_grad():
        together = pooler(batch)
        for row, length in enumerate(lengths):
            alone = Frames(batch.states[row : row + 1, :, :length], torch.tensor([length]), spec.hop)
            small.assert_close(together[row : row + 1], pooler(alone))


@EVERY
@pytest.mark.parametrize("padding", [0.0, float("nan")])
def test_gradients_are_finite(name: str, spec: FramesSpec, padding: float) -> None:
    """Also for an utterance of silence, for constant frames and for a single frame."""
    pooler = build(name, spec).train()
    batch = small.frames(spec, 20, 20, 20, 1, padding=padding)
    batch.states[1], batch.states[2] = 0.0, 1.0
    states = batch.states.requires_grad_()
    loss = pooler(batch).square().sum()
    assert torch.isfinite(loss)
    loss.backward()
    assert states.grad is not None
    assert torch.isfinite(states.grad).all()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in pooler.parameters())


@EVERY
def test_every_weight_can_learn(name: str, spec: FramesSpec) -> None:
    pooler = build(name, spec)
    batch = small.frames(spec, 20, 15)
    batch.states.requires_grad_()
    pooler(batch).square().sum().backward()
    assert batch.states.grad is not None
    assert not [key for key, parameter in pooler.named_parameters() if parameter.grad is None]


@EVERY
def test_a_seed_and_a_saved_state_give_the_same_pooler(name: str, spec: FramesSpec, tmp_path: Path) -> None:
    first, again, other = (build(name, spec, seed) for seed in (1, 1, 2))
    batch = small.frames(spec, 9, 6)
    with torch.no_grad():
        expected = first(batch)
        assert torch.equal(again(batch), expected)
        if state := first.state_dict():
            save_file(state, tmp_path / "weights.safetensors")
            other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        assert torch.equal(other(batch), expected)
