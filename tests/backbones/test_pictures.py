"""VGG and ResNet: networks that see a log-mel as a picture."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.contracts import small
from voxboard import backbones
from voxboard.errors import UserError


def build(name: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return small.settle(backbones.create(name, **{**small.BACKBONES[name], **options}))


@pytest.mark.parametrize(("name", "frames", "mels"), [("vgg", 7, 5), ("vgg3l", 13, 10)])
@pytest.mark.parametrize("channels", [8, 32])
def test_every_block_halves_time_and_mels_and_rounds_up(name: str, frames: int, mels: int, channels: int) -> None:
    backbone = build(name, channels=channels)
    with torch.no_grad():
        found = backbone(torch.randn(1, 512 + 97 * 160), torch.tensor([512 + 97 * 160]))  # 98 frames
    assert found.states.shape == (1, 1, frames, channels * mels)
    assert found.lengths.tolist() == [frames]


def test_frames_hold_channels_first_then_mels() -> None:
    backbone = build("vgg", channels=8)
    with torch.no_grad():
        backbone.conv42.weight.zero_()
        backbone.conv42.bias.copy_(torch.arange(8.0))
        found = backbone(*small.audio(8_000)).states[0, 0, 0]
    assert torch.equal(found, torch.arange(8.0).repeat_interleave(5))


def test_the_references_single_frame_is_the_mean_of_the_frames() -> None:
    several, one = build("resnet"), build("resnet", reference=True)
    one.load_state_dict(several.state_dict())
    with torch.no_grad():
        frames, single = several(*small.audio(8_000, 3_000)), one(*small.audio(8_000, 3_000))
    assert single.lengths.tolist() == [1, 1]
    for row in range(2):
        mean = frames.states[row, 0, : frames.lengths[row]].mean(0)
        small.assert_close(single.states[row, 0, 0], mean)


@pytest.mark.parametrize(("name", "channels"), [("vgg", 12), ("vgg3l", 6), ("resnet", 12)])
def test_widths_that_cannot_be_cut_are_said_in_a_sentence(name: str, channels: int) -> None:
    with pytest.raises(UserError, match="multiple of"):
        backbones.create(name, channels=channels)
