"""Numbers that a head predicts of utterances, longer ones in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from voxboard.embedding.embed import Spent, compute
from voxboard.settings import Evaluation

if TYPE_CHECKING:
    from lhotse.cut import Cut
    from torch import Tensor

    from voxboard.model import Network


def values(
    network: Network, cuts: Sequence[Cut], settings: Evaluation, show_progress: bool = True
) -> tuple[np.ndarray, Spent]:
    """The first number [U] that the head predicts, and what it took; of an utterance in several pieces the mean."""
    head = network.head
    assert head is not None
    head.eval()

    def batch(waveforms: Tensor, lengths: Tensor) -> list[float]:
        values: list[float] = head.predict(network.training_output(waveforms, lengths))[:, 0].tolist()
        return values

    computed = compute(
        network.encoder,
        cuts,
        batch,
        fmean,
        max_seconds=settings.max_seconds,
        skip_bad_audio=settings.skip_bad_audio,
        show_progress=show_progress,
        doing="listening",
    )
    return np.array(list(computed.of.values())), computed.spent
