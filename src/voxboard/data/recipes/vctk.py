"""VCTK in the layouts of its releases: 0.80 (`wav48/`), 0.92 (`wav48_silence_trimmed/`), and 16 kHz copies (`wav16/`).

Not Lhotse's recipe: that walks the transcripts, takes the second microphone, and ends in an error where 0.92 lacks a
file. Utterances 1 to 24 are left out, as in UniPool-SV: every speaker reads the same text in them. So is p315, whose
transcripts are lost; p280, whose second microphone failed, stays, for it is the first that is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.data.scan import Scan, Utterance, beside, find_audio, gender, preferred, root_of
from voxboard.data.splits import vctk as split_vctk
from voxboard.data.table_file import text_of
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions

LAYOUTS = {"wav48_silence_trimmed": "0.92", "wav48": "0.80", "wav16": "0.80"}
PLACES = ("VCTK-Corpus-0.92", "VCTK-Corpus", "VCTK", "VCTK-Corpus/preprocess", "preprocess")
SPEAKERS = {"0.92": 110, "0.80": 109}
SHARED_TEXT = 24  # the last utterance that all speakers read
WITHOUT_TEXT = "p315"
FILE = re.compile(r"([ps]\d+)_(\d+)(?:_mic(\d))?")
PERSON = re.compile(r"(p|s)?(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s*(.*)")  # ID AGE GENDER ACCENTS REGION (COMMENTS)


def scan(folder: Path, options: PrepareOptions) -> Scan:
    """The utterances of the first microphone. Raises `UserError` when there are none."""
    root = root_of(folder, PLACES, LAYOUTS)
    if root is None:
        raise UserError(
            f"No VCTK audio is under {folder}.",
            f"Pass the folder that holds {', '.join(f'{name}/' for name in LAYOUTS)} as --data_path, or --download.",
        )
    layout = next(name for name in LAYOUTS if (root / name).is_dir())
    persons, notes = _persons(root)
    utterances, dropped = [], {"shared": 0, WITHOUT_TEXT: 0}
    for path in find_audio(root / layout):
        match = FILE.fullmatch(path.stem)
        if match is None or match[3] not in (None, "1"):
            continue
        speaker, number = match[1], match[2]
        if speaker == WITHOUT_TEXT:
            dropped[WITHOUT_TEXT] += 1
        elif int(number) <= SHARED_TEXT:
            dropped["shared"] += 1
        else:
            utterances.append(_utterance(root, path, speaker, f"{speaker}_{number}", persons.get(speaker, {})))
    utterances = preferred(utterances)
    notes += _notes(utterances, dropped, LAYOUTS[layout])
    if not utterances:
        raise UserError(
            f"{root / layout} holds only utterances that all speakers read (1 to {SHARED_TEXT}), which are left out.",
            "To use them, run: voxboard prepare FOLDER --metadata TABLE.csv",
        )
    return Scan(root, utterances, notes, LAYOUTS[layout], split_vctk)


def _utterance(root: Path, path: Path, speaker: str, name: str, person: Mapping[str, Any]) -> Utterance:
    about = dict(person)
    return Utterance(
        id=name,
        path=path,
        speaker=speaker,
        text=_text(root / "txt" / speaker / f"{name}.txt"),
        gender=about.pop("gender", None),
        language="English",
        custom=about,
    )


def _text(file: Path) -> str | None:
    return (text_of(file).strip() or None) if file.is_file() else None


def _persons(root: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Speaker → gender, age, accent, region from `speaker-info.txt`, and a note when it is missing.

    0.80 names speakers 225, 0.92 p225; the region may be empty or several words, a comment stands in brackets.
    """
    table = beside(root, "speaker-info.txt")
    if table is None:
        return {}, ["speaker-info.txt is not there, so age, gender, accent and region are unknown."]
    persons: dict[str, dict[str, Any]] = {}
    for line in text_of(table).splitlines():
        match = PERSON.match(line.strip())
        if match is not None:
            letter, number, age, sex, accent, rest = match.groups()
            region = " ".join(rest.split("(")[0].split())
            about = {"gender": gender(sex), "age": int(age), "accent": accent, "region": region}
            persons[f"{letter or 'p'}{number}"] = about
    return persons, []


def _notes(utterances: list[Utterance], dropped: Mapping[str, int], version: str) -> list[str]:
    speakers = {utterance.speaker for utterance in utterances}
    notes = []
    if dropped["shared"]:
        notes.append(f"{dropped['shared']:,} utterances of the text that all speakers share (1 to 24) are left out.")
    if dropped[WITHOUT_TEXT]:
        notes.append(f"{WITHOUT_TEXT} is left out: its transcripts are lost.")
    if len(speakers) < SPEAKERS[version] - 1:
        notes.append(f"{len(speakers)} of {SPEAKERS[version] - 1} speakers are there.")
    untold = sum(utterance.text is None for utterance in utterances)
    if untold:
        notes.append(f"{untold:,} utterances have no transcript and are kept.")
    return notes
