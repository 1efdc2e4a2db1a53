"""Speakers of utterances: from a file `utterance speaker` (Kaldi's utt2spk), or from a prepared corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError

Speakers = Mapping[str, str]


def known(word: str) -> Speakers:
    """Utterance → speaker of a file, or of all splits of the corpus that a word names. Raises `UserError`."""
    path = Path(word)
    if path.is_file() and not path.name.endswith((".jsonl", ".jsonl.gz")):
        return _of_file(path)
    from voxboard.data.catalogue import find_corpus
    from voxboard.data.corpus import speaker_of

    return {cut.id: speaker_of(cut) for cut in find_corpus(word).all_cuts()}


def of_each(names: Iterable[str], speakers: Speakers) -> NDArray[np.str_]:
    """The speaker [U] of every utterance. Raises `UserError` that names one without a speaker."""
    names = list(names)
    missing = [name for name in names if name not in speakers]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(names)} utterances have no speaker (first: {missing[0]}).",
            "Pass a file with a line `utterance speaker` for each, or leave --speakers out.",
        )
    return np.array([speakers[name] for name in names], np.str_)


def _of_file(path: Path) -> Speakers:
    from voxboard import text_files

    speakers: dict[str, str] = {}
    for number, line in enumerate(text_files.text(path).split("\n"), start=1):
        fields = line.split("\t") if line.count("\t") == 1 else line.split()
        if fields and len(fields) != 2:
            raise UserError(
                f"{path}, line {number}: {line[:80]!r} is not `utterance speaker`.", "Pass Kaldi's utt2spk."
            )
        if fields and speakers.setdefault(fields[0], fields[1]) != fields[1]:
            raise UserError(f"{path}, line {number}: {fields[0]} has two speakers.", "Repair the file.")
    return speakers
