"""S3PRL's upstreams: the baseline's features, local checkpoints of three families, the ones that cannot be used."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.contracts import small
from voxboard import backbones, contracts
from voxboard.backbones.s3prl import catalogue, stacked
from voxboard.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
SIZES = {"encoder_layers": 2, "encoder_embed_dim": 32, "encoder_ffn_embed_dim": 48, "encoder_attention_heads": 4}
SIZES |= {"conv_feature_layers": "[(16,10,5)] + [(16,3,2)]*4 + [(16,2,2)]*2", "conv_pos": 16, "conv_pos_groups": 4}


def wav2vec2() -> dict[str, Any]:
    from s3prl.upstream.wav2vec2.wav2vec2_model import AudioPretrainingConfig, Wav2Vec2Config, Wav2Vec2Model

    config = {**SIZES, "final_dim": 16}
    weights = Wav2Vec2Model(Wav2Vec2Config(**config)).state_dict()
    task = {"normalize": AudioPretrainingConfig().normalize}
    return {"task_cfg": task, "model_cfg": config, "model_weight": weights}


def hubert() -> dict[str, Any]:
    from s3prl.upstream.hubert.hubert_model import HubertConfig, HubertModel, HubertPretrainingConfig

    config, symbols = {**SIZES, "final_dim": 16, "label_rate": 50.0}, [["a", "b"]]
    weights = HubertModel(HubertConfig(**config), HubertPretrainingConfig(), symbols).state_dict()
    task = {"normalize": True}
    return {"task_cfg": task, "model_cfg": config, "model_weight": weights, "dictionaries_symbols": symbols}


def wavlm() -> dict[str, Any]:
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    config = {**SIZES, "relative_position_embedding": True, "num_buckets": 32, "max_distance": 80}
    return {"cfg": config, "model": WavLM(WavLMConfig(config)).state_dict()}


@pytest.fixture(params=[wav2vec2, hubert, wavlm], ids=lambda make: make.__name__)
def local(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The name of an upstream, and a checkpoint with random weights."""
    torch.manual_seed(0)
    torch.save(request.param(), tmp_path / "tiny.pt")
    return f"s3prl:{request.param.__name__}_local", str(tmp_path / "tiny.pt")


@pytest.mark.smoke
def test_fbank_is_s3prls() -> None:
    from s3prl.upstream.baseline.hubconf import fbank

    waveform = 0.1 * torch.randn(1, 12_000, generator=torch.Generator().manual_seed(1))
    backbone = backbones.create("s3prl:fbank")
    frames = backbone(waveform, torch.tensor([12_000]))
    (expected,) = fbank()([waveform[0]])["hidden_states"]
    assert torch.equal(frames.states[:, 0], expected)
    assert (backbone.spec.frames.layers, backbone.spec.frames.size, frames.hop) == (1, 240, 0.01)


def test_fbank_keeps_the_backbones_contract() -> None:
    findings = contracts.examine("backbone", "s3prl:fbank")
    assert len(findings) > 8
    assert not [finding for finding in findings if finding.passed is False]


@torch.no_grad()
def test_local_checkpoints_give_the_upstreams_states_in_any_batch(local: tuple[str, str]) -> None:
    name, ckpt = local
    backbone = backbones.create(name, ckpt=ckpt).eval()
    frames = backbone.spec.frames
    assert (frames.layers, frames.size, frames.hop, frames.input_layer) == (3, 32, 0.02, True)
    lengths = [9_000, 5_000, 5_000, 300]
    waveforms, counts = small.audio(*lengths)
    together = backbone(waveforms, counts)
    for row, length in enumerate(lengths[:3]):
        expected = torch.stack(backbone.upstream([waveforms[row, :length]])["hidden_states"], 1)[0]
        steps = int(together.lengths[row])
        assert steps == expected.shape[1] == (length - 400) // 320 + 1
        small.assert_close(together.states[row, :, :steps], expected)
    assert together.lengths[3] == 4  # padded with zeros to 0.1 s


def test_local_checkpoints_train(local: tuple[str, str]) -> None:
    name, ckpt = local
    backbone = backbones.create(name, ckpt=ckpt).train()
    waveforms, lengths = small.audio(8_000, 1)
    frames = backbone(waveforms, lengths)
    small.assert_finite_gradients(backbone, frames.states.transpose(1, 2)[frames.mask].square().mean())


def test_layers_of_other_rates_and_widths_are_aligned() -> None:
    fast, shorter, slow = (torch.arange(1.0, steps + 1)[None, :, None] for steps in (20, 19, 5))
    found = stacked([fast, shorter, slow.expand(1, 5, 2)])
    assert found.shape == (1, 3, 19, 2)
    assert torch.equal(found[0, 0, :, 0], torch.arange(1.0, 20))
    assert found[0, :2, :, 1].count_nonzero() == 0
    assert found[0, 2, [0, 3, 4, 18], 0].tolist() == [1.0, 1.0, 2.0, 5.0]


def test_every_name_of_the_hub_is_known() -> None:
    modules = catalogue()
    assert {"fbank", "wavlm_base_plus", "hubert_large_ll60k", "tera", "distilhubert", "xls_r_1b"} <= set(modules)
    assert (modules["wav2vec2_local"], modules["fbank"], len(set(modules.values()))) == ("wav2vec2", "baseline", 37)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("byol_s_default", {}, "upstream byol_s cannot be imported with torchaudio .*set_audio_backend"),
        ("mos_apc", {}, "upstream mos_prediction cannot be imported with torchaudio .*sox_effects"),
        ("fbnak", {}, "Unknown S3PRL upstream 'fbnak'. Did you mean fbank"),
        ("wavlm_local", {"ckpt": "/no/such/file.pt"}, "/no/such/file.pt cannot be read: No such file"),
    ],
)
def test_mistakes_are_explained(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        backbones.create(f"s3prl:{name}", **options)


def test_a_checkpoint_that_would_execute_code_is_refused(tmp_path: Path) -> None:
    torch.save({"cfg": dataclasses.field, "model": Tensor}, tmp_path / "code.pt")
    with pytest.raises(UserError, match="could run code"):
        backbones.create("s3prl:wavlm_local", ckpt=str(tmp_path / "code.pt"))
