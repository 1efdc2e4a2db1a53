"""The x-vector head of transformers' speaker verification checkpoints: TDNN, statistics and a linear map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.frames import Frames, FramesSpec, valid
from voxboard.errors import UserError
from voxboard.limits import Size
from voxboard.poolers.base import Pooler, concatenated, masked_mean, masked_std


class XVectorHead(Pooler):
    """Layers [B, L, T, D] → the last, or their weighted sum → TDNN → mean and unbiased deviation → [B, embedding].

    SUPERB's speaker verification model (Yang et al., Interspeech 2021, section 3) as WavLM's SV checkpoints have it.
    The TDNN does not pad: it shortens T by 14 frames. A shorter utterance counts as followed by frames of zeros.
    """

    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config:
        """Options of `xvector-head`."""

        weighted: bool = False
        """Read a learned weighted sum of all layers in place of the last one."""
        channels: tuple[int, ...] = (512, 512, 512, 512, 1500)
        """Channels of the TDNN's layers; the first is that of the linear map in front of it, too."""
        kernels: tuple[int, ...] = (5, 3, 3, 1, 1)
        """Frames that each layer of the TDNN looks at."""
        dilations: tuple[int, ...] = (1, 2, 3, 1, 1)
        """Distance of these frames."""
        embedding: Size = 512
        """Size of the embedding."""

    def __init__(self, spec: FramesSpec, config: Config) -> None:
        super().__init__(spec)
        shapes = (config.channels, config.kernels, config.dilations)
        if len({len(values) for values in shapes}) > 1 or min(min(values, default=0) for values in shapes) < 1:
            raise UserError("The TDNN's channels, kernels and dilations do not fit.", "Give one of each per layer.")
        self.layer_weights = nn.Parameter(torch.zeros(spec.layers)) if config.weighted else None
        inputs = (config.channels[0], *config.channels)
        self.projector = nn.Linear(spec.size, config.channels[0])
        self.tdnn = nn.ModuleList(map(TDNN, inputs, *shapes))
        self.feature_extractor = nn.Linear(2 * config.channels[-1], config.embedding)
        self.lost = sum((kernel - 1) * step for kernel, step in zip(config.kernels, config.dilations, strict=True))
        self.embedding_size = config.embedding

    def forward(self, frames: Frames) -> Tensor:
        x = self.projector(F.pad(self._layer(frames), (0, 0, 0, self.lost)))
        for layer in self.tdnn:
            x = layer(x)
        mask = valid(frames.lengths.to(x.device).clamp(min=self.lost + 1) - self.lost, x.shape[1])
        x = x.masked_fill(~mask[..., None], 0.0)
        mean = masked_mean(x, mask)
        return self.feature_extractor(concatenated(mean, masked_std(x, mask, mean, floor=1e-7)))

    def _layer(self, frames: Frames) -> Tensor:
        """Input of the TDNN, [B, T, D] with zeros on padding, which may hold anything, NaN too."""
        outside = ~frames.mask
        if self.layer_weights is None:
            return frames.states[:, -1].masked_fill(outside[..., None], 0.0)
        states = frames.states.masked_fill(outside[:, None, :, None], 0.0)
        return torch.einsum("l,bltd->btd", self.layer_weights.softmax(0), states)


class TDNN(nn.Module):
    """A dilated convolution over time without padding, then ReLU: [B, T, in] → [B, T − (kernel − 1) · dilation, out].

    `kernel.weight` [out, taps · in] is stored as a linear map of the taps side by side.
    """

    def __init__(self, size: int, out: int, taps: int, dilation: int) -> None:
        super().__init__()
        self.taps, self.dilation = taps, dilation
        self.kernel = nn.Linear(taps * size, out)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[1] - (self.taps - 1) * self.dilation
        seen = [x[:, tap * self.dilation : tap * self.dilation + steps] for tap in range(self.taps)]
        return self.kernel(torch.cat(seen, -1)).relu()
