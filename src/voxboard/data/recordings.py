"""Corpora of recordings with several speakers, for diarization: audio, RTTM and, where there is one, UEM."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.corpus import SPLITS, Corpus, CorpusInfo
from voxboard.data.earlier import earlier
from voxboard.data.scan import Utterance, find_audio, to_cuts
from voxboard.errors import UserError
from voxboard.metrics.rttm import Region, Turn, read_reference, read_uem

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.data.prepare_options import PrepareOptions

log = logging.getLogger("voxboard")

SLACK = 0.1  # seconds; a turn that ends so little after its audio was rounded
NAMED = 3  # recordings that a message names


@dataclass(frozen=True)
class RecordingPart:
    """The annotation of one split; without UEM all of a recording is scored, but what is `unevaluated` (NOSCORE)."""

    turns: Mapping[str, Sequence[Turn]]
    uem: Mapping[str, Sequence[Region]] | None = None
    unevaluated: Mapping[str, Sequence[Region]] = field(default_factory=dict)

    def scored(self, name: str, duration: float) -> list[Region] | None:
        """Scored regions of a recording; None for all of it."""
        out = self.unevaluated.get(name, ())
        if self.uem is None:
            return without([(0.0, duration)], out) if out else None
        return without(self.uem[name], out)


@dataclass(frozen=True)
class Recordings:
    """Recordings found by a preparer: audio files by name, and their annotation by split."""

    root: Path
    audio: Mapping[str, Path]
    parts: Mapping[str, RecordingPart]
    notes: Sequence[str] = field(default_factory=tuple)
    version: str = ""


def scan(folder: Path, options: PrepareOptions) -> Recordings:
    """A folder of audio with the RTTM that the user names; all is test but what `valid_recordings` match.

    Raises `UserError` for an RTTM or UEM that cannot be read, and for patterns that match nothing.
    """
    assert options.rttm is not None
    annotated = annotation(options.rttm, options.uem)
    if not annotated.turns:
        raise UserError(f"{options.rttm} has no turns.", "Name the RTTM file or the folder of them that has.")
    notes = [] if options.uem else ["There is no UEM: recordings are scored from beginning to end."]
    if options.split is not None:
        return Recordings(folder, by_name(folder), {options.split: annotated}, notes)
    patterns = options.valid_recordings
    valid = {name for name in annotated.turns if any(fnmatchcase(name, pattern) for pattern in patterns)}
    if patterns and not valid:
        raise UserError(
            f"No recording of {options.rttm} is called {' or '.join(patterns)}.",
            f"It has {_listed(list(annotated.turns))}: check --valid_recordings.",
        )
    if not valid:
        notes.append("All recordings are for the test; --valid_recordings PATTERN… keeps some for tuning.")
    parts = {
        split: replace(
            annotated, turns={name: own for name, own in annotated.turns.items() if (name in valid) == inside}
        )
        for split, inside in (("valid", True), ("test", False))
    }
    return Recordings(folder, by_name(folder), parts, notes)


def annotation(rttm: Path, uem: Path | None = None) -> RecordingPart:
    """The turns of an RTTM file or folder, and what a UEM says is scored of them.

    A recording that only the UEM names has no speech. Raises `UserError` when the UEM lacks one.
    """
    for path in (rttm, uem):
        if path is not None and not path.exists():
            raise UserError(f"There is no file or folder {path}.", "Check --rttm and --uem.")
    marked = read_reference(rttm)
    turns: dict[str, Sequence[Turn]] = {**marked.turns}
    if marked.unscored:
        log.warning("Noises (NON-LEX) of %s are scored as any other time: md-eval leaves them out.", rttm)
    if uem is None:
        return RecordingPart(turns, None, marked.unevaluated)
    regions = read_uem(uem)
    if lacking := [name for name in turns if name not in regions]:
        raise UserError(
            f"{uem} does not say what is scored of {_listed(lacking)}.", "Add them, or leave --uem out to score all."
        )
    return RecordingPart({**dict.fromkeys(regions, ()), **turns}, regions, marked.unevaluated)


def without(regions: Sequence[Region], out: Sequence[Region]) -> list[Region]:
    """Regions less what is taken out of them."""
    left = list(regions)
    for first, last in out:
        cut = [((start, min(end, first)), (max(start, last), end)) for start, end in left]
        left = [(start, end) for pair in cut for start, end in pair if end > start]
    return left


def by_name(folder: Path, channel: str = "") -> dict[str, Path]:
    """Recording → audio file, by the file's name without its ending, and without `.channel` where one is wanted.

    Raises `UserError` for two files of one name.
    """
    names: dict[str, Path] = {}
    for path in find_audio(folder):
        name = path.stem
        if channel:
            if not name.endswith(f".{channel}"):
                continue
            name = name.removesuffix(f".{channel}")
        if (other := names.setdefault(name, path)) != path:
            raise UserError(f"{name} could be {other} or {path}.", "Keep one of them in the folder.")
    return names


def write(recordings: Recordings, info: CorpusInfo, folder: Path, options: PrepareOptions) -> Corpus:
    """Read the headers and write the corpus.

    Raises `UserError` for an annotated recording without audio and `BadAudio` for audio that cannot be read, unless
    `skip_bad_audio` leaves them out, counted.
    """
    notes = list(recordings.notes)
    parts = {
        split: part for split, part in recordings.parts.items() if not part.turns.keys().isdisjoint(recordings.audio)
    }
    notes += [
        f"There is no audio of the {split} split, which is left out."
        for split in SPLITS
        if split in recordings.parts.keys() - parts.keys() and recordings.parts[split].turns
    ]
    named = {name: split for split, part in parts.items() for name in part.turns}
    absent = sorted(named.keys() - recordings.audio.keys())
    if not named or (absent and not options.skip_bad_audio):
        absent = absent or sorted(name for part in recordings.parts.values() for name in part.turns)
        raise UserError(
            f"There is no audio under {recordings.root} for {_listed(absent)}, which the RTTM or UEM names.",
            "Audio files are to be called as their recordings; --skip_bad_audio leaves out those without.",
        )
    if spare := sorted(recordings.audio.keys() - named.keys()):
        notes.append(f"{len(spare)} audio files have no annotation and are left out (e.g. {spare[0]}).")
    there = sorted(named.keys() - set(absent))
    files = [Utterance(id=name, path=recordings.audio[name], speaker="") for name in there]
    cuts, bad = to_cuts(files, options.skip_bad_audio)
    if not cuts:
        raise UserError(f"None of the {len(bad)} audio files of {info.name} can be read.", "Check the folder.")
    if skipped := len(bad) + len(absent):
        notes.append(f"{skipped} recordings have no audio that can be read and are left out.")
    by_split: dict[str, list[Cut]] = {split: [] for split in SPLITS}
    for cut in cuts:
        part = parts[named[cut.id]]
        _annotate(cut, part.turns[cut.id], part.scored(cut.id, cut.duration))
        by_split[named[cut.id]].append(cut)
    notes += _oddities(cuts, parts, named)
    before = earlier(folder, options.split, replace(info, kind="recordings"), [cut.id for cut in cuts])
    by_split |= {split: list(some) for split, some in before.splits.items()}
    info = CorpusInfo(
        info.name,
        kind="recordings",
        version=recordings.version,
        licence=info.licence,
        source=info.source,
        synthetic=info.synthetic,
        notes=tuple(notes),
        skipped=skipped,
    )
    return Corpus.write(
        folder, before.joined(info), by_split, before.root(recordings.root), before.roots(recordings.root)
    )


def _annotate(cut: Cut, turns: Sequence[Turn], uem: Sequence[Region] | None) -> None:
    """Make a cut of a whole file a recording with its turns; those of zero length say nothing and are left out."""
    from lhotse import SupervisionSegment

    cut.supervisions = [
        SupervisionSegment(
            f"{cut.id}-{number:05}", cut.id, start, round(end - start, 9), channel=cut.channel, speaker=speaker
        )
        for number, (speaker, start, end) in enumerate(turns)
        if end > start
    ]
    if uem is not None:
        cut.custom = {"uem": [list(region) for region in uem]}


def _oddities(cuts: Sequence[Cut], parts: Mapping[str, RecordingPart], named: Mapping[str, str]) -> list[str]:
    """Sentences on turns without content or without audio."""
    notes = []
    turns = chain.from_iterable(parts[named[cut.id]].turns[cut.id] for cut in cuts)
    if empty := sum(end <= start for _, start, end in turns):
        notes.append(f"{empty} turns of zero length are left out.")
    late = [cut.id for cut in cuts if any(turn.end > cut.duration + SLACK for turn in cut.supervisions)]
    if late:
        notes.append(f"Turns end after their audio in {_listed(late)}: check that RTTM and audio belong together.")
    return notes


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
