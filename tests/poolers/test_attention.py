"""Attention poolers weigh frames as their equations say, and as the reference does where that is asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from voxboard import poolers
from voxboard.backbones.frames import Frames

SIZE = 12


def frames(*lengths: int, size: int = SIZE) -> Frames:
    states = torch.randn(len(lengths), 1, max(lengths), size, generator=torch.Generator().manual_seed(0))
    return Frames(states, torch.tensor(lengths), 0.01)


def create(name: str, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return poolers.create(name, (1, SIZE), **options).eval()


def attended(x: Tensor, scores: Tensor) -> Tensor:
    """Frames [T, D] and their scores [T] → weighted mean [D]."""
    return scores.softmax(0) @ x


def test_attention_is_a_softmax_over_time_of_one_product() -> None:
    pooler, batch = create("attention"), frames(7)
    x = batch.states[0, 0]
    assert torch.allclose(pooler(batch)[0], attended(x, (x @ pooler.att)[:, 0]), atol=1e-6)


def test_every_hop_of_self_attention_scores_a_tanh_layer() -> None:
    pooler, batch = create("self-attentive", hidden=5, hops=3), frames(7)
    x = batch.states[0, 0]
    linear = pooler.hidden[0]
    scores = torch.tanh(x @ linear.weight.T + linear.bias) @ pooler.att
    expected = torch.cat([attended(x, scores[:, hop]) for hop in range(3)])
    assert torch.allclose(pooler(batch)[0], expected, atol=1e-6)


@pytest.mark.parametrize(("reference", "divisor"), [(False, math.sqrt(4)), (True, math.sqrt(3))])
def test_heads_pool_their_own_slices(reference: bool, divisor: float) -> None:
    """Scaled by the slice's size as in the paper, or by the number of heads as in the published code."""
    pooler, batch = create("mha", heads=3, reference=reference), frames(7)
    slices = batch.states[0, 0].split(4, dim=1)
    expected = [attended(x, x @ pooler.query[:, head] / divisor) for head, x in enumerate(slices)]
    assert torch.allclose(pooler(batch)[0], torch.cat(expected), atol=1e-6)


def test_double_attention_weighs_the_heads() -> None:
    pooler, batch = create("double-mha", heads=3), frames(7)
    contexts = pooler.utteranceAttention(batch)[0].reshape(3, 4)
    expected = attended(contexts, (contexts @ pooler.headsAttention.att)[:, 0])
    assert torch.allclose(pooler(batch)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["attention", "mha", "double-mha"])
def test_only_the_reference_pools_over_padding(name: str) -> None:
    options = {} if name == "attention" else {"heads": 3}
    ours, reference = create(name, **options), create(name, reference=True, **options)
    batch = frames(9, 5)
    alone = Frames(batch.states[1:, :, :5], torch.tensor([5]), batch.hop)
    assert torch.allclose(ours(batch)[1], ours(alone)[0], atol=1e-6)
    assert not torch.allclose(reference(batch)[1], reference(alone)[0], atol=1e-3)
    full = Frames(batch.states, torch.tensor([9, 9]), batch.hop)
    assert torch.equal(reference(batch), reference(full))


def test_the_reference_weighs_single_frames_against_the_batch() -> None:
    batch = frames(1, 1)
    x = batch.states[:, 0, 0]
    pooler = create("attention", reference=True)
    expected = x * (x @ pooler.att).softmax(0)
    assert torch.allclose(pooler(batch), expected, atol=1e-6)
    assert torch.allclose(create("attention")(batch), x, atol=1e-6)


def test_the_reference_weighs_a_single_head_against_the_batch() -> None:
    batch = frames(7, 7)
    pooler = create("double-mha", heads=1, reference=True)
    contexts = pooler.utteranceAttention(batch)
    expected = contexts * (contexts @ pooler.headsAttention.att).softmax(0)
    assert torch.allclose(pooler(batch), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("heads", "options", "share"),
    [
        (3, {"mask_prob": 0.4}, 0.4 - 0.4**3),
        (3, {"mask_prob": 0.4, "reference": True}, 1 / 2 - 1 / 2**3),
        (1, {"mask_prob": 0.9}, 0.0),
    ],
)
def test_training_leaves_heads_out_but_never_all(heads: int, options: dict[str, Any], share: float) -> None:
    pooler = create("double-mha", heads=heads, **options)
    contexts = torch.zeros(20_000, heads, SIZE // heads)
    assert bool(pooler._kept(contexts).all())
    kept = pooler.train()._kept(contexts)
    assert bool(kept.any(1).all())
    assert float((~kept).float().mean()) == pytest.approx(share, abs=0.01)


def test_a_head_that_is_left_out_has_no_weight() -> None:
    pooler, batch = create("double-mha", heads=3), frames(7)
    contexts = pooler.utteranceAttention(batch).reshape(1, 3, 4)
    pooler._kept = lambda _: torch.tensor([[False, True, False]])
    assert torch.allclose(pooler(batch), contexts[:, 1], atol=1e-6)


@pytest.mark.parametrize("hidden", [0, 5])
def test_every_query_gives_statistics_of_every_slice(hidden: int) -> None:
    heads, queries, width = 3, 2, 4
    pooler, batch = create("mqmha", heads=heads, queries=queries, hidden=hidden), frames(7)
    x = batch.states[0, 0]
    weights = pooler.attention(x.T[None])[0].softmax(1).reshape(heads, queries, -1)
    means, deviations = [], []
    for head, part in enumerate(x.split(width, dim=1)):
        for query in range(queries):
            mean = weights[head, query] @ part
            means.append(mean)
            deviations.append((weights[head, query] @ (part - mean).square()).clamp(min=1e-4).sqrt())
    assert torch.allclose(pooler(batch)[0], torch.cat(means + deviations), atol=1e-5)


def test_a_query_sees_its_own_slice_only() -> None:
    pooler, batch = create("mqmha", heads=3, queries=2, deviation=False), frames(7)
    expected = pooler(batch)[0]
    batch.states[..., 4:] += torch.randn(8)
    changed = pooler(batch)[0]
    assert torch.allclose(changed[:8], expected[:8], atol=1e-6)
    assert not torch.allclose(changed[8:], expected[8:], atol=1e-2)


def test_deviations_survive_a_large_mean() -> None:
    pooler, batch = create("mqmha", heads=3, queries=2), frames(7)
    torch.nn.init.zeros_(pooler.attention[-1].weight)
    moved = Frames(batch.states + 1000.0, batch.lengths, batch.hop)
    assert torch.allclose(pooler(moved)[:, 24:], pooler(batch)[:, 24:], atol=1e-3)
