"""The diarization pipeline: speech, windows, embeddings, clusters, turns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from voxboard.diarization import regions as region
from voxboard.diarization.config import Diarization
from voxboard.diarization.prepared import Prepared
from voxboard.diarization.vad import detect
from voxboard.diarization.windows import cuts, windows
from voxboard.errors import UserError
from voxboard.metrics.rttm import Region, Turn

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import EncoderModule
    from voxboard.scoring.plda import Plda


@dataclass(frozen=True, eq=False)
class Conversation:
    """A recording, who speaks when as far as that is known, and what is scored of it (None: all)."""

    name: str
    cut: Cut
    reference: Sequence[Turn] | None = None
    uem: Sequence[Region] | None = None

    @property
    def scored(self) -> list[Region]:
        """Scored regions: those of the UEM, else the whole recording."""
        return [(0.0, float(self.cut.duration))] if self.uem is None else list(self.uem)


def prepare(
    encoder: EncoderModule,
    cut: Cut,
    settings: Diarization,
    speech: Sequence[Region] | None = None,
    uem: Sequence[Region] | None = None,
    *,
    heads: int = 1,
) -> Prepared:
    """Find speech and embed its windows, reading each window by itself: memory does not hold the recording.

    `heads` is `Network.score_heads`. Raises as `vad.detect` and `scoring.embed.embed`.
    """
    if settings.segmentation != "windows":
        from voxboard.diarization.local_speakers import prepare_local

        return prepare_local(encoder, cut, settings, speech, uem, heads=heads)
    regions = detect(cut, settings, speech, uem)
    rate = int(cut.sampling_rate)
    pieces = windows(regions, rate, int(cut.num_samples), settings)
    if not pieces:
        return Prepared([], [], np.zeros((0, 0), np.float32), rate)
    from voxboard.embedding.embed import embed

    embedded = embed(encoder, cuts(cut, pieces), heads=heads, show_progress=False)
    return Prepared(regions, pieces, embedded.matrix, rate)


def diarize(
    encoder: EncoderModule,
    cut: Cut,
    settings: Diarization,
    speech: Sequence[Region] | None = None,
    num_speakers: int | None = None,
    *,
    uem: Sequence[Region] | None = None,
    heads: int = 1,
    plda: Plda | None = None,
) -> list[Turn]:
    """The turns of a recording, (speaker, start, end) in seconds from the start of the cut, ascending.

    `speech` are the regions that oracle VAD uses (`regions.spoken` of the reference). `num_speakers` None takes the
    settings', 0 estimates. A recording without speech has no turns. Raises as `prepare` and `Prepared.turns`.
    """
    return prepare(encoder, cut, settings, speech, uem, heads=heads).turns(settings, num_speakers, plda)


def diarize_all(
    encoder: EncoderModule,
    conversations: Iterable[Conversation],
    settings: Diarization,
    *,
    heads: int = 1,
    plda: Plda | None = None,
) -> dict[str, list[Turn]]:
    """The turns of every recording by name; oracles look at the references. Raises as `diarize`."""
    return {
        one.name: prepare_one(encoder, one, settings, heads).turns(settings, known_speakers(one, settings), plda)
        for one in conversations
    }


def prepare_one(encoder: EncoderModule, one: Conversation, settings: Diarization, heads: int = 1) -> Prepared:
    """`prepare`, with the reference's speech where the VAD is the oracle."""
    oracle = settings.vad == "oracle" and one.reference is not None
    speech = region.spoken(one.reference or ()) if oracle else None
    return prepare(encoder, one.cut, settings, speech, one.uem, heads=heads)


def known_speakers(one: Conversation, settings: Diarization) -> int:
    """The number of speakers to find, 0 when it is to be estimated. Raises `UserError` where the oracle knows none."""
    if not settings.oracle_speakers:
        return settings.num_speakers
    if one.reference is None:
        raise UserError(f"{one.name} has no reference to count speakers in.", "Leave --oracle_speakers out.")
    return region.speakers(one.reference, one.uem)
