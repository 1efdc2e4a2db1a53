"""The labels of utterances, by the names that heads and benchmarks ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

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


def absent(value: object) -> bool:
    """Whether a value stands for a label that is not there."""
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
    found = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(str(text) for text in found if not absent(text)))


def age_group(age: object) -> str | None:
    """Auden's group of an age in years; None where it is not a number."""
    try:
        years = float(str(age))
    except ValueError:
        return None
    return next((group for least, group in AGE_GROUPS if years >= least), None)


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct class names in the order that they have by themselves: known sets, numbers by value, else sorted."""
    found = set(names)
    for order in ORDERS:
        if found <= set(order):
            return [name for name in order if name in found]
    try:
        return sorted(found, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(found)
