"""Trial lists that come with a corpus: whom they name, and their place in the prepared folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.scan import Utterance
from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.data.prepare import Options

SPLITS = ("valid", "test")
SUFFIXES = (".csv.gz", ".txt.gz", ".csv", ".txt")


def given(brought: Mapping[str, Path], options: Options) -> dict[str, Path]:
    """Split → list: as the user says, else as the corpus brings along. Raises `UserError` for one that is not there."""
    asked = {"valid": options.valid_trials, "test": options.test_trials}
    for split, path in asked.items():
        if path is not None and not path.is_file():
            raise UserError(f"There is no trial list {path}.", f"Check --{split}_trials.")
    named = {split: path for split, path in asked.items() if path is not None}
    if options.filter_trials and not named:
        raise UserError("There is no trial list to filter.", "Pass --valid_trials or --test_trials.")
    return {**brought, **named}


def speakers(lists: Mapping[str, Path], utterances: Sequence[Utterance]) -> dict[str, str]:
    """Speaker → split of the list that names them. Raises `UserError` when both lists name the same one."""
    from voxboard import trials

    of = {utterance.id: utterance.speaker for utterance in utterances}
    named: dict[str, str] = {}
    for split, path in lists.items():
        resolved = trials.resolve(trials.read(path), _names(utterances))
        for speaker in sorted({of[utterance] for utterance in resolved.utterances}):
            if named.setdefault(speaker, split) != split:
                raise UserError(
                    f"Speaker {speaker} is in the validation and in the test list.",
                    "Pass lists that share no speaker, or --filter_trials.",
                )
    return named


def copy(
    lists: Mapping[str, Path], folder: Path, utterances: Sequence[Utterance], splits: Mapping[str, str], only: bool
) -> tuple[dict[str, str], list[str]]:
    """Puts the lists into a corpus's folder: whole, or `only` the trials within the speakers of their split.

    Returns split → file name, and what there is to say about it.
    """
    for stale in (file for split in SPLITS for file in folder.glob(f"trials-{split}.*")):
        stale.unlink()
    copied: dict[str, str] = {}
    notes: list[str] = []
    for split, path in lists.items():
        copied[split] = f"trials-{split}{'.csv.gz' if only else _suffix(path)}"
        if only:
            notes.append(_filtered(path, folder / copied[split], split, utterances, splits))
        else:
            shutil.copyfile(path, folder / copied[split])
            notes.append(f"The {split} trials are {path.name}.")
    return copied, notes


def _filtered(path: Path, target: Path, split: str, utterances: Sequence[Utterance], splits: Mapping[str, str]) -> str:
    """Writes the trials of a list whose utterances are both in the split; one sentence about how many they are."""
    import numpy as np

    from voxboard import trials

    listed = trials.resolve(trials.read(path), _names(utterances))
    inside = np.array([splits[utterance] == split for utterance in listed.utterances])
    keep = inside[listed.enrol] & inside[listed.test]
    kept = listed.select(keep)
    if len(set(kept.labels.tolist())) < 2:
        raise UserError(
            f"{path.name} has no target or no non-target trials between the {split} speakers.",
            "Leave the list out, and a balanced one is built.",
        )
    trials.write(kept, target)
    return f"The {split} trials are the {keep.sum():,} of {len(keep):,} of {path.name} within the {split} speakers."


def _names(utterances: Sequence[Utterance]) -> dict[str, str]:
    return {utterance.id: str(utterance.path) for utterance in utterances}


def _suffix(path: Path) -> str:
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), ".txt")
