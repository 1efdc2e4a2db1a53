"""Groups of trials that get numbers of their own: by what the two sides share, and by who the speakers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.data.corpus import ATTRIBUTES, attributes_of

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.trials import Trials

Mask = NDArray[np.bool_]

MAX_LEVELS = 8  # distinct values above which a match column, such as FREQ_MATCH, is continuous
DURATIONS = (2.0, 4.0, 8.0)  # seconds at which duration groups part


@dataclass(frozen=True, eq=False)
class TrialGroup:
    """Some trials of a list, by masks [N]: those that belong, and those that the numbers are computed on."""

    name: str  # "GENDER_MATCH=1", "gender=female"
    label: str  # what divides speakers or utterances, "gender"; empty for what the two sides share
    inside: Mask
    measured: Mask  # `inside`, and all trials of the other kind where it holds one kind only
    targets: int  # inside


def match_strata(trials: Trials) -> Iterator[TrialGroup]:
    """One per value of every match column.

    A stratum of non-targets only (two genders, say) is measured against all targets, and the other way round.
    """
    for column, values in sorted(trials.matches.items()):
        levels = np.unique(values[~np.isnan(values.astype(float))])
        if len(levels) > MAX_LEVELS:
            continue
        for level in levels:
            inside = values == level
            measured, against = inside.copy(), ""
            for label, word in ((1, "targets"), (0, "non-targets")):
                if not (inside & (trials.labels == label)).any():
                    measured |= trials.labels == label
                    against = f", against all {word}"
            if not measured.all():
                yield _group(f"{column}={level:g}{against}", "", trials, inside, measured)


def speaker_groups(trials: Trials, cuts: Sequence[Cut]) -> Iterator[TrialGroup]:
    """The trials both of whose sides belong to a group: one per gender, age, accent … and duration of `cuts` [U].

    Ages are grouped by decade, durations by the shorter side. A label that all share divides nothing.
    """
    labels = [attributes_of(cut) for cut in cuts]
    for label in ATTRIBUTES:
        values = np.array([group_of(label, labels_of.get(label)) for labels_of in labels], dtype=object)
        for value in sorted({value for value in values if value}):
            members = values == value
            inside = members[trials.enrol] & members[trials.test]
            if not members.all():
                yield _group(f"{label}={value}", label, trials, inside)
    places = np.searchsorted(DURATIONS, [cut.duration for cut in cuts], side="right")
    shorter = np.minimum(places[trials.enrol], places[trials.test])
    for place in np.unique(shorter):
        inside = shorter == place
        if not inside.all():
            yield _group(f"duration={_span(int(place))}", "duration", trials, inside)


def _group(name: str, label: str, trials: Trials, inside: Mask, measured: Mask | None = None) -> TrialGroup:
    targets = int(np.count_nonzero(inside & (trials.labels == 1)))
    return TrialGroup(name, label, inside, inside if measured is None else measured, targets)


def group_of(label: str, value: Any) -> str:
    """The group of a label's value: decades for ages in years, else the value itself."""
    text = "" if value is None else str(value)
    if label == "age" and text.replace(".", "", 1).isdigit():
        return f"{int(float(text)) // 10 * 10}s"
    return text


def _span(place: int) -> str:
    edges = [f"{edge:g}" for edge in DURATIONS]
    if place == 0:
        return f"under {edges[0]} s"
    if place == len(edges):
        return f"{edges[-1]} s and more"
    return f"{edges[place - 1]} to {edges[place]} s"
