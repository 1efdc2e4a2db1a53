"""Names written along the lines that they belong to, as on a map, where they touch nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    Line = NDArray[np.float64]

_STEP = 3.0  # pixels between the points of a line
_SAG = 16.0  # pixels that a line may bend along a name
_AWAY = 8.0  # pixels between a line and the middle of its name
_CLEAR = 11.0  # pixels between the middle of a name and anything else
_MARGIN = 6.0  # pixels between a name and the frame


class Place(NamedTuple):
    """Position of a name, in pixels: the ends of its base line."""

    start: Any
    end: Any


def along(axes: Axes, lines: Sequence[Line2D], texts: Sequence[str], size: float = 7.5) -> bool:
    """Write each text along its line. False, and nothing is written, where there is no room for one of them."""
    import numpy as np

    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # fixes the layout, so that pixels mean something
    paths = [_dense(axes.transData.transform(np.column_stack(line.get_data()))) for line in lines]
    marks = [np.asarray(axes.transData.transform(mark.get_offsets())) for mark in axes.collections]
    places: list[Place] = []
    for index, text in enumerate(texts):
        others = [path for i, path in enumerate(paths) if i != index] + marks
        others += [_dense(np.array(place)) for place in places]
        place = _place(axes, paths[index], _width(axes, text, size), others)
        if place is None:
            return False
        places.append(place)
    for line, text, place in zip(lines, texts, places, strict=True):
        _write(axes, text, place, size, line.get_color())
    return True


def _width(axes: Axes, text: str, size: float) -> float:
    probe = axes.text(0, 0, text, fontsize=size)
    width = probe.get_window_extent().width
    probe.remove()
    return float(width)


def _dense(path: Line) -> Line:
    """A polyline with points a few pixels apart."""
    import numpy as np

    if len(path) < 2:
        return path.reshape(-1, 2)
    length = np.append(0.0, np.cumsum(np.hypot(*np.diff(path, axis=0).T)))
    places = np.arange(0, length[-1], _STEP)
    return np.column_stack([np.interp(places, length, path[:, i]) for i in (0, 1)])


def _place(axes: Axes, path: Line, width: float, others: Sequence[Line]) -> Place | None:
    """The base line beside a rather straight stretch of a line, inside the frame, farthest from everything else."""
    import numpy as np

    low, high = np.array(axes.bbox.min) + _MARGIN, np.array(axes.bbox.max) - _MARGIN
    near = np.concatenate([*others, np.empty((0, 2))])
    best: tuple[float, Place] | None = None
    for first in range(0, len(path), 2):
        reach = np.flatnonzero(np.hypot(*(path[first:] - path[first]).T) >= width)
        if not reach.size:
            break
        piece = path[first : first + int(reach[0]) + 1]
        for place in _beside(piece):
            inside = all((low < end).all() and (end < high).all() for end in place)
            if not inside or np.ptp(_heights(piece, piece[0], piece[-1])) > _SAG:
                continue
            clear = float(min(_off(near, *place).min(initial=np.inf), 3 * _CLEAR))
            # Of equally clear stretches the one in the middle of the plot.
            merit = clear - float(np.hypot(*(sum(place) / 2 - (low + high) / 2))) / 1000
            if clear >= _CLEAR and (best is None or merit > best[0]):
                best = merit, place
    return best[1] if best else None


def _beside(piece: Line) -> list[Place]:
    """Base lines parallel to a stretch of a line, above and below it."""
    import numpy as np

    along = piece[-1] - piece[0]
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-12)
    heights = _heights(piece, piece[0], piece[-1])
    shifts = heights.max() + _AWAY, heights.min() - _AWAY
    return [Place(piece[0] + shift * across, piece[-1] + shift * across) for shift in shifts]


def _heights(points: Line, start: Line, end: Line) -> Line:
    """Signed distances [n] of points [n, 2] from a straight line."""
    import numpy as np

    along = end - start
    inside = points - start
    return (inside[:, 1] * along[0] - inside[:, 0] * along[1]) / max(float(np.hypot(*along)), 1e-12)


def _off(points: Line, start: Line, end: Line) -> Line:
    """Distances [n] of points [n, 2] from a straight piece."""
    import numpy as np

    chord = end - start
    share = np.clip((points - start) @ chord / max(float(chord @ chord), 1e-12), 0, 1)
    return np.hypot(*(points - start - share[:, None] * chord).T)


def _write(axes: Axes, text: str, place: Place, size: float, color: Any) -> None:
    import numpy as np

    x, y = axes.transData.inverted().transform((place.start + place.end) / 2)
    rise, run = place.end[1] - place.start[1], place.end[0] - place.start[0]
    angle = float(np.degrees(np.arctan2(rise, run)))
    axes.text(
        x, y, text, fontsize=size, color=color, rotation=angle, rotation_mode="anchor",
        ha="center", va="center_baseline", zorder=4, in_layout=False,
    )  # fmt: skip
