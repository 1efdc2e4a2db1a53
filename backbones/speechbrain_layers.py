"""SpeechBrain's log-mel, ECAPA-TDNN and x-vector under its own parameter names, with convolutions that mirror."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard.backbones.features import HOP, WINDOW
from voxboard.backbones.frames import valid
from voxboard.poolers.base import masked_mean

ECAPA_DILATIONS = (2, 3, 4)
XVECTOR_CONTEXTS = ((5, 1), (3, 2), (3, 3), (1, 1), (1, 1))  # frames and dilation of each layer
SHORTEST = 5  # frames: what a convolution that reaches 4 frames further can still mirror


class DecibelFbank(nn.Module):
    """Log-mel in dB: centred Hamming frames, triangles as wide on the right as on the left, 80 dB below the loudest."""

    window: Tensor
    mel: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        mels = torch.linspace(0.0, 2595.0 * math.log10(1.0 + 8000.0 / 700.0), bins + 2)
        hertz = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
        slope = (torch.linspace(0.0, 8000.0, WINDOW // 2 + 1)[:, None] - hertz[1:-1]) / (hertz[1:-1] - hertz[:-2])
        self.register_buffer("mel", (1.0 - slope.abs()).clamp(min=0.0), persistent=False)  # [201, bins]
        self.register_buffer("window", torch.hamming_window(WINDOW), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`waveforms` [B, N], zeros past `lengths` [B] → [B, T, bins], frames [B]. Not differentiable."""
        padded = F.pad(waveforms.float(), (WINDOW // 2, WINDOW // 2))
        spectrum = torch.stft(padded, WINDOW, HOP, window=self.window, center=False, return_complex=True)
        power = torch.view_as_real(spectrum).square().sum(-1).transpose(1, 2)  # [B, T, 201]
        frames = 1 + torch.div(lengths, HOP, rounding_mode="floor")
        decibel = 10.0 * (power @ self.mel).clamp(min=1e-10).log10()
        decibel = decibel.masked_fill(~valid(frames, decibel.shape[1])[..., None], -100.0)
        return torch.maximum(decibel, decibel.amax((1, 2), keepdim=True) - 80.0), frames


class Mirrored(nn.Module):
    """A convolution over time that sees every utterance mirrored at its own two ends."""

    def __init__(self, size: int, out: int, frames: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.reach = dilation * (frames - 1) // 2
        self.conv = nn.Conv1d(size, out, frames, dilation=dilation)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """[B, size, T] → [B, out, T]; `lengths` [B] > `reach`, or None where no utterance is padded."""
        if not self.reach:
            return self.conv(x)
        if lengths is None:
            return self.conv(F.pad(x, (self.reach, self.reach), mode="reflect"))
        at = torch.arange(-self.reach, x.shape[2] + self.reach, device=x.device).abs()[None]
        last = lengths[:, None] - 1
        at = torch.where(at > last, 2 * last - at, at).clamp(min=0)  # [B, T + 2 reach]
        return self.conv(x.gather(2, at[:, None].expand(-1, x.shape[1], -1)))


class Norm(nn.Module):
    """A batch norm under the reference's name."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(size)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class ReflectedTimeDelay(nn.Module):
    """Convolution, ReLU, batch norm."""

    def __init__(self, size: int, out: int, frames: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = Mirrored(size, out, frames, dilation)
        self.norm = Norm(out)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return self.norm(F.relu(self.conv(x, lengths)))


class Res2(nn.Module):
    """Groups of channels: the first as it is, every other one through a layer, with the one before it added."""

    def __init__(self, width: int, dilation: int, scale: int) -> None:
        super().__init__()
        group = width // scale
        self.group = group
        self.blocks = nn.ModuleList(ReflectedTimeDelay(group, group, 3, dilation) for _ in range(scale - 1))

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        first, *groups = torch.split(x, self.group, 1)
        done = [first]
        for chunk, block in zip(groups, self.blocks, strict=True):
            done.append(block(chunk + done[-1] if len(done) > 1 else chunk, lengths))
        return torch.cat(done, 1)


class ReflectedSqueezeExcite(nn.Module):
    """Scales every channel by what its mean over the utterance suggests."""

    def __init__(self, width: int, squeeze: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Mirrored(width, squeeze), Mirrored(squeeze, width)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        mean = x.mean(2)
        if lengths is not None:
            mask = valid(lengths, x.shape[2])
            mean = masked_mean(x.masked_fill(~mask[:, None], 0.0).transpose(1, 2), mask)
        return x * torch.sigmoid(self.conv2(F.relu(self.conv1(mean[..., None], None)), None))


class ReflectedRes2Block(nn.Module):
    """SE-Res2 block (Desplanques et al., Interspeech 2020, figure 2)."""

    def __init__(self, width: int, dilation: int, scale: int, squeeze: int) -> None:
        super().__init__()
        self.tdnn1, self.tdnn2 = ReflectedTimeDelay(width, width), ReflectedTimeDelay(width, width)
        self.res2net_block = Res2(width, dilation, scale)
        self.se_block = ReflectedSqueezeExcite(width, squeeze)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        y = self.res2net_block(self.tdnn1(x, lengths), lengths)
        return x + self.se_block(self.tdnn2(y, lengths), lengths)


class EcapaTdnn(nn.Module):
    """Features [B, bins, T] → frames [B, frame_size, T]: three blocks in a row, then all three side by side."""

    def __init__(self, bins: int, channels: int, frame_size: int, scale: int, squeeze: int) -> None:
        super().__init__()
        blocks = (ReflectedRes2Block(channels, dilation, scale, squeeze) for dilation in ECAPA_DILATIONS)
        self.blocks = nn.ModuleList([ReflectedTimeDelay(bins, channels, 5), *blocks])
        self.mfa = ReflectedTimeDelay(len(ECAPA_DILATIONS) * channels, frame_size)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        outputs = []
        for block in self.blocks:
            x = block(x, lengths)
            outputs.append(x)
        return self.mfa(torch.cat(outputs[1:], 1), lengths)


class XVectorTdnn(nn.Module):
    """Features [B, bins, T] → frames [B, frame_size, T]: convolution, leaky ReLU, batch norm, five times."""

    def __init__(self, bins: int, channels: int, frame_size: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        size = bins
        for layer, (frames, dilation) in enumerate(XVECTOR_CONTEXTS, 1):
            out = frame_size if layer == len(XVECTOR_CONTEXTS) else channels
            self.blocks.extend([Mirrored(size, out, frames, dilation), nn.LeakyReLU(), Norm(out)])
            size = out

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        for block in self.blocks:
            x = block(x, lengths) if isinstance(block, Mirrored) else block(x)
        return x
