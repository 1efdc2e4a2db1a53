"""RTTM (who spoke when) and UEM (what is scored): read strictly, written so that reading gives the same turns.

Format: NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A. The plain forms are
{recording: [(speaker, start, end), …]} and {recording: [(start, end), …]}, in seconds, in the order of the files.
A path is one file or a folder of them; whatever cannot be read as meant is a `UserError` with its file and line.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

from voxboard import text_files
from voxboard.errors import UserError, printable

log = logging.getLogger("voxboard")

Turn = tuple[str, float, float]
Region = tuple[float, float]
Row = TypeVar("Row")

# Objects that say nothing about who speaks when, as md-eval has it. NO_RT_METADATA is about words and sentences.
_IGNORED = {
    "SEGMENT", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT", "IP", "SU", "CB", "A/P", "SPKR-INFO",
    "NO_RT_METADATA",
}  # fmt: skip
_COMMENTS = (";", "#")  # how a line begins that is none
_WIDENED = 0.5  # seconds by which a noise is widened on either side, at most
_DECIMALS = 9  # nanoseconds: finer than any file, coarser than what adding two floats spoils


@dataclass(frozen=True)
class Reference:
    """Turns of a reference, and what its annotators took out of scoring, per file.

    `unevaluated` time (NIST's NOSCORE) is as if a UEM left it out: speakers are mapped without it. `unscored` time
    (noises of speakers, NIST's NON-LEX) is not counted, as a collar is not; the mapping of `all` time uses it.
    """

    turns: Mapping[str, Sequence[Turn]]
    unevaluated: Mapping[str, Sequence[Region]] = field(default_factory=dict)
    unscored: Mapping[str, Sequence[Region]] = field(default_factory=dict)


class _Line(NamedTuple):
    path: Path
    number: int
    fields: list[str]

    def bad(self, what: str, advice: str = "") -> UserError:
        return UserError(f"{self.path}, line {self.number}: {what}.", advice)

    def seconds(self, field: int, name: str) -> float:
        """A field as seconds ≥ 0, of which an asterisk is no part; raises `UserError` otherwise."""
        try:
            value = float(self.fields[field].replace("*", ""))
        except ValueError:
            raise self.bad(f"the {name} {self.fields[field]!r} is not a number") from None
        if not (math.isfinite(value) and value >= 0):
            raise self.bad(f"the {name} is {self.fields[field]}", "Seconds from the start of the recording are due.")
        return value

    def stretch(self) -> Region:
        """Onset and end."""
        start, duration = self.seconds(3, "onset"), self.seconds(4, "duration")
        return start, round(start + duration, _DECIMALS)


def read_rttm(path: str | Path) -> dict[str, list[Turn]]:
    """The SPEAKER turns of an RTTM file, or of every `.rttm` and `.rttm.gz` file in a folder.

    Turns of zero length are kept. In a folder, an empty file is a recording without speech that is named as the file.
    Raises `UserError` for malformed lines, a recording on two channels or in two files, a folder without RTTM, and for
    NOSCORE, which turns alone cannot tell: `read_reference` does.
    """
    return {name: own.turns for name, own in _read(Path(path), refuse=("NOSCORE", "NO_RT_METADATA")).items()}


def read_reference(path: str | Path) -> Reference:
    """Like `read_rttm`, with what NOSCORE and NON-LEX objects take out of scoring, as md-eval has it.

    A noise (NON-LEX) is widened by half a second on both sides, but not into a word (LEXEME), nor beyond the next
    boundary of a turn.
    """
    lines = _read(Path(path))
    return Reference(
        {name: own.turns for name, own in lines.items()},
        {name: own.unevaluated for name, own in lines.items() if own.unevaluated},
        {name: own.widened() for name, own in lines.items() if own.noises},
    )


@dataclass
class _Recording:
    """Lines about one recording."""

    turns: list[Turn] = field(default_factory=list)
    unevaluated: list[Region] = field(default_factory=list)
    noises: list[Region] = field(default_factory=list)
    words: list[Region] = field(default_factory=list)

    def widened(self) -> list[Region]:
        ends = sorted({*(edge for _, *turn in self.turns for edge in turn), *(end for _, end in self.words)})
        starts = sorted({*(edge for _, *turn in self.turns for edge in turn), *(start for start, _ in self.words)})
        return [
            (
                max(start - _WIDENED, 0.0, max((edge for edge in ends if edge <= start), default=0.0)),
                min(end + _WIDENED, min((edge for edge in starts if edge >= end), default=math.inf)),
            )
            for start, end in self.noises
        ]


def _read(path: Path, refuse: Collection[str] = ()) -> dict[str, _Recording]:
    recordings: dict[str, _Recording] = {}
    channels: dict[str, str] = {}
    for file in _files(path, ".rttm"):
        own: dict[str, _Recording] = {}
        for line in _lines(file):
            kind = _kind(line)
            if kind in refuse:
                raise line.bad(
                    f"{kind} takes time out of scoring", "Take the line out, and say in a UEM what is scored."
                )
            if kind in ("NON-LEX", "LEXEME"):
                _add_sound(own, line, kind)
            if kind not in ("SPEAKER", "NOSCORE"):
                continue
            name, channel = line.fields[1:3]
            if channels.setdefault(name, channel) != channel:
                raise line.bad(
                    f"{name} has turns on channels {channels[name]} and {channel}",
                    "Score each channel as a recording of its own name.",
                )
            start, end = line.stretch()
            if kind == "SPEAKER":
                own.setdefault(name, _Recording()).turns.append((line.fields[7], start, end))
            elif end > start:
                own.setdefault(name, _Recording()).unevaluated.append((start, end))
        _join(recordings, own, file, path, _Recording)
    return recordings


def _add_sound(own: dict[str, _Recording], line: _Line, kind: str) -> None:
    """A noise or a word; one without times bounds nothing."""
    if "<NA>" in line.fields[3:5]:
        return
    recording = own.setdefault(line.fields[1], _Recording())
    (recording.noises if kind == "NON-LEX" else recording.words).append(line.stretch())


def read_uem(path: str | Path) -> dict[str, list[Region]]:
    """The regions to be scored: of a UEM file, or of every `.uem` and `.uem.gz` file in a folder.

    Regions that overlap count once, which the log says. Raises `UserError` as `read_rttm`, and for a region without
    length or a file without regions.
    """
    regions: dict[str, list[Region]] = {}
    for file in _files(Path(path), ".uem"):
        own: dict[str, list[Region]] = {}
        for line in _lines(file):
            if len(line.fields) != 4:
                raise line.bad(f"{len(line.fields)} fields where 4 are due: recording, channel, start, end")
            start, end = line.seconds(2, "start"), line.seconds(3, "end")
            if end <= start:
                raise line.bad(f"the region ends at {end:g} s, and starts at {start:g} s")
            own.setdefault(line.fields[0], []).append((start, end))
        if not own:
            raise UserError(f"{file} names no region to be scored.")
        _join(regions, own, file, Path(path), list)
        _note_overlaps(own, file)
    return regions


def _note_overlaps(regions: Mapping[str, Sequence[Region]], file: Path) -> None:
    for name, own in regions.items():
        ordered = sorted(own)
        if any(later[0] < earlier[1] for earlier, later in pairwise(ordered)):
            log.warning("%s has regions of %s that overlap: they are scored once.", file, printable(name))


def write_rttm(turns: Mapping[str, Sequence[Turn]], path: str | Path) -> None:
    """Write one file when the path ends in `.rttm`, else a folder of `<recording>.rttm`; exact to the nanosecond.

    One file cannot tell that a recording has no speech: its name is then not in it, and has to be in the UEM.
    """
    lines = {name: "".join(_turn_line(name, *turn) for turn in own) for name, own in turns.items()}
    _write(lines, Path(path), ".rttm")


def worded(turns: Mapping[str, Sequence[Turn]]) -> dict[str, list[Turn]]:
    """Turns whose names RTTM can hold: white space and slashes become `_`; names that are then equal get a number."""
    names = _one_word(turns)
    speakers = _one_word(speaker for own in turns.values() for speaker, _, _ in own)
    return {
        names[name]: [(speakers[speaker], start, end) for speaker, start, end in own] for name, own in turns.items()
    }


def _one_word(names: Iterable[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = word = "_".join(name.replace("/", " ").split()).lstrip(";#") or "_"
        number = 2
        while word in words.values():
            word, number = f"{plain}_{number}", number + 1
        words[name] = word
    return words


def write_uem(regions: Mapping[str, Sequence[Region]], path: str | Path) -> None:
    """Write one file when the path ends in `.uem`, else a folder of `<recording>.uem`; exact to the nanosecond."""
    lines = {
        name: "".join(f"{_first_word(name)} 1 {_decimal(_ticks(a))} {_decimal(_ticks(b))}\n" for a, b in own)
        for name, own in regions.items()
    }
    _write(lines, Path(path), ".uem")


def _kind(line: _Line) -> str:
    """The type of an object. Raises `UserError` for one that is unknown, or has too few fields."""
    kind, count = line.fields[0], len(line.fields)
    if kind in _IGNORED:
        if kind in ("NON-LEX", "LEXEME") and count < 9:
            raise line.bad(f"{count} fields where 9 or 10 are due")
        return kind
    if kind not in ("SPEAKER", "NOSCORE"):
        if count == 8 and line.fields[4] == "speaker":
            raise line.bad("this is MDTM, which has the speaker in its last field", "Convert it to RTTM.")
        raise line.bad(f"{printable(kind)!r} is no type of RTTM object", "A turn is a line that starts with SPEAKER.")
    if count not in (9, 10):
        advice = "Names must not hold spaces." if count > 10 else ""
        raise line.bad(f"{count} fields where 9 or 10 are due", advice)
    return kind


def _files(path: Path, suffix: str) -> list[Path]:
    return text_files.with_suffix(path, suffix) if path.is_dir() else [path]


def _lines(path: Path) -> Iterator[_Line]:
    """The lines that say something: no blank ones, no comments."""
    if path.suffix == ".gz" and not text_files.is_packed(path):
        raise UserError(f"{path} cannot be read: it is no gzip file, as its name says.", "Name it without .gz.")
    for number, line in enumerate(text_files.text(path).split("\n"), start=1):
        fields = line.split()
        if fields and not fields[0].startswith(_COMMENTS):
            yield _Line(path, number, fields)


def _join(everything: dict[str, Row], own: dict[str, Row], file: Path, given: Path, empty: Callable[[], Row]) -> None:
    """Add what one file says; raises `UserError` when another file has already spoken of a recording."""
    if not own and file != given:
        own = {text_files.stem_of(file): empty()}
    for name in own:
        if name in everything:
            raise UserError(
                f"{file} is about {name}, and so is another file in its folder.",
                "A recording's lines belong into one file, and the files of two systems into two folders.",
            )
    everything.update(own)


def _turn_line(name: str, speaker: str, start: float, end: float) -> str:
    onset, duration = _ticks(start), _ticks(end) - _ticks(start)
    if duration < 0:
        raise ValueError(f"{name}: the turn ({speaker!r}, {start}, {end}) ends before it starts")
    times = f"{_decimal(onset)} {_decimal(duration)}"
    return f"SPEAKER {_word(name)} 1 {times} <NA> <NA> {_word(str(speaker))} <NA> <NA>\n"


def _word(name: str) -> str:
    if len(name.split()) != 1 or name.strip() != name or name.startswith(";;"):
        raise ValueError(f"{name!r} cannot be a name in RTTM or UEM: it must be one word")
    return name


def _first_word(name: str) -> str:
    """A name that begins a line."""
    if name.startswith(_COMMENTS):
        raise ValueError(f"{name!r} cannot be a name in UEM: it would be a comment")
    return _word(name)


def _ticks(seconds: float) -> int:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{seconds} is no time in a recording")
    return round(seconds * 10**_DECIMALS)


def _decimal(ticks: int) -> str:
    """Nanoseconds as seconds, with three decimals or as many as it takes."""
    whole, rest = divmod(ticks, 10**_DECIMALS)
    return f"{whole}.{f'{rest:0{_DECIMALS}d}'.rstrip('0'):0<3}"


def _write(lines: Mapping[str, str], path: Path, suffix: str) -> None:
    from voxboard.files import write_atomically

    if path.suffix == suffix:
        write_atomically({path: "".join(lines.values()).encode()})
        return
    if slashed := [name for name in lines if "/" in name]:
        raise ValueError(f"{slashed[0]!r} cannot be the name of a file")
    contents = {path / f"{_word(name)}{suffix}": text.encode() for name, text in lines.items()}
    if others := sorted(set(path.glob(f"*{suffix}*")) - set(contents)):
        raise UserError(f"{path} already holds {others[0].name}, which is not of these recordings.")
    if contents:
        write_atomically(contents)
