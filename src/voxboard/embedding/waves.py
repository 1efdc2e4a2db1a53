"""Embeddings of samples that lie in memory, where there is no file of their own to name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from voxboard.embedding.embed import BATCH_SECONDS, CLOSE, device_of, padded
from voxboard.errors import Diverged
from voxboard.model import EncoderModule, normalize


def embed_waves(encoder: EncoderModule, waves: Sequence[NDArray[np.float32]], heads: int = 1) -> NDArray[np.float32]:
    """Embed waveforms [N] at the backbone's rate: rows [U, E] whose dot products are cosines, in the same order.

    They are batched as `embed` batches: of similar length, of equal length where padding would change an embedding.
    Raises `Diverged` where one is not finite.
    """
    device = device_of(encoder)
    rows: dict[int, torch.Tensor] = {}
    encoder.eval()
    with torch.inference_mode():
        for group in _groups(encoder, waves, BATCH_SECONDS.get(device.type, 0.0)):
            embedded = encoder(*padded([waves[place] for place in group], device)).float().cpu()
            rows.update(zip(group, normalize(embedded, heads), strict=True))
    if not rows:
        return np.zeros((0, 0), np.float32)
    matrix = torch.stack([rows[place] for place in range(len(waves))])
    if not bool(matrix.isfinite().all()):
        raise Diverged("An embedding holds NaN or infinity.", "Train with a lower --max_lr.")
    return matrix.numpy()


def _groups(encoder: EncoderModule, waves: Sequence[NDArray[np.float32]], seconds: float) -> Iterator[list[int]]:
    """Places of waveforms that share a batch."""
    spec = encoder.backbone.spec
    share = 1.0 if spec.batching == "equal-length" else CLOSE
    group: list[int] = []
    for place in sorted(range(len(waves)), key=lambda place: -len(waves[place])):
        longest = len(waves[group[0]]) if group else 0
        if group and (len(waves[place]) < share * longest or (len(group) + 1) * longest > seconds * spec.sample_rate):
            yield group
            group = []
        group.append(place)
    if group:
        yield group
