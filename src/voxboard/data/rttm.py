"""RTTM (who spoke when) and UEM (what is scored): read strictly, written so that reading gives the same turns.

Format: NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A. The plain forms are
{recording: [(speaker, start, end), …]} and {recording: [(start, end), …]}, in seconds, in the order of the files.
A path is one file or a folder of them; whatever cannot be read as meant is a `UserError` with its file and line.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from voxboard.errors import UserError

Turn = tuple[str, float, float]
Region = tuple[float, float]
Row = TypeVar("Row")

# Objects of an RTTM file that say nothing about who speaks when. NOSCORE and NO_RT_METADATA are not among them: they
# take time out of scoring, which a UEM does here.
_IGNORED = {
    "SEGMENT", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT", "IP", "SU", "CB", "A/P", "SPKR-INFO",
}  # fmt: skip
_DECIMALS = 9  # nanoseconds: finer than any file, coarser than what adding two floats spoils


class _Line(NamedTuple):
    path: Path
    number: int
    fields: list[str]

    def bad(self, what: str, advice: str = "") -> UserError:
        return UserError(f"{self.path}, line {self.number}: {what}.", advice)

    def seconds(self, field: int, name: str) -> float:
        """A field as seconds ≥ 0; raises `UserError` otherwise."""
        try:
            value = float(self.fields[field])
        except ValueError:
            raise self.bad(f"the {name} {self.fields[field]!r} is not a number") from None
        if not (math.isfinite(value) and value >= 0):
            raise self.bad(f"the {name} is {self.fields[field]}", "Seconds from the start of the recording are due.")
        return value


def read_rttm(path: str | Path) -> dict[str, list[Turn]]:
    """The SPEAKER turns of an RTTM file, or of every `.rttm` and `.rttm.gz` file in a folder.

    Turns of zero length are kept. In a folder, an empty file is a recording without speech that is named as the file.
    Raises `UserError` for malformed lines, a recording on two channels or in two files, and a folder without RTTM.
    """
    turns: dict[str, list[Turn]] = {}
    channels: dict[str, str] = {}
    for file in _files(Path(path), ".rttm"):
        own: dict[str, list[Turn]] = {}
        for line in _lines(file):
            if not _speaker(line):
                continue
            name, channel = line.fields[1:3]
            if channels.setdefault(name, channel) != channel:
                raise line.bad(
                    f"{name} has turns on channels {channels[name]} and {channel}",
                    "Score each channel as a recording of its own name.",
                )
            start, duration = line.seconds(3, "onset"), line.seconds(4, "duration")
            own.setdefault(name, []).append((line.fields[7], start, round(start + duration, _DECIMALS)))
        _join(turns, own, file, Path(path))
    return turns


def read_uem(path: str | Path) -> dict[str, list[Region]]:
    """The regions to be scored: of a UEM file, or of every `.uem` and `.uem.gz` file in a folder.

    Raises `UserError` as `read_rttm`, and for a region without length or a file without regions.
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
        _join(regions, own, file, Path(path))
    return regions


def write_rttm(turns: Mapping[str, Sequence[Turn]], path: str | Path) -> None:
    """Writes one file when the path ends in `.rttm`, else a folder of `<recording>.rttm`; exact to the nanosecond.

    One file cannot tell that a recording has no speech: its name is then not in it, and has to be in the UEM.
    """
    lines = {name: "".join(_turn_line(name, *turn) for turn in own) for name, own in turns.items()}
    _write(lines, Path(path), ".rttm")


def write_uem(regions: Mapping[str, Sequence[Region]], path: str | Path) -> None:
    """Writes one file when the path ends in `.uem`, else a folder of `<recording>.uem`; exact to the nanosecond."""
    lines = {
        name: "".join(f"{_word(name)} 1 {_decimal(_ticks(a))} {_decimal(_ticks(b))}\n" for a, b in own)
        for name, own in regions.items()
    }
    _write(lines, Path(path), ".uem")


def _speaker(line: _Line) -> bool:
    """Whether a line is a turn; raises `UserError` when it is neither that nor something to pass over."""
    kind, count = line.fields[0], len(line.fields)
    if kind in _IGNORED:
        return False
    if kind in ("NOSCORE", "NO_RT_METADATA"):
        raise line.bad(f"{kind} takes time out of scoring", "Take the line out, and say in a UEM what is scored.")
    if kind != "SPEAKER":
        raise line.bad(f"{kind!r} is no type of RTTM object", "A turn is a line that starts with SPEAKER.")
    if count not in (9, 10):
        advice = "Names must not hold spaces." if count > 10 else ""
        raise line.bad(f"{count} fields where 9 or 10 are due", advice)
    return True


def _files(path: Path, suffix: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.name.endswith((suffix, f"{suffix}.gz")) and file.is_file())
    if not found:
        raise UserError(f"{path} holds no {suffix} file.", "Pass a file, or the folder that holds them.")
    return found


def _lines(path: Path) -> Iterator[_Line]:
    """The lines that say something: no blank ones, no comments (`;;`)."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}).") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if fields and not fields[0].startswith(";;"):
            yield _Line(path, number, fields)


def _join(everything: dict[str, list[Row]], own: dict[str, list[Row]], file: Path, given: Path) -> None:
    """Adds what one file says; raises `UserError` when another file has already spoken of a recording."""
    if not own and file != given:
        own = {Path(file.name.removesuffix(".gz")).stem: []}
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
