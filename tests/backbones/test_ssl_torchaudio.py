"""torchaudio's wav2vec 2.0 under the names of the two references that use it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torchaudio.models import wav2vec2_model

from voxboard import backbones, heads
from voxboard.reference_weights import load_reference

NAMES = {"explorewv2": "w2v_encoder", "finetunewv2": "w2v_model"}
SIZES = {"layers": 3, "size": 16, "heads": 2, "ffn": 24, "conv_size": 8}


def torchaudios(large: bool) -> Any:
    torch.manual_seed(1)
    model = wav2vec2_model(
        extractor_mode="layer_norm" if large else "group_norm",
        extractor_conv_layer_config=[(8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2],
        extractor_conv_bias=large,
        encoder_embed_dim=16,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=128,
        encoder_pos_conv_groups=16,
        encoder_num_layers=3,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=24,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=large,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    )
    return model.eval()


def named(layout: str, model: Any) -> dict[str, Tensor]:
    return {f"{NAMES[layout]}.{key}": value for key, value in model.state_dict().items()}


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("depth", [0, 1])
def test_its_weights_give_its_layers(layout: str, large: bool, depth: int) -> None:
    model = torchaudios(large)
    name = "wav2vec2-large-lv60" if large else "wav2vec2-base"
    backbone = backbones.create(name, **SIZES, normalize="no", depth=depth).eval()
    load_reference(layout, named(layout, model), backbone=backbone)
    audio = 0.1 * torch.randn(2, 6_000)
    with torch.no_grad():
        expected, _ = model.extract_features(audio, num_layers=depth or None)
        found = backbone(audio, torch.tensor([6_000, 6_000])).states
    assert torch.allclose(found[:, 1:], torch.stack(expected, 1), atol=1e-5)


def test_heads_load_under_the_references_names() -> None:
    am, aam, softmax = heads.create("am", 16, 5), heads.create("aam", 16, 5), heads.create("softmax", 16, 5, bias=False)
    columns, rows = torch.randn(16, 5), torch.randn(5, 16)
    load_reference("explorewv2", {"amsoftmax_loss.W": columns, "masked_spec_embed": torch.zeros(512)}, head=am)
    load_reference("finetunewv2", {"training_head.fc_weights": rows}, head=aam)
    load_reference("finetunewv2", {"training_head.weight": rows}, head=softmax)
    assert torch.equal(am.weight[0], columns)
    assert torch.equal(aam.weight[0], rows.T)
    assert torch.equal(softmax.output.weight, rows)
