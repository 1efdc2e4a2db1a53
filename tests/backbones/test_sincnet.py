"""SincNet's windows, filters and options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.contracts import small
from voxboard import backbones
from voxboard.backbones.sincnet import WINDOWS_AT_ONCE, SincConv, SincNet
from voxboard.errors import UserError

SMALL = small.BACKBONES["sincnet"]
WINDOW = 640  # samples


def network(**options: Any) -> SincNet:
    torch.manual_seed(0)
    built = backbones.create("sincnet", **{**SMALL, **options}).eval()
    assert isinstance(built, SincNet)
    return built


def frames(built: SincNet, waveform: Tensor) -> Tensor:
    with torch.no_grad():
        return built(waveform[None], torch.tensor([len(waveform)])).states[0, 0]


def test_a_fixed_number_of_windows_reaches_from_the_start_to_the_end() -> None:
    starts, counts = network(windows=4).starts(torch.tensor([WINDOW + 100, WINDOW, 17]))
    assert starts.tolist() == [[0, 33, 66, 100], [0] * 4, [0] * 4]
    assert counts.tolist() == [4, 4, 4]


def test_sliding_windows_lie_wholly_inside() -> None:
    starts, counts = network(shift_ms=10.0).starts(torch.tensor([WINDOW + 479, WINDOW + 480, 17]))
    assert starts[1].tolist() == [0, 160, 320, 480]
    assert counts.tolist() == [3, 4, 1]


def test_an_utterance_shorter_than_a_window_is_repeated() -> None:
    (waveform,), _ = small.audio(250)
    repeated = torch.cat([waveform, waveform, waveform])[:WINDOW]
    assert torch.equal(frames(network(), waveform), frames(network(), repeated))


def test_the_means_compare_as_the_windows_do() -> None:
    built = network(windows=5)
    one, other = (frames(built, small.audio(3_000, seed=seed)[0][0]) for seed in (1, 2))
    assert torch.allclose(one.mean(0) @ other.mean(0), (one @ other.T).mean(), atol=1e-6)


def test_many_windows_give_what_each_gives() -> None:
    built = network(shift_ms=1.0)
    (waveform,), _ = small.audio(WINDOW + 16 * WINDOWS_AT_ONCE)
    found = frames(built, waveform)
    assert len(found) == WINDOWS_AT_ONCE + 1
    small.assert_close(found[-1:], frames(built, waveform[-WINDOW:]))


def test_the_filters_are_built_once_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, build = [], SincConv.filters
    monkeypatch.setattr(SincConv, "filters", lambda layer: calls.append(1) or build(layer))
    with torch.no_grad():
        network(shift_ms=1.0)(*small.audio(3_000, 2_000, 700))
    assert calls == [1]


def test_the_filters_pass_their_band() -> None:
    layer = SincConv(8, 251)
    response = torch.fft.rfft(layer.filters()[:, 0].detach(), 16_000).abs()  # one bin per Hz
    low = 50.0 + layer.low_hz_.abs()
    for row, (first, width) in enumerate(zip(low.flatten(), layer.band_hz_.flatten(), strict=True)):
        middle = int(first + 25 + width / 2)
        outside = torch.cat([response[row, : max(int(first) - 300, 0)], response[row, int(first + width) + 350 :]])
        assert float(response[row, middle]) > 5 * float(outside.max())


def test_no_filter_reaches_past_half_the_sample_rate() -> None:
    layer = SincConv(2, 31)
    with torch.no_grad():
        layer.low_hz_[1], layer.band_hz_[1] = 100.0, 1e6
        kernel = layer.filters()[1, 0]
    assert float(kernel.abs().max()) == 1.0
    assert torch.allclose(kernel, kernel.flip(0))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernels": (30, 5, 5)}, "odd"),
        ({"filters": (8, 6)}, "one each"),
        ({"dense": (8,)}, "one each"),
        ({"window_ms": 3.0}, "window_ms"),
        ({"shift_ms": 0.0}, "at least one sample"),
        ({"dense_activations": ("relu", "relu", "leaky")}, "leaky_relu"),
    ],
)
def test_options_that_do_not_fit_are_said_in_a_sentence(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        network(**options)
