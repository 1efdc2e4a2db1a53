"""Speaker diarization with any encoder: audio → speech → windows → embeddings → clusters → turns."""

from voxboard.diarization.config import Diarization
from voxboard.diarization.pipeline import (
    Conversation,
    diarize,
    diarize_all,
    known_speakers,
    prepare,
    prepare_one,
)
from voxboard.diarization.prepared import Prepared
from voxboard.diarization.tuning import TunedSettings, tunable, tune, tune_prepared

__all__ = [
    "Conversation",
    "Diarization",
    "Prepared",
    "TunedSettings",
    "diarize",
    "diarize_all",
    "known_speakers",
    "prepare",
    "prepare_one",
    "tunable",
    "tune",
    "tune_prepared",
]
