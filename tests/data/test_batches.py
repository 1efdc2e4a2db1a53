"""Training batches are functions of the seed and the step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lhotse import MonoCut

from tests.cuts import noise_cuts
from voxboard.data.batches import Crops, batches, shuffled
from voxboard.errors import BadAudio


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 9))
def test_every_epoch_is_a_permutation(count: int, size: int, seed: int) -> None:
    plan = shuffled(count, size, seed)
    stream = [index for step in range(2 * count) for index in plan(step)]
    for epoch in range(len(stream) // count):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))


def _crops(cuts: list[MonoCut], skip_bad: bool = False) -> Crops:
    return Crops(cuts, list(range(len(cuts))), 8_000, 16_000, seed=3, skip_bad=skip_bad)


def test_workers_and_interruptions_change_nothing(tmp_path: Path) -> None:
    crops = _crops(noise_cuts(tmp_path, [0.2, 0.5, 0.9, 1.3]))
    plan = shuffled(4, 3, seed=1)
    alone = list(batches(crops, plan, 0, 6, workers=0))
    helped = list(batches(crops, plan, 0, 6, workers=2))
    later = list(batches(crops, plan, 4, 6, workers=0))
    for a, b in [*zip(alone, helped, strict=True), *zip(alone[4:], later, strict=True)]:
        assert torch.equal(a.waveforms, b.waveforms)
        assert torch.equal(a.labels, b.labels)
    assert alone[0].waveforms.shape == (3, 8_000)


def test_a_short_utterance_is_repeated(tmp_path: Path) -> None:
    (cut,) = noise_cuts(tmp_path, [0.2])
    (batch,) = batches(_crops([cut]), shuffled(1, 1, 0), 0, 1, workers=0)
    wave = batch.waveforms[0]
    assert torch.equal(wave[:3_200], wave[3_200:6_400])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_file_stops_or_is_counted(tmp_path: Path, workers: int) -> None:
    cuts = noise_cuts(tmp_path, [0.6, 0.7])
    (tmp_path / "1.wav").write_bytes(b"")
    with pytest.raises(BadAudio, match=r"1\.wav"):
        list(batches(_crops(cuts), shuffled(2, 2, 0), 0, 1, workers))
    (batch,) = batches(_crops(cuts, skip_bad=True), shuffled(2, 2, 0), 0, 1, workers)
    assert set(batch.skipped) == {"u1"}
    assert batch.labels.tolist() == [0, 0]
