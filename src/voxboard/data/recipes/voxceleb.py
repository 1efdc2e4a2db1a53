"""VoxCeleb 1 and 2, in every tree that is about: official, flat, nested in `wav/` or `aac/`, UniPool-SV's `wav16/`.

Not Lhotse's recipe: that knows one tree per release, fails on the comma-separated speaker table and on speakers that
it lacks, and looks every recording up in a list, which on a million files does not end.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data import m4a, table_file
from voxboard.data.scan import Scan, Utterance, beside, find_audio, gender, preferred
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions

PAGE = "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/"
IDENTITY = re.compile(r"id(\d{5})")
LISTS = ("veri_test2.txt", "veri_test.txt")  # VoxCeleb1-O, cleaned before original
FLAT = re.compile(r"(.{11})_(\d{7})")  # the first release: video (always 11 characters) and utterance in one name
TEST_1 = range(10270, 10310)  # the 40 speakers of VoxCeleb 1 whose names start with E


@dataclass(frozen=True)
class Release:
    """Layout of a release, and its counts when it is complete."""

    name: str
    table: str
    identities: range
    speakers: Mapping[str, int]
    utterances: Mapping[str, int]


RELEASES = {
    1: Release(
        "VoxCeleb1",
        "vox1_meta.csv",
        range(10001, 11252),
        {"train": 1211, "test": 40},
        {"train": 148_642, "test": 4_874},
    ),
    2: Release(
        "VoxCeleb2", "vox2_meta.csv", range(10000), {"train": 5994, "test": 118}, {"train": 1_092_009, "test": 36_237}
    ),
}


@dataclass(frozen=True)
class Celebrity:
    """A row of the speaker table."""

    id: str
    name: str
    gender: str | None
    nationality: str
    split: str


def scan1(folder: Path, options: PrepareOptions) -> Scan:
    """VoxCeleb 1 under a folder; one that also holds VoxCeleb 2 serves both. Raises `UserError` when there is none."""
    return _scan(folder, options, RELEASES[1])


def scan2(folder: Path, options: PrepareOptions) -> Scan:
    """VoxCeleb 2 under a folder; one that also holds VoxCeleb 1 serves both. Raises `UserError` when there is none."""
    return _scan(folder, options, RELEASES[2])


def _scan(folder: Path, options: PrepareOptions, release: Release) -> Scan:
    table = options.metadata or beside(folder, release.table)
    persons = _persons(table) if table else {}
    utterances = preferred(
        utterance
        for path in find_audio(folder)
        if (utterance := _utterance(path, folder, release, persons)) is not None
    )
    if not utterances:
        raise UserError(
            f"No {release.name} audio is under {folder} (looked for wav/id10001/VIDEO/00001.wav and the like).",
            f"It is registered for at {PAGE}; voxboard does not download it.",
        )
    notes = [] if table else [f"{release.table} is not there, so gender and nationality are unknown; it is at {PAGE}."]
    listed = next((file for name in LISTS if (file := beside(folder, name))), None) if release is RELEASES[1] else None
    return Scan(folder, utterances, [*notes, *_notes(utterances, release)], trials={"test": listed} if listed else {})


def _utterance(path: Path, folder: Path, release: Release, persons: Mapping[str, Celebrity]) -> Utterance | None:
    """The utterance of a file, or None for a file of another release or of none."""
    flat = FLAT.fullmatch(path.stem)
    if flat is not None:
        speaker, video, number = path.parent.name, flat[1], f"{int(flat[2]):05d}"
    else:
        speaker, video, number = path.parent.parent.name, path.parent.name, path.stem
    tree = [part.lower() for part in path.relative_to(folder).parts[:-1]]
    person = persons.get(speaker.lower())
    name = person.id if person else speaker
    identity = IDENTITY.fullmatch(name)
    if identity is None:
        # Only VoxCeleb 1 was ever released under names, in which case the tree has to say that it is one.
        if release is not RELEASES[1] or not (flat or re.fullmatch(r"\d{5}", number)) or len(video) != 11:
            return None
    elif int(identity[1]) not in release.identities:
        return None
    about = {"session": video, "nationality": (person.nationality or None) if person else None}
    return Utterance(
        id=f"{name}/{video}/{number}",
        path=path,
        speaker=name,
        split=_split(name, tree, person, release),
        gender=person.gender if person else None,
        custom=about,
    )


def _split(name: str, tree: Sequence[str], person: Celebrity | None, release: Release) -> str:
    """The official split: as the speaker table says, as is known of VoxCeleb 1, or as the tree says."""
    if person and person.split:
        return "test" if person.split == "test" else "train"
    if release is RELEASES[1]:
        identity = IDENTITY.fullmatch(name)
        return "test" if (int(identity[1]) in TEST_1 if identity else name.startswith("E")) else "train"
    return "test" if any(re.search(r"(^|_)test(_|$)", part) for part in tree) else "train"


def _persons(table: Path) -> dict[str, Celebrity]:
    """The speaker table, by id and by name in lower case; separated by tabs or commas, with or without a BOM."""
    content = table_file.read(table, "\t,")
    columns = [column.lower() for column in content.header]
    places = {
        field: next((place for place, column in enumerate(columns) if field in column), None)
        for field in ("voxceleb", "vggface", "gender", "nationality", "set")
    }
    if places["voxceleb"] is None:
        raise UserError(
            f"{table} is not VoxCeleb's speaker table (no column 'VoxCeleb1 ID' or 'VoxCeleb2 ID').",
            f"vox1_meta.csv and vox2_meta.csv are at {PAGE}.",
        )
    persons: dict[str, Celebrity] = {}
    for row in content.rows:
        cells = {field: row[place] if place is not None else "" for field, place in places.items()}
        person = Celebrity(
            cells["voxceleb"], cells["vggface"], gender(cells["gender"]), cells["nationality"], cells["set"].lower()
        )
        persons[person.id.lower()] = person
        persons.setdefault(person.name.lower(), person)
    persons.pop("", None)
    return persons


def _notes(scanned: Sequence[Utterance], release: Release) -> list[str]:
    utterances = Counter(utterance.split for utterance in scanned)
    speakers = Counter(split for _, split in {(utterance.speaker, utterance.split) for utterance in scanned})
    notes = [
        f"{release.name} {'dev' if split == 'train' else split} has {utterances[split]:,} of "
        f"{release.utterances[split]:,} utterances, {speakers[split]:,} of {release.speakers[split]:,} speakers."
        for split in ("train", "test")
        if utterances[split] < release.utterances[split]
    ]
    compressed = sum(m4a.is_m4a(utterance.path) for utterance in scanned)
    if compressed and shutil.which("ffmpeg") is None:
        notes.append(f"{compressed:,} files are m4a, and ffmpeg, which reads them, is not installed.")
    return notes
