"""Labels read from the names of utterances: speaker, session and subset in the corpora's own ways of naming."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from voxboard.trials.labels import Coded

_END = r"(?:\.\w+)?$"  # an audio extension, or none


@dataclass(frozen=True)
class Naming:
    """One corpus's way of naming utterances; the named groups of `pattern` are labels."""

    corpus: str
    pattern: re.Pattern[str]


NAMINGS = (
    Naming(
        "LibriSpeech",
        re.compile(
            r"(?:.*?(?P<subset>(?:dev|test|train)-(?:clean|other)(?:-\d+)?)/)?(?:.*/)?"
            rf"(?P<session>(?P<speaker>\d+)-\d+)-\d+{_END}"
        ),
    ),
    Naming("VoxCeleb", re.compile(rf"(?:.*/)?(?P<speaker>id\d{{5}})/(?P<session>[\w-]{{11}})/\d+{_END}")),
    Naming("VCTK", re.compile(rf"(?:.*/)?(?P<speaker>[ps]\d{{1,3}})_(?P<number>\d{{3}})(?:_mic\d)?{_END}")),
    Naming("Speech Commands", re.compile(rf"(?:.*/)?(?P<text>\w+)/(?P<speaker>[0-9a-f]{{8}})_nohash_\d+{_END}")),
)
SHARED_TEXTS = 24  # of VCTK: the first utterances, which all speakers read


def speakers_in(names: Sequence[str], speakers: Collection[str]) -> Coded | None:
    """The speaker [U] whose name is a folder of every path, or what its last part begins with, up to `-` or `_`.

    None unless that is one known speaker for every name.
    """
    by_name = {}
    for name in names:
        *folders, last = name.replace("\\", "/").split("/")
        fitting = {part for part in (*folders, re.split(r"[-_.]", last)[0]) if part in speakers}
        if len(fitting) != 1:
            return None
        by_name[name] = fitting.pop()
    return Coded.of(by_name, names)


def labels_of(names: Sequence[str]) -> tuple[str, dict[str, Coded]]:
    """The corpus and the labels [U] that all names agree on; ("", {}) for names that no known corpus gives.

    VCTK's utterance number is a label of its own: up to 24 it is the text, which all speakers share; above, it says
    nothing about the text.
    """
    for naming in NAMINGS:
        matches = [naming.pattern.match(name.replace("\\", "/")) for name in names]
        if matches and all(matches):
            groups = [match.groupdict() for match in matches if match]
            labels = {
                label: {name: group[label] for name, group in zip(names, groups, strict=True) if group[label]}
                for label in naming.pattern.groupindex
            }
            if "number" in labels:
                labels["text"] = {name: value for name, value in labels["number"].items() if int(value) <= SHARED_TEXTS}
            return naming.corpus, {label: Coded.of(values, names) for label, values in labels.items() if values}
    return "", {}
