"""A segmentation in front of an encoder: overlap is found, windows are stitched, and the network is a VAD, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.diarization.sources import conversation, cut, encoder
from voxboard import published
from voxboard.diarization import Diarization, diarize, prepare, segmentation, vad
from voxboard.diarization.prepared import LocalSpeakers
from voxboard.diarization.pyannet import PyanNet, PyanNetSizes
from voxboard.diarization.segmentation import window_starts
from voxboard.embedding.embed import embed
from voxboard.embedding.waves import embed_waves
from voxboard.errors import UserError
from voxboard.metrics.diarization import der
from voxboard.metrics.rttm import Turn

TURNS = [("ann", 0.5, 5.0), ("béla", 4.0, 9.0), ("cem", 10.0, 14.0), ("ann", 13.5, 17.0), ("béla", 18.0, 22.0)]
SETTINGS = Diarization(vad="none", segmentation="pyannet")


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A segmentation that knows the turns, and numbers the speakers of every window in another order."""
    network = PyanNet(PyanNetSizes(hidden=2, layers=1, linear=2))
    monkeypatch.setattr(segmentation, "published_network", lambda: network)

    def decisions(_: PyanNet, one: object, hop: float) -> np.ndarray:
        grid = segmentation.grid_of(network, hop)
        starts = window_starts(round(one.duration * 16_000), 160_000, round(hop * 16_000))  # type: ignore[attr-defined]
        found = np.zeros((len(starts), 589, 3), np.uint8)
        for number, start in enumerate(starts):
            middles = start / 16_000 + np.arange(589) * grid.frame_step + grid.frame_duration / 2
            names = sorted({turn[0] for turn in TURNS})
            for name, begin, end in TURNS:
                place = (names.index(name) + number) % 3
                found[number, (middles >= begin) & (middles < end), place] = 1
        return found

    monkeypatch.setattr(segmentation, "decisions", decisions)


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.usefixtures("knowing")
def test_overlap_is_found_that_windows_alone_miss(tmp_path: Path, rate: int) -> None:
    one = conversation(tmp_path, "talk", TURNS, 22.5, rate)
    found = diarize(encoder(), one.cut, SETTINGS, num_speakers=3)
    assert der(TURNS, found, 0.0) < 0.02
    plain = diarize(encoder(), one.cut, Diarization(), [(0.5, 9.0), (10.0, 17.0), (18.0, 22.0)], 3)
    assert der(TURNS, plain, 0.0) > 0.05
    assert found == sorted(found, key=lambda turn: turn[1])


@pytest.mark.usefixtures("knowing")
def test_a_local_speaker_is_embedded_by_what_it_says_alone(tmp_path: Path) -> None:
    one = conversation(tmp_path, "talk", TURNS, 22.5)
    prepared = prepare(encoder(), one.cut, SETTINGS)
    assert isinstance(prepared, LocalSpeakers)
    first = prepared.clean[prepared.owners[:, 0] == 0]
    assert first.tolist() == pytest.approx([3.5, 4.0], abs=0.05)  # of 4.5 and 5 s, of which 1 s is together
    names = prepared.owners[:, 1] - prepared.owners[:, 0]
    same = names[:, None] % 3 == names % 3
    cosines = prepared.embeddings @ prepared.embeddings.T
    long = prepared.founders(SETTINGS)
    assert cosines[np.ix_(long, long)][same[np.ix_(long, long)]].min() > 0.99
    assert cosines[np.ix_(long, long)][~same[np.ix_(long, long)]].max() < cosines[same].max()


@pytest.mark.usefixtures("knowing")
def test_turns_stay_within_the_uem_and_the_speech_that_a_vad_finds(tmp_path: Path) -> None:
    one = conversation(tmp_path, "talk", TURNS, 22.5)
    found = diarize(encoder(), one.cut, SETTINGS, num_speakers=3, uem=[(2.0, 12.0)])
    assert min(turn[1] for turn in found) == 2.0
    assert max(turn[2] for turn in found) == 12.0
    oracle = Diarization(segmentation="pyannet")
    found = diarize(encoder(), one.cut, oracle, [(0.5, 3.0), (10.0, 14.0)], 3)
    assert max(end for _, _, end in found) == 14.0
    assert diarize(encoder(), one.cut, oracle, []) == []


@pytest.mark.usefixtures("knowing")
def test_the_network_is_a_vad_too(tmp_path: Path) -> None:
    one = conversation(tmp_path, "talk", TURNS, 22.5)
    found = vad.detect(one.cut, Diarization(vad="pyannet"))
    assert np.allclose(found, [(0.5, 9.0), (10.0, 17.0), (18.0, 22.0)], atol=0.04)
    both = Diarization(vad="pyannet", segmentation="pyannet")
    assert der(TURNS, diarize(encoder(), one.cut, both, num_speakers=3), 0.0) < 0.02


@pytest.mark.parametrize(
    ("total", "starts"), [(0, []), (5, [0]), (10, [0]), (11, [0, 3]), (13, [0, 3]), (14, [0, 3, 6]), (16, [0, 3, 6])]
)
def test_windows_reach_the_end_of_a_recording(total: int, starts: list[int]) -> None:
    assert window_starts(total, 10, 3) == starts


def test_a_network_hears_every_window_and_silence_after_the_end(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = PyanNet(PyanNetSizes(hidden=4, layers=1, linear=4)).eval()
    one = conversation(tmp_path, "talk", TURNS[:2], 12.3)
    found = segmentation.decisions(network, one.cut, 1.0)
    assert found.shape == (4, 589, 3)
    samples = np.zeros(160_000, np.float32)
    wave = torch.from_numpy(np.concatenate([segmentation.audio.load(one.cut)[48_000:], samples]))[:160_000]
    with torch.inference_mode():
        logs = network(wave[None, None])
    assert np.array_equal(found[3], segmentation.decided(logs, 3, 2)[0].numpy())
    assert len(segmentation.decisions(network, conversation(tmp_path, "short", [("ann", 0.5, 0.8)], 1.0).cut, 1.0)) == 1


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXBOARD_CACHE", str(tmp_path / "cache"))
    one = conversation(tmp_path, "talk", TURNS[:1], 6.0)
    for settings in (Diarization(vad="pyannet"), SETTINGS):
        with pytest.raises(UserError, match="Run: voxboard weights get pyannet"):
            diarize(encoder(), one.cut, settings)


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(UserError, match="VBx"):
        Diarization(segmentation="pyannet", resegmentation="vbx")
    with pytest.raises(UserError, match="segmentation_hop"):
        Diarization(segmentation_hop=11.0)
    with pytest.raises(UserError, match="Did you mean pyannet"):
        Diarization(segmentation="pyanet")  # type: ignore[arg-type]


def test_samples_in_memory_are_embedded_as_the_same_samples_in_files(tmp_path: Path) -> None:
    seconds = (2.0, 1.0, 1.9, 3.5)
    cuts = [conversation(tmp_path, f"t{n}", [("ann", 0.0, s)], s).cut for n, s in enumerate(seconds)]
    waves = [segmentation.audio.load(one) for one in cuts]
    network = encoder()
    assert np.allclose(embed_waves(network, waves), embed(network, cuts, show_progress=False).matrix, atol=1e-6)
    assert embed_waves(network, []).shape == (0, 0)


def test_the_published_network_tells_speakers_of_a_real_meeting_apart(shared_data: Path) -> None:
    if not published.is_here("pyannet"):
        pytest.skip(f"the published weights are not here: {published.entry('pyannet').command}")
    from voxboard.metrics.rttm import read_rttm

    folder = shared_data / "diarization" / "ami-excerpts"
    reference: list[Turn] = read_rttm(folder / "rttm")["sample"]
    one = cut(folder / "audio" / "sample.flac")
    found = vad.detect(one, Diarization(vad="pyannet"))
    assert 21 < sum(end - start for start, end in found) < 24  # 22.5 s by the reference
    network = segmentation.published_network()
    grid = segmentation.grid_of(network, 1.0)
    decisions = segmentation.decisions(network, one, 1.0)
    assert _with_known_clusters(decisions, grid, reference) < 0.1


def _with_known_clusters(decisions: np.ndarray, grid: segmentation.Grid, reference: list[Turn]) -> float:
    """The DER where every local speaker belongs to whom it overlaps most."""
    from voxboard.diarization import stitching

    names = sorted({name for name, _, _ in reference})
    clusters = np.full((len(decisions), decisions.shape[2]), stitching.NOBODY)
    for number, own in enumerate(decisions):
        middles = number * grid.step + np.arange(len(own)) * grid.frame_step + grid.frame_duration / 2
        speaks = np.array([[any(n == name and a <= t < b for n, a, b in reference) for t in middles] for name in names])
        clusters[number] = (speaks @ own).argmax(axis=0)
    found = stitching.segments(stitching.tracks(decisions, clusters, grid), grid)
    return der(reference, [(names[number], start, end) for start, end, number in found], 0.0)
