"""Advice for whoever prepares a corpus, before anything is trained or tested on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from voxboard.data.corpus import speaker_of
from voxboard.errors import printable
from voxboard.metrics.enough import few_to_validate

if TYPE_CHECKING:
    from lhotse.cut import Cut

log = logging.getLogger("voxboard")


def warn_few_speakers(valid: Sequence[Cut]) -> None:
    """Warn where thresholds and calibrations would be learned from a handful of voices."""
    if few := few_to_validate(speaker_of(cut) for cut in valid):
        log.warning("%s More speakers come into the validation split by --valid_speakers or a column split.", few)


def shared_speakers(by_split: Mapping[str, Sequence[Cut]], before: Mapping[str, Sequence[Cut]]) -> list[str]:
    """A warning where a split that is prepared now has speakers of one that was there."""
    speakers = {split: {speaker_of(cut) for cut in cuts} for split, cuts in by_split.items()}
    notes = []
    for split in before:
        for other in by_split.keys() - before.keys():
            if shared := sorted(speakers[split] & speakers[other]):
                listed = ", ".join(printable(name) for name in shared[:3])
                notes.append(
                    f"{len(shared)} speakers are in the {split} and the {other} split (e.g. {listed}): runs that tell "
                    "speakers apart refuse this corpus."
                )
    return notes
