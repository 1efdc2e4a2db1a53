"""CAM++'s own pooling: statistics, a linear map and a batch norm without weights."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import Size
from voxboard.poolers.base import SingleLayer, concatenated, masked_mean, masked_std


class CampplusDense(SingleLayer):
    """Mean and unbiased deviation → linear map → batch norm without weights: [B, project].

    Wang et al., CAM++, Interspeech 2023, as 3D-Speaker has it: no ReLU behind the norm.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `campplus-dense`."""

        project: Size = 192
        """Size of the embedding."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec)
        norm = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(config.project, affine=False)))
        linear = nn.Conv1d(2 * spec.size, config.project, 1, bias=False)
        self.dense = nn.Sequential(OrderedDict(linear=linear, nonlinear=norm))
        self.embedding_size = config.project

    def statistics(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, T, D], zeros on padding, and mask [B, T] → mean and deviation [B, 2D]."""
        mean = masked_mean(x, mask)
        return concatenated(mean, masked_std(x, mask, mean, floor=1e-7))

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        embeddings: Tensor = self.dense(self.statistics(x, mask)[..., None])[..., 0]
        return embeddings
