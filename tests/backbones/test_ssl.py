"""The transformers family: transformers' own numbers, local folders, training mode, users' mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from voxboard import backbones, weights
from voxboard.backbones import ssl, ssl_checkpoints
from voxboard.backbones.ssl_checkpoints import KNOWN
from voxboard.errors import UserError

TINY = {"layers": 2, "size": 32, "heads": 4, "ffn": 48, "conv_size": 16}
FAMILIES = ["wav2vec2-base", "wav2vec2-large-lv60", "hubert-base", "hubert-large", "wavlm-base", "wavlm-large"]
FAMILIES += ["data2vec-base"]
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


def tiny(name: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return backbones.create(name, **{**TINY, **options}).eval()


def noise(*shape: int) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
def test_states_are_transformers_own(name: str, tmp_path: Path) -> None:
    """Through a saved folder, so that this is also the test of loading a local checkpoint."""
    tiny(name, normalize="no").model.save_pretrained(tmp_path)
    plain = transformers.AutoModel.from_pretrained(tmp_path).eval()
    loaded = backbones.create(f"hf:{tmp_path}", use_pretrain=True, normalize="no").eval()
    assert not loaded.training
    waveforms = noise(1, 7_000)
    with torch.no_grad():
        found = loaded(waveforms, torch.tensor([7_000]))
        expected = plain(waveforms, output_hidden_states=True).hidden_states
    assert torch.allclose(found.states, torch.stack(expected, 1), atol=1e-6)
    assert found.states.shape[1] == loaded.spec.frames.layers == TINY["layers"] + 1
    assert loaded.spec.frames.input_layer


@pytest.mark.parametrize("name", ["wav2vec2-base", "wavlm-base", "wavlm-large"])
def test_states_without_gradient_are_those_with_it(name: str) -> None:
    """Without gradient the extractor hears a few utterances at a time, and no state is kept twice."""
    backbone = tiny(name)
    waveforms, lengths = noise(5, 9_000), torch.tensor([9_000, 8_000, 9_000, 5_000, 700])
    expected = backbone(waveforms, lengths)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "AT_ONCE", 20_000)
        found = backbone(waveforms, lengths)
    assert not found.states.requires_grad
    for row, steps in enumerate(found.lengths.tolist()):
        assert torch.allclose(found.states[row, :, :steps], expected.states[row, :, :steps], atol=1e-6)


def test_wavlm_attends_as_transformers_does_where_rows_are_padded() -> None:
    backbone = tiny("wavlm-base")
    hidden, mask = noise(2, 30, 32), torch.arange(30) < torch.tensor([[30], [11]])
    attention = backbone.model.encoder.layers[0].attention
    ours, _, bias = attention(hidden, attention_mask=mask)
    del attention.torch_multi_head_self_attention
    theirs, _, _ = attention(hidden, attention_mask=mask)
    assert bias.shape == (8, 30, 30)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_reads_sizes_and_preprocessing_from_the_folder(tmp_path: Path) -> None:
    source = tiny("wav2vec2-base", layers=3)
    source.model.save_pretrained(tmp_path)
    assert not backbones.create(f"hf:{tmp_path}", use_pretrain=False).normalize
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": true}')
    found = backbones.create(f"hf:{tmp_path}", use_pretrain=False)
    assert found.normalize
    assert (found.spec.frames.layers, found.spec.frames.size) == (4, 32)
    assert found.spec.frames.hop == 0.02
    assert found.spec.min_samples == 400
    assert not backbones.create(f"hf:{tmp_path}", use_pretrain=False, normalize="no").normalize


def test_a_folder_with_a_known_name_is_read_like_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone of the hub's repository, from the folder in which it lies; its own files count."""
    monkeypatch.chdir(tmp_path)
    tiny("wavlm-base").model.save_pretrained("microsoft/wavlm-base")
    Path("microsoft/wavlm-base/preprocessor_config.json").write_text('{"do_normalize": true}')
    found = backbones.create("wavlm-base")
    assert found.normalize
    assert found.spec.frames.size == 32


def test_a_checkpoint_keeps_its_fingerprint_when_its_folder_moves(tmp_path: Path) -> None:
    source = tiny("wavlm-base")
    prints = set()
    for place in ("here", "there"):
        source.model.save_pretrained(tmp_path / place)
        prints.add(backbones.create(f"hf:{tmp_path / place}", use_pretrain=True, normalize="no").fingerprint())
    assert len(prints) == 1
    assert backbones.create(f"hf:{tmp_path}/here", use_pretrain=True, normalize="yes").fingerprint() not in prints


def test_normalisation_is_the_feature_extractors() -> None:
    from transformers import Wav2Vec2FeatureExtractor

    from voxboard.backbones.ssl import unit_variance

    waveforms = noise(2, 9_000) * 7 + 0.3
    waveforms[1, 5_000:] = 0.0
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    found = unit_variance(waveforms, torch.tensor([9_000, 5_000]))
    for row, length in ((0, 9_000), (1, 5_000)):
        expected = extractor(waveforms[row, :length].numpy(), sampling_rate=16_000, return_tensors="pt").input_values
        assert torch.allclose(found[row, :length], expected[0], atol=1e-5)


@pytest.mark.parametrize("name", ["wav2vec2-base", "hubert-large", "wavlm-base", "data2vec-base"])
def test_layer_drop_keeps_the_number_of_states(name: str) -> None:
    backbone = tiny(name).train()
    backbone.model.config.layerdrop = 0.7
    torch.manual_seed(2)
    repeated = 0
    for _ in range(8):
        states = backbone(noise(2, 4_000), torch.tensor([4_000, 2_000])).states
        assert states.shape[1] == 3
        repeated += int(torch.equal(states[:, 1], states[:, 2]))
    assert repeated  # a dropped layer passes its input on


def test_training_takes_input_shorter_than_a_mask() -> None:
    backbone = tiny("wavlm-base").train()
    assert torch.isfinite(backbone(noise(1, 800), torch.tensor([800])).states).all()


@pytest.mark.parametrize("name", ["wav2vec2-base", "wavlm-base-plus", "hubert-base", "data2vec-base"])
def test_known_base_networks_have_their_published_size(name: str) -> None:
    """94 million weights, without building them: the architecture is written down, so no network is asked."""
    shape = ssl_checkpoints.architecture(backbones.REGISTRY.config(name).cfg)
    assert (shape.num_hidden_layers, shape.hidden_size, shape.conv_dim[0]) == (12, 768, 512)
    assert shape.model_type in ssl_checkpoints.FAMILIES


def test_every_name_of_the_catalogue_is_a_known_checkpoint() -> None:
    named = {backbones.REGISTRY.config(name).cfg for name in backbones.names() if is_ssl(name)}
    assert named == set(KNOWN)


def is_ssl(name: str) -> bool:
    return backbones.REGISTRY.resolve(name)[0].__name__ == "SSL"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("hf:/no/such/folder", {}, "There is no folder /no/such/folder"),
        ("wav2vec2-base", {"use_pretrain": True, "layers": 2}, "keeps its sizes"),
        ("wav2vec2-bas", {}, "Did you mean wav2vec2-base"),
        ("wav2vec2-base", {"layer": 2}, "Did you mean layers"),
        ("wav2vec2-base", {**TINY, "heads": 5}, "cannot be built"),
        ("wav2vec2-base", {**TINY, "normalize": "on"}, "Unknown value of normalize 'on'"),
        ("ecapa", {"features": "mfc"}, "Did you mean mfcc"),
        ("hf:org/name", {}, "--backbone_cfg /path/to/folder"),
        ("wavlm-base", {"use_pretrain": True}, "--backbone_cfg /path/to/folder"),
    ],
)
def test_mistakes_are_explained(
    name: str, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ssl_checkpoints, "hub", lambda: {"local_files_only": True})
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=words):
        backbones.create(name, **options)


def test_a_folder_with_unfit_weights_is_refused(tmp_path: Path) -> None:
    tiny("wav2vec2-base").model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"no usable config\.json"):
        backbones.create(f"hf:{tmp_path.parent}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be loaded"):
        backbones.create(f"hf:{tmp_path}", use_pretrain=True)
    weights.unlink()
    with pytest.raises(UserError, match="no usable weights"):
        backbones.create(f"hf:{tmp_path}", use_pretrain=True)


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    tiny("wav2vec2-base").model.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"wav2vec2"', '"wavlm"'))
    with pytest.raises(UserError, match=r"lack .* of the network's"):
        backbones.create(f"hf:{tmp_path}", use_pretrain=True)
    config.write_text(config.read_text().replace('"wavlm"', '"bert"'))
    with pytest.raises(UserError, match="is a bert model"):
        backbones.create(f"hf:{tmp_path}")


def test_without_a_name_server_the_hub_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise OSError("no name server")

    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(weights.socket, "getaddrinfo", lost)
    assert weights.hub() == {"local_files_only": True}
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert weights.hub() == {}
