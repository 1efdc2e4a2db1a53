"""Options of `voxboard prepare`, read by recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from voxboard.limits import Count, Seed


@dataclass(frozen=True)
class PrepareOptions:
    """Options of a preparation."""

    name: str | None = None
    """Name of the prepared corpus."""
    metadata: Path | None = None
    """Table of a folder's files, or of the speakers of VoxCeleb or CREMA-D; also a file of lines `path label -1`, whose
    labels are speakers, or with --columns age_group=label that label."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the table, as OURS=THEIRS: file, id, speaker, gender, age, accent, region, nationality, session, text,
    language, split. OURS= ignores a column."""
    subsets: tuple[str, ...] = ()
    """Subsets of LibriSpeech (default: all that are there)."""
    split: Literal["train", "valid", "test"] | None = None
    """Put everything into this split."""
    seed: Seed | None = None
    """Seed of a split that voxboard makes, or of Voices."""
    valid_trials: Path | None = None
    """Validation trial list."""
    test_trials: Path | None = None
    """Test trial list."""
    filter_trials: bool = False
    """Keep only the trials between speakers of their split, instead of making the speakers of a list its split."""
    skip_bad_audio: bool = False
    """Leave out files that cannot be read, and count them."""
    download: bool = False
    """Download first (LibriSpeech, VCTK)."""
    speakers: Count | None = None
    """Speakers of Voices."""
    utterances: Count | None = None
    """Utterances per speaker of Voices."""
    rttm: Path | None = None
    """Who speaks when in a folder of recordings: an RTTM file, or a folder of them."""
    uem: Path | None = None
    """What is scored of the recordings: a UEM file, or a folder of them (default: all)."""
    valid_recordings: tuple[str, ...] = ()
    """Names of the recordings for validation, * for any letters; the others are for the test."""
    test_speakers: tuple[str, ...] = ()
    """Speakers that form the test split; all others are trained on (leave one speaker out: name one)."""
    valid_speakers: tuple[str, ...] = ()
    """Speakers that form the validation split, beside --test_speakers (default: none)."""
    mixture: Path | None = None
    """Put corpora together as DATA: a YAML list of name, manifest, hours and weights, as Auden has it. Training draws
    from each in proportion to hours × weights."""
    audio_root: tuple[Path, ...] = ()
    """Folders from which the corpora of a mixture may read audio, beside those that were prepared on this machine."""
