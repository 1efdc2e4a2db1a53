"""Detection of transcript formats: decided from all lines, and from the other side's ids where several fit.

    trn        words (id)                                      NIST, ESPnet, SpeechBrain
    kaldi      id words
    stm        file channel speaker begin end [<labels>] words   NIST, reference segments
    ctm        file channel begin duration word [confidence]     NIST, hypothesis words
    csv        a table with a header, separated by commas, semicolons, tabs or bars
    ljspeech   id|text[|normalised text], without a header
    nemo       JSON lines with audio_filepath
    jsonl      JSON lines with an id and a text
    json       an object of id → text, a list of objects, or Whisper's output

A suffix is a hint, never a proof. Rules: `docs/measuring.md`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from voxboard.errors import UserError
from voxboard.imported import text_json, text_tables
from voxboard.imported.text_source import Reading, TextSource

FORMATS = ("trn", "kaldi", "stm", "ctm", "csv", "ljspeech", "nemo", "jsonl", "json")
NIST = ("trn", "stm", "ctm")  # whose texts may hold alternations
TIMED = ("stm", "ctm")
_BRACKETED = re.compile(r"(?:^|.*\s)\(([^\s()]+)\)\s*$")


def candidates(source: TextSource) -> list[Reading]:
    """All readings that every line fits: one at most of JSON and tables, several of plain lines.

    Raises `UserError` for JSON and tables that are none after all, and where nothing fits.
    """
    if not source.lines:
        raise UserError(f"{source.name} holds no texts.", "A line is an id, a space, and the text.")
    for reader in (text_json.recognize, text_tables.recognize):
        if reading := reader(source):
            return [reading]
    readers = (trn, text_tables.bars_after_words, _stm, _ctm, _kaldi)
    readings = [reading for reader in readers if (reading := reader(source))]
    twice = source.suffix == "trn" and all(_BRACKETED.match(line) for _, line in source.uncommented())
    if not readings or (twice and readings[0].format != "trn"):
        raise _nothing_fits(source)
    return readings


def narrowed(source: TextSource) -> list[Reading]:
    """The readings that fit, or the one among them that the suffix names."""
    readings = candidates(source)
    if [one.format for one in readings] == ["kaldi"]:
        _nearly(source)
    named = [one for one in readings if one.format == source.suffix]
    if len(readings) > 1 and named:
        return [replace(named[0], reason=f"its name ends in .{source.suffix}")]
    return readings


def decide(source: TextSource, others: Collection[str] = ()) -> Reading:
    """The one reading of a transcript, given the other side's ids.

    Raises `UserError` that names both readings where nothing decides.
    """
    readings = narrowed(source)
    if len(readings) == 1:
        return readings[0]
    wanted = set(others)
    fitting = [reading for reading in readings if set(reading.ids) == wanted]
    fitting = fitting or [reading for reading in readings if not wanted.isdisjoint(reading.ids)]
    if len(fitting) == 1:
        return replace(fitting[0], reason="its ids are those of the other file")
    raise ambiguous(source, readings)


def _nearly(source: TextSource) -> None:
    """Raise `UserError` for a text that is what its suffix says but for some lines; as Kaldi's text any line passes."""
    fits = {"trn": trn, "stm": _stm, "ctm": _ctm}.get(source.suffix)
    if fits is None:
        return
    alone = [(number, fits(replace(source, lines=((number, line),)))) for number, line in source.uncommented()]
    wrong = next(number for number, reading in alone if reading is None)
    if any(reading for _, reading in alone):
        raise source.bad(
            wrong,
            f"this is no line of {source.suffix}, as others are",
            "Mend it, or name the format with --format kaldi.",
        )


def ambiguous(source: TextSource, readings: Sequence[Reading]) -> UserError:
    """The error for a transcript of which several readings fit."""
    ways = " or ".join(f"{one.format} ({one.first})" for one in readings)
    return UserError(
        f"{source.name} can be read in several ways: {ways}.",
        f"Say which with --format {readings[0].format} or --format {readings[-1].format}, or let the name end in "
        f".{readings[0].format}.",
    )


def trn(source: TextSource) -> Reading | None:
    """Every line ends with an id in brackets, and no id comes twice."""
    lines = source.uncommented()
    ids = [match[1] for _, line in lines if (match := _BRACKETED.match(line))]
    if not ids or len(ids) < len(lines) or len(set(ids)) < len(ids):
        return None
    return Reading("trn", tuple(ids), f"line 1 is of utterance {ids[0]}", "every line ends with an id in brackets")


def _kaldi(source: TextSource) -> Reading | None:
    ids = [line.split(maxsplit=1)[0] for _, line in source.lines]
    if len(set(ids)) < len(ids):
        return None
    return Reading("kaldi", tuple(ids), f"line 1 is of utterance {ids[0]}", "every line begins with an id of its own")


def _timed(
    source: TextSource, begin: int, end: int, fits: Callable[[list[str], float, float], bool], name: str
) -> Reading | None:
    files: dict[str, None] = {}
    rows = [(number, line.split()) for number, line in source.uncommented()]
    for _, fields in rows:
        if len(fields) <= end or not fits(fields, seconds(fields[begin]), seconds(fields[end])):
            return None
        files[fields[0]] = None
    if not rows:
        return None
    shown = f"line {rows[0][0]} is of file {rows[0][1][0]}"
    return Reading(name, tuple(files), shown, f"fields {begin + 1} and {end + 1} of every line are times")


def _stm(source: TextSource) -> Reading | None:
    return _timed(source, 3, 4, _is_stm, "stm")


def _ctm(source: TextSource) -> Reading | None:
    return _timed(source, 2, 3, _is_ctm, "ctm")


def _is_stm(fields: list[str], begin: float, end: float) -> bool:
    return 0 <= begin <= end < math.inf


def _is_ctm(fields: list[str], begin: float, duration: float) -> bool:
    timeless = fields[2:4] == ["*", "*"] and fields[4:5] and fields[4].upper() in ("<ALT_BEGIN>", "<ALT>", "<ALT_END>")
    confident = len(fields) == 5 or (len(fields) == 6 and not math.isnan(seconds(fields[5]))) or fields[5:] == ["NA"]
    return bool(timeless) or (confident and 0 <= begin < math.inf and 0 <= duration < math.inf)


def seconds(word: str) -> float:
    """A field as a number; NaN where it is none."""
    try:
        return float(word)
    except ValueError:
        return math.nan


def _nothing_fits(source: TextSource) -> UserError:
    """The error for lines of which neither the first words nor the last are ids."""
    ends = [match[1] if (match := _BRACKETED.match(line)) else None for _, line in source.lines]
    if None not in ends:
        number, name = _twice(source, [str(end) for end in ends])
        return source.bad(number, f"{name} has a second text", "Keep one text per utterance.")
    number, name = _twice(source, [line.split(maxsplit=1)[0] for _, line in source.lines])
    return source.bad(
        number, f"{name} has a second text",
        f"Keep one text per utterance, or name the format with --format ({', '.join(FORMATS)}).",
    )  # fmt: skip


def _twice(source: TextSource, ids: Sequence[str]) -> tuple[int, str]:
    seen: set[str] = set()
    for (number, _), name in zip(source.lines, ids, strict=True):
        if name in seen:
            return number, name
        seen.add(name)
    raise AssertionError("no id comes twice")
