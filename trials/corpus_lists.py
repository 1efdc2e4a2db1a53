"""Trial lists that come with a corpus: whom they name, and their place in the prepared folder."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voxboard.data.corpus import ATTRIBUTES
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.scan import Utterance
from voxboard.errors import UserError, printable
from voxboard.files import replacing, write_atomically
from voxboard.trials import list_file, sidecar
from voxboard.trials.check import check
from voxboard.trials.resolve import resolve
from voxboard.trials.table import Trials

SPLITS = ("valid", "test")
SUFFIXES = (".csv.gz", ".txt.gz", ".csv", ".txt")
NAME = re.compile(r"(trial|veri_?test|list_test).*\.(txt|csv|tsv|lst|ndx|trl)(\.gz)?$")
VALIDATION = re.compile("valid|dev|val[^a-z]")
LABELS = frozenset({"0", "1", "target", "nontarget", "label", "tgt", "imp"})
LONGEST_LINE = 4096  # bytes


def given(brought: Mapping[str, Path], options: PrepareOptions) -> dict[str, Path]:
    """Split → list: as the user says, else as the corpus brings along. Raises `UserError` for one that is not there."""
    asked = {"valid": options.valid_trials, "test": options.test_trials}
    for split, path in asked.items():
        if path is not None and not path.is_file():
            raise UserError(f"There is no trial list {path}.", f"Check --{split}_trials.")
    named = {split: path for split, path in asked.items() if path is not None}
    if options.filter_trials and not named:
        raise UserError("There is no trial list to filter.", "Pass --valid_trials or --test_trials.")
    return {**brought, **named}


def beside(root: Path) -> list[str]:
    """Sentences on files in a folder of audio that look like trial lists and were not named."""
    notes = []
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if NAME.search(path.name.lower()) and path.is_file() and _looks_like_trials(path):
            flag = "--valid_trials" if VALIDATION.search(path.name.lower()) else "--test_trials"
            notes.append(f"{printable(path.name)} looks like a trial list; {flag} {_quoted(path)} would use it.")
    return notes


def _looks_like_trials(path: Path) -> bool:
    """True if the first line has two names and a label, or names such columns."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            words = file.readline(LONGEST_LINE).decode("utf-8-sig").replace(",", " ").lower().split()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return False
    return len(words) >= 3 and not LABELS.isdisjoint(words)


def _quoted(path: Path) -> str:
    return printable(shlex.quote(str(path)))


def speakers(lists: Mapping[str, Path], utterances: Sequence[Utterance]) -> dict[str, str]:
    """Speaker → split of the list that names them. Raises `UserError` when both lists name the same one."""
    of = {utterance.id: utterance.speaker for utterance in utterances}
    named: dict[str, str] = {}
    for split, path in lists.items():
        resolved = resolve(list_file.read(path), _names(utterances))
        for speaker in sorted({of[utterance] for utterance in resolved.utterances}):
            if named.setdefault(speaker, split) != split:
                raise UserError(
                    f"Speaker {speaker} is in the validation and in the test list.",
                    "Pass lists that share no speaker, or --filter_trials.",
                )
    return named


def copy(
    lists: Mapping[str, Path],
    folder: Path,
    utterances: Sequence[Utterance],
    splits: Mapping[str, str],
    options: PrepareOptions,
) -> tuple[dict[str, str], list[str]]:
    """Put the lists into a corpus's folder: whole, or filtered to the trials within their split.

    Returns split → file name, and what there is to say about it. Raises `UserError` when a list of the user's names
    utterances that are not there; one that the corpus brings along is then left out.
    """
    copied: dict[str, str] = {}
    notes: list[str] = []
    for split, path in lists.items():
        try:
            original = list_file.read(path)
            listed = resolve(original, _names(utterances))
        except UserError as error:
            if path in (options.valid_trials, options.test_trials):
                raise
            notes.append(f"{path.name} is left out. {error.problem}")
            continue
        inside = np.array([splits[utterance] == split for utterance in listed.utterances])
        keep = inside[listed.enrol] & inside[listed.test]
        if options.filter_trials:
            copied[split] = f"trials-{split}.csv.gz"
            selected = _both(listed.select(keep), path, split)
            list_file.write(
                selected, folder / copied[split], sidecar=_described(selected, selected, utterances, splits)
            )
            notes.append(f"The {split} trials are the {keep.sum():,} of {len(keep):,} in {path.name} within the split.")
        else:
            copied[split] = f"trials-{split}{_suffix(path)}"
            with replacing(folder / copied[split]) as part:
                shutil.copyfile(path, part)
            beside = sidecar.render(_described(original, listed, utterances, splits), list_file.format_of(path))
            write_atomically({sidecar.path_of(folder / copied[split]): beside})
            others = "" if keep.all() else f", {len(keep) - keep.sum():,} of them with utterances of another split"
            notes.append(f"The {split} trials are the {len(keep):,} in {path.name}{others}.")
    return copied, notes


def tidy(folder: Path, written: Mapping[str, str]) -> None:
    """Remove the lists of an earlier corpus in the same folder."""
    for file in (file for split in SPLITS for file in folder.glob(f"trials-{split}.*")):
        if file.name.removesuffix(".json") not in written.values():
            file.unlink()


def _described(
    original: Trials, listed: Trials, utterances: Sequence[Utterance], splits: Mapping[str, str]
) -> dict[str, Any]:
    """The sidecar of a list: its own digest, and what the corpus knows of its utterances and training speakers."""
    training = {utterance.speaker for utterance in utterances if splits[utterance.id] == "train"}
    labels: dict[str, dict[str, str]] = {}
    for utterance in utterances:
        attributes = {"gender": utterance.gender, "text": utterance.text, **utterance.custom}
        for name in (*ATTRIBUTES, "session", "text"):
            if attributes.get(name) not in (None, ""):
                labels.setdefault(name, {})[utterance.id] = str(attributes[name])
    speakers = {utterance.id: utterance.speaker for utterance in utterances}
    findings = check(listed, speakers, training_speakers=training, **labels)
    return {**sidecar.of_list(listed, findings), "digest": original.digest()}


def _both(trials: Trials, path: Path, split: str) -> Trials:
    """Raise `UserError` unless there are target and non-target trials."""
    if not trials.targets or not trials.non_targets:
        raise UserError(
            f"{path.name} has {trials.targets} target and {trials.non_targets} non-target trials in the {split} split.",
            "Leave the list out, and a balanced one is built.",
        )
    return trials


def _names(utterances: Sequence[Utterance]) -> dict[str, str]:
    return {utterance.id: str(utterance.path) for utterance in utterances}


def _suffix(path: Path) -> str:
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), ".txt")
