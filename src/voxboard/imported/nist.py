"""NIST's transcripts: TRN, STM segments and CTM words, and which words fall into which segment.

A word belongs to the segment of its file and channel that holds its middle; one in a gap to the next segment, one after
the last to the last: it is an insertion there. Source: NIST SCTK, sclite.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxboard.errors import UserError
from voxboard.imported.text_formats import seconds
from voxboard.imported.text_source import Row, TextSource

_ID = re.compile(r"\(([^\s()]+)\)\s*$")
_LABEL = re.compile(r"<[^ >]*>")
_ALTERNATION = {"<ALT_BEGIN>": "{", "<ALT>": "/", "<ALT_END>": "}"}
Place = tuple[str, str]  # file, channel


@dataclass(frozen=True)
class Segment:
    """A stretch of one speaker in a file and channel, with its text; `ignored` is not scored."""

    place: Place
    speaker: str
    begin: float
    end: float
    text: str
    ignored: bool = False

    @property
    def id(self) -> str:
        return f"{self.place[0]}-{self.place[1]}-{self.begin:g}-{self.end:g}"


@dataclass(frozen=True)
class Word:
    """A word of a file and channel, and where its middle lies; a mark of an alternation lies where the word before."""

    place: Place
    middle: float
    text: str


def trn(source: TextSource) -> list[Row]:
    """The utterances of a TRN file. Raises `UserError` with the line that has no id."""
    rows = []
    for number, line in source.uncommented():
        match = _ID.search(line)
        if match is None:
            raise source.bad(number, "no id in brackets ends the line", "A TRN line is: words (id).")
        rows.append((number, match[1], line[: match.start()].strip()))
    return rows


def stm(source: TextSource) -> list[Segment]:
    """The segments of an STM file, by file, channel and time. Raises `UserError` with the line."""
    segments = []
    for number, line in source.uncommented():
        fields = line.split(maxsplit=5)
        begin, end = (seconds(word) for word in (fields[3:5] if len(fields) > 4 else ("", "")))
        if not 0 <= begin <= end < float("inf"):
            raise source.bad(number, "no segment", "An STM line is: file channel speaker begin end [<labels>] words.")
        text = fields[5] if len(fields) > 5 else ""
        label = _LABEL.match(text)
        if label and (label.end() == len(text) or text[label.end()].isspace()):
            text = text[label.end() :]
        ignored = text.strip().upper().replace("_", " ") == "IGNORE TIME SEGMENT IN SCORING"
        segments.append(Segment((fields[0], fields[1]), fields[2], begin, end, text.strip(), ignored))
    return sorted(segments, key=lambda one: (one.place, one.begin))


def ctm(source: TextSource) -> list[Word]:
    """The words of a CTM file, by file, channel and time. Raises `UserError` with the line."""
    words: list[Word] = []
    for number, line in source.uncommented():
        fields = line.split()
        if len(fields) not in (5, 6):
            raise source.bad(number, f"{len(fields)} fields where 5 or 6 are due", _CTM_ADVICE)
        place, mark = (fields[0], fields[1]), _ALTERNATION.get(fields[4].upper())
        middle = words[-1].middle if mark and words and words[-1].place == place else 0.0
        if not mark:
            begin, duration = seconds(fields[2]), seconds(fields[3])
            middle = begin + duration / 2
            if not 0 <= begin <= middle < float("inf"):
                raise source.bad(number, "no word with its time", _CTM_ADVICE)
        words.append(Word(place, middle, mark or fields[4]))
    return _ordered(words)


_CTM_ADVICE = "A CTM line is: file channel begin duration word [confidence]."


def _ordered(words: list[Word]) -> list[Word]:
    """Words by file, channel and time; an alternation stays together, where its first word is."""
    moved: list[Word] = []
    inside: list[int] = []
    for word in words:
        if word.text == "{" and not inside:
            inside.append(len(moved))
        moved.append(word)
        if word.text == "}" and inside:
            first = inside.pop()
            middle = next((one.middle for one in moved[first:] if one.text not in ("{", "/", "}", "@")), word.middle)
            moved[first:] = [Word(one.place, middle, one.text) for one in moved[first:]]
    return sorted(moved, key=lambda one: (one.place, one.middle))


def joined(parts: Sequence[Segment] | Sequence[Word]) -> list[Row]:
    """One text per file, or per file and channel where a file has several: the parts in the order of time."""
    texts: dict[Place, list[str]] = {}
    for part in parts:
        texts.setdefault(part.place, []).extend([] if isinstance(part, Segment) and part.ignored else [part.text])
    files = [file for file, _ in texts]
    return [
        (1, file if files.count(file) == 1 else f"{file}-{channel}", " ".join(words))
        for (file, channel), words in texts.items()
    ]


def segmented(segments: Sequence[Segment], words: Sequence[Word], source: TextSource) -> dict[str, str]:
    """Segment id → the words that fall into it; words in ignored segments are dropped.

    Raises `UserError` for words of a file and channel that have no segment, and for segments that overlap.
    """
    by_place: dict[Place, list[Segment]] = {}
    for segment in segments:
        own = by_place.setdefault(segment.place, [])
        if own and segment.begin < own[-1].end:
            raise UserError(
                f"{own[-1].id} and {segment.id} overlap, so that a word may belong to either.",
                "Give each speaker a channel of its own.",
            )
        own.append(segment)
    texts: dict[str, list[str]] = {segment.id: [] for segment in segments if not segment.ignored}
    for word in words:
        if word.place not in by_place:
            raise UserError(
                f"{source.name} has words of {' '.join(word.place)}, which the reference does not have.",
                "Check the names of files and channels.",
            )
        segment = _holding(by_place[word.place], word.middle)
        if not segment.ignored:
            texts[segment.id].append(word.text)
    return {name: " ".join(own) for name, own in texts.items()}


def _holding(segments: Sequence[Segment], middle: float) -> Segment:
    """The segment that holds a time, else the next, else the last."""
    after = bisect_right([segment.begin for segment in segments], middle)
    if after and middle < segments[after - 1].end:
        return segments[after - 1]
    return segments[min(after, len(segments) - 1)]


def references(segments: Sequence[Segment]) -> tuple[dict[str, str], dict[str, str]]:
    """Segment id → text, and segment id → speaker, of all that are scored. Raises `UserError` for equal segments."""
    scored = [segment for segment in segments if not segment.ignored]
    texts: Mapping[str, str] = {segment.id: segment.text for segment in scored}
    if len(texts) < len(scored):
        raise UserError("Two segments of the reference have the same file, channel and times.", "Keep one of them.")
    return dict(texts), {segment.id: segment.speaker for segment in scored}
