"""Features equal torchaudio's, whoever shares the batch."""

from __future__ import annotations

import pytest
import torch
import torchaudio
from torch import Tensor

from voxboard import backbones
from voxboard.backbones.ecapa import Ecapa
from voxboard.backbones.features import FrontEnd, KaldiFbank, LogMel, Mfcc, normalize, spec_augment


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bins", [40, 80])
def test_fbank_is_kaldis(bins: int) -> None:
    from torchaudio.compliance import kaldi

    waveform = noise(16_000)
    found, frames = KaldiFbank(bins)(waveform, torch.tensor([16_000]))
    expected = kaldi.fbank(waveform * 32768, num_mel_bins=bins, dither=0.0, sample_frequency=16_000.0)
    assert frames.tolist() == [98]
    assert float((found[0] - expected).abs().max()) < 1e-3


def test_fbank_is_kaldis_where_loud_tones_leave_little_in_the_other_bins() -> None:
    from torchaudio.compliance import kaldi

    samples = 320_000
    time = torch.arange(samples) / 16_000
    tones = sum(0.3 * torch.sin(2 * torch.pi * hertz * time) for hertz in (1_234.0, 2_345.0, 3_000.0))
    waveform = tones + 0.1 * noise(samples)
    found, _ = KaldiFbank()(waveform, torch.tensor([samples]))
    expected = kaldi.fbank(waveform * 32768, num_mel_bins=80, dither=0.0, sample_frequency=16_000.0)
    assert float((found[0] - expected).abs().max()) < 1e-3


def test_no_bit_of_the_fbank_depends_on_batch_mates() -> None:
    batch = torch.nn.utils.rnn.pad_sequence([noise(70_001)[0], noise(90_000, seed=1)[0]], batch_first=True)
    together, frames = KaldiFbank()(batch, torch.tensor([70_001, 90_000]))
    for row, samples in enumerate((70_001, 90_000)):
        alone, _ = KaldiFbank()(batch[row : row + 1, :samples], torch.tensor([samples]))
        assert torch.equal(together[row, : int(frames[row])], alone[0])


def test_mfcc_is_torchaudios() -> None:
    waveform = noise(12_345)
    waveform[:, 4_000:8_000] *= 1e-6  # more than 80 dB below the rest
    settings = {"n_fft": 512, "win_length": 400, "hop_length": 160, "window_fn": torch.hamming_window}
    settings |= {"n_mels": 80, "f_min": 20.0, "f_max": 7_600.0}
    emphasised = waveform - 0.97 * torch.cat([waveform[:, 1:2], waveform[:, :-1]], 1)
    expected = torchaudio.transforms.MFCC(16_000, 24, melkwargs=settings)(emphasised)[0].T
    found, frames = Mfcc(24)(waveform, torch.tensor([12_345]))
    assert frames.tolist() == [len(expected)]
    assert float((found[0] - expected).abs().max()) < 1e-2


@pytest.mark.parametrize("kind", ["fbank", "mfcc", "logmel"])
@pytest.mark.parametrize("norm", ["none", "mean", "mean-variance", "frame"])
def test_a_loud_and_longer_batch_mate_changes_nothing(kind: str, norm: str) -> None:
    quiet, loud = 1e-3 * noise(5_000), 100 * noise(9_000, seed=1)
    batch = torch.cat([torch.nn.functional.pad(quiet, (0, 4_000)), loud])
    front_end = FrontEnd(kind, 24, norm)  # type: ignore[arg-type]
    together, frames = front_end(batch, torch.tensor([5_000, 9_000]))
    alone, count = front_end(quiet, torch.tensor([5_000]))
    assert frames[0] == count[0]
    assert torch.allclose(together[:1, : int(count)], alone, atol=1e-4)
    assert not together[0, int(count) :].any()


def test_the_references_mfcc_hears_a_loud_batch_mate() -> None:
    batch, lengths = torch.cat([1e-5 * noise(5_000), noise(5_000, seed=1)]), torch.tensor([5_000, 5_000])
    own, _ = Mfcc(24)(batch, lengths)
    coupled, _ = Mfcc(24, reference=True)(batch, lengths)
    assert torch.equal(coupled[1], own[1]), "the loudest is what it was"
    assert float((coupled[0] - own[0]).abs().max()) > 1.0
    alone, _ = Mfcc(24, reference=True)(batch[:1], lengths[:1])
    assert torch.allclose(alone, own[:1], atol=1e-4)


@pytest.mark.parametrize("name", ["ecapa", "xvector"])
def test_networks_follow_the_references_mfcc_where_asked(name: str) -> None:
    batch, lengths = torch.cat([1e-5 * noise(8_000), noise(8_000, seed=1)]), torch.tensor([8_000, 8_000])
    found = {}
    for reference in (False, True):
        torch.manual_seed(0)
        options = {"channels": 16, "frame_size": 24, "features": "mfcc", "reference": reference}
        network = backbones.create(name, **options).eval()
        with torch.no_grad():
            found[reference] = network(batch, lengths).states
        assert ("reference" in network.preprocessing()) == reference
    assert not torch.allclose(found[True][0], found[False][0], atol=1e-3)
    assert torch.allclose(found[True][1], found[False][1], atol=1e-5)


def test_the_log_mel_starts_at_one_and_is_loud_where_the_tone_is() -> None:
    tone = torch.sin(2 * torch.pi * 1_000 * torch.arange(16_000) / 16_000)
    found, frames = LogMel(80)(torch.stack([tone, 1e-9 * tone]), torch.tensor([16_000, 511 + 160]))
    assert frames.tolist() == [97, 1]
    assert not found[1].any()
    # 1 kHz is 15 of the 45.25 Slaney mels up to 8 kHz: 15 / 45.25 · 81 = 26.9: the 27th of the filters.
    assert set(found[0].argmax(-1).tolist()) == {26}


def test_silence_gives_finite_features() -> None:
    for kind in ("fbank", "mfcc", "logmel"):
        for norm in ("none", "mean", "mean-variance", "frame"):
            features, _ = FrontEnd(kind, 24, norm)(torch.zeros(1, 512), torch.tensor([512]))  # type: ignore[arg-type]
            assert torch.isfinite(features).all()


def test_normalisation_does_what_it_says() -> None:
    features = torch.randn(2, 50, 7) * 3 + 5
    lengths = torch.tensor([50, 20])
    centered = normalize(features, lengths, "mean")
    assert torch.allclose(centered[1, :20].mean(0), torch.zeros(7), atol=1e-5)
    scaled = normalize(features, lengths, "mean-variance")
    assert torch.allclose(scaled[1, :20].std(0), torch.ones(7), atol=1e-5)
    assert torch.allclose(normalize(features, lengths, "frame")[1, :20].norm(dim=-1), torch.ones(20))


def test_spec_augment_hides_one_stretch_of_frames_and_one_of_bins() -> None:
    torch.manual_seed(0)
    hidden = spec_augment(torch.ones(200, 50, 30)) == 0
    frames, bins = hidden.all(2).sum(1), hidden.all(1).sum(1)
    assert sorted(set(frames.tolist())) == [0, 1, 2, 3, 4]
    assert sorted(set(bins.tolist())) == list(range(10))
    for rows, count in ((hidden.all(2), frames), (hidden.all(1), bins)):
        edges = rows.int().diff(dim=1).abs().sum(1)
        assert bool((edges <= 2).all()), "one stretch each"
        assert bool((count > 0).any())
    assert bool((hidden == (hidden.all(2)[:, :, None] | hidden.all(1)[:, None, :])).all())


def test_spec_augment_is_for_training_only() -> None:
    config = Ecapa.Config(channels=16, frame_size=32, augment=True)
    network, plain = Ecapa(config), noise(8_000)
    length = torch.tensor([8_000])
    network.eval()
    assert torch.equal(network(plain, length).states, network(plain, length).states)
    with torch.no_grad():
        network.train()
        first, second = network(plain, length).states, network(plain, length).states
    assert not torch.equal(first, second)
