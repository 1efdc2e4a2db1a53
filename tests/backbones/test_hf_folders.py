"""Hugging Face folders as people have them: what would be left out or guessed is refused, what is loaded is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from voxboard import backbones, model, systems
from voxboard.errors import UserError
from voxboard.evaluation.evaluate import weights_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny wav2vec2 of three layers."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    shape = transformers.Wav2Vec2Config(**sizes, conv_dim=(8,) * 7, num_conv_pos_embedding_groups=4, layerdrop=0.0)
    transformers.Wav2Vec2Model(shape).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path)
    return tmp_path


def configure(folder: Path, name: str = "config.json", **changes: Any) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **changes}))


def reweigh(folder: Path, change: Any) -> None:
    weights = change(load_file(folder / "model.safetensors"))
    save_file({key: value.clone() for key, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def test_a_folder_means_its_weights_and_random_ones_are_asked_for(folder: Path) -> None:
    torch.manual_seed(1)
    loaded, random = backbones.create(f"hf:{folder}"), backbones.create(f"hf:{folder}", use_pretrain=False)
    assert loaded.fingerprint() == backbones.create(f"hf:{folder}").fingerprint() != random.fingerprint()
    assert (loaded.spec.weights, random.spec.weights) == ("pretrained", "random")


def test_audio_is_not_fed_as_guessed(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match="normalize=yes or normalize=no"):
        backbones.create(f"hf:{folder}")
    assert backbones.create(f"hf:{folder}", normalize="yes").normalize


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"do_normalize": "perhaps"}, "neither true nor false"), ({"sampling_rate": 8000}, "8000 Hz")],
)
def test_settings_of_the_audio_that_cannot_be_met_are_refused(folder: Path, setting: Any, words: str) -> None:
    configure(folder, "preprocessor_config.json", **setting)
    with pytest.raises(UserError, match=words):
        backbones.create(f"hf:{folder}")


def test_an_adapter_beside_a_model_is_not_dropped(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="Merge it into the model first"):
        backbones.create(f"hf:{folder}")


Q = "encoder.layers.1.attention.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: {**w, "encoder.layers.3.attention.q_proj.weight": w[Q]}, "no layers for, e.g. encoder.layers.3"),
        (lambda w: {**w, Q.replace("weight", "lora_A.weight"): w[Q]}, "adapter .LoRA. that is not merged"),
        (lambda w: {key: value for key, value in w.items() if key != Q}, f"lack 1 of the network's, e.g. {Q}"),
        (lambda w: {**w, Q: w[Q][:, :4]}, rf"e.g. {Q}: \[16, 4\], not \[16, 16\]"),
        (lambda w: {**w, Q: w[Q] * float("nan")}, f"no numbers, in {Q}"),
    ],
)
def test_weights_that_do_not_fit_are_named(folder: Path, change: Any, words: str) -> None:
    reweigh(folder, change)
    with pytest.raises(UserError, match=words):
        backbones.create(f"hf:{folder}")


def test_weights_of_a_head_are_left_away(folder: Path) -> None:
    plain = backbones.create(f"hf:{folder}").fingerprint()
    reweigh(folder, lambda w: {**w, "lm_head.weight": w[Q], "quantizer.weight_proj.weight": w[Q]})
    assert backbones.create(f"hf:{folder}").fingerprint() == plain


def test_gradient_checkpointing_trains_with_the_same_numbers(folder: Path) -> None:
    """On padded batches, and through two forward passes of other lengths before the backward one."""
    noise = 0.1 * torch.randn(2, 8_000, generator=torch.Generator().manual_seed(0))
    noise[1, 5_000:] = 0.0
    gradients = []
    for checkpointing in (False, True):
        configure(folder, gradient_checkpointing=checkpointing)
        backbone: Any = backbones.create(f"hf:{folder}", augment=False).train()
        assert backbone.model.is_gradient_checkpointing == checkpointing
        torch.manual_seed(1)
        first = backbone(noise, torch.tensor([8_000, 5_000])).states
        second = backbone(noise.flip(0), torch.tensor([5_000, 8_000])).states
        (first[:, 0, :9].square().sum() + second[:, 1, :9].square().sum()).backward()
        gradients.append({name: p.grad for name, p in backbone.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(value, gradients[1][name], atol=1e-6) for name, value in gradients[0].items())
    assert gradients[0]["model.feature_extractor.conv_layers.0.conv.weight"].abs().max() > 0


PARTS = """
import torch
from dataclasses import dataclass
def embed(waveforms, lengths=None): return waveforms.mean(1, keepdim=True)
class Plain(torch.nn.Module):
    def forward(self, waveforms): return waveforms.mean(1, keepdim=True)
class Half(torch.nn.Module):
    @dataclass(frozen=True)
    class Config: pass
    def __init__(self, config): super().__init__()
"""


@pytest.mark.parametrize(("name", "words"), [("embed", "no class"), ("Plain", "without options"), ("Half", "no spec")])
def test_what_is_no_backbone_is_told_how_to_be_one(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PARTS)
    with pytest.raises(UserError, match=f"{words}.*extending.md"):
        backbones.create(f"{tmp_path / 'mine.py'}:{name}")


def test_how_weights_came_to_be(folder: Path) -> None:
    expected = {
        "fbank+statistics": "none",
        "fbank+weighted": "random",
        "resnet+mean": "random",
        f"hf:{folder}+mean": "pretrained",
        f"hf:{folder}+selfattentive": "pretrained backbone",
        f"hf:{folder}(use_pretrain=False)+mean": "random",
    }
    for spec, weights in expected.items():
        system = systems.parse(spec.replace("weighted", "self-attentive").replace("+selfattentive", "+self-attentive"))
        assert weights_of(model.build(system, None, 0), system) == weights, spec
