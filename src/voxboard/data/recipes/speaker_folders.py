"""Any folder of audio, without being prepared: who speaks is said by its table, or by the names of its folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.recipes import metadata_table as tables
from voxboard.data.recipes.librispeech import SUBSETS
from voxboard.data.scan import Scan, Utterance, beside, find_audio, preferred
from voxboard.data.scan import gender as spelled
from voxboard.errors import UserError

# Folders that corpora have above those of their speakers.
ABOVE = frozenset(
    {
        *SUBSETS,
        *("audio", "data", "dev", "flac", "preprocess", "test", "train", "valid", "wav", "wavs"),
        *("wav16", "wav24", "wav48", "wav48_silence_trimmed"),
        *("libritts", "libritts_r", "librispeech", "vctk", "vctk-corpus", "vctk-corpus-0.92"),
    }
)
TABLES = ("speaker-info.txt", "SPEAKERS.TXT", "speakers.tsv")  # VCTK, LibriSpeech and LibriTTS


def scan(root: Path) -> Scan:
    """All utterances below a folder, in the order of their names, with their speakers.

    A table with columns for file and speaker (`metadata.csv`, …) says who speaks, else the first folder that is not
    one of those that corpora have above their speakers: `wav48/<speaker>/…`, `<speaker>/<chapter>/…`. Raises
    `UserError` where neither does.
    """
    table = tables.find_table(root)
    if table is not None and _usable(table):
        scanned = tables.scan(root, PrepareOptions())
        return Scan(scanned.root, scanned.utterances, [*scanned.notes, f"{table.name} says who speaks."])
    found_audio = find_audio(root)
    if not found_audio:
        raise UserError(f"There is no audio below {root}.", "Name a prepared corpus, or a folder of audio.")
    genders = _genders(root)
    utterances = preferred(_utterance(root, path, genders) for path in found_audio)
    return Scan(root, utterances, ["The names of the folders say who speaks."])


def _usable(table: Path) -> bool:
    _, header = tables.read_table(table)
    try:
        tables.recognize(header, {}, table)
    except UserError:
        return False
    return True


def _utterance(root: Path, path: Path, genders: dict[str, str | None]) -> Utterance:
    place = path.relative_to(root)
    speaker = _speaker(place.parts[:-1])
    if speaker is None:
        raise UserError(
            f"Nothing says who speaks in {path}: it lies in no folder of a speaker.",
            f"Put it into {root / 'SPEAKER'}, or write a table: {root / 'metadata.csv'} with the columns file,speaker.",
        )
    return Utterance(place.with_suffix("").as_posix(), path, speaker, gender=genders.get(speaker))


def _speaker(folders: Sequence[str]) -> str | None:
    return next((name for name in folders if name.lower() not in ABOVE), None)


def _genders(root: Path) -> dict[str, str | None]:
    """Speaker → gender from the corpus's own table of speakers, in the folder, above it, or in its only subfolder."""
    inner = [place for place in sorted(root.iterdir()) if place.is_dir() and place.name.lower() in ABOVE]
    files = (beside(place, name) for place in (root, *inner) for name in TABLES)
    genders: dict[str, str | None] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []:
            words = line.replace("|", " ").split()
            gender = next((word for word in words[1:3] if word.upper() in ("F", "M")), None)  # after the speaker's age
            if gender is not None:
                genders.setdefault(words[0], spelled(gender))
                if words[0].isdigit():  # VCTK 0.80 calls p225 225
                    genders.setdefault(f"p{words[0]}", spelled(gender))
    return genders
