"""In training the Zipformer leaves things out, less and less, and whole sequences at a time; never in evaluation."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.contracts import small
from voxboard import backbones
from voxboard.backbones.zipformer import Zipformer
from voxboard.backbones.zipformer_layer import some_uniform
from voxboard.backbones.zipformer_ops import BiasNorm, Bypass
from voxboard.backbones.zipformer_subsampling import Conv2dSubsampling
from voxboard.backbones.zipformer_training import (
    PENALTY,
    Rates,
    channel_mask,
    layer_skips,
    penalised,
    schedule,
    shared_dropout,
    skipped,
    within,
)


def states(made: backbones.base.Backbone, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return made(*small.audio(16_000)).states


def test_a_schedule_is_linear_between_its_points() -> None:
    points = ((0, 0.2), (4_000, 0.05), (16_000, 0.0))
    found = [schedule(count, *points) for count in (0, 2_000, 4_000, 10_000, 16_000, 99_999)]
    assert found == pytest.approx([0.2, 0.125, 0.05, 0.025, 0.0, 0.0])


def test_everything_is_left_out_less_and_less() -> None:
    start, later, end = (vars(Rates.after(count)) for count in (0, 4_000, 100_000))
    assert all(start[name] >= later[name] >= end[name] for name in start)
    assert (start["dropout"], start["uniform"], start["placeless"], start["floor"]) == (0.3, 0.25, 0.5, 0.9)
    kept = {name: value for name, value in end.items() if value}
    constant = {"positions": 0.15, "penalised": 0.1, "damped": 0.8}
    assert kept == pytest.approx({"dropout": 0.1, "convnext": 0.015, "uniform": 0.025, "floor": 0.2, **constant})
    assert not any(vars(Rates()).values())


def test_deeper_layers_are_skipped_for_longer() -> None:
    skips = [skip for stack in range(3) for skip in layer_skips(1_500, stack, 3, 2, 1)]
    assert skips == sorted(skips)
    assert skips[0] == pytest.approx(0.035)
    assert skips[-1] == 0.5
    assert layer_skips(1e6, 2, 3, 1, 4) == pytest.approx([0.07])


def test_dropout_and_skipping_hold_for_whole_sequences() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 5, 8)
    dropped, left = shared_dropout(x, 0.25), skipped(x, 0.25)
    assert torch.equal(dropped, dropped[:, :1].expand_as(x))
    assert {round(float(value), 4) for value in dropped.unique()} == {0.0, 1.3333}
    assert {tuple(row.unique().tolist()) for row in left} == {(0.0,), (1.0,)}
    mask = channel_mask(torch.ones(4_000, 1, 1), 8, 4)[:, 0]
    assert bool((mask[:, :4] == 1.0).all())
    assert mask[:, 4:6].mean() == pytest.approx(0.875, abs=0.02)
    assert mask[:, 6:].mean() == pytest.approx(0.875**2, abs=0.02)


def test_a_bypass_lets_a_floor_through_and_still_learns() -> None:
    bypass = Bypass(3)
    before, after = torch.zeros(2, 4, 3), torch.ones(2, 4, 3)
    limited = bypass(before, after, floor=0.9)
    assert limited.unique().tolist() == pytest.approx([0.9])
    limited.sum().backward()
    assert bypass.bypass_scale.grad is not None
    assert bool((bypass.bypass_scale.grad > 0.0).all())
    assert torch.equal(bypass(before, after, skip=1.0), before)
    assert float(within(torch.tensor(2.0), None, 1.0)) == 2.0


def test_only_training_is_random_and_counts_its_batches() -> None:
    made = small.backbone("zipformer")
    assert torch.equal(states(made, 1), states(made, 2))
    assert float(made.get_buffer("model_batch_count")) == 0.0
    same = small.backbone("zipformer").train()
    made.train()
    assert torch.equal(states(made, 1), states(same, 1))
    assert not torch.allclose(states(made, 1), states(same, 2), atol=0.1)
    assert float(made.get_buffer("model_batch_count")) == 2.0


def test_schedules_can_be_switched_off() -> None:
    torch.manual_seed(0)
    made = backbones.create("zipformer", **small.ZIPFORMER, schedules=False)
    assert torch.equal(states(made.train(), 1), states(made.eval(), 2))


def test_large_attention_scores_are_pulled_back_whatever_the_loss() -> None:
    found = {}
    for rate in (0.0, 1.0):
        scores = torch.tensor([-30.0, -20.0, 0.0, 24.0, 26.0], requires_grad=True)
        same = penalised(scores * 1.0, rate)
        assert torch.equal(same, scores)
        (found[rate],) = torch.autograd.grad(same.sum(), scores)
    assert (found[1.0] - found[0.0]).tolist() == pytest.approx([-PENALTY, 0.0, 0.0, 0.0, PENALTY], rel=1e-2)


def test_the_first_convolution_is_spared_most_of_its_gradient() -> None:
    torch.manual_seed(0)
    front, features = Conv2dSubsampling(20, 8), torch.randn(2, 30, 20)
    gradients = []
    for rates in (Rates(), Rates(damped=0.8)):
        front.zero_grad()
        front(features, rates=rates).square().sum().backward()
        gradients.append([front.conv[name].weight.grad.clone() for name in ("0", "4")])
    (whole, later), (spared, same) = gradients
    assert torch.allclose(spared, 0.2 * whole, rtol=1e-4)
    assert torch.equal(later, same)


def test_attention_may_become_uniform_over_what_it_sees() -> None:
    weights = torch.tensor([[[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]]])
    assert some_uniform(weights, 0.0) is weights
    assert some_uniform(weights, 1.0)[0].tolist() == [[0.5, 0.5, 0.0], pytest.approx([1 / 3] * 3)]


def test_a_norms_scale_is_kept_in_its_range_in_training_only() -> None:
    norm, x = BiasNorm(4), torch.randn(3, 4)
    with torch.no_grad():
        norm.log_scale.fill_(2.0)
    assert float((norm.eval()(x) / norm.train()(x)).detach().mean()) == pytest.approx(2.718281828**0.5)


ITEMS = [name for name, value in vars(Rates.after(0)).items() if value and name not in ("penalised", "damped")]


@pytest.mark.parametrize("item", [*ITEMS, "layers", "channels"])
def test_every_item_acts_alone_and_is_absent_in_evaluation(item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = small.backbone("zipformer")
    with torch.no_grad():
        for weight in made.parameters():  # large enough for a single change to be seen
            weight.mul_(1.0 if weight.ndim < 2 else 3.0)
    assert isinstance(made, Zipformer)
    whole = states(made, 1)
    rate = 0.9 if item == "floor" else 0.5
    only = Rates(**({item: rate} if item in ITEMS else {}))
    monkeypatch.setattr(Rates, "after", staticmethod(lambda count: only))
    module = "voxboard.backbones.zipformer_encoder"
    if item != "layers":
        monkeypatch.setattr(f"{module}.layer_skips", lambda *sizes: [0.0] * sizes[3])
    if item != "channels":
        monkeypatch.setattr(f"{module}.channel_mask", lambda x, size, unmasked: x.new_ones(len(x), 1, size))
    made.train()
    assert any(not torch.allclose(states(made, seed), whole, atol=1e-5) for seed in range(4))
    assert torch.equal(states(made.eval(), 1), whole)


@pytest.mark.parametrize("count", [0.0, 3_000.0, 30_000.0])
def test_gradients_are_finite(count: float) -> None:
    made = small.backbone("zipformer").train()
    made.get_buffer("model_batch_count").fill_(count)
    torch.manual_seed(0)
    made(*small.audio(16_000, 9_000, 2_000)).states.square().mean().backward()
    learned = {name for name, weight in made.named_parameters() if weight.grad is not None}
    assert all(bool(weight.grad.isfinite().all()) for weight in made.parameters() if weight.grad is not None)
    left = {name for name, _ in made.named_parameters()} - learned
    assert all(name.rsplit(".", 2)[-2].isdigit() and name.endswith(".bypass_scale") for name in left), left


def test_a_resumed_run_goes_on_where_it_stopped() -> None:
    made, resumed = small.backbone("zipformer").train(), small.backbone("zipformer", seed=1).train()
    made.get_buffer("model_batch_count").fill_(1_999.0)
    for seed in (1, 2):
        states(made, seed)
    resumed.load_state_dict(made.state_dict())
    assert float(resumed.get_buffer("model_batch_count")) == 2_001.0
    assert torch.equal(states(made, 3), states(resumed, 3))
    resumed.get_buffer("model_batch_count").fill_(50_000.0)
    assert not torch.equal(states(made, 4), states(resumed, 4))


def test_batches_without_gradients_are_not_counted() -> None:
    made = small.backbone("zipformer").train()
    with torch.no_grad():
        states(made, 1)
    assert float(made.get_buffer("model_batch_count")) == 0.0


def test_spec_augment_acts_in_training_only_and_follows_the_seed() -> None:
    network = backbones.create("zipformer", **small.ZIPFORMER, augment=True, schedules=False)
    plain = backbones.create("zipformer", **small.ZIPFORMER, schedules=False)
    plain.load_state_dict(network.state_dict())
    waveforms, lengths = torch.randn(2, 48_000, generator=torch.Generator().manual_seed(1)), torch.tensor([48_000] * 2)

    def trained(seed: int) -> torch.Tensor:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        return network.train()(waveforms, lengths).states.detach()

    assert torch.equal(network.eval()(waveforms, lengths).states, plain.eval()(waveforms, lengths).states)
    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))
    assert not torch.equal(trained(1), plain.train()(waveforms, lengths).states)
