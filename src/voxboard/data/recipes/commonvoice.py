"""Common Voice of one language: `clips/*.mp3`, and `{train,dev,test}.tsv` or `validated.tsv` beside it.

Ages are decades (twenties, thirties, fourties as it spells them …), kept as `age_group`. Its own splits share no
speaker; without them the speakers of `validated.tsv` are split by voxboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data import audio, table_file
from voxboard.data.corpus import inside
from voxboard.data.scan import Scan, Utterance, gender
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions

SPLITS = {"train": "train", "dev": "valid", "test": "test"}
WHOLE = "validated"
GENDERS = {"male_masculine": "male", "female_feminine": "female", "do_not_wish_to_say": None}
COLUMNS = ("client_id", "path")


def scan(folder: Path, options: PrepareOptions) -> Scan:
    """The clips of the tables. Raises `UserError` for none, or for a folder of several languages."""
    root = _language(folder)
    tables = {name: root / f"{name}.tsv" for name in SPLITS if (root / f"{name}.tsv").is_file()}
    if not tables:
        tables = {WHOLE: root / f"{WHOLE}.tsv"}
    utterances = [_utterance(root, row, SPLITS.get(name)) for name, table in tables.items() for row in _rows(table)]
    there = [utterance for utterance in utterances if utterance.path.is_file()]
    if not there:
        raise UserError(f"None of the clips of {root} is there.", "Unpack the clips beside the tables.")
    lost = len(utterances) - len(there)
    notes = [f"{lost:,} clips of the tables are not there."] if lost else []
    return Scan(root, there, notes)


def _language(folder: Path) -> Path:
    places = [folder] if (folder / "clips").is_dir() else sorted(path.parent for path in folder.glob("*/clips"))
    if not places:
        raise UserError(
            f"No Common Voice is under {folder} (looked for clips/).",
            "Pass the folder of a language, that with clips/ and validated.tsv, as --data_path.",
        )
    if len(places) > 1:
        names = ", ".join(place.name for place in places)
        raise UserError(f"{folder} holds several languages: {names}.", f"Pass one: --data_path {places[0]}")
    return places[0]


def _rows(table: Path) -> list[dict[str, str]]:
    content = table_file.read(table, "\t", quoted=False)  # a quotation mark in its tables is one of the sentence
    for name in COLUMNS:
        if name not in content.header:
            raise UserError(f"{table} has no column {name}.", "Fetch the table again.")
    return content.dicts()


def _utterance(root: Path, row: Mapping[str, str], split: str | None) -> Utterance:
    path = inside(root, Path("clips") / row["path"])
    path = path if path.suffix.lower() in audio.SUFFIXES else path.with_name(f"{path.name}.mp3")
    sex = row.get("gender", "")
    return Utterance(
        id=path.stem,
        path=path,
        speaker=row["client_id"],
        split=split,
        text=row.get("sentence") or None,
        gender=GENDERS.get(sex, gender(sex)),
        language=row.get("locale") or None,
        custom={"age_group": row.get("age"), "accent": row.get("accents") or row.get("accent")},
    )
