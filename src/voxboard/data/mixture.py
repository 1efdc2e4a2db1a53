"""Several corpora as one: a list of manifests, of which training draws in proportion to hours × weights.

    - {name: VoxCeleb2, manifest: voxceleb2.jsonl.gz, hours: 2026, weights: 1}
    - {name: CREMA-D, manifest: crema_train.jsonl.gz, hours: 4.8, weights: 100}

That is Auden's data configuration, all of it for training; under `train:`, `valid:` and `test:` a file has a list per
split. `hours` are measured where they are left out, `weights` is 1. A manifest lies in the list's folder or where the
user is; one of a prepared corpus (`data/CREMA-D/train.jsonl.gz`) knows where its audio is, for another `audio_root`
says it. The list is data: a folder that it names is read where the user has named it too (`--audio_root` of prepare).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.data.audio_roots import remember
from voxboard.data.corpus import SPLITS, Corpus, CorpusInfo, speaker_of
from voxboard.errors import UserError, printable, unknown

if TYPE_CHECKING:
    from lhotse.cut import Cut

LARGEST = 4 << 20  # bytes of a list
KEYS = ("name", "manifest", "hours", "weights", "audio_root")
SHAPE = "Write a list of {name, manifest, hours, weights}, or one per split under train:, valid: and test:."


@dataclass(frozen=True)
class MixtureEntry:
    """One manifest of the list, opened."""

    name: str
    corpus: Corpus
    cuts: Sequence[Cut]
    weight: float  # hours × weights


def mix(file: Path, name: str, folder: Path, audio_roots: Sequence[Path] = ()) -> Corpus:
    """Write the corpus that a list describes. Raises `UserError` for a list that cannot be read or followed.

    `audio_roots` are folders from which the user lets it read, beside those that `prepare` was given before.

    Utterances are called CORPUS/ID and have the label `corpus`; speakers keep their names, for label maps name them,
    so the same name in two corpora is the same person.
    """
    remember(audio_roots)
    splits = {split: [_entry(file, row) for row in rows] for split, rows in _read(file).items()}
    entries = [entry for some in splits.values() for entry in some]
    by_split = {split: [cut for entry in some for cut in _named(entry)] for split, some in splits.items()}
    total = sum(entry.weight for entry in splits.get("train", ()))
    if not total < float("inf"):
        raise UserError(f"The hours × weights of {file} come to more than a number can be.", "Give smaller ones.")
    shares: dict[str, float] = {}
    for entry in splits.get("train", ()):
        shares[entry.name] = shares.get(entry.name, 0.0) + entry.weight / total
    info = CorpusInfo(
        name,
        source=str(file),
        licence="; ".join(sorted({entry.corpus.info.licence for entry in entries})),
        synthetic=any(entry.corpus.info.synthetic for entry in entries),
        mixture={part: round(share, 6) for part, share in shares.items()},
        notes=tuple(_notes(splits, shares)),
    )
    root = os.path.commonpath([str(entry.corpus.audio_root) for entry in entries])
    # The folder that all have in common may be the whole disk: only those of the parts are to be read.
    return Corpus.write(folder, info, by_split, Path(root), {entry.corpus.audio_root for entry in entries})


def _read(file: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Split → rows of the list."""
    content = _parsed(file)
    splits = content if isinstance(content, dict) else {"train": content}
    for split, rows in splits.items():
        if split not in SPLITS:
            raise unknown(f"split in {file}", printable(str(split))[:60], SPLITS)
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise UserError(f"{file} has no list of corpora for {split}.", SHAPE)
    return splits


def _parsed(file: Path) -> Any:
    import yaml

    try:
        with file.open(encoding="utf-8") as text:
            content = text.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"{file} is no list of corpora: it has more than {LARGEST >> 20} MB.", SHAPE)
        return yaml.safe_load(content)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = printable(" ".join(str(error).split()))
        raise UserError(f"{file} cannot be read as YAML: {reason}.", SHAPE) from error
    except RecursionError as error:
        raise UserError(f"{file} cannot be read as YAML: it is nested too deeply.", SHAPE) from error


def _entry(file: Path, row: Mapping[str, Any]) -> MixtureEntry:
    for key in row:
        if key not in KEYS:
            raise unknown(f"key in {file}", printable(str(key))[:60], KEYS)
    for key in ("name", "manifest"):
        if not row.get(key) or isinstance(row[key], list | dict):
            raise UserError(f"An entry of {file} has no {key}.", SHAPE)
    root = row.get("audio_root")
    if root is not None and (not isinstance(root, str) or "\0" in root):
        raise UserError(f"The audio_root of {printable(str(row['name']))} in {file} is no folder.", SHAPE)
    name, manifest = str(row["name"]), Path(str(row["manifest"]))
    place = next((path for path in (file.parent / manifest, manifest) if path.is_file()), None)
    if place is None:
        raise UserError(f"There is no manifest {printable(str(manifest))}, which {file} names.", "Correct the path.")
    corpus = Corpus.open(place, root, named=False)
    cuts = list(corpus.cuts("test"))
    hours = _positive(file, name, "hours", row.get("hours", sum(cut.duration for cut in cuts) / 3600))
    return MixtureEntry(name, corpus, cuts, hours * _positive(file, name, "weights", row.get("weights", 1.0)))


def _positive(file: Path, name: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        shown = printable(repr(value)) if isinstance(value, str | int | float) else type(value).__name__
        raise UserError(f"The {key} of {printable(name)} in {file} are {shown[:60]}.", "Give a number above 0.")
    return float(value)


def _named(entry: MixtureEntry) -> list[Cut]:
    """The cuts as the mixture calls them, with their audio where it lies now."""
    for cut in entry.cuts:
        cut.id = f"{entry.name}/{cut.id}"
        supervision = cut.supervisions[0]
        supervision.custom = {**(supervision.custom or {}), "corpus": entry.name}
    return list(entry.cuts)


def _notes(splits: Mapping[str, Sequence[MixtureEntry]], shares: Mapping[str, float]) -> list[str]:
    listed = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    notes = [f"Training draws {listed}."] if shares else []
    owners: dict[str, set[str]] = {}
    for some in splits.values():
        for entry in some:
            for cut in entry.cuts:
                owners.setdefault(speaker_of(cut), set()).add(entry.name)
    shared = sorted(speaker for speaker, names in owners.items() if len(names) > 1)
    if shared:
        where = " and ".join(sorted(owners[shared[0]]))
        notes.append(f"{len(shared)} speakers have the same name in two corpora ({shared[0]} in {where}): one person.")
    return notes
