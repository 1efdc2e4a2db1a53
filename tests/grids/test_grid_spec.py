"""Grids cross their parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard import benchmarks
from voxboard.errors import UserError
from voxboard.grids import Grid, Tasks
from voxboard.grids.scheduler import Tally


@pytest.mark.smoke
def test_the_demo_is_three_by_three() -> None:
    grid = Grid.load("demo")
    cells = grid.cells()
    assert len(grid.backbones) >= 3
    assert len(grid.poolers) >= 3
    assert len(cells) == 2 * len(grid.backbones) * len(grid.poolers) * len(grid.heads) * len(grid.seeds)
    assert len({cell.system.spec for cell in cells if cell.trained}) == len(cells) / 2
    assert all(cell.system.training == grid.training for cell in cells)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "TOML"),
        ('name="x"\ndata="Voices"\nbackbones=["fbank"]\npooler=["mean"]', "poolers"),
        ('name="x"\ndata="Voices"\nbackbones=["fbnk"]\npoolers=["mean"]', "fbank"),
    ],
)
def test_a_mistake_in_a_grid_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(text)
    with pytest.raises(UserError, match=says):
        Grid.load(str(tmp_path / "g.toml")).cells()


def test_everything_is_crossed_with_everything_but_an_untrained_system_has_no_head_and_no_rate(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(
        'name="x"\ndata=["Voices", "voices-gender"]\nbackbones=["fbank"]\npoolers=["mean", "asp"]\n'
        'heads=["aam", "softmax"]\nseeds=[1, 2]\nmax_lr=[0.1, 0.2, 0.3]\nfrozen=true'
    )
    cells = Grid.load(str(tmp_path / "g.toml")).cells()
    trained = [cell for cell in cells if cell.trained]
    assert len(trained) == 2 * 2 * 2 * 2
    assert len(cells) - len(trained) == 2 * 2 * 2
    assert all(cell.frozen == cell.trained for cell in cells)
    assert all(cell.rates == (0.1, 0.2, 0.3) for cell in trained)
    assert not any(cell.rates for cell in cells if not cell.trained)
    # A head learns what the benchmark asks for.
    labels = {cell.data: cell.system.head.options.get("label") for cell in trained}
    assert labels["voices-gender"] == "gender"


def test_without_heads_the_benchmark_brings_its_own(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(
        'name="x"\ndata=["Voices", "voices-gender"]\nbackbones=["fbank"]\npoolers=["mean"]\nweights=["trained"]'
    )
    cells = Grid.load(str(tmp_path / "g.toml")).cells()
    assert [cell.system.head.name for cell in cells] == ["aam", "softmax"]


def test_an_unknown_grid_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match="demo"):
        Grid.load("demos")


def test_the_list_of_tasks_has_a_row_of_every_task() -> None:
    found = Tasks.load("demo-tasks")
    assert {entry.task for entry in found.entries} == set(benchmarks.names()) - {"verification"}
    cells = {cell.system.name for cell in Grid.load("demo").cells()}
    assert {entry.system for entry in found.entries if entry.weights == "verification"} <= cells


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('data="Voices"\ntask="x"', "system"),
        ('data="Voices"\ntask="x"\nsystem="a+b"\nweights="random"', "weights"),
        ('data="Voices"\ntask="x"\nsystem="a+b"\noption=1', "option"),
    ],
)
def test_a_mistake_in_a_list_is_named(entry: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(f'name="t"\n[[entries]]\n{entry}\n')
    with pytest.raises(UserError, match=says):
        Tasks.load(str(tmp_path / "t.toml"))


PLAIN = {"name": '"n"', "data": '"c"', "backbones": '["fbank"]', "poolers": '["mean"]'}


def _written(folder: Path, **changes: str) -> str:
    """A grid file with some keys changed; returns its name."""
    lines = [f"{key} = {value}" for key, value in {**PLAIN, **changes}.items()]
    (folder / "g.toml").write_text("\n".join(lines))
    return str(folder / "g.toml")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seeds": str(list(range(200_000)))}, "200,000 cells"),
        ({"seeds": "[" * 200_000}, "nested too deeply|not valid TOML"),
        ({"seeds": '["one"]'}, "seeds"),
        ({"seeds": "[1.5]"}, "seeds"),
        ({"seeds": "[true]"}, "seeds"),
        ({"seeds": "[-1]"}, "seed"),
        ({"backbones": "7"}, "backbones"),
        ({"backbones": "[[]]"}, "backbones"),
        ({"name": "[]"}, "name"),
        ({"frozen": '"yes"'}, "frozen"),
        ({"training": '"fast"'}, "training"),
        ({"evaluation": "[1]"}, "evaluation"),
        ({"max_lr": "[nan]"}, "max_lr"),
        ({"max_lr": "[inf]"}, "max_lr"),
        ({"max_lr": '["0.1"]'}, "max_lr"),
        ({"weights": '["trained", 3]'}, "weights"),
        ({"backbones": '"fb\\u0000ank"'}, "fb"),
    ],
)
def test_what_a_grid_cannot_be_is_said_in_a_sentence(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Grid.load(_written(tmp_path, **changes)).cells()


def test_one_word_is_a_list_of_one(tmp_path: Path) -> None:
    grid = Grid.load(_written(tmp_path, seeds="7", backbones='"fbank"'))
    assert (grid.seeds, grid.backbones) == ((7,), ("fbank",))


def test_a_grid_counts_its_cells_and_tells_the_time_left() -> None:
    moments = iter([0.0, 60.0, 120.0])
    tally = Tally(3, lambda: next(moments))
    assert (tally.one_more(), tally.left()) == ("1/3", ", about 2 min left")
    assert (tally.one_more(), tally.left()) == ("2/3", ", about 60 s left")
    assert (tally.one_more(), tally.left()) == ("3/3", "")


def test_a_name_with_a_nul_is_no_grid() -> None:
    with pytest.raises(UserError, match="grid"):
        Grid.load("a\0b")
