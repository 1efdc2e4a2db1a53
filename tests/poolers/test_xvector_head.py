"""The x-vector head: transformers' own numbers, short utterances, users' mistakes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.contracts import small
from voxboard import poolers
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.errors import UserError
from voxboard.reference_weights import load_reference

SIZES: dict[str, Any] = {"channels": (12, 10, 8), "kernels": (5, 3, 1), "dilations": (1, 2, 1), "embedding": 6}


def reference(weighted: bool) -> Any:
    from transformers import WavLMConfig, WavLMForXVector

    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    convolutions = {"conv_dim": [8, 8], "conv_kernel": [10, 8], "conv_stride": [5, 4], "num_conv_pos_embeddings": 4}
    head = {"tdnn_dim": [12, 10, 8], "tdnn_kernel": [5, 3, 1], "tdnn_dilation": [1, 2, 1], "xvector_output_dim": 6}
    shape = WavLMConfig(
        **sizes, **convolutions, **head, num_conv_pos_embedding_groups=2, use_weighted_layer_sum=weighted
    )
    model = WavLMForXVector(shape).eval()
    if weighted:
        torch.nn.init.normal_(model.layer_weights)
    return model


@pytest.mark.parametrize("weighted", [False, True])
def test_embeddings_are_transformers_own(weighted: bool) -> None:
    model = reference(weighted)
    pooler = poolers.create("xvector-head", (3, 16), weighted=weighted, **SIZES).eval()
    load_reference("ge2e-wavlm", model.state_dict(), pooler=pooler)
    audio = torch.randn(2, 1_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = model(audio, output_hidden_states=True)
        states = torch.stack(found.hidden_states, 1)
        embeddings = pooler(Frames(states, torch.full((2,), states.shape[2]), 0.02))
    assert torch.allclose(embeddings, found.embeddings, atol=1e-6)


def test_an_utterance_shorter_than_the_context_counts_as_followed_by_silence() -> None:
    spec = FramesSpec(1, 4)
    pooler = small.settle(poolers.create("xvector-head", spec, **SIZES))
    short = small.frames(spec, 3)
    states = torch.cat([short.states, torch.zeros(1, 1, 6, 4)], 2)
    with torch.no_grad():
        assert torch.allclose(pooler(short), pooler(Frames(states, torch.tensor([9]), 0.02)), atol=1e-6)


@pytest.mark.parametrize("options", [{"kernels": (5, 3)}, {"dilations": (1, 0, 1)}, {"channels": ()}])
def test_layers_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="do not fit"):
        poolers.create("xvector-head", (1, 4), **{**SIZES, **options})
