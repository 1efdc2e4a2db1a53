"""Voices-meetings: several voices of the corpus Voices in one recording, with pauses and overlap, for diarization.

    <folder>/audio/test-01.flac   16 kHz, mono, 16 bit
    <folder>/rttm/test-01.rttm    who speaks when
    <folder>/{valid,test}.jsonl.gz, corpus.json   see `voxboard.data.corpus`

Utterances are placed one after the other, as they are in Voices; nothing is synthesised. Every speaker of a split is in
one of its meetings. A turn is where an utterance rises above its own noise. The same Voices and seed give the same
bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voxboard.data.corpus import DESCRIPTION, Corpus, CorpusInfo, attributes_of, speaker_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.voices.corpus import find_or_make
from voxboard.errors import UserError
from voxboard.files import write_text
from voxboard.metrics import rttm

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.metrics.rttm import Turn

VERSION = "1"  # raised whenever the same Voices gives other bytes
SAMPLE_RATE = 16000
SPLITS = ("valid", "test")
SPEAKERS = (2, 5)  # fewest and most in a meeting, as far as there are so many
OVERLAPPING = 0.2  # of the turns begin before the last one's end
OVERLAP, PAUSE = (0.3, 1.2), (0.2, 1.2)  # seconds
LONG_PAUSE = 0.1  # of the pauses are four times as long
GOES_ON = 0.25  # share of turns after which the same speaker says another sentence
BACKGROUND = -70.0  # dBFS of the noise under the whole recording
_QUIET = 0.04  # seconds at the beginning of an utterance of Voices that hold noise only
_FRAME = 160
_MARK = ".voices-meetings"

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Meeting:
    """A recording: samples [N] and its turns in seconds, in the order of their beginnings."""

    samples: Samples
    turns: list[Turn]


def make(folder: Path, options: PrepareOptions) -> Corpus:
    """Make Voices-meetings with the seed that the user gives."""
    return make_meetings(folder, seed=options.seed or 0)


def make_meetings(folder: Path, voices: Corpus | None = None, seed: int = 0) -> Corpus:
    """Mix meetings out of a prepared Voices, which is made first where it is not there.

    Raises `UserError` for a folder that holds something else, and for a corpus that is not Voices.
    """
    import soundfile

    from voxboard.data import recordings

    voices = voices or find_or_make()
    if voices.name != "Voices":
        raise UserError(f"Meetings are mixed of Voices, not of {voices.name}.", "Prepare Voices first.")
    _claim(folder)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for old in ("audio", "rttm"):
        shutil.rmtree(folder / old, ignore_errors=True)
        (folder / old).mkdir(parents=True)
    parts = {}
    for number, split in enumerate(SPLITS):
        turns: dict[str, Sequence[Turn]] = {}
        for name, meeting in _meetings(voices, split, np.random.default_rng([seed, 3, number])):
            whole = np.round(np.clip(meeting.samples, -1.0, 1.0) * 32767.0).astype(np.int16)
            soundfile.write(folder / "audio" / f"{name}.flac", whole, SAMPLE_RATE, subtype="PCM_16")
            turns[name] = meeting.turns
        rttm.write_rttm({**turns}, folder / "rttm" / f"{split}.rttm")
        parts[split] = recordings.RecordingPart(turns)
    root = folder.absolute()
    prepared = recordings.Recordings(root, recordings.by_name(root / "audio"), parts, voices.info.notes, VERSION)
    info = CorpusInfo("Voices-meetings", licence=voices.info.licence, source=voices.info.source, synthetic=True)
    return recordings.write(prepared, info, folder, PrepareOptions())


def _meetings(voices: Corpus, split: str, rng: np.random.Generator) -> Iterator[tuple[str, Meeting]]:
    """Deal the speakers of a split to meetings, one session of each."""
    sessions: dict[str, dict[str, list[Cut]]] = {}
    for cut in sorted(voices.cuts(split), key=lambda cut: cut.id):
        own = sessions.setdefault(speaker_of(cut), {})
        own.setdefault(str(attributes_of(cut)["session"]), []).append(cut)
    names = [str(name) for name in rng.permutation(sorted(sessions))]
    for number, chosen in enumerate(_dealt(names, rng), 1):
        utterances = {name: sessions[name][str(rng.choice(sorted(sessions[name])))] for name in chosen}
        yield f"{split}-{number:02d}", mix(utterances, rng)


def _dealt(names: Sequence[str], rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """Groups of two to five; never is one left over."""
    fewest, most = SPEAKERS
    start = 0
    while start < len(names):
        left = len(names) - start
        size = min(int(rng.integers(fewest, most + 1)), left)
        size = size - 1 if left - size == 1 and size > fewest else size + (left - size == 1)
        yield names[start : start + size]
        start += size


def mix(utterances: dict[str, list[Cut]], rng: np.random.Generator) -> Meeting:
    """Place all utterances [by speaker] on one line, in turns of one or two sentences."""
    from voxboard.data import audio

    left = {name: list(cuts) for name, cuts in utterances.items()}
    placed: list[tuple[str, int, Samples]] = []
    end, last = round(SAMPLE_RATE * rng.uniform(0.5, 1.5)), ""
    while left:
        name = last if last in left and rng.random() < GOES_ON else _next(left, last, rng)
        wave = np.asarray(audio.load(left[name].pop(0)), dtype=np.float64)
        if not left[name]:
            del left[name]
        start = max(end + round(SAMPLE_RATE * _gap(name != last and bool(placed), rng)), 0)
        placed.append((name, start, wave))
        end, last = max(end, start + len(wave)), name
    samples = rng.standard_normal(end + SAMPLE_RATE) * 10.0 ** (BACKGROUND / 20.0)
    turns = []
    for name, start, wave in placed:
        samples[start : start + len(wave)] += wave
        first, beyond = audible(wave)
        turns.append((name, (start + first) / SAMPLE_RATE, (start + beyond) / SAMPLE_RATE))
    return Meeting(samples, sorted(turns, key=lambda turn: turn[1:]))


def _next(left: dict[str, list[Cut]], last: str, rng: np.random.Generator) -> str:
    """Somebody else, where there is anybody; who has more to say is likelier."""
    others = [name for name in left if name != last] or list(left)
    waiting = np.array([len(left[name]) for name in others], dtype=float)
    return others[int(rng.choice(len(others), p=waiting / waiting.sum()))]


def _gap(may_overlap: bool, rng: np.random.Generator) -> float:
    """Seconds between the end of all before and the next beginning; negative where they overlap."""
    if may_overlap and rng.random() < OVERLAPPING:
        return -float(rng.uniform(*OVERLAP))
    return float(rng.uniform(*PAUSE)) * (4.0 if rng.random() < LONG_PAUSE else 1.0)


def audible(wave: Samples) -> tuple[int, int]:
    """First and last sample [of N] of speech: from the first to the last 10 ms that are twice as loud as the noise."""
    frames = wave[: len(wave) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loud = np.sqrt((frames**2).mean(1))
    noise = loud[: max(1, round(_QUIET * SAMPLE_RATE) // _FRAME)].mean()
    places = np.flatnonzero(loud > 2.0 * noise)
    return (int(places[0]) * _FRAME, (int(places[-1]) + 1) * _FRAME) if len(places) else (0, len(wave))


def _claim(folder: Path) -> None:
    """Mark a folder as ours, for what is in it is made anew. Raises `UserError` where somebody else's files lie."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file() and not _ours(folder):
        raise UserError(f"{folder} holds something other than Voices-meetings.", "Name a new or an empty folder.")
    write_text(folder / _MARK, "made by voxboard prepare Voices-meetings\n")


def _ours(folder: Path) -> bool:
    """True if it was made before folders were marked."""
    if not (folder / DESCRIPTION).is_file():
        return False
    info = Corpus.open(folder).info
    return info.synthetic and info.kind == "recordings"
