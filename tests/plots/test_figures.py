"""Figures say what the numbers say, and the same numbers give the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.plots.plot_samples import grouped, sample_curves, simulated
from tests.records.record_samples import DCF, EER, make_record
from voxboard import plots
from voxboard.charts.operating import cheapest, equal_error, probit
from voxboard.errors import UserError
from voxboard.metrics import detection
from voxboard.plots.bayes import reliability
from voxboard.plots.style import Source
from voxboard.records import Curves

SYSTEMS = {"ecapa-tdnn": 3.3, "fbank": 0.9}


def _curves(distances: Mapping[str, float] = SYSTEMS) -> dict[str, Source]:
    return {name: sample_curves(name, distance, 1000) for name, distance in distances.items()}


def _words(figure: Figure) -> str:
    """All text of a figure."""
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in axes.texts]
    ticks = [tick for axes in figure.axes for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    titles = [title for axes in figure.axes for title in (axes.title, axes._left_title)]  # type: ignore[attr-defined]
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    keys = [text for legend in legends for text in legend.get_texts()]
    return "\n".join(item.get_text() for item in (*texts, *ticks, *titles, *keys))


def _marks(axes: Axes) -> list[tuple[float, float]]:
    return [tuple(mark.get_offsets()[0]) for mark in axes.collections]  # type: ignore[index]


def test_det_marks_the_operating_points_of_the_metrics() -> None:
    scores, labels = simulated("one", 2.5, 2000)
    figure = plots.det({"one": (scores, labels)}, thresholds={"one": (0.02, 0.3)})
    eer = detection.eer(scores, labels)[0]
    points = [(eer, eer), (0.02, 0.3)]
    for p_target in (0.01, 0.05):
        _, threshold = detection.min_dcf(scores, labels, p_target)
        points.append(detection.far_frr(scores, labels, threshold))
    half = 0.5 / 1000
    wanted = sorted((probit(max(far, half)), probit(max(frr, half))) for far, frr in points)
    assert np.allclose(sorted(_marks(figure.axes[0])), wanted, atol=1e-3)
    words = _words(figure)
    assert f"one  {100 * eer:.2f} %" in words or f"one  {100 * eer:.1f} %" in words
    for part in ("1,000 targets", "EER", "minDCF(0.01)", "minDCF(0.05)", "validation threshold"):
        assert part in words


def test_few_systems_are_named_along_their_lines_and_many_in_a_key() -> None:
    few = plots.det(_curves())
    assert [text.get_text().split()[0] for text in few.axes[0].texts if text.get_rotation()] == ["ecapa-tdnn", "fbank"]
    assert len(few.legends) == 1  # what the marks mean
    many = plots.det(_curves({f"system{i}": 1 + i / 4 for i in range(8)}))
    assert len(many.legends) == 2
    keys = [text.get_text().split()[0] for text in many.legends[1].get_texts()]
    assert keys == sorted(keys, reverse=True)  # best first


def test_names_that_would_touch_another_line_go_into_the_key() -> None:
    same = sample_curves("a", 2.0, 1000)
    figure = plots.det({"one": same, "two": same})
    assert [text.get_text().split()[0] for text in figure.legends[1].get_texts()] == ["one", "two"]
    assert not [text for text in figure.axes[0].texts if text.get_rotation()]


def test_systems_without_any_error_or_any_order_are_drawn() -> None:
    labels = np.array([1, 0] * 20)
    figure = plots.det({"perfect": (labels.astype(float), labels), "constant": (np.zeros(40), labels)})
    assert "perfect  0.00 %" in _words(figure)
    assert "constant  50.00 %" in _words(figure)
    assert "threshold" not in _words(plots.histogram({"constant": (np.zeros(40), labels)}))


def test_histograms_are_shares_of_their_class() -> None:
    found = sample_curves("h", 2.0, 1000)
    figure = plots.histogram({"h": found}, {"h": 0.2}, title="Above")
    heights = [patch.get_data().values for patch in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert [sum(side) for side in heights] == pytest.approx([100.0] * 4)
    words = _words(figure)
    assert "500 targets" in words
    assert "500 non-targets" in words
    assert "threshold 0.2" in words


def test_calibration_shows_both_lines_and_of_scores_the_reliability() -> None:
    scores, labels = simulated("c", 3.0, 2000)
    ratios = 3.0 * (np.arctanh(scores) * 6 - 1.5)
    figure = plots.calibration({"c": (ratios, labels)})
    assert len(figure.axes) == 2
    assert {"actual", "minimum"} <= set(_words(figure).split("\n"))
    assert len(plots.calibration({"c": sample_curves("c", 3.0, 500)}).axes) == 1
    without = Curves((0.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1,), (1,))
    with pytest.raises(ValueError, match="no calibrated scores"):
        plots.calibration({"c": without})


def test_reliability_of_true_probabilities_is_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(200_000) < 0.2).astype(int)
    ratios = 2.0 * rng.normal(2.0 * labels, 1.0) - 2.0  # of two normal densities, 2 apart
    predicted, observed, weight = reliability(ratios, labels)
    assert weight.sum() == pytest.approx(1.0)
    assert np.abs(predicted - observed).max() < 0.02
    # By hand: one bin holds both classes, half the weight each.
    assert [column.tolist() for column in reliability([0.0, 0.0, 0.0], [1, 0, 0])] == [[0.5], [0.5], [1.0]]


def test_the_forest_names_the_worst_group_the_gap_and_what_is_too_small() -> None:
    record = grouped()
    figure = plots.forest({"ecapa": record})
    words = _words(figure)
    for part in ("all trials", "female (1,200)", "Worst: female", "Gap to male", "too small: 12 targets", "holds zero"):
        assert part in words.replace("\n", " ")
    numbers = [mark.get_offsets()[0][0] for mark in figure.axes[0].collections]  # type: ignore[index]
    values = [record.values[EER], *(s.values[EER] for s in record.groups if s.label and EER in s.values)]
    assert sorted(numbers) == pytest.approx(sorted(100 * v.value for v in values if v.value is not None))
    two = plots.forest({"good": grouped("a+b", 4.0), "bad": grouped("c+d", 1.0)})
    for axes in two.axes:
        low, high = axes.get_xlim()
        assert all(low < x < high for x, _ in _marks(axes))
    for bare in (make_record(), record):
        with pytest.raises(ValueError, match="no group with a number"):
            plots.forest({"bare": bare}, DCF)


@pytest.mark.parametrize("draw", [plots.det, plots.histogram, plots.calibration, plots.forest])
def test_nothing_to_draw_is_an_error(draw: object) -> None:
    with pytest.raises(ValueError, match="no system"):
        draw({})  # type: ignore[operator]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_numbers_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    before = dict(matplotlib.rcParams)
    files = []
    for name in ("a", "b"):
        drawn = plots.det(_curves(), title="T") if suffix == "svg" else plots.histogram(_curves())
        files.append(plots.save(drawn, tmp_path / f"{name}.{suffix}"))
        matplotlib.rcParams["lines.linewidth"] = 9.0  # somebody else's taste
    matplotlib.rcParams["lines.linewidth"] = before["lines.linewidth"]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert dict(matplotlib.rcParams) == before
    assert b"2026" not in files[0].read_bytes() or suffix == "png"


def test_figures_need_no_pyplot_and_other_suffixes_are_refused(tmp_path: Path) -> None:
    figure = plots.histogram(_curves())
    with pytest.raises(UserError, match="neither PNG nor SVG"):
        plots.save(figure, tmp_path / "figure.docx")
    assert list(tmp_path.iterdir()) == []
    assert "matplotlib.pyplot" not in sys.modules or matplotlib.pyplot.get_fignums() == []


def test_a_cost_that_is_marked_is_the_lowest_on_the_line() -> None:
    found = sample_curves("x", 2.0, 500)
    marked = cheapest(found, 0.05)
    assert marked
    assert equal_error(found) == pytest.approx(detection.eer(*simulated("x", 2.0, 500))[0], abs=1e-5)
    costs = [(0.05 * frr + 0.95 * far) / 0.05 for far, frr in zip(found.far, found.frr, strict=True)]
    assert marked[1] == pytest.approx(min(costs))


def test_a_key_of_many_long_names_leaves_the_axes_their_size() -> None:
    names = [f"a-backbone(layers=12, size=768, heads=12)+pooler-{n}(heads=16)+aam" for n in range(18)]
    figure = plots.det(_curves({name: 1 + n / 10 for n, name in enumerate(names)}))
    figure.draw_without_rendering()
    axes = figure.axes[0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert min(axes.width, axes.height) > 3.5
