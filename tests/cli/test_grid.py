"""Runs × test sets, and the nightly refresh, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.grids.conftest import GRID, grid, noise_root  # noqa: F401  (fixtures)
from voxboard.cli import main
from voxboard.grids import Grid, plan
from voxboard.grids.job import carry_out
from voxboard.grids.plan import RunSettings
from voxboard.grids.workspace import Workspace

OUT = Path("results/grids/tiny")


def test_every_run_meets_every_test_set(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    workspace, how = Workspace(OUT), RunSettings("tiny", "cpu")
    cells = [cell for cell in Grid.load("g.toml").cells() if cell.trained]
    jobs = plan.jobs(plan.make(cells, workspace).cells, workspace, how)
    assert all(result.well for job in jobs for result in carry_out(job, workspace, how))
    runs = [path.name for path in sorted((OUT / "runs").iterdir())]
    words = ["grid", "cross", *runs, "--runs_dir", str(OUT / "runs"), "--device", "cpu", "--replicates", "20"]
    assert main([*words, "--on", "_", "c", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["numbers"]
    assert [(each["run"], each["on"]) for each in found] == [(run, on) for run in runs for on in ("_", "c")]
    assert all(each["trained_on"] == "c" and 0 <= each["value"] <= 1 for each in found)
    assert found[0]["value"] == found[1]["value"]
    assert main([*words[:3], *words[4:], "--on", "c", "nowhere"]) == 3
    said = capsys.readouterr().out
    assert "EER" in said
    assert "nowhere" in said


def test_a_mistake_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grid", "walk"]) == 2
    assert "grid run" in capsys.readouterr().err
    assert main(["grid", "status", "dmo"]) == 2
    assert "demo" in capsys.readouterr().err
    assert GRID
