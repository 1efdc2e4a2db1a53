"""Voices: the corpus that needs no download, spoken by eSpeak NG. Synthetic, and labelled so everywhere.

    <folder>/audio/v001/v001-s1-0001.flac   16 kHz, mono, 16 bit
    <folder>/{train,valid,test}.jsonl.gz, corpus.json   see `voxboard.data.corpus`
    <folder>/voices.json   what it was made with; written last, so a folder without it is not whole

Speaker, gender, text and language are in the supervision; accent, age (young, adult, senior), age_group, session,
variant, level (dBFS), pace, style and captions in its `custom`. Speakers have two sessions, which differ in level,
colour, noise, rate and pitch; the splits share no speaker and no timbre. The same arguments and version give the same
bytes.

eSpeak NG is GPL-3.0 and runs only to make this corpus; sentences and code are voxboard's own (MIT).
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.corpus import DESCRIPTION, SPLITS, Corpus, CorpusInfo
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.voices import espeak
from voxboard.data.voices.labels import labels
from voxboard.data.voices.render import SAMPLE_RATE
from voxboard.data.voices.speakers import Speaker, draw_speakers
from voxboard.data.voices.worker import SESSIONS, SpokenUtterance, Work, spoken
from voxboard.errors import UserError
from voxboard.files import write_text
from voxboard.progress import bar

if TYPE_CHECKING:
    from lhotse import MonoCut

VERSION = "2"  # raised whenever the same arguments give other bytes
SPEAKERS, UTTERANCES, SEED = 120, 14, 0
_STAMP, _LOCK = "voices.json", ".voices.lock"


@dataclass(frozen=True)
class VoicesRecipe:
    """All that the bytes of a Voices folder depend on, besides the versions of NumPy and libsndfile."""

    speakers: int = SPEAKERS
    utterances: int = UTTERANCES  # per speaker
    seed: int = SEED
    version: str = VERSION
    wheel: str = field(default_factory=espeak.wheel_version)


def voices_folder(seed: int = SEED, speakers: int = SPEAKERS, utterances: int = UTTERANCES) -> Path:
    """Default folder of Voices: below the cache folder."""
    from voxboard.storage import cache

    return cache() / f"voices-{VERSION}-{speakers}x{utterances}-{seed}"


def find_or_make() -> Corpus:
    """The prepared Voices, made below the root of prepared corpora where it is not there."""
    from voxboard.data.catalogue import corpora_root, find_corpus

    try:
        return find_corpus("Voices")
    except UserError:
        return make_voices(corpora_root() / "Voices", progress=True)


def make(folder: Path, options: PrepareOptions) -> Corpus:
    """Make Voices with the numbers that the user gives."""
    given = {"speakers": options.speakers, "utterances": options.utterances, "seed": options.seed}
    return make_voices(folder, progress=True, **{key: value for key, value in given.items() if value is not None})


def make_voices(
    folder: Path,
    *,
    speakers: int = SPEAKERS,
    utterances: int = UTTERANCES,
    seed: int = SEED,
    workers: int = 2,
    progress: bool = False,
) -> Corpus:
    """Make the corpus, or open it where the folder holds it already; a broken-off one is made anew.

    Another Voices in the folder is replaced. Raises `UserError` for too few speakers or utterances, and for a folder
    that holds something else.
    """
    recipe = VoicesRecipe(speakers, utterances, seed)
    if utterances < SESSIONS:
        raise UserError(f"{utterances} utterances are too few.", f"A speaker needs {SESSIONS}: one per session.")
    people = draw_speakers(speakers, seed)
    if not _whole(folder, recipe):
        _claim(folder)
        with _locked(folder) as lock:
            if not _whole(folder, recipe):  # another process may have made it while this one waited
                _make(folder, recipe, people, workers, lock, progress)
    return Corpus.open(folder)


def _make(folder: Path, recipe: VoicesRecipe, people: list[Speaker], workers: int, lock: int, progress: bool) -> None:
    for stale in (_STAMP, DESCRIPTION):
        (folder / stale).unlink(missing_ok=True)
    if (folder / "audio").exists():
        shutil.rmtree(folder / "audio")
    work = Work(folder / "audio", recipe.utterances, recipe.seed, people)
    splits: dict[str, list[MonoCut]] = {split: [] for split in SPLITS}
    with bar("Voices", len(people), progress, unit="speakers") as advance:
        for speaker, utterances in zip(people, spoken(work, workers, lock), strict=True):
            splits[speaker.split] += [_cut(folder, speaker, utterance) for utterance in utterances]
            advance(1)
    Corpus.write(folder, _info(), splits, folder)
    write_text(folder / _STAMP, json.dumps(asdict(recipe)) + "\n")


def _cut(folder: Path, speaker: Speaker, utterance: SpokenUtterance) -> MonoCut:
    from lhotse import MonoCut, Recording, SupervisionSegment
    from lhotse.audio import AudioSource

    path = folder / "audio" / speaker.id / f"{utterance.id}.flac"
    duration = utterance.samples / SAMPLE_RATE
    source = AudioSource(type="file", channels=[0], source=str(path.absolute()))
    recording = Recording(utterance.id, [source], SAMPLE_RATE, utterance.samples, duration)
    supervision = SupervisionSegment(
        id=utterance.id,
        recording_id=utterance.id,
        start=0.0,
        duration=duration,
        text=utterance.text,
        language="English",
        speaker=speaker.id,
        gender=speaker.gender,
        custom={
            "accent": speaker.accent,
            "age": speaker.age,
            "session": utterance.session,
            "variant": speaker.variant,
            "level": utterance.level,
            **labels(speaker, utterance.text, duration),
        },
    )
    return MonoCut(utterance.id, 0.0, duration, 0, supervisions=[supervision], recording=recording)


def _info() -> CorpusInfo:
    return CorpusInfo(
        name="Voices",
        version=VERSION,
        licence="MIT",
        source=f"eSpeak NG {espeak.version()}",
        synthetic=True,
        notes=("Synthetic speech: it tests the harness and says nothing about real speakers.",),
    )


def _whole(folder: Path, recipe: VoicesRecipe) -> bool:
    """True if the folder holds exactly this corpus, finished."""
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp == asdict(recipe) and (folder / DESCRIPTION).is_file()


def _claim(folder: Path) -> None:
    """Mark the folder as ours by its lock file. Raises `UserError` where someone else's files lie."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _LOCK).exists() and any(folder.iterdir()):
        raise UserError(f"{folder} holds something other than Voices.", "Name a new or an empty folder.")
    (folder / _LOCK).touch()


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """One maker at a time, by a file's descriptor; the system unlocks once it and the workers that inherit it end."""
    with open(folder / _LOCK) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
