"""Shared parts of all preparers: utterances found in a folder, and the cuts made of them."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.data import audio
from voxboard.data.audio_file import is_special
from voxboard.data.splits import Person, Splitter, three_way
from voxboard.errors import BadAudio, UserError, printable
from voxboard.progress import bar

if TYPE_CHECKING:
    from lhotse.cut import Cut

log = logging.getLogger("voxboard")

BLOCK = 4096  # files whose headers are read at a time
NAMED = 3  # unreadable files that an error lists

GENDERS = {"f": "female", "female": "female", "w": "female", "m": "male", "male": "male"}


@dataclass(frozen=True, slots=True)
class Utterance:
    """One audio file of one speaker, as a corpus names it."""

    id: str
    path: Path
    speaker: str
    split: str | None = None  # train, valid, test; None: the speaker is still to be assigned
    text: str | None = None
    gender: str | None = None  # "female", "male", or what else the corpus says
    language: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)  # age, accent, region, nationality, session, …


@dataclass(frozen=True)
class Scan:
    """Utterances found by a preparer under `root`, and what is missing or was left out."""

    root: Path
    utterances: Sequence[Utterance]
    notes: Sequence[str] = ()
    version: str = ""
    splitter: Splitter = three_way  # for the speakers without a split
    trials: Mapping[str, Path] = field(default_factory=dict)  # split → the trial list that the corpus brings along


def gender(label: str | None) -> str | None:
    """Return "female" and "male" for the spellings of those; anything else in lower case; None for an empty label."""
    folded = (label or "").strip().lower()
    return GENDERS.get(folded, folded) or None


def find_audio(root: Path, suffixes: Iterable[str] = audio.SUFFIXES) -> list[Path]:
    """All audio files under a folder in the order of their names, following links, without hidden files.

    Hidden files are left out because macOS writes a `._name.wav` beside every `name.wav` on foreign disks. A warning
    counts sound of kinds that are not read, and what is called like audio but is a pipe, socket or device.
    """
    wanted = frozenset(suffixes)
    files: list[Path] = []
    unread: list[Path] = []
    special: list[Path] = []
    try:
        with _spinner(f"Looking for audio in {root}") as show:
            for entry in _walk(root, set()):
                path = Path(entry.path)
                suffix = path.suffix.lower()
                if suffix in wanted:
                    odd = not entry.is_file() and is_special(path)  # a broken link is left to the reader
                    (special if odd else files).append(path)
                    show(len(files))
                elif suffix in audio.UNREAD:
                    unread.append(path)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}.", "Check the folder's rights.") from error
    _warn(unread, "in formats that are not read", "convert them to WAV or FLAC")
    _warn(special, "that are pipes, sockets or devices", "take them away")
    return files


def _warn(files: Sequence[Path], what: str, advice: str) -> None:
    if files:
        kinds = ", ".join(sorted({file.suffix.lower() for file in files}))
        where = printable(str(files[0]))
        log.warning("%d files %s (%s) are left out, e.g. %s: %s.", len(files), what, kinds, where, advice)


def preferred(utterances: Iterable[Utterance]) -> list[Utterance]:
    """One utterance per id: where the same one is there as m4a and converted, the one that is cheap to read."""
    best: dict[str, Utterance] = {}
    for utterance in utterances:
        chosen = best.setdefault(utterance.id, utterance)
        if _cost(utterance.path) < _cost(chosen.path):
            best[utterance.id] = utterance
    return list(best.values())


def people(utterances: Iterable[Utterance]) -> list[Person]:
    """The speakers of some utterances, by name, with what splits are balanced by."""
    people: dict[str, Utterance] = {}
    counts: Counter[str] = Counter()
    for utterance in utterances:
        people.setdefault(utterance.speaker, utterance)
        counts[utterance.speaker] += 1
    return [
        Person(
            name=speaker,
            utterances=counts[speaker],
            gender=people[speaker].gender or "",
            accent=str(people[speaker].custom.get("accent", "")),
            age=_number(people[speaker].custom.get("age")),
        )
        for speaker in sorted(counts)
    ]


def to_cuts(utterances: Sequence[Utterance], skip_bad_audio: bool = False) -> tuple[list[Cut], list[BadAudio]]:
    """Read every file's header and make the cuts, in the order of the utterances, with a progress bar on stderr.

    Returns the cuts and what was skipped. Raises `BadAudio` for unreadable files unless they may be skipped.
    """
    cuts: list[Cut] = []
    bad: list[BadAudio] = []
    with (
        bar("Reading headers", len(utterances), unit="files") as advance,
        ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as pool,
    ):
        for start in range(0, len(utterances), BLOCK):
            block = utterances[start : start + BLOCK]
            for utterance, header in zip(block, pool.map(_probe, block), strict=True):
                if isinstance(header, BadAudio):
                    bad.append(header)
                else:
                    cuts.append(_cut(utterance, header))
            advance(len(block))
    if bad and not skip_bad_audio:
        raise _unreadable(bad, len(utterances))
    return cuts, bad


def cuts_of(files: Sequence[Path]) -> list[Cut]:
    """Return one utterance per audio file, called by its place in the list. Raises `BadAudio`."""
    cuts, _ = to_cuts([Utterance(f"{place:06d}", file, speaker="unknown") for place, file in enumerate(files)])
    return cuts


def root_of(folder: Path, candidates: Iterable[str], holds: Iterable[str]) -> Path | None:
    """The first of `folder` and the candidates below it that holds one of the given folders."""
    wanted = list(holds)
    for name in ("", *candidates):
        for place in sorted(folder.glob(name)) if "*" in name else [folder / name]:
            if any((place / inner).is_dir() for inner in wanted):
                return place
    return None


def beside(root: Path, name: str, above: int = 2) -> Path | None:
    """A file of a corpus in its root or in one of the `above` folders over it, whatever the case of its name."""
    for place in (root, *root.absolute().parents[:above]):
        for entry in sorted(place.iterdir()) if place.is_dir() else []:
            if entry.name.lower() == name.lower() and entry.is_file():
                return entry
    return None


@contextmanager
def _spinner(label: str) -> Iterator[Callable[[int], None]]:
    """Show a person who waits that files are being found, and how many."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.text import Text

    from voxboard.console import Console

    with Console(stderr=True).status(Text(label)) as status:
        yield lambda count: None if count % 5000 else status.update(Text(f"{label}: {count:,} files"))


def _walk(folder: Path, linked: set[Path]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if not entry.is_dir():
            yield entry
        elif not entry.is_symlink():
            yield from _walk(path, linked)
        elif (target := path.resolve()) not in linked | {folder.resolve(), *folder.resolve().parents}:
            linked.add(target)  # a link to a folder above would go round for ever
            yield from _walk(path, linked)


def _cost(path: Path) -> int:
    return 2 if path.suffix.lower() == ".m4a" else int(path.suffix.lower() in audio.LOSSY)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _probe(utterance: Utterance) -> audio.Header | BadAudio:
    try:
        return audio.probe(utterance.path)
    except BadAudio as error:
        return error


def _cut(utterance: Utterance, header: audio.Header) -> Cut:
    # Not Recording.from_file: that tries torchaudio's readers, and ffprobe for m4a, before soundfile.
    from lhotse import Recording, SupervisionSegment
    from lhotse.audio import AudioSource

    channels = list(range(header.channels))
    duration = header.frames / header.sample_rate
    recording = Recording(
        id=utterance.id,
        sources=[AudioSource(type="file", channels=channels, source=str(utterance.path))],
        sampling_rate=header.sample_rate,
        num_samples=header.frames,
        duration=duration,
    )
    cut = recording.to_cut()
    cut.id = utterance.id
    cut.supervisions = [
        SupervisionSegment(
            id=utterance.id,
            recording_id=utterance.id,
            start=0.0,
            duration=duration,
            channel=channels if len(channels) > 1 else 0,
            text=utterance.text,
            language=utterance.language,
            speaker=utterance.speaker,
            gender=utterance.gender,
            custom={name: value for name, value in utterance.custom.items() if value not in (None, "")} or None,
        )
    ]
    return cut


def _unreadable(bad: Sequence[UserError], total: int) -> BadAudio:
    if len(bad) == 1:
        return BadAudio(bad[0].problem, bad[0].advice)
    listed = " ".join(error.problem for error in bad[:NAMED])
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return BadAudio(
        f"{len(bad)} of {total} audio files cannot be used: {listed.rstrip('.')}{more}.",
        "Replace them, or pass --skip_bad_audio to leave them out.",
    )
