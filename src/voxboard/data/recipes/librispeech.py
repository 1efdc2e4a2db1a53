"""LibriSpeech (OpenSLR 12) as it is unpacked, and trees converted from it that keep its names.

Not Lhotse's recipe: that walks the transcripts, so utterances without one are lost, and it reads neither the
speakers' table nor chapters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.scan import Scan, Utterance, beside, find_audio, gender, preferred, root_of
from voxboard.data.table_file import text_of
from voxboard.errors import UserError, unknown

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions


@dataclass(frozen=True)
class Subset:
    """Counts of a complete subset, and the split it belongs to."""

    split: str
    speakers: int
    utterances: int


SUBSETS = {
    "train-clean-100": Subset("train", 251, 28_539),
    "train-clean-360": Subset("train", 921, 104_014),
    "train-other-500": Subset("train", 1_166, 148_688),
    "dev-clean": Subset("valid", 40, 2_703),
    "dev-other": Subset("valid", 33, 2_864),
    "test-clean": Subset("test", 40, 2_620),
    "test-other": Subset("test", 33, 2_939),
}
PLACES = ("LibriSpeech", "preprocess/wav16", "LibriSpeech/preprocess/wav16", "wav16")
UTTERANCE = re.compile(r"(\d+)-(\d+)-\d+")  # speaker, chapter, place in the chapter


def scan(folder: Path, options: PrepareOptions) -> Scan:
    """The utterances of all subsets under a folder. Raises `UserError` when there is none."""
    for name in options.subsets:
        if name not in SUBSETS:
            raise unknown("subset of LibriSpeech", name, SUBSETS)
    root = folder.parent if folder.name in SUBSETS else root_of(folder, PLACES, SUBSETS)
    if root is None:
        raise UserError(
            f"No subset of LibriSpeech is under {folder}.",
            f"Pass the folder that holds {', '.join(SUBSETS)} as --data_path, or --download.",
        )
    wanted = options.subsets or ((folder.name,) if folder.name in SUBSETS else tuple(SUBSETS))
    genders, notes = _genders(root)
    utterances: list[Utterance] = []
    for name in wanted:
        here = _subset(root, name, genders) if (root / name).is_dir() else []
        notes += _missing(name, here)
        utterances += here
    if not utterances:
        raise UserError(f"The subsets under {root} hold no audio.", "Unpack the archives again.")
    return Scan(root, utterances, notes)


def _subset(root: Path, name: str, genders: dict[str, str | None]) -> list[Utterance]:
    utterances = []
    texts: dict[Path, dict[str, str]] = {}
    for path in find_audio(root / name):
        match = UTTERANCE.fullmatch(path.stem)
        if match is None:
            continue
        speaker, chapter = match.groups()
        if path.parent not in texts:
            texts[path.parent] = _transcripts(path.parent / f"{speaker}-{chapter}.trans.txt")
        utterances.append(
            Utterance(
                id=path.stem,
                path=path,
                speaker=speaker,
                split=SUBSETS[name].split,
                text=texts[path.parent].get(path.stem),
                gender=genders.get(speaker),
                language="English",
                custom={"session": chapter, "subset": name},
            )
        )
    return preferred(utterances)


def _transcripts(file: Path) -> dict[str, str]:
    """Utterance → text; empty where a chapter has no transcript."""
    lines = text_of(file).split("\n") if file.is_file() else []
    return {utterance: text for utterance, _, text in (line.strip().partition(" ") for line in lines) if text}


def _genders(root: Path) -> tuple[dict[str, str | None], list[str]]:
    """Speaker → gender from SPEAKERS.TXT (`ID | SEX | SUBSET | MINUTES | NAME`), and a note when it is missing."""
    table = beside(root, "SPEAKERS.TXT")
    if table is None:
        return {}, ["SPEAKERS.TXT is not there, so the speakers' gender is unknown."]
    rows = (line.split("|") for line in text_of(table).splitlines() if not line.startswith(";"))
    return {row[0].strip(): gender(row[1]) for row in rows if len(row) > 1}, []


def _missing(name: str, present: Iterable[Utterance]) -> list[str]:
    """Sentence on the files that a subset lacks."""
    utterances, whole = list(present), SUBSETS[name]
    if not utterances:
        return [f"{name} is not there ({whole.speakers} {whole.split} speakers)."]
    notes = []
    speakers = len({utterance.speaker for utterance in utterances})
    if len(utterances) < whole.utterances:
        notes.append(
            f"{name} has {len(utterances):,} of {whole.utterances:,} utterances, "
            f"{speakers:,} of {whole.speakers:,} speakers."
        )
    untold = sum(utterance.text is None for utterance in utterances)
    if untold:
        notes.append(f"{untold:,} utterances of {name} have no transcript and are kept.")
    return notes
