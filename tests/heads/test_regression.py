"""Regression: both errors, missing targets, and the value that it starts from."""

from __future__ import annotations

import math

import pytest
import torch

from voxboard import heads
from voxboard.errors import UserError


@pytest.mark.parametrize(("error", "power"), [("mse", 2), ("l1", 1)])
def test_errors_are_averaged_over_the_targets_that_are_there(error: str, power: int) -> None:
    torch.manual_seed(0)
    head = heads.create("regression", 4, 1, error=error)
    embeddings = torch.randn(3, 4, requires_grad=True)
    targets = torch.tensor([30.0, math.nan, 60.0])
    loss = head.loss(embeddings, targets)
    found = head.predict(embeddings)[:, 0]
    assert torch.allclose(loss, ((found[0] - 30).abs() ** power + (found[2] - 60).abs() ** power) / 2)
    loss.backward()
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()
    assert not embeddings.grad[1].any()


def test_a_batch_without_targets_costs_nothing() -> None:
    head = heads.create("regression", 4, 2)
    assert head.targets == "values"
    assert head.loss(torch.randn(3, 4), torch.full((3, 2), math.nan)) == 0


def test_it_starts_from_the_center() -> None:
    assert torch.allclose(heads.create("regression", 4, 1, center=35.0).predict(torch.zeros(2, 4)), torch.tensor(35.0))


def test_targets_of_another_shape_and_other_errors_are_refused() -> None:
    with pytest.raises(UserError, match=r"targets \[3\] for predictions \[3, 2\]"):
        heads.create("regression", 4, 2).loss(torch.randn(3, 4), torch.zeros(3))
    with pytest.raises(UserError, match="no error 'huber'"):
        heads.create("regression", 4, 1, error="huber")
