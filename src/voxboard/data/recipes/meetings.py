"""AMI and VoxConverse as their distributors lay them out: audio, and a folder of RTTMs per split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.recordings import Recordings, annotation, by_name
from voxboard.errors import UserError
from voxboard.text_files import holds

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions

SPLITS = {"train": "train", "dev": "valid", "test": "test"}  # theirs → ours
AMI_PLACES = ("only_words", "AMI-diarization-setup/only_words", "*/only_words", "ref", "")
VOXCONVERSE_PLACES = ("", "voxconverse", "voxconverse-master", "annotations", "*")


def ami(folder: Path, options: PrepareOptions) -> Recordings:
    """Meetings, mixed from the headsets, with the only_words reference of BUTSpeechFIT/AMI-diarization-setup.

    Audio is `amicorpus/<meeting>/audio/<meeting>.Mix-Headset.wav`, the reference `only_words/rttms/{train,dev,test}`
    and `uems/{train,dev,test}`. Raises `UserError` when the reference is not there.
    """
    rttms = _splits(folder, [f"{place}/{name}" for place in AMI_PLACES for name in ("rttms", "rttm")], ".rttm")
    if not rttms:
        raise UserError(
            f"No only_words/rttms/{{train,dev,test}} of AMI is under {folder}.",
            "Clone https://github.com/BUTSpeechFIT/AMI-diarization-setup into it.",
        )
    uems = _splits(folder, ["uems", "AMI-diarization-setup/uems", "*/uems", "ref/uem", "uem"], ".uem")
    parts = {ours: annotation(rttms[ours], uems.get(ours)) for ours in rttms}
    notes = [f"The {split} split has no UEM: its recordings are scored whole." for split in rttms.keys() - uems.keys()]
    return Recordings(folder, by_name(folder, "Mix-Headset"), parts, sorted(notes), "only_words, Mix-Headset")


def voxconverse(folder: Path, options: PrepareOptions) -> Recordings:
    """Clips of videos: `audio/*.wav` or `voxconverse_test_wav/*.wav`, and `{dev,test}/*.rttm` of joonson/voxconverse.

    Its speakers are numbered per recording, so that their names get the recording's in front. Raises `UserError` when
    there is no RTTM.
    """
    rttms = _splits(folder, VOXCONVERSE_PLACES, ".rttm")
    if not rttms:
        raise UserError(
            f"No {{dev,test}}/*.rttm of VoxConverse is under {folder}.",
            "Clone https://github.com/joonson/voxconverse into it.",
        )
    parts = {}
    for ours, place in rttms.items():
        annotated = annotation(place)
        named = {
            name: [(f"{name}-{who}", start, end) for who, start, end in own] for name, own in annotated.turns.items()
        }
        parts[ours] = replace(annotated, turns=named)
    return Recordings(folder, by_name(folder), parts)


def _splits(folder: Path, places: list[str] | tuple[str, ...], suffix: str) -> dict[str, Path]:
    """Our split → the folder of its files, in the first place that holds any."""
    for pattern in places:
        for place in sorted(folder.glob(pattern)) if "*" in pattern else [folder / pattern]:
            folders = {ours: place / theirs for theirs, ours in SPLITS.items() if holds(place / theirs, suffix)}
            if folders:
                return folders
    return {}
