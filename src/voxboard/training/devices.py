"""What `--device` means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from voxboard.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fabric_options(device: str) -> dict[str, Any]:
    """What `--device` means to Fabric: auto, cpu, cuda, mps, or GPU numbers such as 0 or 0,1."""
    if device in ("auto", "cpu", "cuda", "mps"):
        return {"accelerator": device, "devices": 1}
    numbers = device.strip("[]").split(",")
    if all(number.strip().isdigit() for number in numbers):
        if not torch.cuda.is_available():
            raise UserError(f"--device {device} names a GPU, but no GPU can be used here.", "Use --device cpu.")
        return {"accelerator": "cuda", "devices": [int(number) for number in numbers]}
    raise UserError(f"Unknown device {device!r}.", "Use auto, cpu, cuda, mps, or a GPU's number.")


def fabric(device: str) -> Fabric:
    """Fabric on the device that training runs on."""
    from lightning_fabric import Fabric

    return Fabric(**fabric_options(device))


def device_of(device: str) -> torch.device:
    """The device that evaluation runs on."""
    options = fabric_options(device)
    kind, numbers = options["accelerator"], options["devices"]
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return torch.device(kind, numbers[0]) if isinstance(numbers, list) else torch.device(kind)
