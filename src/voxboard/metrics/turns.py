"""Speaker turns in any of their forms, as arrays over all files.

Times become whole tenths of nanoseconds: sums are exact, their order does not matter, and a turn that ends at
131.6 + 305.84 meets one that starts at 437.44, which it does not in floats.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from voxboard.metrics import rttm
from voxboard.metrics.rttm import Reference, Region

Ints = NDArray[np.int64]
Turn = tuple[Hashable, float, float]  # speaker, start, end in seconds

Span = Literal["both", "reference"]

TICKS = 10_000_000_000  # a second
_LATEST = 4e8  # seconds; the distance between twice that must fit into 64 bits

UNNAMED = ""  # the only file, when nothing names it


class Annotated(Protocol):
    """Methods of a pyannote Annotation that are used."""

    uri: Any

    def itertracks(self, yield_label: Literal[True]) -> Iterable[tuple[Any, Any, Any]]: ...


Speech = (
    Mapping[str, Sequence[Turn]] | Mapping[str, Annotated] | Sequence[Turn] | Sequence[Annotated]
    | Annotated | Reference | str | Path
)  # fmt: skip
Scored = Mapping[str, Iterable[Region]] | Iterable[Region] | str | Path  # a pyannote Timeline is an Iterable of these
_ByFile = dict[str | None, Any]  # file → its turns; None is the file of a list without a name


@dataclass(frozen=True, eq=False)
class Turns:
    """Turns [n] of all files, file by file; those of zero length are left out.

    Speakers are numbered through: the first file's by appearance, then the second's, and so on.
    """

    speaker: Ints  # [n]
    start: Ints  # [n], ticks
    end: Ints  # [n], ticks
    file: Ints  # [speakers]: the file that a speaker belongs to


@dataclass(frozen=True, eq=False)
class Given:
    """The same files, by name, in reference and hypothesis, and what is to be scored of them (None: everything)."""

    files: tuple[str, ...]
    reference: Turns
    hypothesis: Turns
    regions: Turns | None  # of one "speaker" per file
    unevaluated: Turns  # likewise
    unscored: Turns


def gather(reference: Speech, hypothesis: Speech, uem: Scored | None, span: Span = "both") -> Given:
    """Bring what is given to one form, pair it by file, and check it.

    Without a UEM the `span` of a file is from the first to the last turn of both sides, or of the reference. The files
    are the reference's, and those that only the UEM names: they have no reference speech. Raises `ValueError` when the
    hypothesis names another file, the UEM lacks one, or a turn is malformed, not finite, or ends before it starts;
    `UserError` for files that cannot be read.
    """
    if span not in ("both", "reference"):
        raise ValueError(f"span must be both or reference, got {span!r}")
    marked = _marked(reference)
    expected = _by_file(marked.turns if isinstance(marked, Reference) else marked, "reference")
    turns = _by_file(hypothesis, "hypothesis")
    scored = None if uem is None else _by_file(uem, "uem")
    expected, turns, scored = _named(expected, turns, scored)
    if not expected and not scored:
        raise ValueError("the reference has no files")
    files = tuple(str(name) for name in {**expected, **(scored or {})})
    _refuse_unknown([name for name in turns if name not in expected and name not in (scored or {})], files)
    if scored is not None and (missing := [name for name in files if name not in scored]):
        raise ValueError(f"the uem does not say what to score of {_listed(missing)}")
    if scored is None and span == "reference":
        scored = {name: _extent(expected.get(name, ())) for name in files}
    out = marked if isinstance(marked, Reference) else Reference({})
    return Given(
        files,
        _turns(expected, files, "reference"),
        _turns(turns, files, "hypothesis"),
        None if scored is None else _stretches(scored, files, "uem"),
        _stretches(out.unevaluated, files, "unevaluated time"),
        _stretches(out.unscored, files, "unscored time"),
    )


def _marked(reference: Speech) -> Speech:
    """A reference from files with what they take out of scoring; any other as it is."""
    if not isinstance(reference, (str, Path)):
        return reference
    return rttm.read_reference(reference)


def _extent(turns: Sequence[Turn]) -> list[Region]:
    return [(min(start for _, start, _ in turns), max(end for _, _, end in turns))] if turns else []


def _stretches(regions: Mapping[Any, Iterable[Any]], files: Sequence[str], what: str) -> Turns:
    return _turns({name: _regions(regions[name]) for name in files if name in regions}, files, what)


def _by_file(given: Any, what: str) -> _ByFile:
    if isinstance(given, (str, Path)):
        read: Mapping[Any, Any] = rttm.read_uem(given) if what == "uem" else rttm.read_reference(given).turns
        return dict(read)
    if isinstance(given, Mapping):
        return {str(name): _plain(turns) for name, turns in given.items()}
    if hasattr(given, "itertracks"):
        named = what == "reference" and given.uri is not None  # pyannote pairs two annotations whatever their uris
        return {str(given.uri) if named else None: _plain(given)}
    if isinstance(given, Iterable):
        rows = list(given)
        if rows and hasattr(rows[0], "itertracks"):
            return _by_uri(rows, what)
        return {None: rows}
    raise ValueError(f"the {what} must be turns, a mapping of files to turns, or a path, got {type(given).__name__}")


def _by_uri(annotations: Sequence[Any], what: str) -> _ByFile:
    turns: _ByFile = {}
    for annotation in annotations:
        if annotation.uri is None or str(annotation.uri) in turns:
            raise ValueError(f"the annotations of the {what} need a uri of their own each, got {annotation.uri!r}")
        turns[str(annotation.uri)] = _plain(annotation)
    return turns


def _plain(turns: Any) -> Any:
    if hasattr(turns, "itertracks"):
        return [(label, segment.start, segment.end) for segment, _, label in turns.itertracks(yield_label=True)]
    return turns if isinstance(turns, (list, tuple)) else list(turns)


def _named(reference: _ByFile, hypothesis: _ByFile, uem: _ByFile | None) -> tuple[_ByFile, _ByFile, _ByFile | None]:
    """Give what has no name that of the only file; raises `ValueError` when there are several."""
    named = [name for side in (reference, hypothesis, uem or {}) for name in side if name is not None]
    only = next(iter(reference if None not in reference else named), None) or UNNAMED

    def rename(side: _ByFile, what: str) -> _ByFile:
        if None not in side:
            return side
        if len(reference) != 1:
            raise ValueError(f"the {what} is one file's without a name, but the reference has {len(reference)} files")
        return {only: side[None]}

    return (
        rename(reference, "reference"), rename(hypothesis, "hypothesis"), None if uem is None else rename(uem, "uem"),
    )  # fmt: skip


def _refuse_unknown(unknown: Sequence[Any], files: Sequence[str]) -> None:
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), files, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"the hypothesis is about {_listed(unknown)}, which the reference does not have{hint}")


def _listed(names: Sequence[Any]) -> str:
    return repr(names[0]) if len(names) == 1 else f"{names[0]!r} and {len(names) - 1} more files"


def _regions(regions: Iterable[Any]) -> list[Any]:
    """Regions as turns of nobody."""
    return [("", *region) if isinstance(region, Iterable) else region for region in regions]


def _turns(by_file: Mapping[Any, Any], files: Sequence[str], what: str) -> Turns:
    labels: list[int] = []
    starts: list[float] = []
    ends: list[float] = []
    owners: list[int] = []
    for number, name in enumerate(files):
        if not len(turns := by_file.get(name, ())):
            continue
        codes: dict[Hashable, int] = {}
        first = len(owners)
        try:
            speakers, start, end = zip(*turns, strict=True)
            labels += [codes.setdefault(speaker, first + len(codes)) for speaker in speakers]
        except (TypeError, ValueError):
            raise _malformed({name: turns}, what) from None
        starts += start
        ends += end
        owners += [number] * len(codes)
    try:
        seconds = np.array([starts, ends], np.float64)
    except (TypeError, ValueError):
        raise _malformed(by_file, what) from None
    if not ((np.abs(seconds) <= _LATEST).all() and (seconds[1] >= seconds[0]).all()):
        raise _malformed(by_file, what)
    start_ticks, end_ticks = np.rint(seconds * TICKS).astype(np.int64)
    lasting = end_ticks > start_ticks
    speaker = np.array(labels, np.int64)
    return Turns(speaker[lasting], start_ticks[lasting], end_ticks[lasting], np.array(owners, np.int64))


def _malformed(by_file: Mapping[Any, Any], what: str) -> ValueError:
    """The error for the first turn that is wrong, found one by one."""
    uem = what not in ("reference", "hypothesis")
    for name, turns in by_file.items():
        for index, turn in enumerate(turns):
            if problem := _problem(turn, uem):
                noun, shown = ("region", turn[1:] if isinstance(turn, tuple) else turn) if uem else ("turn", turn)
                where = f"file {name!r}, {noun} {index}" if name != UNNAMED else f"{noun} {index}"
                return ValueError(f"{what}, {where}, {shown!r}: {problem}")
    raise AssertionError("no turn is wrong")


def _problem(turn: Any, uem: bool) -> str:
    try:
        speaker, start, end = turn
        hash(speaker)
        first, last = float(start), float(end)
    except (TypeError, ValueError):
        return f"{'' if uem else 'a speaker, '}a start and an end in seconds are due"
    if not (math.isfinite(first) and math.isfinite(last)):
        return "times must be finite"
    if max(abs(first), abs(last)) > _LATEST:
        return "times must be seconds from the start of the recording"
    return "it ends before it starts" if last < first else ""
