"""What `--device` means."""

from __future__ import annotations

import pytest
import torch

from voxboard.cli import main
from voxboard.devices import device_of, fabric_options
from voxboard.errors import UserError


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


@pytest.fixture
def _three(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if torchrun had started three processes here."""
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_three")
def test_processes_do_not_share_a_device() -> None:
    with pytest.raises(UserError, match="each has its own"):
        device_of("mps")


@pytest.mark.usefixtures("_three")
def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device in ("auto", "cuda"):
        with pytest.raises(UserError, match="there are 2 GPUs"):
            device_of(device)


@pytest.mark.usefixtures("_three")
def test_a_command_that_is_no_work_for_several_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board"]) == 2
    assert "without torchrun" in capsys.readouterr().err
