"""Devices: from `--device` to Fabric and torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from voxboard import parallel
from voxboard.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fabric_options(device: str) -> dict[str, Any]:
    """Return the options of Fabric for `--device`: auto, cpu, cuda, mps, or the number of a GPU."""
    if device in ("auto", "cpu", "cuda", "mps"):
        if device in ("cuda", "mps") and not getattr(torch, device).is_available():
            raise UserError(f"--device {device} cannot be used here: there is none.", "Use --device cpu.")
        return {"accelerator": device, "devices": 1}
    number = device.strip("[]").strip()
    if number.isascii() and number.isdigit():
        count = torch.cuda.device_count()
        if not count:
            raise UserError(f"--device {device} names a GPU, but no GPU can be used here.", "Use --device cpu.")
        if len(number) > 9 or int(number) >= count:
            raise UserError(f"--device {device} names a GPU that is not here.", f"Give a number below {count}.")
        return {"accelerator": "cuda", "devices": [int(number)]}
    raise UserError(f"Unknown device {device!r}.", "Use auto, cpu, cuda, mps, or a GPU's number.")


def fabric(device: str) -> Fabric:
    """Fabric on the device that training runs on; of several processes, each on its own, ready to talk.

    Raises `UserError` where there are more processes than devices.
    """
    from lightning_fabric import Fabric

    if not parallel.launched():
        return Fabric(**fabric_options(device))
    from lightning_fabric.strategies.ddp import DDPStrategy

    here = int(os.environ["LOCAL_WORLD_SIZE"])
    kind = _kind_for(here, device)
    # A backbone may be frozen for the first steps, drop layers at random, or have some that nobody reads.
    strategy = DDPStrategy(find_unused_parameters=True)
    made = Fabric(accelerator=kind, devices=here, num_nodes=parallel.world() // here, strategy=strategy)
    made.launch()
    return made


def _kind_for(processes: int, device: str) -> str:
    """Return the accelerator of several local processes, one device each. Raises `UserError` for too few devices."""
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(
            f"--device {device} cannot be shared by several processes.", "Use cuda or cpu: each has its own."
        )
    gpus = torch.cuda.device_count()
    if device == "cpu" or (device == "auto" and not gpus):
        return "cpu"
    if processes > gpus:
        raise UserError(
            f"{processes} processes were started here, and there are {gpus} GPUs.",
            "Start as many processes as GPUs (--nproc_per_node), or use --device cpu.",
        )
    return "cuda"


def device_of(device: str) -> torch.device:
    """Return the device that evaluation runs on."""
    if parallel.launched():
        return fabric(device).device
    options = fabric_options(device)
    kind, numbers = options["accelerator"], options["devices"]
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return torch.device(kind, numbers[0]) if isinstance(numbers, list) else torch.device(kind)
