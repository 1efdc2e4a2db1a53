"""The labels of utterances, by the names that heads and benchmarks ask for, and the classes that they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voxboard.errors import UserError

if TYPE_CHECKING:
    from lhotse.cut import Cut

# What stands for "no label" in manifests, besides None, in any case.
ABSENT = frozenset({"", "none", "null", "nan"})
# Label sets whose order means something; others are sorted, numbers by value.
ORDERS = (
    ("child", "teenager", "young adult", "middle-age adult", "senior"),
    ("teens", "twenties", "thirties", "fourties", "fifties", "sixties", "seventies", "eighties", "nineties"),
)
# Youngest age of each of Auden's groups but the first: "18 to 39, 40 to 60, above 60".
AGE_GROUPS = ((61.0, "senior"), (40.0, "middle-age adult"), (18.0, "young adult"), (0.0, "teenager"))
SIGNALS = ("rms_dbfs", "lufs")  # measured on the waveform, not written in a manifest
# The class index of an utterance whose label is not known (torch's `ignore_index`): it trains nothing.
MISSING = -100


def absent(value: object) -> bool:
    """True if a value stands for a label that is not there."""
    return value is None or str(value).strip().lower() in ABSENT


def label_of(cut: Cut, name: str) -> Any:
    """The label of an utterance: speaker, text, gender, language, or what its manifest has under `custom`.

    `age_group` is derived from an age in years where it is not given; `caption` may be a text, or a list of texts
    under `captions`. None where there is no label.
    """
    supervision = cut.supervisions[0]
    custom = supervision.custom or {}
    value = custom.get(name)
    if value is None and name in ("speaker", "text", "gender", "language"):
        value = getattr(supervision, name, None)
    if value is None and name == "age_group":
        value = age_group(custom.get("age"))
    if value is None and name == "caption":
        value = custom.get("captions")
    if name == "text":
        return value  # an empty transcript is a transcript
    return None if absent(value) else value


def texts_of(cut: Cut, name: str) -> tuple[str, ...]:
    """The texts under a name, of which an utterance may have several (captions), each once; empty without any."""
    value = label_of(cut, name)
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(str(text) for text in values if not absent(text)))


def age_group(age: object) -> str | None:
    """Auden's group of an age in years; None where it is not a number."""
    try:
        years = float(str(age))
    except ValueError:
        return None
    return next((group for least, group in AGE_GROUPS if years >= least), None)


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct class names in the order that they have by themselves: known sets, numbers by value, else sorted."""
    distinct = set(names)
    for order in ORDERS:
        if distinct <= set(order):
            return [name for name in order if name in distinct]
    try:
        return sorted(distinct, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(distinct)


class Classes:
    """The classes of one task, in order: `Classes(["female", "male"])`, or from an `id2label` file's content.

    Raises `UserError` for a name that is there twice or that stands for a missing label.
    """

    def __init__(self, names: Sequence[str] | Mapping[str, str]) -> None:
        if isinstance(names, Mapping):
            if sorted(map(int, names)) != list(range(len(names))):
                raise UserError("The label map's indices are not 0, 1, 2, …", "Number the classes from 0 without gaps.")
            names = [names[key] for key in sorted(names, key=int)]
        self.names = tuple(names)
        self._index = {name: index for index, name in enumerate(self.names)}
        if len(self._index) != len(self.names):
            raise UserError("A class is named twice in the label map.", "Give every class a name of its own.")
        for name in self.names:
            if absent(name):
                raise UserError(f"{name!r} cannot be a class: it stands for a missing label.", "Rename the class.")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: object) -> int:
        """The class index of a name; `MISSING` when it is None, NaN, "", "none", "null" (in any case) or unknown."""
        return MISSING if absent(name) else self._index.get(str(name), MISSING)
