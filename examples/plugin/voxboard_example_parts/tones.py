"""Tones: a corpus that the recipe itself makes, of 28 "speakers" who each hum at a pitch of their own."""

from pathlib import Path

import numpy as np
import soundfile

from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.recipe import Recipe
from voxboard.data.scan import Scan, Utterance, find_audio
from voxboard.errors import UserError

RATE, SECONDS, TAKES = 16_000, 0.5, 4
SPLITS = {"train": range(12), "valid": range(12, 20), "test": range(20, 28)}  # of speakers


def fetch(folder: Path, options: PrepareOptions) -> Path:
    """Write the audio, `SPEAKER-TAKE.wav`, and return its folder. The same bytes each time."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(RATE * SECONDS)) / RATE
    for speaker in range(28):
        for take in range(TAKES):
            draw = np.random.default_rng([speaker, take])
            phases = 2 * np.pi * (90 + 9 * speaker + draw.uniform(-2, 2)) * np.arange(1, 5)[:, None] * time
            hum = np.sin(phases + draw.uniform(0, 6, (4, 1))).mean(0) + draw.normal(0, 0.05, time.size)
            soundfile.write(folder / f"{speaker:02}-{take}.wav", 0.3 * hum, RATE)
    return folder


def scan(folder: Path, options: PrepareOptions) -> Scan:
    """Find the utterances of a folder. Raises `UserError` where there are none."""
    split_of = {f"{speaker:02}": split for split, speakers in SPLITS.items() for speaker in speakers}
    utterances = []
    for path in find_audio(folder):
        speaker, _, take = path.stem.partition("-")
        if speaker in split_of:
            custom = {"session": f"{speaker}-{int(take) // 2}"}
            utterances.append(Utterance(path.stem, path, speaker, split=split_of[speaker], custom=custom))
    if not utterances:
        raise UserError(f"{folder} has no tones.", "Run: voxboard prepare tones --download")
    return Scan(folder, utterances, version="1")


TONES = Recipe("28 hums of pitches of their own, made on this machine", scan, fetch=fetch, licence="MIT")
