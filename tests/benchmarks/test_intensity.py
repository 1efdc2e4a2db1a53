"""Intensity: levels of whole utterances, who tells them, the baselines beside, and audio that cannot be read."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.cuts import noise_cuts
from voxboard import model, systems
from voxboard.benchmarks.intensity import Intensity, LearnedIntensity, Told
from voxboard.benchmarks.intensity_baseline import features
from voxboard.benchmarks.levels import levels, rows
from voxboard.data import tokens
from voxboard.data.corpus import Corpus
from voxboard.data.targets import Targets, TokenTarget, ValueTarget
from voxboard.embedding.embed import Spent
from voxboard.errors import BadAudio, UserError
from voxboard.metrics import regression
from voxboard.scoring.probe import ValueProbe
from voxboard.settings import Evaluation

QUICK = Evaluation(replicates=50)


class Noises:
    """A corpus of noise with a split per name: a level and a length in seconds for every utterance."""

    name = "Noises"

    def __init__(self, folder: Path, **splits: list[tuple[float, float]]) -> None:
        self.splits = {}
        for split, wanted in splits.items():
            (folder / split).mkdir()
            cuts = noise_cuts(folder / split, [seconds for _, seconds in wanted])
            for cut, (amplitude, _) in zip(cuts, wanted, strict=True):
                path = cut.recording.sources[0].source
                wave, rate = soundfile.read(path)
                soundfile.write(path, amplitude * wave, rate, subtype="FLOAT")
            self.splits[split] = tuple(cuts)

    def cuts(self, split: str) -> Any:
        return self.splits[split]


@pytest.fixture
def corpus(tmp_path: Path) -> Any:
    amplitudes = np.geomspace(0.01, 1.0, 24)
    known = [(float(level), 0.6) for level in amplitudes]
    return Noises(tmp_path, train=known, test=[(0.02, 0.8), (0.2, 0.3), (0.9, 0.6), (0.1, 0.5)])


def network(spec: str = "fbank+statistics+regression", **targets: Any) -> model.Network:
    learned = Targets(targets) if targets else None
    found = model.build(systems.parse(spec), learned.sizes if learned else None, seed=0)
    found.targets = learned
    return found


def benchmark(**settings: Any) -> Intensity:
    return Intensity(Intensity.Config(**settings))


def test_the_label_is_the_measured_level_of_the_whole_utterance(corpus: Corpus) -> None:
    items = levels(corpus, "test", "rms_dbfs")
    # Uniform noise in ±0.5 has an RMS of 0.5 / √3.
    expected = [20 * math.log10(level * 0.5 / math.sqrt(3)) for level in (0.02, 0.2, 0.9, 0.1)]
    assert items.labels == pytest.approx(expected, abs=0.1)
    assert items.unmeasured == 0


def test_utterances_without_a_level_are_left_out_and_counted(corpus: Corpus) -> None:
    task = benchmark(label="lufs")
    items = task.items(corpus, "test")
    assert [cut.id for cut in items.cuts] == ["u0", "u2", "u3"]  # the other is shorter than 0.4 s
    outputs = Told(items, Spent(), np.zeros(3), None, "head", items.unmeasured)
    assert task.protocol(outputs, QUICK, None).options["without a level"] == 1


def test_a_probe_answers_where_no_head_was_trained(corpus: Corpus) -> None:
    task, system = benchmark(), network()
    learned = task.learn(system, corpus, QUICK, 0, show_progress=False)
    assert learned is not None
    outputs = task.run(system, task.items(corpus, "test"), QUICK, learned, show_progress=False)
    assert outputs.by == "probe"
    values = task.measure(outputs, None, 50).values
    assert set(values) == set(task.parameters)
    assert values["rmse"].value == regression.rmse(outputs.truth, outputs.values)
    assert values["ccc"].value == regression.ccc(outputs.truth, outputs.values)
    assert values["rmse"].value < 3.0  # of levels that are 33 dB apart, read off log-mel bands
    assert values["rmse@ridge"].value == regression.rmse(outputs.truth, outputs.baseline)
    assert values["rmse@measured"].value == 0.0
    assert "probe" in task.protocol(outputs, QUICK, learned).options


def test_the_head_answers_where_it_was_trained(corpus: Corpus) -> None:
    task, system = benchmark(), network(rms_dbfs=ValueTarget("rms_dbfs"))
    learned = task.learn(system, corpus, QUICK, 0, show_progress=False)
    assert learned is not None
    assert learned.probe is None
    items = task.items(corpus, "test")
    outputs = task.run(system, items, QUICK, learned, show_progress=False)
    assert outputs.by == "head"
    # A batch of unlike lengths tells what every utterance alone is told.
    alone = [task.run(system, items.only([row]), QUICK, None, show_progress=False) for row in range(4)]
    assert np.concatenate([one.values for one in alone]) == pytest.approx(outputs.values, abs=1e-4)
    assert "rmse@ridge" not in task.measure(alone[0], None, 50).values
    forced = benchmark(predictor="probe").learn(system, corpus, QUICK, 0, show_progress=False)
    assert forced is not None
    assert forced.probe is not None


def test_whispers_head_reads_frames(corpus: Corpus) -> None:
    spec = "whisper(layers=1, size=16, heads=2, ffn=16, seconds=1)+frames+whisper-intensity(layers=1, heads=2, ffn=16)"
    targets = {"rms_dbfs": ValueTarget("rms_dbfs"), "text": TokenTarget("text", tokens.characters(["ab"]))}
    system, task = network(spec, **targets), benchmark()
    outputs = task.run(system, task.items(corpus, "test"), QUICK, show_progress=False)
    assert outputs.by == "head"
    assert np.isfinite(outputs.values).all()


def test_who_cannot_tell_says_so(corpus: Any) -> None:
    task, system = benchmark(), network()
    with pytest.raises(UserError, match="head does not tell rms_dbfs"):
        task.run(system, task.items(corpus, "test"), QUICK, show_progress=False)
    with pytest.raises(UserError, match="head was not trained on rms_dbfs"):
        benchmark(predictor="head").learn(system, corpus, QUICK, 0)
    del corpus.splits["train"]
    with pytest.raises(UserError, match="Noises has no training split"):
        task.learn(system, corpus, QUICK, 0)
    assert task.learn(network(rms_dbfs=ValueTarget("rms_dbfs")), corpus, QUICK, 0) is None


def test_unreadable_audio_stops_or_is_skipped(corpus: Any) -> None:
    for split in ("train", "test"):
        Path(corpus.cuts(split)[1].recording.sources[0].source).write_bytes(b"no audio")
    task, system = benchmark(), network()
    items, skipping = task.items(corpus, "test"), replace(QUICK, skip_bad_audio=True)
    with pytest.raises(BadAudio):
        task.learn(system, corpus, QUICK, 0, show_progress=False)
    learned = task.learn(system, corpus, skipping, 0, show_progress=False)
    assert learned is not None
    assert learned.utterances == 23
    with pytest.raises(BadAudio):
        task.run(system, items, QUICK, learned, show_progress=False)
    outputs = task.run(system, items, skipping, learned, show_progress=False)
    assert outputs.spent.skipped == ("u1",)
    assert np.isfinite(outputs.truth).all()
    assert len(outputs.values) == len(outputs.truth) == 3


def test_few_training_utterances_are_evenly_spread(corpus: Corpus) -> None:
    chosen = levels(corpus, "train", "rms_dbfs", most=3)
    everything = sorted(cut.id for cut in corpus.cuts("train"))
    assert [cut.id for cut in chosen.cuts] == [everything[place] for place in (0, 12, 23)]


def test_nothing_correlates_with_a_constant(corpus: Corpus, tmp_path: Path) -> None:
    task = benchmark()
    items = task.items(corpus, "test")
    outputs = Told(items, Spent(), np.full(4, -20.0), np.zeros(4), "head", 0)
    assert set(task.measure(outputs, None, 50).values) == {"rmse", "mae", "rmse@ridge", "rmse@measured"}
    assert task.fixed_from(task.fix(outputs).to_dict()).error == regression.rmse(outputs.truth, outputs.values)
    task.save(outputs, tmp_path, "x")
    rows = [json.loads(line) for line in (tmp_path / "predictions-x.jsonl").read_text().splitlines()]
    assert rows[0] == {"id": "u0", "truth": round(outputs.truth[0], 4), "prediction": -20.0, "ridge": 0.0}


def test_the_baselines_features_of_a_known_signal() -> None:
    times = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * times + 0.1)).astype(np.float32)
    found = features(tone, 16_000)
    assert found.shape == (130,)
    assert found[0] == pytest.approx(2000 / 16_000, rel=0.05)  # two crossings per period
    assert found[1] == pytest.approx(0.125, rel=1e-3)
    assert found[2:66].argmax() == 21  # 15 mel of 45.2 in 65 steps is 21.5 steps, and filter 0 peaks after the first
    assert features(2 * tone, 16_000)[24] - found[24] == pytest.approx(20 / 2 * math.log10(2), abs=1e-3)
    assert np.isfinite(features(np.zeros(100, np.float32), 16_000)).all()


def test_a_ridge_regression_learns_a_line() -> None:
    inputs = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    values = inputs @ np.array([1.0, -2.0, 0.5]) - 30.0
    probe = ValueProbe.fit(inputs, values, alpha=1e-6)
    assert probe.predict(inputs) == pytest.approx(values, abs=1e-4)
    assert probe.described == "ridge regression, alpha=1e-06, standardised"
    with pytest.raises(UserError, match="cannot learn from 1"):
        ValueProbe.fit(inputs[:1], values[:1])


def test_what_was_learned_is_the_same_again(corpus: Corpus) -> None:
    first, again = (benchmark().learn(network(), corpus, QUICK, 0, show_progress=False) for _ in range(2))
    assert isinstance(first, LearnedIntensity)
    assert isinstance(again, LearnedIntensity)
    matrix = rows(levels(corpus, "test", "rms_dbfs"))
    assert np.array_equal(first.baseline.predict(matrix), again.baseline.predict(matrix))
