"""One line of a manifest: every value checked, then the Lhotse cut that it describes.

Not Lhotse's own reader: it opens names that begin with `pipe:` through a shell and others over the network, makes
whatever object an entry asks for (features, arrays, transforms that run while audio is read), and checks no number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from voxboard.data.corpus_path import check_name
from voxboard.errors import UserError, printable

if TYPE_CHECKING:
    from lhotse import Recording, SupervisionSegment
    from lhotse.cut import MonoCut, MultiCut

Kind = Literal["utterances", "recordings"]  # one supervision per cut, or a turn per supervision

LONGEST = 31 * 24 * 3600.0  # seconds of a recording: a month
FASTEST = 10_000_000  # Hz
LARGEST = 1e15  # of any number: NaN and infinity are not below it, nor whole numbers that no float can be
CHANNELS = 1024  # of a file, which is libsndfile's limit too
SLACK = 0.1  # seconds by which a cut may end after its recording, or times disagree: writers round, codecs pad
AGAIN = "Prepare the corpus again, or correct the manifest."


@dataclass(frozen=True)
class CutLine:
    """Position of a cut in a manifest; `cut` is its id, as soon as that is known."""

    manifest: Path
    number: int
    cut: str = ""

    def bad(self, what: str, advice: str = AGAIN) -> UserError:
        cut = f" (cut {printable(self.cut[:100])!r})" if self.cut else ""
        return UserError(f"{self.manifest}, line {self.number}{cut}: {what}.", advice)


@dataclass(frozen=True)
class CutFields:
    """The values of one JSON object, each of which is taken with its type and range."""

    values: Mapping[str, Any]
    line: CutLine
    of: str  # what the object is, for errors: "the recording's "

    def bad(self, name: str, due: str) -> UserError:
        shown = printable(repr(self.values.get(name)))
        shown = f"{shown[:60]}…" if len(shown) > 60 else shown
        return self.line.bad(f"{self.of}{name} is {shown} where {due} is due")

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise self.bad(name, "a text")
        return value

    def maybe(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.bad(name, "a text")
        return value

    def seconds(self, name: str, least: float = 0.0) -> float:
        value = self.values.get(name)
        if not _number(value) or not least <= value <= LONGEST:
            raise self.bad(name, f"a number of seconds from {least:g} to {LONGEST:,.0f}")
        return float(value)

    def whole(self, name: str, most: int) -> int:
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
            raise self.bad(name, f"a whole number from 1 to {most:,}")
        return value

    def channels(self, name: str) -> list[int]:
        """Distinct channel numbers; one number alone is a list of one."""
        value = self.values.get(name)
        listed: list[Any] = value if isinstance(value, list) else [value]
        whole = all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < CHANNELS for one in listed)
        if not listed or not whole or len(set(listed)) < len(listed):
            raise self.bad(name, f"a channel from 0 to {CHANNELS - 1}, or a list of different ones,")
        return listed

    def objects(self, name: str, of: str) -> list[CutFields]:
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.bad(name, "a list of objects")
        return [CutFields(one, self.line, of) for one in value]

    def custom(self) -> dict[str, Any] | None:
        """Other labels, as plain values: nothing in them becomes an object."""
        value = self.values.get("custom")
        if value is not None and not isinstance(value, dict):
            raise self.bad("custom", "an object of labels")
        return value or None


def cut_of(values: object, line: CutLine, kind: Kind, locate: Callable[[str], Path]) -> MonoCut | MultiCut:
    """Return the cut of a parsed line; `locate` turns the name of an audio file into its path.

    Raises `UserError` naming the line for what is not one utterance of one speaker (or a recording with its turns) in
    audio files, or has a value that cannot be.
    """
    from lhotse.cut import MonoCut, MultiCut

    if not isinstance(values, dict) or values.get("type", "MonoCut") not in ("MonoCut", "MultiCut", "Cut"):
        raise line.bad("this is not a Lhotse cut manifest of plain cuts", "Save the cuts with Lhotse's save_audios.")
    line = CutLine(line.manifest, line.number, CutFields(values, line, "the ").text("id"))
    fields = CutFields(values, line, "its ")
    about = values.get("recording")
    if not isinstance(about, dict):
        raise _not_whole(line, kind)
    recording = _recording(CutFields(about, line, "the recording's "), locate)
    start, duration = fields.seconds("start"), _duration(fields)
    if start + duration > recording.duration + SLACK:
        raise line.bad(f"it ends at {start + duration:.2f} s, and its recording at {recording.duration:.2f} s", AGAIN)
    if round(duration * recording.sampling_rate) < 1:
        raise line.bad(f"it lasts {duration:g} s, which is less than a sample")
    channels = fields.channels("channel")
    if missing := sorted(set(channels) - {one for source in recording.sources for one in source.channels}):
        raise line.bad(f"it has channel {missing[0]}, which its recording has not")
    custom = fields.custom()
    if custom is not None and "uem" in custom:
        _check_uem(custom["uem"], line)
    supervisions = [_supervision(one, fields) for one in _supervisions(fields, kind)]
    if isinstance(values["channel"], list):
        return MultiCut(line.cut, start, duration, channels, supervisions, None, recording, custom)
    return MonoCut(line.cut, start, duration, channels[0], supervisions, None, recording, custom)


def _recording(fields: CutFields, locate: Callable[[str], Path]) -> Recording:
    from lhotse import Recording
    from lhotse.audio import AudioSource

    if fields.values.get("transforms"):
        raise fields.line.bad(
            "it changes its audio while reading (transforms)", "Save the changed audio with Lhotse first."
        )
    sources = fields.objects("sources", "the audio source's ")
    for source in sources:
        # Lhotse also knows sources of type "command", which run a shell, "url" and "memory": data must not.
        if source.values.get("type") != "file":
            shown = printable(repr(source.values.get("type")))[:60]
            raise fields.line.bad(f"it has an audio source of type {shown}", "Only files are read.")
    if not sources:
        raise fields.bad("sources", "a list of audio files")
    rate = fields.whole("sampling_rate", FASTEST)
    samples = fields.whole("num_samples", int(LONGEST * rate))
    duration = _duration(fields)
    if abs(duration - samples / rate) > SLACK:
        raise fields.line.bad(f"its recording has {samples} samples at {rate} Hz, which is not {duration:g} s")
    audio_sources = [
        AudioSource("file", source.channels("channels"), str(_located(source, locate))) for source in sources
    ]
    heard = [channel for source in audio_sources for channel in source.channels]
    if len(set(heard)) < len(heard):
        raise fields.line.bad("two audio files of its recording have the same channel")
    return Recording(fields.text("id"), audio_sources, rate, samples, duration)


def _located(source: CutFields, locate: Callable[[str], Path]) -> Path:
    name = source.text("source")
    check_name(name, source.line.bad)
    return locate(name)


def _duration(fields: CutFields) -> float:
    duration = fields.seconds("duration")
    if duration == 0.0:
        raise fields.bad("duration", "a number above 0")
    return duration


def _supervisions(fields: CutFields, kind: Kind) -> list[CutFields]:
    supervisions = fields.objects("supervisions", "a supervision's ") if fields.values.get("supervisions") else []
    if (kind == "utterances" and len(supervisions) != 1) or not all(one.values.get("speaker") for one in supervisions):
        raise _not_whole(fields.line, kind)
    return supervisions


def _supervision(fields: CutFields, cut: CutFields) -> SupervisionSegment:
    from lhotse import SupervisionSegment

    speaker = fields.values["speaker"]
    if not isinstance(speaker, str | int) or isinstance(speaker, bool):
        raise fields.bad("speaker", "a name")
    start, duration = fields.seconds("start", -LONGEST), fields.seconds("duration")  # one may begin before its cut
    given = "channel" in fields.values
    channels = fields.channels("channel") if given else cut.channels("channel")
    shape = (fields if given else cut).values["channel"]
    return SupervisionSegment(
        id=fields.text("id"),
        recording_id=fields.text("recording_id"),
        start=start,
        duration=duration,
        channel=channels if isinstance(shape, list) else channels[0],
        text=fields.maybe("text"),
        language=fields.maybe("language"),
        speaker=str(speaker),
        gender=fields.maybe("gender"),
        custom=fields.custom(),
    )


def _check_uem(regions: object, line: CutLine) -> None:
    """Check that the scored regions are a list of [start, end], in seconds."""
    rows = regions if isinstance(regions, list) else [None]
    for row in rows:
        pair = row if isinstance(row, list) and len(row) == 2 else [None, None]
        if not (_number(pair[0]) and _number(pair[1]) and 0 <= pair[0] < pair[1] <= LONGEST):
            raise line.bad(f"the UEM of {printable(line.cut[:100])} is not a list of [start, end] in seconds")


def _not_whole(line: CutLine, kind: Kind) -> UserError:
    due = "one supervision with a speaker" if kind == "utterances" else "a speaker in every supervision"
    return line.bad(
        f"it does not have one recording and {due}",
        "Trim the cuts to supervisions with Lhotse first, or prepare whole recordings with --rttm.",
    )


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
