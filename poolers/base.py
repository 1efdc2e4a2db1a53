"""The contract of poolers: layered frames to one embedding per utterance."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.errors import UserError


class Pooler(nn.Module):
    """Frames to embeddings. Subclasses set `embedding_size` and implement `forward`.

    Mask-aware: padding changes no embedding by more than 1e-5. Built as `Class(spec, Config(...))`.
    `exports` tells how it becomes a program without its Python code: "torch.export", "torchscript" (tested).
    """

    embedding_size: int
    exports: tuple[str, ...] = ()

    def __init__(self, spec: FramesSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, frames: Frames) -> Tensor:
        """`Frames` [B, L, T, D] → embeddings [B, E]."""
        raise NotImplementedError

    def sequence(self, frames: Frames) -> Frames:
        """Return the sequence that is pooled over time, for heads that read frames: [B, 1, T, D] of the spec's size D.

        Raises `UserError` for a pooler that does not go through such a sequence.
        """
        raise UserError(
            f"A head that reads frames cannot stand behind {type(self).__name__}.",
            "Write backbone+frames+head, or backbone+weighted(pooler=frames)+head for a sum over the layers.",
        )


class SingleLayer(Pooler):
    """A pooler over time of one layer; subclasses implement `pool`."""

    exports = ("torch.export",)

    def __init__(self, spec: FramesSpec, layer: int = -1, masked: bool = True) -> None:
        """`layer` counts as in Python, -1 is the last. Raises `UserError` for one that is not there.

        Not `masked`: padding counts as frames, as in references that know no lengths.
        """
        super().__init__(spec)
        if not -spec.layers <= layer < spec.layers:
            raise UserError(f"There is no layer {layer}.", f"This backbone has layers 0 to {spec.layers - 1}.")
        self.layer = layer
        self.masked = masked

    def forward(self, frames: Frames) -> Tensor:
        if not self.masked:
            return self.pool(frames.states[:, self.layer], torch.ones_like(frames.mask))
        return self.pool(self._silenced(frames), frames.mask)

    def sequence(self, frames: Frames) -> Frames:
        return replace(frames, states=self._silenced(frames)[:, None])

    def _silenced(self, frames: Frames) -> Tensor:
        """The layer [B, T, D] with zeros on padding. A choice, not a product: padding may hold anything, NaN too."""
        return frames.states[:, self.layer].masked_fill(~frames.mask[..., None], 0.0)

    def end_with(self, size: int, project: int) -> None:
        """Set `project`, a linear map from `size` values to so many (none for 0), and with it the embedding size."""
        self.project: nn.Module = nn.Linear(size, project) if project else nn.Identity()
        self.embedding_size = project or size

    def pool(self, x: Tensor, mask: Tensor) -> Tensor:
        """One layer's frames [B, T, D], zeros on padding, and their mask [B, T] → embeddings [B, E]."""
        raise NotImplementedError


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """[B, T, D], zeros where `mask` [B, T] is false → mean over the true ones [B, D]."""
    return x.sum(1) / mask.sum(1).clamp(min=1)[:, None]


def masked_std(x: Tensor, mask: Tensor, mean: Tensor, unbiased: bool = True, floor: float = 1e-5) -> Tensor:
    """[B, T, D] and its mean [B, D] → standard deviation [B, D] over the valid frames.

    Never below `floor`, where its gradient is zero instead of infinite; a single frame gives the floor.
    """
    centered = (x - mean[:, None]).masked_fill(~mask[..., None], 0.0)
    count = (mask.sum(1) - int(unbiased)).clamp(min=1)
    return (centered.square().sum(1) / count[:, None]).clamp(min=floor**2).sqrt()


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores [B, T, …] → weights [B, T, …] that sum to 1 over the frames where `mask` [B, T] is true, 0 elsewhere."""
    outside = ~mask.reshape(*mask.shape, *(1 for _ in scores.shape[2:]))
    return scores.masked_fill(outside, torch.finfo(scores.dtype).min).softmax(1)


def concatenated(mean: Tensor, deviation: Tensor) -> Tensor:
    """[B, D] twice → [B, 2D]."""
    return torch.cat([mean, deviation], -1)
