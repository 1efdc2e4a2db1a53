"""What `--device` means."""

from __future__ import annotations

import pytest
import torch

from voxboard.errors import UserError
from voxboard.training.devices import device_of, fabric_options


def test_cpu_is_cpu() -> None:
    assert device_of("cpu") == torch.device("cpu")
    assert fabric_options("cpu") == {"accelerator": "cpu", "devices": 1}


def test_auto_takes_what_there_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert device_of("auto").type == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="--device cpu"):
        device_of("0")


def test_nonsense_is_refused() -> None:
    with pytest.raises(UserError, match="Unknown device"):
        device_of("toaster")
