"""Style of plots, and writing them: the same bytes from the same numbers.

Figures are made without pyplot, so that nothing global is left behind, and under matplotlib's own defaults, so that
nobody's matplotlibrc changes them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.charts.titles import folded
from voxboard.errors import UserError, printable
from voxboard.files import write_atomically
from voxboard.records import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE = "#1c2024", "#5d656d", "#dcd8d0"
# Told apart with every common colour blindness (after Okabe & Ito 2008, darkened for paper), and by dashes in print.
COLOURS = ("#0072b2", "#c24a00", "#007d5c", "#a3498a", "#8a6a00", "#2f2f2f")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (6, 2, 1.2, 2)), (0, (1.6, 1.6)))
TARGETS, NON_TARGETS = COLOURS[0], COLOURS[1]

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.grid": False,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.hashsalt": "voxboard",
    "path.simplify": False,
    "text.parse_math": False,  # a name with two dollar signs is a name
}

_PER_INCH = 11  # letters of a panel's title

Source = Curves | tuple[Any, Any]


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib's defaults with the style of these plots on top, as long as a figure is made or written."""
    import matplotlib.style

    with matplotlib.style.context(["default", _STYLE]):
        yield


def panels(count: int, width: float, height: float, columns: int = 3, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure with one panel of `width` × `height` inches for each of several systems."""
    from matplotlib.figure import Figure

    across = min(max(count, 1), columns)
    down = -(-count // across)
    figure = Figure(figsize=(width * across, height * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, **shared)
    axes = list(grid.flat)
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def plain_axes(axes: Axes, grid: str = "") -> None:
    """Only the two spines that carry numbers; grid lines behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid)  # type: ignore[arg-type]


def stroke(index: int) -> dict[str, Any]:
    """Colour and dashes of the i-th system; more than 24 repeat."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}


def as_curves(systems: Mapping[str, Source], calibrated: bool = False) -> dict[str, Curves]:
    """Curves by system, computed where scores [n] and labels [n] are given, as likelihood ratios if `calibrated`."""
    if not systems:
        raise ValueError("there is no system to plot")
    return {name: _as_curves(source, calibrated) for name, source in systems.items()}


def _as_curves(source: Source, calibrated: bool) -> Curves:
    if isinstance(source, Curves):
        return source
    from voxboard.metrics.curves import curves

    scores, labels = source
    return Curves(**curves(scores, labels, calibrated=scores if calibrated else None))


def heading(name: str, width: float) -> str:
    """A name above a panel of `width` inches, in as many lines as it takes: nothing of it is cut."""
    return folded(printable(name), round(_PER_INCH * width))


def in_key(name: str) -> str:
    """A name in a key: matplotlib leaves out those that begin with an underscore."""
    return f" {name}" if name.startswith("_") else name


def _make_printable(figure: Figure) -> None:
    """Write out control characters in every text of a figure: fonts have none, and SVG must not hold them."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_text() != (shown := printable(text.get_text(), lines=True)):
            text.set_text(shown)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG or SVG, by the suffix, whole or not at all; text in SVG is outlines.

    Raises `UserError` for another suffix, or where it cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise UserError(f"{path} is neither PNG nor SVG.", "Name it with the suffix .png or .svg.")
    _make_printable(figure)
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    data = io.BytesIO()
    with styled():
        figure.savefig(data, format=kind, dpi=200, metadata=metadata)
    write_atomically({path: data.getvalue()})
    return path
