"""What holds for every registered backbone, plugins included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.contracts import small
from voxboard import backbones

NAMES = backbones.names()
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


@pytest.mark.parametrize("name", NAMES)
def test_returns_what_its_spec_says(name: str) -> None:
    backbone = small.backbone(name)
    spec = backbone.spec
    with torch.no_grad():
        frames = backbone(*small.audio(24_000, 16_000))
    assert frames.states.shape[:2] == (2, spec.frames.layers)
    assert frames.states.shape[3] == spec.frames.size
    assert frames.states.dtype == torch.float32
    assert int(frames.lengths.max()) == frames.states.shape[2]
    assert frames.hop == spec.frames.hop
    extra = (frames.lengths[0] - frames.lengths[1]) * spec.frames.hop
    assert float(extra) == pytest.approx(8_000 / spec.sample_rate, abs=spec.frames.hop)
    assert spec.parameters == sum(p.numel() for p in backbone.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_frames_do_not_depend_on_batch_mates(name: str) -> None:
    backbone = small.settle(small.backbone(name))
    lengths = [20_000, 12_345, 1_600, 300]
    if backbone.spec.batching == "equal-length":
        lengths = [12_345] * 3
    waveforms, counts = small.audio(*lengths)
    with torch.no_grad():
        together = backbone(waveforms, counts)
        for row, length in enumerate(lengths):
            alone = backbone(waveforms[row : row + 1, :length], counts[row : row + 1])
            assert alone.lengths[0] == together.lengths[row]
            small.assert_close(together.states[row, :, : alone.states.shape[2]], alone.states[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("samples", [1, 1_600, 8_000])
def test_silence_and_short_input_train(name: str, samples: int) -> None:
    backbone = small.backbone(name).train()
    waveforms, lengths = small.audio(8_000, samples)
    waveforms[1] = 0.0
    frames = backbone(waveforms, lengths)
    valid = frames.states.transpose(1, 2)[frames.mask]
    assert torch.isfinite(valid).all()
    if backbone.spec.parameters:
        small.assert_finite_gradients(backbone, valid.square().mean())


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_and_a_saved_state_give_the_same_network(name: str, tmp_path: Path) -> None:
    first, again, other = (small.backbone(name, seed) for seed in (1, 1, 2))
    assert first.fingerprint() == again.fingerprint()
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    if first.spec.parameters:
        assert other.fingerprint() != first.fingerprint()
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert other.fingerprint() == first.fingerprint()
    with torch.no_grad():
        inputs = small.audio(8_000)
        assert torch.equal(other(*inputs).states, first(*inputs).states)


@pytest.mark.parametrize("name", NAMES)
def test_its_own_pooling_is_a_legal_cell(name: str) -> None:
    backbone = small.backbone(name)
    pooler = backbone.native_pooler()
    assert (pooler is None) == (backbone.spec.frames.native is None)
    if pooler is not None:
        with torch.no_grad():
            embeddings = pooler.eval()(backbone(*small.audio(8_000, 16_000)))
        assert embeddings.shape == (2, pooler.embedding_size)
