"""Whisper's encoder: transformers' own numbers, windows, local folders, the intensity seed's fixture, mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from voxboard import backbones
from voxboard.errors import UserError

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity" / "whisper_intensity"
TINY = {"layers": 2, "size": 32, "heads": 4, "ffn": 48}


def noise(*shape: int) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def folder(at: Path, **sizes: Any) -> WhisperModel:
    """Saves a tiny Whisper of 2 s windows with random weights."""
    torch.manual_seed(0)
    shape = {"d_model": 32, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "num_mel_bins": 20, "vocab_size": 64}
    heads = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    tokens = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 1, "decoder_start_token_id": 3}
    model = WhisperModel(WhisperConfig(**{**shape, **heads, **tokens, "max_source_positions": 100, **sizes})).eval()
    model.save_pretrained(at)
    return model


def load(at: Path, **options: Any) -> Any:
    return backbones.create("whisper", cfg=str(at), use_pretrain=True, **options).eval()


@torch.no_grad()
def test_states_are_transformers_own_window_by_window(tmp_path: Path) -> None:
    model, backbone = folder(tmp_path), load(tmp_path)
    extract = WhisperFeatureExtractor(feature_size=20, chunk_length=2)
    waveform = noise(1, 75_000)  # two whole windows of 2 s, and 11,000 samples
    found = backbone(waveform, torch.tensor([75_000]))
    assert found.states.shape == (1, 3, 235, 32)  # one frame every 320 samples, the last one not full
    pieces = [piece.numpy() for piece in waveform[0].split(32_000)]
    mels = extract(pieces, sampling_rate=16_000, return_tensors="pt").input_features
    expected = torch.stack(model.encoder(mels, output_hidden_states=True).hidden_states)  # [L, W, T, D]
    assert torch.allclose(found.states[0], expected.flatten(1, 2)[:, :235], atol=1e-5)


@pytest.mark.parametrize("level", [1.0, 1e-4, 0.0])
def test_log_mel_is_the_feature_extractors(level: float) -> None:
    from voxboard.backbones.whisper import WhisperLogMel

    windows = level * noise(2, 16_000)
    windows[1, 3_000:] = 0.0
    extract = WhisperFeatureExtractor(feature_size=80, chunk_length=1)
    expected = extract(list(windows.numpy()), sampling_rate=16_000, return_tensors="pt").input_features
    assert torch.allclose(WhisperLogMel(80)(windows), expected, atol=1e-5)


@torch.no_grad()
def test_batch_mates_of_other_window_counts_change_nothing(tmp_path: Path) -> None:
    folder(tmp_path)
    backbone = load(tmp_path)
    waveforms, lengths = noise(3, 70_000), torch.tensor([70_000, 32_000, 500])
    together = backbone(waveforms, lengths)
    assert together.lengths.tolist() == [219, 100, 2]
    for row, length in enumerate(lengths.tolist()):
        alone = backbone(waveforms[row : row + 1, :length], lengths[row : row + 1]).states[0]
        assert torch.allclose(together.states[row, :, : alone.shape[1]], alone, atol=1e-5)


@torch.no_grad()
def test_a_shorter_window_keeps_the_first_positions(tmp_path: Path) -> None:
    model = folder(tmp_path)
    short = load(tmp_path, seconds=1)
    assert torch.equal(short.encoder.embed_positions.weight, model.encoder.embed_positions.weight[:50])
    frames = short(noise(1, 20_000), torch.tensor([20_000]))
    assert frames.states.shape == (1, 3, 63, 32)
    assert short.fingerprint() != load(tmp_path).fingerprint()


def test_known_sizes_need_no_network_connection() -> None:
    backbone = backbones.create("whisper-tiny", layers=1)
    assert (backbone.spec.frames.size, backbone.encoder.config.encoder_ffn_dim) == (384, 1536)
    assert (backbone.window, len(backbone.features.mel)) == (480_000, 80)
    assert backbone.spec.weights_licence == "none (random initialisation)"


def test_layer_drop_keeps_the_number_of_states() -> None:
    backbone = backbones.create("whisper", **TINY, seconds=1).train()
    backbone.encoder.layerdrop = 1.0
    states = backbone(noise(1, 4_000), torch.tensor([4_000])).states
    assert states.shape[1] == 3
    assert torch.isfinite(states).all()


@torch.no_grad()
@pytest.mark.parametrize("variant", sorted(path.name for path in PARITY.glob("*")) or ["a"])
def test_encodes_as_the_intensity_seed(variant: str, tmp_path: Path) -> None:
    at = PARITY / variant
    if not at.is_dir():
        pytest.skip("the shared parity fixtures are not here")
    config = json.loads((at / "config.json").read_text())
    inputs, outputs, weights = (np.load(at / f"{name}.npz") for name in ("input", "output", "weights"))
    model = folder(tmp_path, **config["whisper_config"])
    encoder = {key.removeprefix("model.encoder."): torch.from_numpy(weights[key]) for key in weights.files}
    wanted = model.encoder.state_dict()
    model.encoder.load_state_dict({key: encoder[key] for key in wanted})
    model.save_pretrained(tmp_path)
    states = load(tmp_path).states(torch.from_numpy(inputs["input_features"]))
    assert torch.allclose(states[:, -1], torch.from_numpy(outputs["encoder_last_hidden_state"]), atol=1e-5)
    assert torch.allclose(states[:, -1].mean(1), torch.from_numpy(outputs["pooled"]), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cfg": "/no/such/folder"}, "There is no folder /no/such/folder"),
        ({"use_pretrain": True, "layers": 2}, "keeps its sizes"),
        ({**TINY, "heads": 5}, "cannot be built"),
        ({**TINY, "seconds": 31}, "1 to 30 s"),
    ],
)
def test_mistakes_are_explained(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        backbones.create("whisper", **options)


def test_another_family_is_refused(tmp_path: Path) -> None:
    backbones.create("wav2vec2-base", layers=1, size=32, heads=4, ffn=48, conv_size=16).model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="is a wav2vec2 model"):
        load(tmp_path)
