"""Attentive statistics: frames weigh in by what an attention makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import FramesSpec
from voxboard.limits import Positive, Size, SizeOrZero
from voxboard.poolers.base import SingleLayer, concatenated, masked_mean, masked_softmax, masked_std

FLOOR = 1e-4  # of a variance, as in ECAPA-TDNN's published code


class AttentiveStatistics(SingleLayer):
    """Weighted mean and standard deviation: [B, 2D], or [B, project].

    Plain: Okabe et al., Interspeech 2018, equations 2 to 6. With `per_channel` and `context`: the
    channel- and context-dependent pooling of Desplanques et al., Interspeech 2020, section 3.1.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `asp`."""

        layer: int = -1
        """Which layer to pool; -1 is the last, 0 a transformer's input embedding."""
        bottleneck: Size = 128
        """Hidden size of the attention."""
        per_channel: bool = False
        """One weight per frame and channel instead of one per frame."""
        context: bool = False
        """The attention also sees the utterance's mean and standard deviation."""
        norm: bool = False
        """Batch norm inside the attention, after the pooling and after the linear map."""
        project: SizeOrZero = 0
        """Size of a linear map after the pooling; 0 leaves it out."""
        last_norm: bool = True
        """With `norm`: also the batch norm after the linear map."""
        unbiased: bool = True
        """The standard deviation that the attention sees divides by frames - 1."""
        floor: Positive = FLOOR
        """Least variance."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec, config.layer)
        size, hidden = spec.size, config.bottleneck
        self.context, self.unbiased, self.floor = config.context, config.unbiased, config.floor
        self.attention = nn.Sequential(
            nn.Conv1d(3 * size if config.context else size, hidden, 1),
            nn.ReLU(),
            nn.BatchNorm1d(hidden) if config.norm else nn.Identity(),
            nn.Tanh(),
            nn.Conv1d(hidden, size if config.per_channel else 1, 1),
        )
        self.norm = nn.BatchNorm1d(2 * size) if config.norm else nn.Identity()
        self.end_with(2 * size, config.project)
        last = config.norm and config.last_norm
        self.out_norm = nn.BatchNorm1d(self.embedding_size) if last else nn.Identity()

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        weights = self._weights(x, mask)  # [B, T, D or 1], sums to 1 over time
        mean = (weights * x).sum(1)
        variance = (weights * (x - mean[:, None]).square()).sum(1)
        pooled = concatenated(mean, variance.clamp(min=self.floor).sqrt())
        return self.out_norm(self.project(self.norm(pooled)))

    def _weights(self, x: Tensor, mask: Tensor) -> Tensor:
        first, *others = self.attention.children()
        assert isinstance(first, nn.Conv1d)
        context = []
        if self.context:
            mean = masked_mean(x, mask)
            context = [mean, masked_std(x, mask, mean, self.unbiased, self.floor**0.5)]
        scores = beside(first, x.transpose(1, 2), *context)
        for layer in others:
            scores = layer(scores)
        return masked_softmax(scores.transpose(1, 2), mask)


def beside(convolution: nn.Conv1d, x: Tensor, *context: Tensor) -> Tensor:
    """A convolution over one frame on [B, C, T] that reads vectors [B, ...] beside every frame: [B, out, T].

    The vectors' share of the product is the same for all frames and is computed once.
    """
    weight = convolution.weight[:, : x.shape[1]]
    if not context:
        return F.conv1d(x, weight, convolution.bias)
    same = F.linear(torch.cat(context, 1), convolution.weight[:, x.shape[1] :, 0], convolution.bias)
    return F.conv1d(x, weight) + same[..., None]
