"""The errors of a diarization over time: pyannote's seconds are ours, and the picture shows each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxboard.cli.plot import PlotArgs, run
from voxboard.diarization.error_timeline import error_timeline
from voxboard.errors import UserError
from voxboard.metrics import diarization
from voxboard.metrics.rttm import Turn, write_rttm
from voxboard.plots import save, timeline

REFERENCE: list[Turn] = [("anna", 0.5, 6.0), ("ben", 5.5, 11.0), ("anna", 12.0, 15.5), ("carla", 16.0, 24.0)]
SYSTEM: list[Turn] = [("one", 0.6, 5.8), ("two", 5.8, 10.0), ("one", 12.4, 16.8), ("two", 17.0, 19.0)]
SYSTEM += [("three", 19.0, 24.1), ("four", 24.5, 27.0)]


@st.composite
def turns(draw: st.DrawFn, speakers: str) -> list[Turn]:
    """Draw turns on a grid of a tenth of a second; those of one speaker may overlap and touch."""
    rows = draw(st.lists(st.tuples(st.sampled_from(speakers), st.integers(0, 300), st.integers(1, 80)), min_size=1))
    return [(speaker, start / 10, (start + length) / 10) for speaker, start, length in rows]


@settings(max_examples=60, deadline=None)
@given(turns("abc"), turns("abxy"), st.sampled_from([0.0, 0.25]), st.booleans(), st.booleans())
def test_the_seconds_of_every_kind_are_those_of_our_der(
    reference: list[Turn], hypothesis: list[Turn], collar: float, skip_overlap: bool, cut: bool
) -> None:
    uem = [(2.0, 9.05), (12.0, 25.0)] if cut else None
    ours = diarization.score(reference, hypothesis, collar, skip_overlap, uem)
    theirs = error_timeline("x", reference, hypothesis, collar=collar, skip_overlap=skip_overlap, uem=uem)
    seconds = theirs.seconds
    assert seconds["missed"] == pytest.approx(ours.miss, abs=1e-6)
    assert seconds["false alarm"] == pytest.approx(ours.false_alarm, abs=1e-6)
    assert seconds["confusion"] == pytest.approx(ours.confusion, abs=1e-6)
    assert seconds["correct"] == pytest.approx(ours.total - ours.miss - ours.confusion, abs=1e-6)


def test_the_system_stands_under_the_names_that_it_is_mapped_to() -> None:
    errors = error_timeline("call", REFERENCE, SYSTEM)
    assert list(errors.unmapped) == ["(four)"]
    assert {speaker for speaker, _, _ in errors.hypothesis} == {"anna", "ben", "carla", "(four)"}
    wrong = [one for one in errors.stretches if one.kind == "confusion"]
    assert {(one.speaker, one.taken_for) for one in wrong} == {("carla", "anna"), ("carla", "ben")}


def test_equal_names_of_both_sides_mean_nothing() -> None:
    errors = error_timeline("x", [("a", 0.0, 10.0)], [("b", 0.0, 9.0), ("a", 9.0, 10.0)], collar=0.0)
    assert errors.seconds == {"correct": 9.0, "missed": 0.0, "false alarm": 0.0, "confusion": 1.0}


def test_three_panels_of_rows_over_seconds_with_the_seconds_in_the_key() -> None:
    figure = timeline(error_timeline("call", REFERENCE, SYSTEM))
    names = [[label.get_text() for label in axes.get_yticklabels()] for axes in figure.axes]
    speakers = ["anna", "ben", "carla"]
    assert names == [speakers, [*speakers, "(four)"], ["missed", "false alarm", "confusion"]]
    assert figure.axes[-1].get_xlabel() == "seconds"
    (key,) = figure.legends
    texts = [text.get_text() for text in key.get_texts()]
    assert texts[-1] == "not scored"
    assert [text.rpartition(" s")[1] for text in texts[:-1]] == [" s"] * 4


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_turns_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    figures = [timeline(error_timeline("call", REFERENCE, SYSTEM)) for _ in range(2)]
    files = [save(figure, tmp_path / f"{n}.{suffix}") for n, figure in enumerate(figures)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_command_draws_the_recording_with_the_most_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, system = tmp_path / "ref.rttm", tmp_path / "hyp.rttm"
    write_rttm({"good": REFERENCE, "bad": REFERENCE}, reference)
    write_rttm({"good": REFERENCE, "bad": SYSTEM}, system)
    out = tmp_path / "errors.svg"
    args = {"kind": "timeline", "sources": (str(system),), "out": out, "reference": reference}
    assert run(PlotArgs(**args)) == 0  # type: ignore[arg-type]
    assert capsys.readouterr().out.strip() == str(out)
    assert out.stat().st_size > 1_000
    with pytest.raises(UserError, match="did you mean 'good'|unknown|good"):
        run(PlotArgs(**args, recording="goood"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="one system and a reference"):
        run(PlotArgs(**{**args, "reference": None}))  # type: ignore[arg-type]
