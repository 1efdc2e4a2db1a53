"""Measurements that several checks share."""

from __future__ import annotations

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from voxboard.contracts.checks import Broken

TOLERANCE = 1e-5


def difference(actual: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest value where that is above 1.

    Infinite where shapes differ or a value is not finite.
    """
    actual, expected = actual.detach(), expected.detach()
    if actual.shape != expected.shape or not bool(torch.isfinite(actual).all()):
        return float("inf")
    if not actual.numel():
        return 0.0
    scale = max(1.0, float(expected.abs().max()))
    return float((actual - expected).abs().max()) / scale


def require_finite(values: Tensor, what: str, advice: str) -> None:
    """Raise `Broken` where `values` hold NaN or infinity."""
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise Broken(f"{what}: {bad} of {values.numel()} numbers are NaN or infinite.", advice, bad)


def require_finite_gradients(module: nn.Module, loss: Tensor, what: str, advice: str) -> int:
    """Differentiate a loss, whose gradients must be finite and reach a weight; the value is how many they reach."""
    require_finite(loss, f"The loss {what}", advice)
    loss.backward()  # type: ignore[no-untyped-call]
    reached = {name: weight.grad for name, weight in module.named_parameters() if weight.grad is not None}
    for name, gradient in reached.items():
        require_finite(gradient, f"The gradient of {name} {what}", advice)
    if not reached:
        raise Broken(f"No weight gets a gradient {what}.", "Do not detach what weights make.")
    return len(reached)


def copy_state(source: nn.Module, target: nn.Module) -> int:
    """Move all weights and buffers through safetensors into another module; the value is how many bytes they are."""
    try:
        content = save({key: value.contiguous() for key, value in source.state_dict().items()})
    except RuntimeError as error:
        raise Broken(
            "Its state cannot be written as safetensors, because weights share memory.",
            "Keep one of the names that share a tensor, and refer to it.",
        ) from error
    missing, unexpected = target.load_state_dict(load(content), strict=False)
    if missing or unexpected:
        raise Broken(
            f"Its saved state does not fit another one of the same options: {', '.join([*missing, *unexpected][:3])}.",
            "Make all weights and buffers in __init__, from the options alone.",
        )
    return len(content)
