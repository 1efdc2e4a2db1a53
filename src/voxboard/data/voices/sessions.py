"""Voices-sessions: the training speakers of Voices, split by session, for tasks that know all their speakers.

Each speaker's first session is for training; of the second, every other utterance is for validation, the rest for the
test. The audio is that of Voices, which is not copied.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.corpus import SPLITS, Corpus, CorpusInfo, attributes_of, speaker_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.voices.corpus import find_or_make

if TYPE_CHECKING:
    from lhotse.cut import Cut

VERSION = "1"


def make(folder: Path, _: PrepareOptions) -> Corpus:
    """Make Voices-sessions, which has no options."""
    return make_sessions(folder)


def make_sessions(folder: Path, voices: Corpus | None = None) -> Corpus:
    """Write the manifests of the closed set; Voices is made first where it is not there."""
    voices = voices or find_or_make()
    splits: dict[str, list[Cut]] = {split: [] for split in SPLITS}
    later: dict[str, int] = {}
    for cut in sorted(voices.cuts("train"), key=lambda cut: cut.id):
        if str(attributes_of(cut)["session"]).endswith("-s1"):
            splits["train"].append(cut)
        else:
            place = later[speaker_of(cut)] = later.get(speaker_of(cut), 0) + 1
            splits[("valid", "test")[place % 2]].append(cut)
    info = CorpusInfo(
        "Voices-sessions",
        version=f"{VERSION}, Voices {voices.info.version}",
        licence=voices.info.licence,
        source=voices.info.source,
        synthetic=True,
        notes=(*voices.info.notes, "All splits have the same speakers: first session for training, second for test."),
    )
    return Corpus.write(folder, info, splits, voices.audio_root)
