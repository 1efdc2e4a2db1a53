"""Designs that are known by name. They give the counts of the lists that they are named after, not their trials: which
utterances meet is drawn by voxboard, from its own random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voxboard.errors import unknown
from voxboard.trials.design import Design


@dataclass(frozen=True)
class Preset:
    """A design, what it is for, and where it comes from."""

    summary: str
    source: str
    design: Design


UNIPOOL = "UniPool-SV: the same number from every speaker pair of a stratum, rounded up, so that strata differ in size"
VOXCELEB = "Chung, Nagrani and Zisserman, VoxCeleb2 (Interspeech 2018)"
PRESETS: Mapping[str, Preset] = {
    "unipool-vctk": Preset(
        "8,000 targets; 2,000 non-targets for each of gender × accent shared or not",
        UNIPOOL,
        Design(8_000, 8_000, strata=("gender", "accent"), target_sessions="any", rounding="ceil"),
    ),
    "unipool-librispeech": Preset(
        "8,000 non-targets each of one gender and of two; as many targets, down to whole thousands",
        UNIPOOL,
        Design(None, 16_000, strata=("gender",), target_sessions="any", rounding="ceil"),
    ),
    "unipool-vox2": Preset(
        "32,000 targets, half of one video and half of two; 32,000 non-targets over all speaker pairs",
        f"{UNIPOOL} (its script tosses a coin for the video of every target, and may repeat pairs; this does neither)",
        Design(32_000, 32_000, strata=(), target_sessions=0.5, rounding="ceil"),
    ),
    "vox-e": Preset(
        "581,480 trials of all speakers, half of them targets, non-targets over all speaker pairs alike",
        f"{VOXCELEB}: VoxCeleb1-E has 581,480 random pairs of all 1,251 speakers",
        Design.of(581_480, strata=(), target_sessions="any"),
    ),
    "vox-h": Preset(
        "552,536 trials, half of them targets; every non-target of one gender and nationality, groups of five or more",
        f"{VOXCELEB}: VoxCeleb1-H has 552,536 pairs, of 1,190 speakers in the 18 groups of five or more",
        Design.of(552_536, strata=(), matched=("gender", "nationality"), smallest_group=5, target_sessions="any"),
    ),
}


def preset(name: str) -> Preset:
    """The preset of a name. Raises `UserError` with the nearest names."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
