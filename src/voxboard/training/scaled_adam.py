"""ScaledAdam: Adam whose steps are relative to the size of each tensor, and which learns that size apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

EARLY = (10, 20, 40)  # steps at which the clipping threshold is estimated before the first full period


class ScaledAdam(Optimizer):
    """ScaledAdam (Zipformer, Yao et al. 2024, section 3.5), as icefall and Auden train with it.

    A tensor moves by its root mean square times an Adam step, plus a step of its scale, learned from the sums of
    p·g of `size_update_period` steps; single numbers get plain Adam at `scalar_lr_scale` of the rate. A weight without
    a gradient counts as having a zero one.

    `clipping_scale` clips the gradient of each parameter group, measured in units of its tensors' sizes, at that
    multiple of the median of the last `clipping_update_period` steps (None: no clipping, nor is a gradient that is not
    finite replaced by zero).
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 0.045,
        clipping_scale: float | None = 2.0,
        betas: tuple[float, float] = (0.9, 0.98),
        scalar_lr_scale: float = 0.1,
        eps: float = 1e-8,
        param_min_rms: float = 1e-5,
        param_max_rms: float = 3.0,
        scalar_max: float = 10.0,
        size_update_period: int = 4,
        clipping_update_period: int = 100,
    ) -> None:
        defaults = {
            "lr": lr,
            "clipping_scale": clipping_scale,
            "betas": betas,
            "scalar_lr_scale": scalar_lr_scale,
            "eps": eps,
            "param_min_rms": param_min_rms,
            "param_max_rms": param_max_rms,
            "scalar_max": scalar_max,
            "size_update_period": size_update_period,
            "clipping_update_period": clipping_update_period,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every group. Returns the closure's loss, if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = group["params"]
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight] = _fresh(weight, group)
            factor = self._clipping(group)
            for weight in weights:
                gradient = torch.zeros_like(weight) if weight.grad is None or factor == 0 else weight.grad * factor
                move = _move_scalar if weight.numel() == 1 else _move
                move(weight, gradient, self.state[weight], group)
                self.state[weight]["step"] += 1
        return loss

    def _clipping(self, group: dict[str, Any]) -> float:
        """The factor of all gradients of a group; its history lies in the state of the group's first weight."""
        if group["clipping_scale"] is None:
            return 1.0
        first = self.state[group["params"][0]]
        norm, step, period = self._norm(group), first["step"], group["clipping_update_period"]
        if step > 0:  # the history begins after the first step, so that at step t it holds t norms
            if "model_norms" not in first:
                first["model_norms"] = torch.zeros(period)
            first["model_norms"][step % period] = norm
            early = step in EARLY and step < period
            if early or step % period == 0:
                norms = first["model_norms"].sort().values[-step:] if early else first["model_norms"].sort().values
                median = float(norms[min(len(norms) // 4 * 2, len(norms) - 1)])
                first["threshold"] = group["clipping_scale"] * median * (2.0 if early else 1.0)
        if not math.isfinite(norm):
            return 0.0
        threshold = first.get("threshold", math.inf)
        return min(1.0, threshold / norm) if norm > 0 else 1.0

    def _norm(self, group: dict[str, Any]) -> float:
        """Norm of a group's gradient, each tensor's in units of its size."""
        parts = [
            weight.grad.norm() * (group["scalar_lr_scale"] if weight.numel() == 1 else self.state[weight]["param_rms"])
            for weight in group["params"]
            if weight.grad is not None
        ]
        return float(torch.stack(parts).norm()) if parts else 0.0


def _fresh(weight: Tensor, group: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {"step": 0, "delta": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
    if weight.numel() > 1:
        state["param_rms"] = _rms(weight)
        state["scale_exp_avg_sq"] = weight.new_zeros(())
        state["scale_grads"] = weight.new_zeros(group["size_update_period"])
    return state


def _move(weight: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Move a tensor: its scale every `size_update_period` steps, its values every step."""
    (beta1, beta2), period, step = group["betas"], group["size_update_period"], state["step"]
    delta: Tensor = state["delta"]
    delta.mul_(beta1)
    state["scale_grads"][step % period] = (weight * gradient).sum()
    if step % period == period - 1:
        state["param_rms"].copy_(_rms(weight))
        delta.add_(weight * _scale_step(state, group), alpha=1 - beta1)
    mean_square = _mean_square(gradient, state, beta2)
    correction = 1 - beta2 ** (step + 1)
    if correction < 0.99:
        mean_square = mean_square / correction
    size = state["param_rms"].clamp(min=group["param_min_rms"])
    delta.add_(gradient / (mean_square.sqrt() + group["eps"]) * size, alpha=-group["lr"] * (1 - beta1))
    weight.add_(delta)


def _scale_step(state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """The relative change of a tensor's scale: Adam on the sum of its last gradients, within the limits of size."""
    period, sums = group["size_update_period"], state["scale_grads"]
    beta2 = group["betas"][1] ** period
    mean_square = state["scale_exp_avg_sq"].mul_(beta2).add_(sums.square().mean(), alpha=1 - beta2)
    correction = 1 - beta2 ** ((state["step"] + 1) // period)
    rate = group["lr"] * group["scalar_lr_scale"] * correction**0.5
    step = -rate * sums.sum() / (mean_square.sqrt() + group["eps"])
    rms = state["param_rms"]
    step = torch.where(rms < group["param_min_rms"], torch.zeros_like(step), step)
    return torch.minimum(step, (group["param_max_rms"] - rms) / rms.clamp(min=torch.finfo(rms.dtype).tiny))


def _move_scalar(weight: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Move a single number by plain Adam at a smaller rate, within ± `scalar_max`."""
    beta1, beta2 = group["betas"]
    mean_square = _mean_square(gradient, state, beta2) / (1 - beta2 ** (state["step"] + 1))
    step = gradient / (mean_square.sqrt() + group["eps"])
    rate = group["lr"] * group["scalar_lr_scale"]
    delta = state["delta"].mul_(beta1).add_(step, alpha=-rate * (1 - beta1))
    weight.clamp_(-group["scalar_max"], group["scalar_max"]).add_(delta)


def _mean_square(gradient: Tensor, state: dict[str, Any], beta2: float) -> Tensor:
    average: Tensor = state["exp_avg_sq"]
    return average.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)


def _rms(weight: Tensor) -> Tensor:
    return weight.square().mean().sqrt()
