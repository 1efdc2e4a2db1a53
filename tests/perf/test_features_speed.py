"""80-bin filter banks on one thread, beside torchaudio, Lhotse and kaldi-native-fbank: `make bench`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conformance.features_rows import SETTINGS, native
from tests.perf.measure import interleaved, report
from voxboard.backbones.features import KaldiFbank

pytestmark = pytest.mark.perf
ROUNDS = 3
SECONDS = 2_214


@pytest.fixture(scope="module")
def utterances() -> list[Tensor]:
    """200 waveforms [N] of 2 to 20 s, 2,214 s together: three tones in noise."""
    rng = np.random.default_rng(0)
    durations = rng.uniform(2, 20, 200)
    return [_utterance(seconds, rng) for seconds in durations * SECONDS / durations.sum()]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _utterance(seconds: float, rng: np.random.Generator) -> Tensor:
    time = np.arange(round(16_000 * seconds)) / 16_000
    wave = 0.05 * rng.standard_normal(len(time))
    for hertz, phase in zip(rng.uniform(80, 3_500, 3), rng.uniform(0, 6, 3), strict=True):
        wave += 0.1 * np.sin(2 * np.pi * hertz * time + phase)
    return torch.from_numpy(wave.astype(np.float32))


def test_the_filter_bank_is_faster_than_torchaudios(utterances: list[Tensor]) -> None:
    from lhotse.features.kaldi.extractors import Fbank, FbankConfig
    from torchaudio.compliance import kaldi

    extract, lhotse = KaldiFbank(), Fbank(FbankConfig(num_filters=80, high_freq=8_000.0))

    def ours() -> list[Tensor]:
        return [extract(wave[None], torch.tensor([len(wave)]))[0][0] for wave in utterances]

    def torchaudio() -> list[Tensor]:
        return [kaldi.fbank(wave[None] * 32_768, **SETTINGS) for wave in utterances]

    far = [float((mine - theirs).abs().max()) for mine, theirs in zip(ours(), torchaudio(), strict=True)]
    assert max(far) < 1e-3
    took = interleaved(
        ROUNDS,
        ours=ours,
        torchaudio=torchaudio,
        lhotse=lambda: [lhotse.extract(wave * 32_768, 16_000) for wave in utterances],
        native=lambda: [native(wave.numpy()) for wave in utterances],
    )
    took["kaldi-native-fbank"] = took.pop("native")
    report("80-bin fbank, 2,214 s of audio, 1 thread", took, "≥ 1.3 × torchaudio, equal to 1e-3")
    assert took["torchaudio"] > 1.3 * took["ours"]
