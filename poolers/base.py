"""What every pooler is: layered frames to one embedding per utterance."""

from __future__ import annotations

from torch import Tensor, nn

from voxboard.backbones.base import Frames, FramesSpec


class Pooler(nn.Module):
    """Frames to embeddings. Subclasses set `embedding_size` and implement `forward`.

    Mask-aware: padding changes no embedding by more than 1e-5. Built as `Class(spec, Config(...))`.
    """

    embedding_size: int

    def __init__(self, spec: FramesSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, frames: Frames) -> Tensor:
        """`Frames` [B, L, T, D] → embeddings [B, E]."""
        raise NotImplementedError
