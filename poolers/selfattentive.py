"""Self-attentive pooling: a weighted mean, whose weights the frames decide by themselves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import Size, SizeOrZero
from voxboard.poolers.base import SingleLayer, masked_softmax


class SelfAttentive(SingleLayer):
    """Weighted mean over time, `hops` of them side by side: [B, hops · D], or [B, project].

    Cai et al., Odyssey 2018 (one hop) after Lin et al., ICLR 2017, equations 5 and 6 (several). With `hidden=0` the
    attention baseline of Double-MHA (India et al., ICASSP 2021), whose key `att` the vector has.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `self-attentive` and `attention`."""

        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        hidden: SizeOrZero = 128
        """Size of a tanh layer in front of the scores; 0 scores the features themselves."""
        hops: Size = 1
        """How many weightings of the frames there are."""
        project: SizeOrZero = 0
        """Size of a linear map after the pooling; 0 leaves it out."""
        reference: bool = False
        """Give Double-MHA's numbers: padding counts as frames, and one frame each means a softmax over the batch."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer, masked=not config.reference)
        size, hidden = spec.size, config.hidden
        self.reference = config.reference
        self.hidden = nn.Sequential(nn.Linear(size, hidden), nn.Tanh()) if hidden else nn.Identity()
        self.att = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden or size, config.hops)))
        self.end_with(config.hops * size, config.project)

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        means = torch.einsum("bth,btd->bhd", self.weights(x, mask), x)
        return self.project(means.flatten(1))

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """Frames [B, T, D] and their mask [B, T] → weights [B, T, hops], which sum to 1 over time."""
        scores = self.hidden(x) @ self.att
        if self.reference and scores.shape[1] == 1:
            return scores.softmax(0)  # the published code squeezes the scores: the last axis is then the batch
        return masked_softmax(scores, mask)
