"""What holds for every registered head, plugins included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.contracts import small
from voxboard import heads
from voxboard.heads.base import Head

NAMES = heads.names()
SIZE, CLASSES = 12, 5


def build(name: str, seed: int = 0) -> Head:
    torch.manual_seed(seed)
    return heads.create(name, SIZE, CLASSES, **small.HEADS.get(name, {}))


def batch(head: Head) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(10, SIZE, generator=generator)
    if head.targets == "values":
        return embeddings, torch.randn(10, CLASSES, generator=generator)
    return embeddings, torch.arange(10) % CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_gives_a_loss_and_a_score_per_class(name: str) -> None:
    head = build(name)
    embeddings, labels = batch(head)
    assert head.loss(embeddings, labels).shape == ()
    assert head.predict(embeddings).shape == (10, CLASSES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0.0, 1e-20, 1.0, 1e4])
def test_gradients_are_finite(name: str, size: float) -> None:
    head = build(name)
    embeddings, labels = batch(head)
    embeddings = (size * embeddings).requires_grad_()
    small.assert_finite_gradients(head, head.loss(embeddings, labels))
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_training_teaches_the_labels(name: str) -> None:
    head = build(name)
    embeddings, labels = batch(head)
    embeddings = embeddings.requires_grad_()
    optimiser = torch.optim.Adam([embeddings, *head.parameters()], lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        head.loss(embeddings, labels).backward()
        optimiser.step()
    head.eval()
    if head.targets == "values":
        assert torch.allclose(head.predict(embeddings), labels, atol=0.1)
    else:
        assert torch.equal(head.predict(embeddings).argmax(-1), labels)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_and_a_saved_state_give_the_same_head(name: str, tmp_path: Path) -> None:
    first, again, other = (build(name, seed).eval() for seed in (1, 1, 2))
    embeddings, _ = batch(first)
    assert torch.equal(first.predict(embeddings), again.predict(embeddings))
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(first.predict(embeddings), other.predict(embeddings))
