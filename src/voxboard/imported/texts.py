"""Transcripts that others wrote: two files in any format that `text_formats` tells, as texts with the same ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voxboard import text_files
from voxboard.errors import UserError, printable, unknown
from voxboard.imported import nist, text_json, text_tables
from voxboard.imported.text_formats import FORMATS, NIST, TIMED, ambiguous, decide, narrowed
from voxboard.imported.text_source import Reading, Role, Row, TextSource

log = logging.getLogger("voxboard")

_METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl")
_AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".sph")


@dataclass(frozen=True)
class Pair:
    """References and hypotheses of the same utterances, and what their files say beside them."""

    references: dict[str, str]
    hypotheses: dict[str, str]
    formats: tuple[str, str] = ("kaldi", "kaldi")  # of references and hypotheses
    speakers: Mapping[str, str] = field(default_factory=dict)  # utterance → speaker, of STM

    @property
    def markup(self) -> bool:
        """True if the texts may hold NIST's alternations."""
        return not set(NIST).isdisjoint(self.formats)


def read(path: str | Path, role: Role = "reference", format: str = "") -> dict[str, str]:  # noqa: A002
    """Utterance → text, in the order of the file; a line with an id alone is an empty text.

    `format` is one of `text_formats.FORMATS`; by default it is found from all lines. Raises `UserError` with file and
    line, and for a text that fits several formats.
    """
    source = _source(Path(path), role)
    return _once(_rows(source, _named(format) or decide(source).format), source)


def pair(hypotheses: Path, references: Path, formats: tuple[str, str] = ("", "")) -> Pair:
    """Read both sides; where one of them fits several formats, the ids of the other decide.

    `formats` names those of references and hypotheses. Raises `UserError` as `read`, and for utterances that one side
    lacks.
    """
    true, written = _source(references, "reference"), _source(hypotheses, "hypothesis")
    chosen = _chosen((true, written), (_named(formats[0]), _named(formats[1])))
    pair = _timed(true, written, chosen) if set(chosen) <= set(TIMED) and chosen[0] == "stm" else None
    if pair is None:
        texts = [_once(_rows(side, format_), side) for side, format_ in zip((true, written), chosen, strict=True)]
        pair = Pair(texts[0], _matched(texts[1], texts[0]), chosen)
    for path, here, there in (
        (hypotheses, pair.hypotheses, pair.references),
        (references, pair.references, pair.hypotheses),
    ):
        if missing := [name for name in there if name not in here]:
            raise UserError(
                f"{path} lacks {len(missing)} of {len(there)} utterances (first: {printable(missing[0])}).",
                "An utterance without words is a line with its id alone.",
            )
    return pair


def two_in_one(path: Path) -> bool:
    """True if one file holds reference and hypothesis, as a NeMo manifest of a transcribe run does."""
    if not path.is_file():
        return False
    sides = [_source(path, role) for role in ("reference", "hypothesis")]
    if decide(sides[0]).format not in ("nemo", "jsonl", "csv", "json"):
        return False
    first, second = (_rows(side, decide(side).format) for side in sides)
    return first != second


def _named(format_: str) -> str:
    if format_ and format_ not in FORMATS:
        raise unknown("format of transcripts", format_, FORMATS)
    return format_


def _source(path: Path, role: Role) -> TextSource:
    if path.is_dir():
        table = next((path / name for name in _METADATA if (path / name).is_file()), None)
        if table is None:
            return TextSource.of(json.dumps(_of_folder(path)), f"{path}.json", role)
        path = table
    return TextSource.of(text_files.text(path), str(path), role)


def _of_folder(folder: Path) -> dict[str, str]:
    """The texts of a folder of Whisper's JSON files, or of plain texts, one per recording."""
    for suffix in (".json", ".txt"):
        try:
            files = text_files.with_suffix(folder, suffix)
        except UserError:
            continue
        if suffix == ".txt":
            return {text_files.stem_of(file): " ".join(text_files.text(file).split()) for file in files}
        sides = (TextSource.of(text_files.text(file), str(file)) for file in files)
        return _once([row for side in sides for row in text_json.parse(side)], TextSource(str(folder), ""))
    raise UserError(
        f"{folder} holds no transcripts.", f"Pass a file, or a folder with {_METADATA[0]}, *.json or *.txt in it."
    )


def _chosen(sides: tuple[TextSource, TextSource], formats: tuple[str, str]) -> tuple[str, str]:
    """The formats of both sides, and a line of the log for each that says why."""
    fitting = [[] if format_ else narrowed(side) for side, format_ in zip(sides, formats, strict=True)]
    if all(len(readings) > 1 for readings in fitting):
        agreeing = [(a, b) for a in fitting[0] for b in fitting[1] if set(a.ids) == set(b.ids)]
        if len(agreeing) != 1:
            raise ambiguous(sides[1], fitting[1])
        readings = list(agreeing[0])
        reasons = ["its ids are those of the other file"] * 2
    else:
        readings = [_one(sides, formats, fitting, place) for place in (0, 1)]
        reasons = [reading.reason for reading in readings]
    for side, reading, reason in zip(sides, readings, reasons, strict=True):
        first = f"; {printable(reading.first)}" if reading.first else ""
        log.info("%s is read as %s: %s%s.", printable(side.name), reading.format, reason, first)
        if reading.format == "kaldi" and len(reading.ids) > 1 and all(map(str.isalpha, reading.ids)):
            log.warning("The first words of %s are taken for ids, though they look like words.", printable(side.name))
        if side.suffix in FORMATS and side.suffix != reading.format and (side.suffix, reading.format) not in _ALIKE:
            log.warning("%s is no %s, as its name says.", printable(side.name), side.suffix)
    return readings[0].format, readings[1].format


_ALIKE = {("json", "nemo"), ("json", "jsonl"), ("jsonl", "nemo"), ("csv", "ljspeech")}


def _one(
    sides: tuple[TextSource, TextSource], formats: tuple[str, str], fitting: list[list[Reading]], place: int
) -> Reading:
    """The reading of one side, the other's ids being known."""
    other = 1 - place
    if formats[place]:
        return Reading(formats[place], (), "", "as asked")
    if len(fitting[place]) == 1:
        return fitting[place][0]
    asked = formats[other]
    ids = [name for _, name, _ in _rows(sides[other], asked)] if asked else fitting[other][0].ids
    return decide(sides[place], ids)


def _rows(source: TextSource, format_: str) -> list[Row]:
    """The utterances of one side by itself: of timed formats, a text per file."""
    if not source.lines:
        raise UserError(f"{source.name} holds no texts.", "A line is an id, a space, and the text.")
    return _READERS[format_](source)


def _kaldi(source: TextSource) -> list[Row]:
    parts = ((number, line.split(maxsplit=1)) for number, line in source.lines)
    return [(number, one[0], one[1].strip() if len(one) > 1 else "") for number, one in parts]


_READERS: Mapping[str, Callable[[TextSource], list[Row]]] = {
    "trn": nist.trn,
    "kaldi": _kaldi,
    "stm": lambda source: nist.joined(nist.stm(source)),
    "ctm": lambda source: nist.joined(nist.ctm(source)),
    "csv": lambda source: text_tables.parse(source, "csv"),
    "ljspeech": lambda source: text_tables.parse(source, "ljspeech"),
    "nemo": text_json.parse,
    "jsonl": text_json.parse,
    "json": text_json.parse,
}


def _once(rows: list[Row], source: TextSource) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, name, text in rows:
        if name in texts:
            raise source.bad(number, f"{printable(name)} has a second text", "Keep one text per utterance.")
        try:
            f"{name}{text}".encode()
        except UnicodeEncodeError as error:  # JSON can spell what is no text
            raise source.bad(number, "half of a pair of surrogates is no text", "Write the text in UTF-8.") from error
        texts[name] = text
    if not texts:
        raise UserError(f"{source.name} holds no texts.", "A line is an id, a space, and the text.")
    return texts


def _timed(true: TextSource, written: TextSource, formats: tuple[str, str]) -> Pair:
    """The segments of an STM file with the words of a CTM file, or with those of the same segments of another STM."""
    segments = nist.stm(true)
    references, speakers = nist.references(segments)
    if formats[1] == "ctm":
        hypotheses = nist.segmented(segments, nist.ctm(written), written)
    else:
        hypotheses, _ = nist.references(nist.stm(written))
    return Pair(references, hypotheses, formats, speakers)


def _matched(written: dict[str, str], true: Mapping[str, str]) -> dict[str, str]:
    """Hypotheses under the references' ids, where these differ in case, folders or the suffix of audio alone."""
    if written.keys() == true.keys():
        return written
    for same in (str.casefold, _stem, lambda name: _stem(name).casefold()):
        names = {same(name): name for name in true}
        renamed = {names.get(same(name), name): text for name, text in written.items()}
        if len(names) == len(true) and len(renamed) == len(written) and renamed.keys() == true.keys():
            log.info("Ids are matched though they differ in case, folders or suffixes.")
            return renamed
    return written


def _stem(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2]
    return next((last[: -len(ending)] for ending in _AUDIO if last.lower().endswith(ending)), last)
