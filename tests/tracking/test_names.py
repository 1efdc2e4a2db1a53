"""`--trackers`: names, packages, and what a run folder keeps of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from voxboard import tracking
from voxboard.cli.train import read
from voxboard.errors import UserError
from voxboard.tracking.base import flat
from voxboard.training.config import RunConfig

ECAPA = "ecapa+statistics+softmax"


def test_the_flag_takes_several_and_survives_the_run_folder() -> None:
    config = read(["Voices", ECAPA, "--trackers", "neptune", "mlflow"])
    assert config.general.trackers == ("neptune", "mlflow")
    assert RunConfig.from_dict(config.to_dict()) == config
    assert "--trackers" not in config.command(), "whoever repeats the run needs no tracker"
    assert read(["Voices", ECAPA]).general.trackers == ()


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"Unknown tracker 'neptun'. Did you mean neptune\?"):
        read(["Voices", ECAPA, "--trackers", "neptun"])


@pytest.mark.parametrize(("name", "package"), [("wandb", "wandb"), ("comet", "comet_ml"), ("mlflow", "mlflow")])
def test_a_missing_client_is_said_before_anything_runs(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SimpleNamespace(origin=None)  # as Python finds the folder that a client has left behind
    for found in (None, folder):
        monkeypatch.setattr("importlib.util.find_spec", lambda _, found=found: found)
        with pytest.raises(UserError, match=rf"needs the package {package}. Run: pip install 'voxboard\[{name}\]'"):
            tracking.check_packages([name])


def test_a_client_that_is_there_is_no_error() -> None:
    tracking.check_packages(["neptune"])


def test_a_configuration_becomes_one_level(tmp_path: Path) -> None:
    nested = {"training": {"max_lr": 0.1, "label_maps": None}, "general": {"trackers": ["neptune"], "quickrun": False}}
    assert flat(nested) == {"training.max_lr": 0.1, "general.trackers": '["neptune"]', "general.quickrun": False}
    assert next(iter(flat(nested, "/"))) == "training/max_lr"
