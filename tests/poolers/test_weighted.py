"""The learned weighted sum of layers stands in front of any pooler."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from voxboard import poolers, systems
from voxboard.backbones.frames import Frames, FramesSpec

SPEC = FramesSpec(3, 8, input_layer=True, native=("statistics", {"project": 5}))


def frames() -> Frames:
    states = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    return Frames(states, torch.tensor([9, 5]), SPEC.hop)


def test_layers_begin_equal_and_weigh_by_a_softmax() -> None:
    batch, pooler = frames(), poolers.create("weighted", SPEC)
    assert torch.allclose(pooler(batch)[1], batch.states[1, :, :5].mean((0, 1)), atol=1e-6)
    pooler.weights.data[2] = 50.0
    assert torch.allclose(pooler(batch)[1], batch.states[1, 2, :5].mean(0), atol=1e-6)


def test_normalised_layers_count_alike_however_loud() -> None:
    batch, pooler = frames(), poolers.create("weighted", SPEC, normalize=True)
    expected = F.layer_norm(batch.states, (8,)).mean(1)[0].mean(0)
    batch.states[:, 1] *= 100.0
    assert torch.allclose(pooler(batch)[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("inner", "size"),
    [("statistics", 16), ("asp(bottleneck=4, project=7)", 7), ("unipool(conv_dim=4, pool_dim=6)", 6), ("native", 5)],
)
def test_any_pooler_may_stand_behind_the_sum(inner: str, size: int) -> None:
    pooler = poolers.create("weighted", SPEC, pooler=inner).eval()
    assert pooler.embedding_size == size
    assert pooler(frames()).shape == (2, size)


def test_weights_learn_which_layer_matters() -> None:
    batch, pooler = frames(), poolers.create("weighted", SPEC)
    wanted = poolers.create("mean", SPEC, layer=1)(batch)
    optimizer = torch.optim.Adam(pooler.parameters(), lr=0.2)
    for _ in range(60):
        optimizer.zero_grad()
        (pooler(batch) - wanted).square().sum().backward()
        optimizer.step()
    assert float(pooler.weights.detach().softmax(0)[1]) > 0.95


def test_padding_that_is_not_a_number_does_not_reach_the_weights() -> None:
    batch, pooler = frames(), poolers.create("weighted", SPEC)
    batch.states[1, :, 5:] = torch.nan
    pooler(batch).square().sum().backward()
    assert pooler.weights.grad is not None
    assert torch.isfinite(pooler.weights.grad).all()


def test_a_system_spells_the_inner_pooler_with_its_options() -> None:
    system = systems.parse("wavlm-base+weighted(pooler='asp(bottleneck=64)', normalize=True)+aam")
    assert system.pooler.options == {"pooler": "asp(bottleneck=64)", "normalize": True}
    assert systems.parse(system.spec).pooler == system.pooler
    assert systems.parse("wavlm-base+weighted(pooler=asp)").pooler.options == {"pooler": "asp"}
