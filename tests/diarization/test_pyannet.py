"""The segmentation network: its frames, its classes, and the weights that it takes."""

from __future__ import annotations

import math

import pytest
import torch

from voxboard.diarization import pyannet
from voxboard.diarization.pyannet import PyanNet, PyanNetSizes
from voxboard.errors import UserError

SMALL = PyanNetSizes(hidden=4, layers=2, linear=6, speakers=3, at_once=2)


def test_ten_seconds_are_589_frames_of_17_ms_that_see_62_ms() -> None:
    sizes = PyanNetSizes()
    assert (sizes.frames(160_000), sizes.step, sizes.field) == (589, 270, 991)
    assert PyanNet(SMALL)(torch.zeros(1, 1, sizes.field + sizes.step)).shape == (1, 2, 7)
    assert SMALL.frames(sizes.field - 1) == 0
    assert SMALL.frames(sizes.field + sizes.step) == 2


def test_classes_are_sets_of_speakers_small_ones_first() -> None:
    assert pyannet.powerset(3, 2) == ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
    logs = torch.full((8, 7), -9.0)
    logs[range(7), range(7)] = -0.01
    logs[7] = torch.tensor([0.1, 0.2, 0.05, 0.05, 0.3, 0.2, 0.1]).log()
    assert pyannet.decided(logs, 3, 2)[4:].tolist() == [[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 0]]
    assert pyannet.probabilities(logs[7], 3, 2).tolist() == pytest.approx([0.7, 0.45, 0.35])
    assert len(pyannet.powerset(4, 3)) == 15


def test_filters_pass_their_band() -> None:
    bank = pyannet.SincFilters(80, 251)
    with torch.no_grad():
        bank.low_hz_[0], bank.band_hz_[0] = 950.0, -350.0  # 1,000 to 1,400 Hz
        even, odd = bank()[[0, 40], 0]
    gains = torch.fft.rfft(even, 16_000).abs()
    assert gains[1200] > 30 * gains[300]
    assert gains[1200] > 30 * gains[3000]
    assert torch.allclose(even, even.flip(0))
    assert torch.allclose(odd, -odd.flip(0))
    assert math.isclose(float(even[125]), 1.0)


def test_weights_bring_their_sizes_with_them_and_layers_may_be_modules_of_their_own() -> None:
    torch.manual_seed(0)
    network, wave = PyanNet(SMALL).eval(), 0.1 * torch.randn(2, 1, 8000)
    state = network.state_dict()
    apart = {}
    for name, value in state.items():
        head, _, layer = name.partition("_l")
        if name.startswith("lstm."):
            number, rest = layer[0], layer[1:]
            apart[f"lstm.{number}.{head.removeprefix('lstm.')}_l0{rest}"] = value
        else:
            apart[name] = value
    assert "lstm.1.weight_hh_l0_reverse" in apart
    with torch.no_grad():
        expected = network(wave)
        for weights in (state, apart):
            found = pyannet.from_weights(weights)
            assert found.sizes == SMALL
            assert torch.equal(found(wave), expected)


def test_weights_of_something_else_are_refused_in_one_sentence() -> None:
    state = PyanNet(SMALL).state_dict()
    for wrong in ({}, {**state, "more": torch.ones(1)}, {k: v for k, v in state.items() if k != "classifier.bias"}):
        with pytest.raises(UserError, match="not those of a PyanNet"):
            pyannet.from_weights(wrong)
    with pytest.raises(UserError, match="classifier"):
        pyannet.from_weights(state, speakers=4)
