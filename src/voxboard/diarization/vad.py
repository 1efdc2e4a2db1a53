"""Voice activity detection: where a recording holds speech, as ascending regions in seconds from its start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.data import audio
from voxboard.diarization import segmentation
from voxboard.diarization.config import Diarization
from voxboard.diarization.regions import clean, clip, union
from voxboard.errors import UserError
from voxboard.metrics.rttm import Region

if TYPE_CHECKING:
    from lhotse.cut import Cut

Floats = NDArray[np.float32]

BLOCK = 30.0  # seconds of audio in memory at a time
FRAME = 0.01  # seconds
SILENCE = -80.0  # dBFS; nothing below is speech, and no background is taken to be lower
BACKGROUND = 10.0  # percentile of the levels in a second, and of those of the seconds around it
AROUND = 31  # seconds
SILERO_RATE, SILERO_FRAME = 16_000, 512  # what the network takes: 32 ms at a time


def detect(
    cut: Cut, settings: Diarization, speech: Sequence[Region] | None = None, uem: Sequence[Region] | None = None
) -> list[Region]:
    """The speech of a recording, within it and within `uem` where that is given.

    `speech` is the oracle's knowledge. Raises `UserError` when the oracle has none, silero-vad is not installed or the
    weights of pyannet are not here, `BadAudio` for a file that cannot be read.
    """
    whole: list[Region] = [(0.0, float(cut.duration))]
    scope = whole if uem is None else clip(whole, uem)
    if settings.vad == "oracle":
        if speech is None:
            raise UserError("Oracle VAD needs the reference's turns.", "Pass a reference, or choose --vad energy.")
        return clip(speech, scope)
    if settings.vad == "none":
        return scope
    return clip(_FINDERS[settings.vad](cut, settings), scope)


def energy(cut: Cut, settings: Diarization) -> list[Region]:
    """Speech is what lies `energy_margin` dB above the background of its surroundings.

    Levels are of pre-emphasised 10 ms frames, averaged over 0.1 s; the background is a low percentile over half a
    minute, so that it follows a room or a microphone. Sound of one steady level is background by definition.
    """
    from scipy.ndimage import percentile_filter, uniform_filter1d

    powers = np.concatenate([np.zeros(0, np.float32), *(_powers(block, cut) for block in blocks(cut))])
    if not powers.size:
        return []
    levels = 10 * np.log10(np.maximum(uniform_filter1d(powers, round(0.1 / FRAME), mode="nearest"), 1e-12))
    second = round(1 / FRAME)
    pieces = np.array_split(levels, -(-len(levels) // second))
    low = np.array([np.percentile(piece, BACKGROUND) for piece in pieces])
    floor = percentile_filter(low, BACKGROUND, size=AROUND, mode="nearest")
    background = np.repeat(np.maximum(floor, SILENCE), [len(piece) for piece in pieces])
    return clean(_runs(levels > background + settings.energy_margin, FRAME), settings.min_speech, settings.min_silence)


def blocks(cut: Cut, sample_rate: int | None = None, seconds: float = BLOCK) -> Iterator[Floats]:
    """A recording's samples piece by piece, at its own rate unless another is given."""
    rate = sample_rate or int(cut.sampling_rate)
    total, size = audio.num_samples(cut, rate), round(seconds * rate)
    for start in range(0, total, size):
        yield audio.window(cut, start, size, rate)


def _powers(samples: Floats, cut: Cut) -> Floats:
    """Mean squares of 10 ms frames, [T]; the last one may be shorter. Pre-emphasis keeps hum and offsets out."""
    emphasised = samples - 0.97 * np.concatenate([samples[:1], samples[:-1]])
    edges = np.arange(0, len(samples), max(1, round(FRAME * cut.sampling_rate)))
    sizes = np.diff(np.append(edges, len(samples)))
    return np.asarray(np.add.reduceat(emphasised**2, edges) / sizes, np.float32)


def _runs(flags: NDArray[np.bool_], step: float) -> list[Region]:
    """Regions in which flags [T], one per `step` seconds, are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(float(start * step), float(end * step)) for start, end in edges.reshape(-1, 2)]


def _silero(cut: Cut, settings: Diarization) -> list[Region]:
    """Silero VAD (MIT), block by block: only its probabilities, one per 32 ms, are kept for the whole recording."""
    import torch

    threads = torch.get_num_threads()
    package = _silero_package()
    probabilities: list[float] = []
    try:
        torch.set_num_threads(1)  # importing the package does so for good; frames this small are slower with more
        network = package.load_silero_vad()
        network.reset_states()
        with torch.inference_mode():
            for block in blocks(cut, SILERO_RATE, SILERO_FRAME * 1000 / SILERO_RATE):
                padded = np.pad(block, (0, -len(block) % SILERO_FRAME))
                frames = padded.reshape(-1, 1, SILERO_FRAME)
                probabilities += [float(network(torch.from_numpy(frame), SILERO_RATE)) for frame in frames]
    finally:
        torch.set_num_threads(threads)
    stretches = package.get_speech_timestamps_from_probs(
        probabilities,
        sampling_rate=SILERO_RATE,
        min_speech_duration_ms=round(1000 * settings.min_speech),
        min_silence_duration_ms=round(1000 * settings.min_silence),
        audio_length_samples=audio.num_samples(cut, SILERO_RATE),
    )
    return union((one["start"] / SILERO_RATE, one["end"] / SILERO_RATE) for one in stretches)


def _silero_package() -> Any:
    try:
        import silero_vad
    except ImportError:
        raise UserError("The package silero-vad is not installed.", "Run: pip install 'silero-vad>=6.2.3'") from None
    return silero_vad


_FINDERS = {"energy": energy, "silero": _silero, "pyannet": segmentation.detected}
