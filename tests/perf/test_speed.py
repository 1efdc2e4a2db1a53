"""Speed as ratios in one run: `make bench`. Every table row is a median of interleaved rounds."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from lhotse.cut import Cut

from tests.perf.measure import interleaved, report
from voxboard import model, systems
from voxboard.data import audio
from voxboard.data.batches import Crops, batches, shuffled
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.embedding.embed import embed
from voxboard.model import EncoderModule, normalize
from voxboard.preparation import prepare

pytestmark = pytest.mark.perf
ROUNDS = 3


@pytest.fixture(scope="module")
def librispeech(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    from tests.conftest import DATA

    if not DATA.is_dir():
        pytest.skip("no real data: VOXBOARD_DATA names no folder")
    out = tmp_path_factory.mktemp("corpora") / "LibriSpeech"
    return prepare("LibriSpeech", DATA / "librispeech-mini" / "LibriSpeech", out, PrepareOptions())


def _one_by_one(encoder: EncoderModule, cuts: Sequence[Cut]) -> dict[str, np.ndarray]:
    found = {}
    with torch.inference_mode():
        for cut in cuts:
            wave = torch.from_numpy(audio.load(cut))[None]
            found[cut.id] = normalize(encoder(wave, torch.tensor([wave.shape[1]])))[0].numpy()
    return found


def _buckets(encoder: EncoderModule, cuts: Sequence[Cut], seconds: float = 120.0) -> dict[str, np.ndarray]:
    found = {}
    ordered = sorted(cuts, key=lambda cut: -cut.duration)
    with torch.inference_mode():
        while ordered:
            size = max(int(seconds / ordered[0].duration), 1)
            group, ordered = ordered[:size], ordered[size:]
            waves = [torch.from_numpy(audio.load(cut)) for cut in group]
            padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
            rows = normalize(encoder(padded, torch.tensor([len(wave) for wave in waves])))
            found.update(zip([cut.id for cut in group], rows.numpy(), strict=True))
    return found


@pytest.mark.parametrize(("spec", "split"), [("xvector+native", "all"), ("ecapa+native", "test")])
def test_embedding_is_not_slower_than_loops_by_hand(spec: str, split: str, librispeech: Corpus) -> None:
    torch.set_num_threads(2)
    encoder = model.build(systems.parse(spec), None, 0).encoder.eval()
    cuts = librispeech.all_cuts() if split == "all" else list(librispeech.cuts(split))
    ours = embed(encoder, cuts, show_progress=False)
    loop = _one_by_one(encoder, cuts)
    far = max(float(np.abs(ours.matrix[row] - loop[name]).max()) for name, row in ours.rows().items())
    assert far < 1e-5
    took = interleaved(
        ROUNDS,
        ours=lambda: embed(encoder, cuts, show_progress=False),
        loop=lambda: _one_by_one(encoder, cuts),
        buckets=lambda: _buckets(encoder, cuts),
    )
    ratio = took["ours"] / min(took["loop"], took["buckets"])
    report(f"embedding, {spec}", took, "≤ 1.05 of the faster loop")
    assert ratio < 1.05


def test_training_waits_for_its_data_less_than_a_tenth_of_the_time(librispeech: Corpus) -> None:
    torch.set_num_threads(2)
    cuts = list(librispeech.cuts("train"))
    speakers = sorted({speaker_of(cut) for cut in cuts})
    network = model.build(systems.parse("ecapa(channels=128)+native+aam"), len(speakers), 0)
    assert network.head is not None
    labels = [speakers.index(speaker_of(cut)) for cut in cuts]
    crops = Crops(cuts, labels, 48_000, 16_000, seed=0, skip_bad=False)
    lengths = torch.full((32,), 48_000)
    waiting = computing = 0.0
    stream = batches(crops, shuffled(len(cuts), 32, 0), 0, 12, workers=1)
    next(stream)  # the workers' start is paid once a run
    clock = time.perf_counter()
    for batch in stream:
        waiting += time.perf_counter() - clock
        clock = time.perf_counter()
        network.head.loss(network.encoder(batch.waveforms, lengths), batch.labels).backward()
        computing += time.perf_counter() - clock
        clock = time.perf_counter()
    share = computing / (computing + waiting)
    print(f"\ntraining step: {100 * share:.1f} % in forward and backward")
    assert share >= 0.9


@pytest.mark.parametrize("words", [["--help"], ["list"]])
def test_help_and_list_answer_at_once(words: list[str], tmp_path: Path) -> None:
    code = "import sys; from voxboard.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *words]
    run = lambda: subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # noqa: E731
    took = interleaved(7, ours=run)
    report(f"voxboard {' '.join(words)}", took, "≤ 0.5 s")
    assert took["ours"] < 0.5
