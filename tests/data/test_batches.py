"""Training batches are functions of the seed and the step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lhotse import MonoCut

from tests.cuts import noise_cuts
from voxboard.data.batches import Crops, batches, by_speaker, shuffled
from voxboard.data.targets import Targets, learn
from voxboard.errors import BadAudio, UserError


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 9))
def test_every_epoch_is_a_permutation(count: int, size: int, seed: int) -> None:
    plan = shuffled(count, size, seed)
    stream = [index for step in range(2 * count) for index in plan(step)]
    for epoch in range(len(stream) // count):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(st.lists(st.integers(1, 7), min_size=4, max_size=12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 9))
def test_a_batch_has_its_speakers_one_after_another(counts: list[int], n: int, m: int, seed: int) -> None:
    labels = [speaker for speaker, count in enumerate(counts) for _ in range(count)]
    plan = by_speaker(labels, n, m, seed)
    per_epoch = len(counts) // n
    for epoch in range(3):
        met = []
        for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
            rows = [plan(step)[row * m : (row + 1) * m] for row in range(n)]
            for row in rows:
                assert len({labels[index] for index in row}) == 1
                assert len(set(row)) == min(m, counts[labels[row[0]]]), "no utterance twice where there are enough"
            met += [labels[row[0]] for row in rows]
        assert len(set(met)) == len(met), "a speaker comes once in an epoch"


def test_a_speaker_gives_all_utterances_before_one_comes_again() -> None:
    plan = by_speaker([0] * 6 + [1] * 6, 2, 2, seed=4)
    for start in (0, 3):
        drawn = [index for step in range(start, start + 3) for index in plan(step)]
        assert sorted(drawn) == list(range(12))


def test_batches_by_speaker_are_a_function_of_the_step_and_the_seed() -> None:
    labels = [place % 5 for place in range(40)]
    one, other = by_speaker(labels, 2, 3, seed=1), by_speaker(labels, 2, 3, seed=1)
    forwards = [one(step) for step in range(20)]
    assert forwards == [other(step) for step in reversed(range(20))][::-1]
    assert forwards != [by_speaker(labels, 2, 3, seed=2)(step) for step in range(20)]


def test_too_few_speakers_for_a_batch_are_refused() -> None:
    with pytest.raises(UserError, match="there are 2 speakers"):
        by_speaker([0, 0, 1], 3, 2, seed=0)


def test_a_file_that_cannot_be_read_is_replaced_by_one_of_its_speaker(tmp_path: Path) -> None:
    cuts = noise_cuts(tmp_path, [0.6] * 6)
    (tmp_path / "1.wav").write_bytes(b"")
    for cut, speaker in zip(cuts, "010100", strict=True):
        cut.supervisions[0].speaker = speaker
    crops = Crops(cuts, _targets(cuts), 8_000, 16_000, seed=3, skip_bad=True, keep="speaker")
    (batch,) = batches(crops, lambda step: [1, 0, 1, 1], 0, 1, workers=0)
    assert batch.labels["speaker"].tolist() == [1, 0, 1, 1]
    assert set(batch.skipped) == {"u1"}


def _crops(cuts: list[MonoCut], skip_bad: bool = False) -> Crops:
    return Crops(cuts, _targets(cuts), 8_000, 16_000, seed=3, skip_bad=skip_bad)


def _targets(cuts: list[MonoCut]) -> Targets:
    return learn({"speaker": "classes"}, cuts, pytest.fail)


def test_workers_and_interruptions_change_nothing(tmp_path: Path) -> None:
    crops = _crops(noise_cuts(tmp_path, [0.2, 0.5, 0.9, 1.3]))
    plan = shuffled(4, 3, seed=1)
    alone = list(batches(crops, plan, 0, 6, workers=0))
    helped = list(batches(crops, plan, 0, 6, workers=2))
    later = list(batches(crops, plan, 4, 6, workers=0))
    for a, b in [*zip(alone, helped, strict=True), *zip(alone[4:], later, strict=True)]:
        assert torch.equal(a.waveforms, b.waveforms)
        assert torch.equal(a.labels["speaker"], b.labels["speaker"])
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
    assert batch.labels["speaker"].tolist() == [0, 0]


def test_whole_utterances_are_padded_and_carry_their_lengths(tmp_path: Path) -> None:
    cuts = noise_cuts(tmp_path, [0.2, 0.5])
    crops = Crops(cuts, _targets(cuts), 0, 16_000, seed=3, skip_bad=False)
    (batch,) = batches(crops, lambda step: [0, 1], 0, 1, workers=0)
    assert batch.lengths.tolist() == [3_200, 8_000]
    assert batch.waveforms.shape == (2, 8_000)
    assert not batch.waveforms[0, 3_200:].any()
    assert batch.waveforms[0, :3_200].any()
