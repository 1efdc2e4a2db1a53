"""Titles of systems wherever they are shown: boards, charts, legends, terminal tables, comparisons."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from voxboard.charts.numbers import plain
from voxboard.records import Part, System

OF_TASK = ("label", "question", "lm", "sentence_encoder")  # options that a task gives any head


def title(system: System) -> str:
    """Title of a system in one line: its parts with all options that were given, or its name and the differences.

    A head that was never trained has no part in the numbers, so it is not named: `ecapa+mean+aam`, typed to evaluate
    an untrained encoder, is `ecapa+mean`. A named system keeps its name, followed by the options in which it is
    another network than its card: `UniPool(heads=4)`.
    """
    pieces = _split(system.name)
    spec = _split(system.spec)
    if len(pieces) > 1:
        same = [_bare(piece) for piece in pieces[:2]] == [_bare(piece) for piece in spec[:2]]
        return plain("+".join(_trained(system, spec if same else pieces)))
    changed = ", ".join(_changed(system))
    return plain(f"{system.name}({changed})" if changed else system.name)


def spec(system: System) -> str:
    """`backbone+pooler+head`, without a head that was never trained."""
    return plain("+".join(_trained(system, _split(system.spec))))


def _trained(system: System, pieces: Sequence[str]) -> Sequence[str]:
    headless = not system.trained and (system.head is None or system.start in ("none", "random"))
    return pieces[:2] if headless and len(pieces) == 3 else pieces


def _split(text: str) -> list[str]:
    """The parts between plus signs outside brackets."""
    pieces, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")" and depth > 0)
        if character == "+" and not depth:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def _bare(piece: str) -> str:
    return piece.partition("(")[0].strip()


def _changed(system: System) -> Iterator[str]:
    """The options that a named system's card has not, or has otherwise."""
    from voxboard import systems

    card = systems.named().get(system.name)
    for kind, part in card.parts() if card else ():
        own: Part | None = getattr(system, kind)
        if own is None:
            continue
        if own.name != part.name:
            yield own.name
        for key in sorted({*own.options, *part.options}):
            value, usual = _listed(own.options.get(key)), _listed(part.options.get(key))
            if value != usual and not (kind == "head" and key in OF_TASK):
                yield f"{key}={'default' if value is None else value}"


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def tell_apart(titles: Sequence[str], features: Sequence[Sequence[str]], last: Sequence[str]) -> list[str]:
    """Text beside each title: those of its features that not all of its namesakes share.

    Empty for a title that nothing else has. Namesakes that are alike in all features get `last`, which differs.
    """
    shown = [", ".join(_varying(place, titles, features)) for place in range(len(titles))]
    for places in _alike(list(zip(titles, shown, strict=True))).values():
        if len(places) > 1:
            for place in places:
                shown[place] = ", ".join(filter(None, (shown[place], last[place])))
    return shown


def _varying(place: int, titles: Sequence[str], features: Sequence[Sequence[str]]) -> Iterator[str]:
    namesakes = [other for other in range(len(titles)) if titles[other] == titles[place]]
    for column, text in enumerate(features[place]):
        if text and len({features[other][column] for other in namesakes}) > 1:
            yield text


def _alike(keys: Sequence[Hashable]) -> Mapping[Hashable, list[int]]:
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return places


def folded(name: str, width: int) -> str:
    """A name in lines of at most `width` characters, as far as it can be broken after plus signs, commas and spaces."""
    lines = [""]
    for piece in re.findall(r"[^+, ]*[+, ]*", name):
        if len(lines[-1]) + len(piece.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() for line in lines)
