"""The errors of a diarization over time: who spoke, whom the system heard, and what is wrong when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from voxboard.plots.style import COLOURS, INK, LINE, SOFT, heading, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from voxboard.diarization.error_timeline import ErrorTimeline

_SHADES = {"correct": COLOURS[0], "missed": COLOURS[4], "false alarm": COLOURS[3], "confusion": COLOURS[1]}
_WRONG = ("missed", "false alarm", "confusion")
_ROW, _BAR = 0.24, 0.62  # inches of a row, and the part of it that a bar takes
_WIDTH = 9.0  # inches
_GRAY = "#c9c5bd"  # a turn where it is not scored

Bar = tuple[float, float, str, str]  # start, end, row, colour


def timeline(errors: ErrorTimeline, title: str = "") -> Figure:
    """Three panels over seconds: turns of the reference, turns of the system under mapped names, and the errors.

    Colors say what a stretch is; what is not scored (collars, time outside the UEM) is shaded, turns there are gray.
    """
    from matplotlib.figure import Figure

    speakers = sorted({speaker for speaker, _, _ in errors.reference})
    rows: tuple[list[str], ...] = (speakers, [*speakers, *errors.unmapped], list(_WRONG))
    bars: tuple[list[Bar], ...] = (
        [*_gray(errors.reference), *_colored(errors, "speaker")],
        [*_gray(errors.hypothesis), *_colored(errors, "taken_for")],
        [(one.start, one.end, one.kind, _SHADES[one.kind]) for one in errors.stretches if one.kind in _WRONG],
    )
    with styled():
        counts = [len(own) for own in rows]
        figure = Figure(figsize=(_WIDTH, 1.7 + _ROW * sum(counts)), layout="constrained")
        panels = figure.subplots(3, 1, sharex=True, height_ratios=counts)
        for axes, own, drawn, name in zip(panels, rows, bars, ("reference", "system", "errors"), strict=True):
            _panel(axes, own, drawn, name)
            for start, end in errors.unscored:
                axes.axvspan(start, end, color=LINE, alpha=0.55, linewidth=0, zorder=0)
        figure.align_ylabels(panels)
        panels[-1].set_xlim(*errors.span)
        panels[-1].set_xlabel("seconds")
        panels[0].set_title(heading(title or f"{errors.recording}: DER {errors.der:.1%}", _WIDTH))
        _key(figure, errors)
    return figure


def _panel(axes: Axes, rows: Sequence[str], bars: Sequence[Bar], name: str) -> None:
    for row, own in enumerate(rows):
        of_row = [bar for bar in bars if bar[2] == own]
        axes.broken_barh(
            [(start, end - start) for start, end, _, _ in of_row],
            (row - _BAR / 2, _BAR),
            facecolors=[color for *_, color in of_row],
            linewidth=0,
            zorder=2,
        )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_ylabel(name, color=SOFT)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _gray(turns: Sequence[tuple[str, float, float]]) -> list[Bar]:
    return [(start, end, speaker, _GRAY) for speaker, start, end in turns]


def _colored(errors: ErrorTimeline, side: str) -> list[Bar]:
    stretches = [(one.start, one.end, getattr(one, side), _SHADES[one.kind]) for one in errors.stretches]
    return [bar for bar in stretches if bar[2] is not None]


def _key(figure: Figure, errors: ErrorTimeline) -> None:
    from matplotlib.patches import Patch

    entries = [
        Patch(facecolor=_SHADES[kind], label=f"{kind} {seconds:.1f} s") for kind, seconds in errors.seconds.items()
    ]
    if errors.unscored:
        entries.append(Patch(facecolor=LINE, alpha=0.55, label="not scored"))
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), labelcolor=INK)
