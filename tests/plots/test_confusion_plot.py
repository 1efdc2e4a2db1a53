"""Confusion matrices as pictures: the same bytes, and refused where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boards.task_samples import attribute, level
from voxboard.cli.plot import PlotArgs, run
from voxboard.errors import UserError
from voxboard.plots import confusion, save
from voxboard.records import save as keep


def _texts(figure: object) -> list[list[str]]:
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]  # type: ignore[attr-defined]


def test_cells_hold_percent_of_the_row_and_the_total_stands_beside_it() -> None:
    figure = confusion({"one": attribute("one"), "two": attribute("two", ((100, 110), (0, 210)))})
    assert _texts(figure) == [["90", "10", "210", "6", "94", "210"], ["48", "52", "210", "", "100", "210"]]


def test_text_can_be_read_on_every_shade() -> None:
    (axes,) = confusion({"one": attribute("one")}).axes
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert colours["94"] == "white"
    assert colours["6"] != "white"


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_record_gives_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    files = [save(confusion({"one": attribute("one")}, "Voices gender"), tmp_path / f"{n}.{suffix}") for n in (1, 2)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_has_no_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="no confusion matrix"):
        confusion({"x": level("x")})
    size = 40
    counts = tuple(tuple(int(a == b) for b in range(size)) for a in range(size))
    with pytest.raises(ValueError, match="40 classes"):
        confusion({"x": attribute("x", counts, tuple(map(str, range(size))))})


def test_the_command_takes_the_records_that_have_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(attribute("x+y"), tmp_path / "records")
    keep(level("x+z"), tmp_path / "records")
    out = tmp_path / "mixed.svg"
    assert run(PlotArgs("confusion", (str(tmp_path / "records"),), out)) == 0
    assert capsys.readouterr().out == f"{out}\n"
    with pytest.raises(UserError, match="no confusion matrix"):
        run(PlotArgs("confusion", ("x+z",), out, tmp_path / "records"))
