"""Log-mel frames as a backbone of their own: no weights, the floor that every encoder has to beat."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from voxboard.backbones import features
from voxboard.backbones.base import Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.limits import Size


class Fbank(Backbone):
    """Kaldi's log-mel filter bank: [B, 1, T, bins] every 10 ms."""

    @dataclass(frozen=True)
    class Config:
        """Options of `fbank`."""

        bins: Size = 80
        """Mel bins."""
        mean_norm: bool = False
        """Subtract each utterance's mean (then a mean over time is zero and says nothing)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.features = features.FrontEnd("fbank", config.bins, "mean" if config.mean_norm else "none")
        self.spec = BackboneSpec(
            FramesSpec(1, config.bins, hop=0.01),
            min_samples=features.WINDOW,
            weights="none",
            weights_licence="none (no weights)",
            source="Kaldi, compute-fbank-feats",
            exports=("torch.export",),
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        x, steps = self.features(waveforms, lengths)
        return Frames(x[:, None], steps, self.spec.frames.hop)

    def preprocessing(self) -> dict[str, Any]:
        return asdict(self.config)
