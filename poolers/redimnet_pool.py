"""ReDimNet's own pooling: attentive statistics, batch norm and a linear map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import Size
from voxboard.poolers.base import SingleLayer, concatenated, masked_mean, masked_softmax

FLOOR = 1e-7  # of a variance
HIDDEN = 128  # of the attention


class ReDimNetPool(SingleLayer):
    """Attentive mean and deviation → batch norm → linear map: [B, project].

    Yakovlev et al., ReDimNet, Interspeech 2024, arXiv 2407.18223. With `context` the attention sees the utterance's
    mean and deviation beside every frame.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `redimnet-pool`."""

        project: Size = 192
        """Size of the embedding."""
        context: bool = True
        """Show the attention the whole utterance's statistics."""
        second_norm: bool = False
        """End with another batch norm."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec)
        self.context = config.context
        inputs = 3 * spec.size if config.context else spec.size
        self.pool_layers = nn.ModuleDict(
            {"linear1": nn.Conv1d(inputs, 128, 1), "linear2": nn.Conv1d(128, spec.size, 1)}
        )
        self.bn = nn.BatchNorm1d(2 * spec.size)
        self.linear = nn.Linear(2 * spec.size, config.project)
        self.bn2: nn.Module = nn.BatchNorm1d(config.project) if config.second_norm else nn.Identity()
        self.embedding_size = config.project

    def statistics(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, T, D], zeros on padding, and mask [B, T] → attentive mean and deviation [B, 2D]."""
        seen = x
        if self.context:
            mean = masked_mean(x, mask)
            squares = (x - mean[:, None]).masked_fill(~mask[..., None], 0.0).square().sum(1)
            deviation = (squares / (mask.sum(1) - 1).clamp(min=1)[:, None] + FLOOR).sqrt()
            seen = torch.cat([x, mean[:, None].expand_as(x), deviation[:, None].expand_as(x)], -1)
        scores = self.pool_layers["linear2"](torch.tanh(self.pool_layers["linear1"](seen.transpose(1, 2))))
        weights = masked_softmax(scores.transpose(1, 2), mask)
        first = (weights * x).sum(1)
        return concatenated(first, ((weights * x.square()).sum(1) - first.square()).clamp(min=FLOOR).sqrt())

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        embeddings: Tensor = self.bn2(self.linear(self.bn(self.statistics(x, mask))))
        return embeddings
