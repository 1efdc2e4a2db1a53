"""IEMOCAP: dialogues of ten actors in five sessions, in turns that listeners labelled.

    Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav
    Session1/dialog/EmoEvaluation/Ses01F_impro01.txt     [6.2901 - 8.2357] Ses01F_impro01_F000 neu [2.5, 2.5, 2.5]
    Session1/dialog/transcriptions/Ses01F_impro01.txt    Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.

The two of a session talk to each other, so sessions are not divided: 1 to 3 are trained on, 4 validates, 5 tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.data.scan import Scan, Utterance, find_audio
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions

TURN = re.compile(r"Ses(0[1-5])([FM])_(\w+)_([FM])(X?X?\d+)")
RATED = re.compile(r"\[[\d.]+ - [\d.]+\]\s+(\S+)\s+([a-z]{3})\s+\[([\d.]+), ([\d.]+), ([\d.]+)\]")
SPOKEN = re.compile(r"(\S+) \[[\d.]+-[\d.]+\]:\s*(.*)")
EMOTIONS = {  # xxx, on which listeners did not agree, is no emotion
    **{"ang": "angry", "dis": "disgust", "fea": "fear", "hap": "happy", "neu": "neutral", "sad": "sad"},
    **{"fru": "frustrated", "exc": "excited", "sur": "surprised", "oth": "other"},
}
SPLITS = {"01": "train", "02": "train", "03": "train", "04": "valid", "05": "test"}
GENDERS = {"F": "female", "M": "male"}


def scan(folder: Path, options: PrepareOptions) -> Scan:
    """The turns with their emotion, valence, activation, dominance (1 to 5) and text.

    Raises `UserError` when there are none.
    """
    rated = {match[1]: match for match in _lines(folder, "EmoEvaluation", RATED)}
    texts = {match[1]: match[2].strip() for match in _lines(folder, "transcriptions", SPOKEN)}
    utterances = [
        _utterance(path, turn, rated.get(path.stem), texts.get(path.stem))
        for path in find_audio(folder)
        if (turn := TURN.fullmatch(path.stem)) is not None
    ]
    if not utterances:
        raise UserError(
            f"No IEMOCAP turns are under {folder} (looked for Ses01F_impro01_F000.wav).",
            "Pass the folder that holds Session1 to Session5 as --data_path.",
        )
    unrated = sum("emotion" not in utterance.custom for utterance in utterances)
    notes = [f"{unrated} turns have no emotion that listeners agreed on; they are kept."] if unrated else []
    return Scan(folder, utterances, notes)


def _utterance(path: Path, turn: re.Match[str], rated: re.Match[str] | None, text: str | None) -> Utterance:
    session, _, _, speaker, _ = turn.groups()
    custom: dict[str, Any] = {"session": f"Ses{session}"}
    if rated is not None:
        if rated[2] in EMOTIONS:
            custom["emotion"] = EMOTIONS[rated[2]]
        custom |= zip(("valence", "activation", "dominance"), map(float, rated.groups()[2:]), strict=True)
    return Utterance(
        path.stem, path, f"Ses{session}{speaker}", SPLITS[session], text, GENDERS[speaker], "English", custom
    )


def _lines(folder: Path, inside: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """The lines that match in the dialogues' files of `Session*/dialog/<inside>`."""
    for file in sorted(folder.glob(f"**/dialog/{inside}/*.txt")):
        if file.name.startswith("."):
            continue
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if (match := pattern.match(line)) is not None:
                yield match
