"""Several corpora as one, drawn from in given proportions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from voxboard.data import batches
from voxboard.data.corpus import Corpus
from voxboard.data.labels import label_of
from voxboard.data.mixture import mix
from voxboard.data.prepare_options import PrepareOptions
from voxboard.errors import UserError
from voxboard.preparation import prepare


@pytest.fixture
def parts(tmp_path: Path, speak, corpora: Path) -> Path:
    """Prepared TESS (train and test) and EMO-DB (all for training) under `corpora`."""
    for name in ("OAF_back_angry", "YAF_back_ps"):
        speak(tmp_path / "T" / f"{name}.wav")
    for name in ("03a01Fa", "08a01Wa", "08a02Na"):
        speak(tmp_path / "E" / f"{name}.wav", seconds=0.1)
    prepare("TESS", tmp_path / "T")
    prepare("EMO-DB", tmp_path / "E", options=PrepareOptions(split="train"))
    return corpora


def listed(folder: Path, text: str) -> Path:
    file = folder / "mix.yaml"
    file.write_text(text)
    return file


def test_a_list_of_auden_becomes_a_corpus_for_training(parts: Path, tmp_path: Path) -> None:
    file = listed(
        parts,
        "- {name: TESS, manifest: TESS/train.jsonl.gz, hours: 1.5, weights: 100}\n"
        "- {name: Berlin, manifest: EMO-DB/train.jsonl.gz, hours: 50, weights: 1}\n",
    )
    prepare("Emotions", options=PrepareOptions(mixture=file))
    corpus = Corpus.open(parts / "Emotions")
    assert corpus.splits == ["train"]
    assert corpus.info.mixture == {"TESS": 0.75, "Berlin": 0.25}
    cuts = {cut.id: cut for cut in corpus.cuts("train")}
    assert sorted(cuts) == ["Berlin/03a01Fa", "Berlin/08a01Wa", "Berlin/08a02Na", "TESS/OAF_back_angry"]
    berlin = cuts["Berlin/08a01Wa"]
    assert [label_of(berlin, name) for name in ("corpus", "speaker", "emotion")] == ["Berlin", "08", "angry"]
    assert Path(berlin.recording.sources[0].source) == tmp_path / "E" / "08a01Wa.wav"
    assert "Training draws TESS 75.0%, Berlin 25.0%." in corpus.info.notes


def test_a_list_per_split_and_hours_that_are_measured(parts: Path) -> None:
    file = listed(
        parts,
        "train:\n- {name: T, manifest: TESS/train.jsonl.gz}\n- {name: E, manifest: EMO-DB/train.jsonl.gz}\n"
        "test:\n- {name: T, manifest: TESS/test.jsonl.gz}\n",
    )
    corpus = mix(file, "M", parts / "M")
    assert corpus.splits == ["train", "test"]
    assert corpus.info.mixture == pytest.approx({"T": 0.05 / 0.35, "E": 0.3 / 0.35}, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "cannot be read as YAML"),
        ("[]", "no list of corpora for train"),
        ("dev:\n- {name: T, manifest: TESS/train.jsonl.gz}", "Unknown split"),
        ("- {name: T, manifest: nowhere.jsonl.gz}", "no manifest nowhere.jsonl.gz"),
        ("- {name: T, manifest: TESS/train.jsonl.gz, weight: 2}", "Did you mean weights"),
        ("- {name: T, manifest: TESS/train.jsonl.gz, weights: 0}", "weights of T .* 0"),
        ("- {name: T}", "no manifest"),
    ],
)
def test_a_list_that_cannot_be_followed_is_refused(parts: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        mix(listed(parts, text), "M", parts / "M")


def test_yaml_is_data(parts: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as YAML"):
        mix(listed(parts, "- !!python/object/apply:os.system ['true']"), "M", parts / "M")


def test_the_manifest_of_auden_keeps_its_labels(tmp_path: Path, speak) -> None:
    speak(tmp_path / "a.wav", seconds=0.1)
    cut = {
        "id": "a", "start": 0, "duration": 0.1, "channel": 0, "type": "MonoCut",
        "supervisions": [{
            "id": "a", "recording_id": "a", "start": 0, "duration": 0.1, "channel": 0, "speaker": "id1",
            "gender": "female", "custom": {"age": 43, "emotion": "Null", "age_group": "middle-age adult"},
        }],
        "recording": {
            "id": "a", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}], "sampling_rate": 16000,
            "num_samples": 1600, "duration": 0.1, "channel_ids": [0],
        },
    }  # fmt: skip
    (tmp_path / "m.jsonl").write_text(json.dumps(cut) + "\n")
    file = listed(tmp_path, "- {name: V, manifest: m.jsonl, hours: 2026, weights: 1}")
    (found,) = mix(file, "M", tmp_path / "M").cuts("train")
    said = [label_of(found, name) for name in ("speaker", "gender", "emotion", "age_group")]
    assert said == ["id1", "female", None, "middle-age adult"]


def test_batches_have_the_shares_of_auden_and_go_through_every_corpus() -> None:
    # Hours × weights of Auden's list, and what it says they come to.
    weights = {"vox": 2026.0, "crema": 480.0, "tess": 150.0, "iemocap": 125.0, "ravdess": 13.0}
    sizes = {"vox": 500, "crema": 90, "tess": 40, "iemocap": 60, "ravdess": 7}
    kinds = [number for number, name in enumerate(weights) for _ in range(sizes[name])]
    plan = batches.muxed(kinds, list(weights.values()), 100, seed=1)
    drawn = [index for step in range(batches.CYCLE // 100) for index in plan(step)]
    counts = Counter(kinds[index] for index in drawn)
    assert [counts[kind] / batches.CYCLE for kind in range(5)] == pytest.approx(
        [0.725, 0.172, 0.054, 0.045, 0.0047], abs=6e-4
    )
    ravdess = [index for index in drawn if kinds[index] == 4]
    for start in range(0, len(ravdess) - 7, 7):  # an epoch has every utterance once
        assert len(set(ravdess[start : start + 7])) == 7
    assert ravdess[:7] != ravdess[7:14]
    assert plan(37) == batches.muxed(kinds, list(weights.values()), 100, seed=1)(37)  # by no history
    assert plan(37) != batches.muxed(kinds, list(weights.values()), 100, seed=2)(37)


def test_an_epoch_goes_on_across_cycles() -> None:
    plan = batches.muxed([0] * 7 + [1] * 11, [1.0, 1.0], 1000, seed=0)
    drawn = [index for step in range(3 * batches.CYCLE // 1000) for index in plan(step) if index < 7]
    counts = Counter(drawn)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_small_share_is_drawn_at_least_once_and_an_absent_corpus_never() -> None:
    plan = batches.muxed([0, 2], [1.0, 5.0, 1e-9], 1000, seed=0)
    counts = Counter(index for step in range(batches.CYCLE // 1000) for index in plan(step))
    assert counts == {0: batches.CYCLE - 1, 1: 1}
