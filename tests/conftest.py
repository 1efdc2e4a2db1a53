"""What all tests share: where the real data is, and one thread per test process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("VOXBOARD_DATA", ROOT.parent / "shared" / "data"))


def pytest_configure(config: pytest.Config) -> None:
    """Have what becomes of test processes told."""
    if config.pluginmanager.hasplugin("xdist"):
        from tests.workers import Diary

        config.pluginmanager.register(Diary(config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have tests go on where a test process vanishes."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.workers import Files

    return Files(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real speech and real reference files; its tests are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip("no real data: VOXBOARD_DATA names no folder")
    return DATA


@pytest.fixture(autouse=True, scope="session")
def _own_config(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What `prepare` remembers of audio folders is not written into the home of whoever runs the tests."""
    os.environ["VOXBOARD_CONFIG"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
