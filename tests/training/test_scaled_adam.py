"""ScaledAdam moves tensors by their size, within limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from voxboard.training.scaled_adam import ScaledAdam


def _run(weight: Tensor, gradients: list[Tensor], **options: Any) -> Tensor:
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = ScaledAdam([parameter], **options)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def _gradients(steps: int, *shape: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(*shape, generator=generator) for _ in range(steps)]


def test_a_step_is_relative_to_the_size_of_the_tensor() -> None:
    torch.manual_seed(0)
    weight, gradients = torch.randn(6, 5) / 10, _gradients(12, 6, 5)
    small = _run(weight, gradients, param_max_rms=1e9)
    large = _run(100 * weight, gradients, param_max_rms=1e9)
    assert torch.allclose(large, 100 * small, rtol=1e-4)


def test_the_size_of_the_gradient_does_not_matter() -> None:
    weight, gradients = torch.ones(4, 3), _gradients(12, 4, 3)
    scaled = _run(weight, [1000 * gradient for gradient in gradients])
    assert torch.allclose(scaled, _run(weight, gradients), atol=1e-5)


def test_the_scale_of_a_tensor_grows_up_to_a_limit() -> None:
    weight = torch.ones(8)
    quick = {"lr": 0.01, "scalar_lr_scale": 20.0, "clipping_scale": None}
    limited, free = (_run(weight, [-weight] * 60, param_max_rms=limit, **quick) for limit in (3.0, 1e9))
    assert limited.square().mean().sqrt() < 4
    assert free.square().mean().sqrt() > 100


def test_single_numbers_stay_within_their_limit() -> None:
    found = _run(torch.tensor(9.9), [torch.tensor(-1.0)] * 300, lr=1.0, scalar_max=10.0)
    assert 9.9 < float(found) < 10.2


@pytest.mark.parametrize(("spike_at", "clipped"), [(9, False), (10, True), (30, True), (150, True)])
def test_a_spike_is_clipped_once_there_is_a_median(spike_at: int, clipped: bool) -> None:
    gradients = _gradients(spike_at + 1, 6, 5)
    gradients[-1] = 1e3 * gradients[-1]
    weight = torch.ones(6, 5)
    found = _run(weight, gradients, clipping_scale=2.0)
    unclipped = _run(weight, gradients, clipping_scale=None)
    assert torch.equal(found, unclipped) != clipped


def test_the_threshold_is_twice_the_scale_times_the_median_at_step_10() -> None:
    # With constant values all norms are equal, so that the limit is 2 · 2 times the norm.
    weight, steady = torch.ones(2, 2), torch.full((2, 2), 0.5)
    quiet = {"lr": 1e-12, "clipping_scale": 2.0}
    parameter = torch.nn.Parameter(weight)
    optimizer = ScaledAdam([parameter], **quiet)
    for factor in [1.0] * 11 + [3.9, 4.1]:
        parameter.grad = steady * factor
        before = optimizer.state[parameter]["exp_avg_sq"].clone() if optimizer.state[parameter] else 0.0
        optimizer.step()
    taken = (optimizer.state[parameter]["exp_avg_sq"] - 0.98 * before) / 0.02
    assert torch.allclose(taken.sqrt(), 4.0 * steady, rtol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_left_out(value: float) -> None:
    gradients = _gradients(15, 3, 3)
    gradients[0], gradients[12] = torch.full((3, 3), value), torch.full((3, 3), value)
    assert _run(torch.ones(3, 3), gradients).isfinite().all()


def test_a_weight_without_a_gradient_counts_as_having_a_zero_one() -> None:
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimizer = ScaledAdam([first, second], clipping_scale=None)
    for gradient in _gradients(6, 3):
        first.grad, second.grad = gradient, None
        optimizer.step()
    assert torch.equal(second, torch.ones(3))
    assert not torch.equal(first, torch.ones(3))
