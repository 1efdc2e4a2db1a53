"""Every utterance is embedded once, to the same row however it is batched."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.cuts import noise_cuts
from voxboard import model, systems
from voxboard.backbones.base import Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.embedding.embed import compute, embed
from voxboard.errors import BadAudio, UserError
from voxboard.model import EncoderModule, normalize
from voxboard.poolers import create as pooler
from voxboard.scoring.cosine import cosine

SECONDS = [0.6, 0.05, 1.4, 0.6, 0.9]


def _encoder(spec: str = "ecapa(channels=16, frame_size=32)+statistics") -> EncoderModule:
    return model.build(systems.parse(spec), None, seed=0).encoder.eval()


@pytest.mark.parametrize("batch_seconds", [0.0, 2.0, 30.0])
@pytest.mark.parametrize(
    "spec",
    [
        "ecapa(channels=16, frame_size=32)+statistics",
        "xvector(channels=16, frame_size=32)+native",
        "wav2vec2-base(layers=1, size=16, heads=2, ffn=16, conv_size=8)+mean",
    ],
)
def test_rows_do_not_depend_on_the_batching(spec: str, batch_seconds: float, tmp_path: Path) -> None:
    encoder, cuts = _encoder(spec), noise_cuts(tmp_path, SECONDS)
    alone = embed(encoder, cuts, batch_seconds=0.0, show_progress=False)
    batched = embed(encoder, cuts, batch_seconds=batch_seconds, show_progress=False)
    assert batched.ids == alone.ids == tuple(cut.id for cut in cuts)
    np.testing.assert_allclose(batched.matrix, alone.matrix, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(alone.matrix, axis=1), 1.0, atol=1e-5)


class Counting(Backbone):
    """Counts utterances and the sizes of its batches; its frames depend on the padding, and it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = BackboneSpec(FramesSpec(1, 2), batching="equal-length", min_samples=1)
        self.batches: list[list[int]] = []
        self.weight = nn.Parameter(torch.ones(1))

    def encode(self, waveforms: torch.Tensor, lengths: torch.Tensor) -> Frames:
        self.batches.append(lengths.tolist())
        states = torch.stack([waveforms.mean(1), waveforms.std(1)], -1)[:, None, None]
        return Frames(states, torch.ones_like(lengths), 0.02)


def test_each_utterance_once_and_only_equal_lengths_together(tmp_path: Path) -> None:
    backbone = Counting()
    embed(
        EncoderModule(backbone, pooler("mean", (1, 2))),
        noise_cuts(tmp_path, SECONDS),
        batch_seconds=60,
        show_progress=False,
    )
    assert sorted(length for batch in backbone.batches for length in batch) == sorted(int(s * 16_000) for s in SECONDS)
    assert all(len(set(batch)) == 1 for batch in backbone.batches)
    assert max(map(len, backbone.batches)) == 2


def test_a_long_utterance_is_embedded_in_equal_chunks(tmp_path: Path) -> None:
    backbone = Counting()
    encoder = EncoderModule(backbone, pooler("mean", (1, 2)))
    found = embed(encoder, noise_cuts(tmp_path, [2.5]), max_seconds=1.0, show_progress=False)
    assert sorted(length for batch in backbone.batches for length in batch) == [13_333, 13_333, 13_334]
    np.testing.assert_allclose(np.linalg.norm(found.matrix, axis=1), 1.0, atol=1e-5)


def test_pieces_of_chunks_are_joined_in_their_order(tmp_path: Path) -> None:
    encoder = EncoderModule(Counting(), pooler("mean", (1, 2)))

    def lengths(waveforms: torch.Tensor, samples: torch.Tensor) -> list[list[int]]:
        assert not torch.is_grad_enabled()
        return [[count, waveforms.shape[1]] for count in samples.tolist()]

    found = compute(encoder, noise_cuts(tmp_path, [0.5, 2.5, 0.5]), lengths, list, max_seconds=1.0, show_progress=False)
    assert list(found.of) == ["u0", "u1", "u2"]
    assert found.of["u0"] == found.of["u2"] == [[8000, 8000]]
    assert [count for count, _ in found.of["u1"]] == [13_334, 13_333, 13_333]
    assert (found.spent.utterances, found.spent.audio_seconds) == (3, 3.5)


def test_unreadable_audio_stops_or_is_left_out(tmp_path: Path) -> None:
    cuts = noise_cuts(tmp_path, SECONDS)
    (tmp_path / "2.wav").write_text("not audio at all")
    with pytest.raises(BadAudio, match=r"2\.wav"):
        embed(_encoder(), cuts, show_progress=False)
    found = embed(_encoder(), cuts, skip_bad_audio=True, show_progress=False)
    assert found.spent.skipped == ("u2",)
    assert len(found.ids) == len(cuts) - 1
    with pytest.raises(UserError, match="No utterance"):
        embed(_encoder(), cuts[2:3], skip_bad_audio=True, show_progress=False)


def test_scoring_needs_no_more_memory_than_the_scores() -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((50, 64)).astype(np.float32)
    count = 2_000_000
    enrol, test = (random.integers(50, size=count).astype(np.int32) for _ in range(2))
    tracemalloc.start()
    scores = cosine(rows, enrol, test)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - scores.nbytes < 64 * 2**20


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_scores_are_cosines_averaged_over_heads(heads: int, size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    raw = random.standard_normal((7, heads * size)).astype(np.float32)
    enrol, test = random.integers(7, size=20), random.integers(7, size=20)
    rows = normalize(torch.from_numpy(raw), heads).numpy()
    pieces = raw.reshape(7, heads, size)
    pieces = pieces / np.linalg.norm(pieces, axis=-1, keepdims=True)
    per_head = (pieces[enrol] * pieces[test]).sum(-1)
    np.testing.assert_allclose(cosine(rows, enrol, test, heads), per_head.mean(1), atol=1e-5)
    clamped = cosine(rows, enrol, test, heads, clamp=True)
    np.testing.assert_allclose(clamped, per_head.clip(0, 1).mean(1), atol=1e-5)
