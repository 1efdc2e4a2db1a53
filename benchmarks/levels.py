"""The utterances of a split with their measured levels, and what the ridge baseline sees of each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from voxboard.benchmarks.intensity_baseline import features
from voxboard.benchmarks.utterances import Utterances
from voxboard.data import audio, loudness
from voxboard.data.corpus import Corpus
from voxboard.errors import BadAudio, UserError

if TYPE_CHECKING:
    from lhotse.cut import Cut


@dataclass(frozen=True)
class Levels(Utterances):
    """Utterances with the level of each in dB as their label, NaN where the audio cannot be read.

    `acoustic` has the ridge baseline's features [130] by utterance; `unmeasured` utterances have no level and are left
    out.
    """

    acoustic: Mapping[str, np.ndarray]
    unmeasured: int


def levels(corpus: Corpus, split: str, label: str, most: int = 0) -> Levels:
    """The utterances of a split in the order of their ids, at most so many, with the levels that `label` names.

    Every file is read once, at 16 kHz. Raises `UserError` when no utterance has a level.
    """
    cuts = sorted(corpus.cuts(split), key=lambda cut: cut.id)
    if most and len(cuts) > most:
        cuts = [cuts[place] for place in np.linspace(0, len(cuts) - 1, most).round().astype(int)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        measured = list(pool.map(partial(_measured, label=label), cuts))
    # What cannot be read stays, for the evaluation to stop at or to skip.
    rows = [row for row, level in enumerate(measured) if level is None or not math.isnan(level[0])]
    if not rows:
        raise UserError(f"No {split} utterance of {corpus.name} has a {label}.", "LUFS needs 0.4 s: try rms_dbfs.")
    labels = [level[0] if level else math.nan for level in measured]
    lines = "".join(f"{cuts[row].id}\t{labels[row]:.4f}\n" for row in rows)
    return Levels(
        corpus,
        split,
        tuple(cuts[row] for row in rows),
        hashlib.sha256(lines.encode()).hexdigest(),
        tuple(labels[row] for row in rows),
        acoustic={cut.id: level[1] for cut, level in zip(cuts, measured, strict=True) if level},
        unmeasured=len(cuts) - len(rows),
    )


def _measured(cut: Cut, label: str) -> tuple[float, np.ndarray] | None:
    """The level of an utterance and its features; None where the audio cannot be read."""
    try:
        wave = audio.load(cut)
    except BadAudio:
        return None
    level: float = getattr(loudness, label)(wave, audio.SAMPLE_RATE)
    return level, features(wave, audio.SAMPLE_RATE)


def unreadable(items: Levels, skip: bool) -> list[str]:
    """The ids of utterances that cannot be read. Raises `BadAudio` for the first one, unless they are skipped."""
    bad = [cut for cut in items.cuts if cut.id not in items.acoustic]
    if bad and not skip:
        audio.load(bad[0])
    return [cut.id for cut in bad]


def rows(items: Utterances) -> np.ndarray:
    """The ridge baseline's features [U, 130]."""
    assert isinstance(items, Levels)
    return np.stack([items.acoustic[cut.id] for cut in items.cuts])
