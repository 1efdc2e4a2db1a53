"""A picture of embeddings: every utterance a point, near the utterances that it resembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.plots.style import COLOURS, LINE, SOFT, in_key, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Projection = Literal["tsne", "umap"]
Floats = NDArray[np.floating[Any]]

FEWEST = 5  # utterances that have neighbours to speak of
MOST = 3000  # utterances in one picture
KEYED = 20  # speakers that a key names
NAMES = {"tsne": "t-SNE", "umap": "UMAP"}
_MARKERS = ("o", "^", "s", "D")  # six colours, four times


def scatter(
    matrix: Floats,
    speakers: Sequence[str],
    genders: Mapping[str, str] | None = None,
    projection: Projection = "tsne",
    seed: int = 42,
    title: str = "",
) -> Figure:
    """Rows [U, D] of unit length in the plane, by speaker with a key, or by gender where they are more than 20.

    Of more than 3,000 utterances a random choice is drawn. Raises `ValueError` for fewer than 5.
    """
    if len(matrix) < FEWEST:
        raise ValueError(f"a picture needs at least {FEWEST} utterances, there are {len(matrix)}")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(matrix))[:MOST])
    points = project(np.asarray(matrix)[chosen], projection, seed)
    labels = [speakers[place] for place in chosen]
    groups, what = _groups(labels, genders or {})
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.8), layout="constrained")
        axes = figure.subplots()
        key = _points(axes, points, groups)
        axes.set_title(title)
        note = f"{NAMES[projection]} of {_count(len(chosen), len(matrix))}, {len(set(labels)):,} speakers"
        axes.annotate(note, (0, 0), (2, -11), "axes fraction", "offset points", fontsize=7, color=SOFT)
        if what:
            figure.legend(handles=key, loc="outside right upper", title=what, alignment="left", fontsize=7.5)
    return figure


def project(matrix: Floats, projection: Projection = "tsne", seed: int = 42) -> Floats:
    """Rows [U, D] of unit length → points [U, 2]; the same ones for the same seed."""
    if projection == "umap":
        return _umap(matrix, seed)
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Between unit vectors the Euclidean distance grows with the cosine distance. Threads would add in any order.
    reducer = TSNE(perplexity=min(30.0, (len(matrix) - 1) / 3), init="pca", random_state=seed)
    with threadpool_limits(1):
        return np.asarray(reducer.fit_transform(np.asarray(matrix, dtype=np.float32)))


def _umap(matrix: Floats, seed: int) -> Floats:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UserError(
            "UMAP needs umap-learn, which is not installed.",
            "Run: pip install 'voxboard[umap]', or leave --projection out.",
        ) from error
    neighbours = min(15, len(matrix) - 1)
    # Its spectral start needs more points than it has neighbours.
    start = "spectral" if len(matrix) > 2 * neighbours else "random"
    reducer = UMAP(n_neighbors=neighbours, metric="cosine", random_state=seed, n_jobs=1, init=start)
    return np.asarray(reducer.fit_transform(matrix))


def _groups(speakers: Sequence[str], genders: Mapping[str, str]) -> tuple[list[str], str]:
    """Colour group of every point, and the title of the key; no key where there is one group."""
    if len(set(speakers)) <= KEYED:
        return list(speakers), "Speaker"
    if genders:
        return [genders.get(speaker, "unknown") for speaker in speakers], "Gender"
    return [""] * len(speakers), ""


def _points(axes: Axes, points: Floats, groups: Sequence[str]) -> list[Line2D]:
    """Draw the points [U, 2] by group; what a key needs to name the groups."""
    from matplotlib.lines import Line2D

    key = []
    names = sorted(set(groups))
    size = float(np.clip(6000 / len(points), 5, 30))
    for index, name in enumerate(names):
        own = np.array([group == name for group in groups])
        marker = _MARKERS[index // len(COLOURS) % len(_MARKERS)]
        look: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "marker": marker}
        axes.scatter(points[own, 0], points[own, 1], s=size, alpha=0.85, edgecolors="white", linewidths=0.4, **look)
        key.append(Line2D([], [], linestyle="", markersize=4.5, label=in_key(name), **look))
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])  # neither axis has a meaning or a unit
    axes.set_yticks([])
    axes.margins(0.06)
    axes.spines[:].set_color(LINE)
    return key


def _count(drawn: int, total: int) -> str:
    return f"{total:,} utterances" if drawn == total else f"{drawn:,} of {total:,} utterances"
