"""Single-layer poolers are the statistics that they name; UniPool agrees with its reference in both maskings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from voxboard import poolers
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.errors import UserError

SPEC = FramesSpec(4, 6, input_layer=True)


def batch(lengths: tuple[int, ...] = (9, 5), seed: int = 0) -> Frames:
    states = torch.randn(
        len(lengths), SPEC.layers, max(lengths), SPEC.size, generator=torch.Generator().manual_seed(seed)
    )
    return Frames(states, torch.tensor(lengths), SPEC.hop)


def test_mean_is_the_mean_of_the_chosen_layer() -> None:
    frames = batch()
    for layer in (-1, 0, 2):
        found = poolers.create("mean", SPEC, layer=layer)(frames)
        assert torch.allclose(found[1], frames.states[1, layer, :5].mean(0), atol=1e-6)


def test_statistics_are_mean_and_unbiased_deviation() -> None:
    frames = batch()
    found = poolers.create("statistics", SPEC)(frames)
    x = frames.states[1, -1, :5]
    assert torch.allclose(found[1], torch.cat([x.mean(0), x.std(0)]), atol=1e-6)


def test_max_is_the_largest_valid_value_even_where_all_are_negative() -> None:
    frames = batch()
    frames.states.sub_(50.0)
    found = poolers.create("max", SPEC, layer=1)(frames)
    assert torch.equal(found[1], frames.states[1, 1, :5].amax(0))


def test_token_is_the_first_or_the_last_valid_frame() -> None:
    frames = batch()
    first, last = (poolers.create("token", SPEC, position=position)(frames) for position in ("first", "last"))
    assert torch.equal(first, frames.states[:, -1, 0])
    assert torch.equal(last, torch.stack([frames.states[0, -1, 8], frames.states[1, -1, 4]]))


def test_one_frame_has_no_deviation() -> None:
    found = poolers.create("statistics", SPEC)(batch((1,)))
    assert torch.allclose(found[0, SPEC.size :], torch.zeros(SPEC.size), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("mean", 6, {}),
        ("max", 6, {}),
        ("token", 6, {}),
        ("statistics", 12, {}),
        ("asp", 12, {}),
        ("self-attentive", 12, {"hops": 2}),
        ("mha", 6, {"heads": 3}),
        ("double-mha", 2, {"heads": 3}),
        ("mqmha", 48, {"heads": 2, "queries": 4}),
        ("mqmha", 24, {"heads": 2, "queries": 4, "deviation": False}),
    ],
)
def test_projection_sets_the_embedding_size(name: str, size: int, options: dict[str, Any]) -> None:
    assert poolers.create(name, SPEC, **options).embedding_size == size
    pooler = poolers.create(name, SPEC, project=5, **options)
    assert pooler.embedding_size == 5
    assert pooler(batch()).shape == (2, 5)


def test_attention_that_sees_nothing_weighs_all_frames_alike() -> None:
    pooler = poolers.create("asp", SPEC).eval()
    last: Any = pooler.attention[-1]  # type: ignore[index]
    torch.nn.init.zeros_(last.weight)
    frames = batch()
    x = frames.states[1, -1, :5]
    expected = torch.cat([x.mean(0), x.var(0, unbiased=False).clamp(min=1e-4).sqrt()])
    assert torch.allclose(pooler(frames)[1], expected, atol=1e-5)


def test_attention_prefers_the_frames_that_it_scores_high() -> None:
    pooler = poolers.create("asp", SPEC, bottleneck=1).eval()
    first, last = pooler.attention[0], pooler.attention[-1]  # type: ignore[index]
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [0], [0], [0], [0], [0]]).reshape(1, 6, 1))
        last.weight.fill_(1_000.0)
    frames = batch((9,))
    frames.states[0, -1, :, 0] = torch.tensor([0.0, 0, 0, 3, 0, 0, 0, 0, 0])
    assert torch.allclose(pooler(frames)[0, :6], frames.states[0, -1, 3], atol=1e-4)


def test_plain_sizes_are_enough_to_build_a_pooler() -> None:
    assert poolers.create("statistics", (1, 80)).embedding_size == 160


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mean", {"layer": 4}, "There is no layer 4"),
        ("mean", {"layers": 1}, "Did you mean layer"),
        ("statistic", {}, "Did you mean statistics"),
        ("unipool", {"n_layers": 4}, "cannot use 4 layers"),
        ("native", {}, "a pooling of its own"),
        ("mha", {"heads": 4}, "4 heads do not divide 6 features. Use heads of .1, 2, 3, 6"),
        ("double-mha", {"heads": 3, "mask_prob": 1.0}, "mask_prob=1.0"),
        ("token", {"position": "lasst"}, "Did you mean last"),
        ("weighted", {"pooler": "statistic"}, "Did you mean statistics"),
        ("weighted", {"pooler": "asp(bottle=3)"}, "Did you mean bottleneck"),
    ],
)
def test_mistakes_are_explained(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        poolers.create(name, SPEC, **options)


def unipool(reference: bool, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    pooler = poolers.create("unipool", SPEC, conv_dim=4, pool_dim=8, reference=reference, **options)
    for norm in pooler.modules():
        if isinstance(norm, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(norm.running_mean, 0.0, 0.3)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return pooler.eval()


def test_unipool_equals_its_reference_without_padding() -> None:
    frames = batch((9, 9))
    assert torch.allclose(unipool(False)(frames), unipool(True)(frames), atol=1e-6)


def test_unipool_reference_depends_on_padding_and_ours_does_not() -> None:
    frames = batch((9, 5))
    alone = Frames(frames.states[1:, :, :5], torch.tensor([5]), SPEC.hop)
    ours, reference = unipool(False), unipool(True)
    assert torch.allclose(ours(frames)[1], ours(alone)[0], atol=1e-5)
    assert not torch.allclose(reference(frames)[1], reference(alone)[0], atol=1e-3)


def test_unipool_reference_masks_whenever_it_trains() -> None:
    """With a mask that is all true the deviation is the biased one: the published train/test mismatch."""
    frames, pooler = batch((9, 9)), unipool(True)
    states = frames.states[:, pooler.used]
    assert torch.equal(pooler(frames), pooler.pool(states, None))
    masks: list[Tensor | None] = []
    pooler.pool = lambda _, mask: masks.append(mask)
    pooler.train()(frames)
    assert masks[0] is not None
    assert bool(masks[0].all())
    biased, unbiased = unipool(True).pool(states, masks[0]), unipool(False).pool(states, masks[0])
    assert not torch.allclose(biased, unbiased, atol=1e-6)
    assert torch.allclose(unbiased, unipool(False)(frames), atol=1e-6)


def test_unipool_leaves_the_input_embedding_out_and_takes_the_first_layers() -> None:
    frames, pooler = batch(), unipool(False, n_layers=2)
    expected = pooler(frames)
    for unused in (0, 3):
        frames.states[:, unused] = 99.0
    assert torch.equal(pooler(frames), expected)
    frames.states[:, 2] = 99.0
    assert not torch.allclose(pooler(frames), expected)


def test_unipool_has_the_published_number_of_weights() -> None:
    for layers, size, blocks, count in ((13, 768, 1, 2_869_476), (25, 1024, 1, 3_008_936), (13, 768, 3, 5_841_692)):
        pooler = poolers.create("unipool", FramesSpec(layers, size, input_layer=True), n_blocks=blocks)
        assert sum(parameter.numel() for parameter in pooler.parameters()) == count


def test_unipool_over_one_layer_is_a_net_over_time_with_a_gate() -> None:
    """Without neighbours in depth only the kernels' middle rows see anything, and no layer competes with another."""
    torch.manual_seed(0)
    pooler = poolers.create("unipool", (1, 6), conv_dim=4, pool_dim=8).eval()
    frames = batch((9, 5)).layers(slice(1))
    expected = pooler(frames)
    kernels = [module.weight for module in pooler.modules() if getattr(module, "kernel_size", None) == (3, 3)]
    for score in pooler.d3net.vadnet[0].superb:
        torch.nn.init.constant_(score.score_vector, 7.0)
    with torch.no_grad():
        for weight in kernels:
            weight[:, :, (0, 2)] = 99.0
        assert torch.allclose(pooler(frames), expected, atol=1e-6)
        for weight in kernels:
            weight[:, :, 1] *= 2.0
        assert not torch.allclose(pooler(frames), expected, atol=1e-3)
    gates: list[Tensor] = []
    pooler.l_pool.dropout.register_forward_hook(lambda *call: gates.append(call[2]))
    pooler(frames)
    assert gates[0].shape == (2, 4, 1, 9)
    assert bool(((gates[0] > 0) & (gates[0] < 1)).all())
