"""Checkpoints with an x-vector head: a local folder fills backbone and pooler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from voxboard import backbones, model, systems
from voxboard.errors import UserError

SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "conv_dim": [8, 8],
    "conv_kernel": [10, 8],
    "conv_stride": [5, 4],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "tdnn_dim": [12, 12, 8],
    "tdnn_kernel": [5, 3, 1],
    "tdnn_dilation": [1, 2, 1],
    "xvector_output_dim": 6,
}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


def saved(folder: Path, family: str = "WavLM", **options: Any) -> Any:
    torch.manual_seed(3)
    source = getattr(transformers, f"{family}ForXVector")(
        getattr(transformers, f"{family}Config")(**SHAPE, **options)
    ).eval()
    if options.get("use_weighted_layer_sum"):
        torch.nn.init.normal_(source.layer_weights)
    for norm in source.modules():
        if isinstance(norm, torch.nn.LayerNorm):
            torch.nn.init.normal_(norm.weight)  # else the large networks' final norm would hide
    source.save_pretrained(folder)
    return source


def audio(*shape: int) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", ["WavLM", "Wav2Vec2"])
@pytest.mark.parametrize("options", [{}, {"use_weighted_layer_sum": True}, LARGE])
def test_a_folder_fills_backbone_and_pooler(family: str, options: dict[str, Any], tmp_path: Path) -> None:
    source = saved(tmp_path, family, **options)
    system = systems.parse(f"hf:{tmp_path}(normalize=no)+native")
    encoder = model.build(system, None, seed=0).encoder.eval()
    waveforms = audio(2, 1_000)
    with torch.no_grad():
        found = encoder(waveforms, torch.tensor([1_000, 1_000]))
        padded = encoder(waveforms, torch.tensor([1_000, 700]))
        assert torch.allclose(found, source(waveforms).embeddings, atol=1e-6)
        assert torch.allclose(padded[1], source(waveforms[1:, :700]).embeddings[0], atol=1e-5)


def test_random_weights_have_the_folders_sizes(tmp_path: Path) -> None:
    saved(tmp_path)
    pooler = backbones.create(f"hf:{tmp_path}", use_pretrain=False).native_pooler()
    assert pooler is not None
    assert pooler.embedding_size == 6


def test_a_folder_that_lacks_the_heads_weights_is_refused(tmp_path: Path) -> None:
    source = saved(tmp_path)
    source.wavlm.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"WavLMModel"', '"WavLMForXVector"'))
    backbone = backbones.create(f"hf:{tmp_path}", normalize="no")
    with pytest.raises(UserError, match=r"lack .* of the network's"):
        backbone.native_pooler()


def test_a_network_without_head_has_no_pooling(tmp_path: Path) -> None:
    saved(tmp_path).wavlm.save_pretrained(tmp_path)
    assert backbones.create(f"hf:{tmp_path}", normalize="no").native_pooler() is None


@pytest.mark.parametrize("name", ["wavlm-base-sv", "wavlm-base-plus-sv"])
def test_known_checkpoints_have_their_head_without_a_network_connection(name: str) -> None:
    backbone = backbones.create(name, layers=1, size=16, heads=2, ffn=8, conv_size=8)
    pooler = backbone.native_pooler()
    assert pooler is not None
    assert pooler.embedding_size == 512
    assert not backbone.normalize
