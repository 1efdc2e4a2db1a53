"""Voices: the corpus that needs no download, spoken by eSpeak NG. Synthetic, and labelled so everywhere.

    <folder>/audio/v001/v001-s1-0001.flac   16 kHz, mono, 16 bit
    <folder>/{train,valid,test}.jsonl.gz, corpus.json   see `voxboard.data.corpus`
    <folder>/voices.json   what it was made with; written last, so a folder without it is not whole

Speaker, gender, text and language are in the supervision; accent, age (young, adult, senior), session, variant and
level (dBFS) in its `custom`. Speakers have two sessions, which differ in level, colour, noise, rate and pitch; the
splits share no speaker and no timbre. The same arguments and version give the same bytes.

eSpeak NG is GPL-3.0 and runs only to make this corpus; sentences and code are voxboard's own (MIT).
"""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Container, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxboard.data.corpus import DESCRIPTION, SPLITS, Corpus, CorpusInfo
from voxboard.data.voices_render import SAMPLE_RATE, Rendered, Session, draw_session, render
from voxboard.data.voices_speakers import Speaker, draw_speakers
from voxboard.data.voices_text import sentence
from voxboard.errors import UserError
from voxboard.progress import bar

if TYPE_CHECKING:
    from lhotse import MonoCut

VERSION = "1"  # raised whenever the same arguments give other bytes
SPEAKERS, UTTERANCES, SEED = 120, 12, 0
SECONDS = (1.5, 4.0)  # shortest and longest utterance
_SESSIONS = 2
_STAMP, _LOCK = "voices.json", ".voices.lock"


@dataclass(frozen=True)
class Recipe:
    """All that the bytes of a Voices folder depend on, besides the versions of NumPy, SciPy and libsndfile."""

    speakers: int = SPEAKERS
    utterances: int = UTTERANCES  # per speaker
    seed: int = SEED
    version: str = VERSION
    wheel: str = field(default_factory=lambda: metadata.version("espeakng-loader"))


@dataclass(frozen=True)
class Utterance:
    """What the manifest says of one utterance."""

    id: str  # v001-s1-0001
    session: str
    text: str
    samples: int
    level: float  # dBFS


def voices_folder(seed: int = SEED, speakers: int = SPEAKERS, utterances: int = UTTERANCES) -> Path:
    """Where Voices lies unless said otherwise: below `$VOXBOARD_CACHE`, or `~/.cache/voxboard`."""
    cache = Path(os.environ.get("VOXBOARD_CACHE") or Path.home() / ".cache" / "voxboard")
    return cache / f"voices-{VERSION}-{speakers}x{utterances}-{seed}"


def make_voices(
    folder: Path,
    *,
    speakers: int = SPEAKERS,
    utterances: int = UTTERANCES,
    seed: int = SEED,
    workers: int = 2,
    progress: bool = False,
) -> Corpus:
    """Makes the corpus, or opens it where the folder holds it already; a broken-off one is made anew.

    Another Voices in the folder is replaced. Raises `UserError` for too few speakers or utterances, and for a folder
    that holds something else.
    """
    recipe = Recipe(speakers, utterances, seed)
    if utterances < _SESSIONS:
        raise UserError(f"{utterances} utterances are too few.", f"A speaker needs {_SESSIONS}: one per session.")
    people = draw_speakers(speakers, seed)
    if not _whole(folder, recipe):
        _claim(folder)
        with _locked(folder):
            if not _whole(folder, recipe):  # another process may have made it while this one waited
                _make(folder, recipe, people, workers, progress)
    return Corpus.open(folder)


def _make(folder: Path, recipe: Recipe, people: list[Speaker], workers: int, progress: bool) -> None:
    for stale in (_STAMP, DESCRIPTION):
        (folder / stale).unlink(missing_ok=True)
    shutil.rmtree(folder / "audio", ignore_errors=True)
    splits: dict[str, list[MonoCut]] = {split: [] for split in SPLITS}
    with bar("Voices", len(people), progress, unit="speakers") as advance:
        for speaker, spoken in _spoken(folder, recipe, people, workers):
            splits[speaker.split] += [_cut(folder, speaker, utterance) for utterance in spoken]
            advance(1)
    Corpus.write(folder, _info(), splits, folder)
    part = folder / f".{_STAMP}.part"
    part.write_text(json.dumps(asdict(recipe)) + "\n", encoding="utf-8")
    part.replace(folder / _STAMP)


def _spoken(
    folder: Path, recipe: Recipe, people: list[Speaker], workers: int
) -> Iterator[tuple[Speaker, list[Utterance]]]:
    """Speaks everything, speaker by speaker, in this process or in fresh ones."""
    if workers <= 1:
        for speaker in people:
            yield speaker, speak(folder, recipe, speaker)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads (torch) can hang
    with ProcessPoolExecutor(min(workers, len(people)), context, initializer=_end_with_parent) as pool:
        jobs = [pool.submit(speak, folder, recipe, speaker) for speaker in people]
        try:
            for speaker, job in zip(people, jobs, strict=True):
                yield speaker, job.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def speak(folder: Path, recipe: Recipe, speaker: Speaker) -> list[Utterance]:
    """Speaks and writes all utterances of one speaker, which depend on no other speaker's."""
    import soundfile

    target = folder / "audio" / speaker.id
    target.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([recipe.seed, 2, int(speaker.id[1:])])
    sessions = [draw_session(f"{speaker.id}-s{number + 1}", rng) for number in range(_SESSIONS)]
    said: dict[str, Utterance] = {}
    for number in range(recipe.utterances):
        session = sessions[number * _SESSIONS // recipe.utterances]
        text, rendered = _utterance(speaker, session, said.keys(), rng)
        name = f"{session.id}-{number + 1:04d}"
        soundfile.write(target / f"{name}.flac", rendered.samples, SAMPLE_RATE, subtype="PCM_16")
        said[text] = Utterance(name, session.id, text, len(rendered.samples), rendered.level)
    return list(said.values())


def _utterance(
    speaker: Speaker, session: Session, said: Container[str], rng: np.random.Generator
) -> tuple[str, Rendered]:
    """A sentence that this speaker has not said yet and that takes 1.5 to 4 seconds."""
    while True:
        text = sentence(rng)
        if text in said:
            continue
        rendered = render(text, speaker, session, rng)
        if SECONDS[0] <= len(rendered.samples) / SAMPLE_RATE <= SECONDS[1]:
            return text, rendered


def _cut(folder: Path, speaker: Speaker, utterance: Utterance) -> MonoCut:
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
        },
    )
    return MonoCut(utterance.id, 0.0, duration, 0, supervisions=[supervision], recording=recording)


def _info() -> CorpusInfo:
    from voxboard.data import espeak

    return CorpusInfo(
        name="Voices",
        version=VERSION,
        licence="MIT",
        source=f"eSpeak NG {espeak.version()}",
        synthetic=True,
        notes=("Synthetic speech: it tests the harness and says nothing about real speakers.",),
    )


def _whole(folder: Path, recipe: Recipe) -> bool:
    """Whether the folder holds exactly this corpus, finished."""
    try:
        return json.loads((folder / _STAMP).read_text(encoding="utf-8")) == asdict(recipe)
    except (OSError, ValueError):
        return False


def _claim(folder: Path) -> None:
    """Marks the folder as ours by its lock file. Raises `UserError` where someone else's files lie."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _LOCK).exists() and any(folder.iterdir()):
        raise UserError(f"{folder} holds something other than Voices.", "Name a new or an empty folder.")
    (folder / _LOCK).touch()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the system frees the lock of a process that was killed."""
    with open(folder / _LOCK) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _end_with_parent() -> None:
    """Lets a worker end when its parent is killed, instead of waiting for work for ever."""
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
