"""The settings of speaker diarization; each is a flag, and its docstring the flag's help."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from voxboard.errors import UserError, unknown
from voxboard.limits import NotNegative, Positive, Size, SizeOrZero

VadName = Literal["oracle", "energy", "silero", "pyannet", "none"]
SegmentationName = Literal["windows", "pyannet"]
ClusteringName = Literal["agglomerative", "spectral"]
ResegmentationName = Literal["none", "vbx"]
_SECONDS = ("window", "hop", "segmentation_hop", "shortest", "min_speech", "min_silence")
HEARD = 10.0  # seconds that the segmentation network looks at


@dataclass(frozen=True)
class Diarization:
    """Windows of a recording, and clustering of their embeddings into speakers' turns.

    Windows of 1.5 s every 0.75 s are those of Garcia-Romero et al., Speaker diarization using deep neural network
    embeddings, ICASSP 2017. One speaker at a time is given out, and overlap in the reference missed, unless the
    segmentation is pyannet's.
    """

    vad: VadName = "oracle"
    """Where speech is: oracle (the reference's turns), energy, silero (package silero-vad), pyannet (pyannote
    segmentation 3.0: voxboard weights get pyannet), none (everywhere)."""
    energy_margin: float = 9.0
    """Decibels above the background that the energy VAD takes for speech."""
    min_speech: NotNegative = 0.25
    """Seconds; shorter speech that a VAD finds is dropped. The oracle's is kept."""
    min_silence: NotNegative = 0.3
    """Seconds; a shorter pause that a VAD finds is filled. The oracle's is kept."""
    segmentation: SegmentationName = "windows"
    """What is embedded: windows of speech, or with pyannet the local speakers that this network tells apart in windows
    of 10 s, so that people may speak at a time."""
    segmentation_hop: Positive = 1.0
    """Seconds from one window of pyannet's to the next."""
    window: Positive = 1.5
    """Seconds of audio behind an embedding."""
    hop: Positive = 0.75
    """Seconds from one window to the next."""
    shortest: NotNegative = 0.5
    """Seconds that a window of a shorter region is widened to, so that a network has something to look at."""
    founding: NotNegative = 0.75
    """Seconds; a shorter window joins the speaker nearest to it but founds none, unless all are shorter."""
    center: bool = False
    """Take the recording's mean from its embeddings before clustering. Good for encoders whose embeddings share much,
    and for recordings of several speakers; tuning tries both."""
    clustering: ClusteringName = "agglomerative"
    """agglomerative: average linkage of cosine distances, cut at the threshold. spectral: the number of speakers is
    where the eigengap is widest."""
    threshold: float = 0.5
    """Cosine distance (0 to 2) up to which agglomerative clustering merges. Depends on the encoder: tune it on dev."""
    num_speakers: SizeOrZero = 0
    """Speakers in every recording; 0 estimates their number."""
    oracle_speakers: bool = False
    """Take the number of speakers of each recording from its reference."""
    max_speakers: Size = 20
    """Most speakers that an estimate may give."""
    resegmentation: ResegmentationName = "none"
    """What refines the clusters: vbx is the Bayesian hidden Markov model of Landini et al. (2022); it needs a PLDA."""
    fa: Positive = 0.3
    """VBx: weight of the acoustic evidence, below 1 because windows that overlap are not independent."""
    fb: Positive = 17.0
    """VBx: weight of the prior of speakers; the higher, the fewer remain."""
    loop: float = 0.9
    """VBx: probability that the next window has the same speaker."""

    def __post_init__(self) -> None:
        for name in _SECONDS:
            self._require(getattr(self, name) > 0, name, "Give seconds above 0.")
        self._require(self.hop <= self.window, "hop", "It must not be longer than the window, or speech is skipped.")
        self._require(0 <= self.founding <= self.window, "founding", "Give seconds from 0 to a window's.")
        self._require(0 <= self.threshold <= 2, "threshold", "A cosine distance lies between 0 and 2.")
        self._require(self.num_speakers >= 0, "num_speakers", "Give 0 or the number of speakers.")
        self._require(self.max_speakers >= 1, "max_speakers", "Give a number above 0.")
        self._require(0 < self.energy_margin < 120, "energy_margin", "Give decibels above 0.")
        self._require(self.fa > 0 and self.fb > 0, "fa and fb", "Give numbers above 0.")
        self._require(0 <= self.loop < 1, "loop", "Give a probability below 1.")
        self._require(self.segmentation_hop <= HEARD, "segmentation_hop", "Give seconds up to 10.")
        names = {
            "vad": VadName,
            "segmentation": SegmentationName,
            "clustering": ClusteringName,
            "resegmentation": ResegmentationName,
        }
        for name, kind in names.items():
            if getattr(self, name) not in get_args(kind):
                raise unknown(name, getattr(self, name), get_args(kind))
        if self.segmentation != "windows" and self.resegmentation == "vbx":
            raise UserError("VBx goes over windows one after another.", "Leave --segmentation or --resegmentation out.")

    def _require(self, condition: bool, name: str, advice: str) -> None:
        if not condition:
            names = {field.name for field in fields(self)}
            value = f" is {getattr(self, name)}" if name in names else " cannot be used"
            raise UserError(f"{name}{value}.", advice)
