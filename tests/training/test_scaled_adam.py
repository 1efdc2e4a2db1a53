"""ScaledAdam moves tensors by their size, within limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
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


@pytest.mark.parametrize(
    "options",
    [
        {"clipping_scale": 2.0},
        {"clipping_scale": 1.5, "clipping_update_period": 20},
        {"clipping_scale": 1.0, "clipping_update_period": 8, "betas": (0.8, 0.9), "size_update_period": 3},
        {"clipping_scale": 2.0, "param_min_rms": 0.01, "param_max_rms": 0.4, "scalar_max": 0.2},
        {"clipping_scale": None},
    ],
)
def test_moves_as_written_out_in_double_precision(options: dict[str, Any]) -> None:
    generator = np.random.default_rng(11)
    scales = {(6, 5): 0.3, (5,): 0.5, (4, 3): 1e-4, (1,): 3.0}
    weights = [scale * generator.standard_normal(shape) for shape, scale in scales.items()]
    gradients = [
        [generator.standard_normal(shape) - 3 * w for w, shape in zip(weights, scales, strict=True)] for _ in range(120)
    ]
    for spike in (12, 60):  # one under the first threshold, one under a later one
        gradients[spike] = [40 * gradient for gradient in gradients[spike]]
    parameters = [torch.nn.Parameter(torch.tensor(weight, dtype=torch.float64)) for weight in weights]
    optimizer = ScaledAdam(parameters, **options)
    plain = Plain(weights, options)
    for step, row in enumerate(gradients):
        for parameter, gradient in zip(parameters, row, strict=True):
            parameter.grad = torch.tensor(gradient)
        optimizer.step()
        plain.step(step, row)
        for parameter, weight in zip(parameters, plain.weights, strict=True):
            # The norms of past steps are kept in single precision.
            np.testing.assert_allclose(parameter.detach().numpy(), weight, rtol=1e-5, atol=1e-6)
    assert plain.clipped == (options["clipping_scale"] is not None)


class Plain:
    """ScaledAdam one weight at a time, in NumPy: the published update rule with nothing batched or reused."""

    def __init__(self, weights: list[np.ndarray], options: dict[str, Any]) -> None:
        defaults = {"betas": (0.9, 0.98), "param_min_rms": 1e-5, "param_max_rms": 3.0, "scalar_max": 10.0}
        periods = {"size_update_period": 4, "clipping_update_period": 100}
        self.options = {**defaults, **periods, **options}
        self.weights = [weight.copy() for weight in weights]
        self.deltas = [0.0 * weight for weight in weights]
        self.squares = [0.0 * weight for weight in weights]
        self.sizes = [float(np.sqrt(np.mean(weight**2))) for weight in weights]
        self.sums: list[list[float]] = [[] for _ in weights]
        self.sum_squares = [0.0 for _ in weights]
        self.norms: list[float] = []
        self.threshold = math.inf
        self.clipped = False

    def step(self, step: int, gradients: list[np.ndarray]) -> None:
        factor = self.clipping(step, gradients)
        for index, gradient in enumerate(gradients):
            self.move(index, step, gradient * factor)

    def clipping(self, step: int, gradients: list[np.ndarray]) -> float:
        scale, period = self.options["clipping_scale"], self.options["clipping_update_period"]
        if scale is None or step == 0:
            return 1.0
        units = [0.1 if weight.size == 1 else size for weight, size in zip(self.weights, self.sizes, strict=True)]
        norm = math.sqrt(sum(float(np.sum((g * unit) ** 2)) for g, unit in zip(gradients, units, strict=True)))
        self.norms.append(norm)
        early = step in (10, 20, 40) and step < period
        if early or step % period == 0:
            latest = sorted(self.norms[-step:] if early else self.norms[-period:])
            median = latest[min(len(latest) // 4 * 2, len(latest) - 1)]
            self.threshold = scale * median * (2 if early else 1)
        self.clipped |= norm > self.threshold
        return min(1.0, self.threshold / norm)

    def move(self, index: int, step: int, gradient: np.ndarray) -> None:
        (beta1, beta2), lr, eps = self.options["betas"], 0.045, 1e-8
        weight, period = self.weights[index], self.options["size_update_period"]
        self.squares[index] = beta2 * self.squares[index] + (1 - beta2) * gradient**2
        correction = 1 - beta2 ** (step + 1)
        delta = beta1 * self.deltas[index]
        if weight.size == 1:
            delta -= 0.1 * lr * (1 - beta1) * gradient / (np.sqrt(self.squares[index] / correction) + eps)
            weight = np.clip(weight, -self.options["scalar_max"], self.options["scalar_max"])
        else:
            self.sums[index].append(float(np.sum(weight * gradient)))
            if (step + 1) % period == 0:
                delta += (1 - beta1) * weight * self.growth(index, step, beta2**period, 0.1 * lr, eps)
            square = self.squares[index] / (correction if correction < 0.99 else 1.0)
            size = max(self.sizes[index], self.options["param_min_rms"])
            delta -= lr * (1 - beta1) * size * gradient / (np.sqrt(square) + eps)
        self.deltas[index], self.weights[index] = delta, weight + delta

    def growth(self, index: int, step: int, beta: float, rate: float, eps: float) -> float:
        period = self.options["size_update_period"]
        size = self.sizes[index] = float(np.sqrt(np.mean(self.weights[index] ** 2)))
        latest = np.array(self.sums[index][-period:])
        self.sum_squares[index] = beta * self.sum_squares[index] + (1 - beta) * float(np.mean(latest**2))
        correction = math.sqrt(1 - beta ** ((step + 1) // period))
        wanted = -rate * correction * float(latest.sum()) / (math.sqrt(self.sum_squares[index]) + eps)
        if size < self.options["param_min_rms"]:
            return 0.0
        return min(wanted, (self.options["param_max_rms"] - size) / size)
