"""`voxboard predict`: Auden's voice model, and runs of voxboard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.contracts import small
from voxboard import auden
from voxboard.cli import main
from voxboard.data import audio
from voxboard.data.scan import cuts_of
from voxboard.errors import UserError

MAPS = {
    "id": ["id1", "1001", "OAF"],
    "emotion": ["angry", "sad", "neutral", "happy"],
    "gender": ["female", "male"],
    "age": ["young adult", "senior"],
}


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Auden publishes its voice model, with random weights of a small size."""
    folder = tmp_path_factory.mktemp("voice")
    torch.manual_seed(0)
    from voxboard import backbones

    encoder = backbones.create("zipformer", **small.ZIPFORMER)
    weights = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    for task, names in MAPS.items():
        (folder / f"id2label_{task}.json").write_text(json.dumps(dict(enumerate(names))))
        weights[f"classifier_{task}.1.weight"] = torch.randn(len(names), encoder.spec.frames.size)
        weights[f"classifier_{task}.1.bias"] = torch.randn(len(names))
    torch.save(weights, folder / "pretrained.pt")
    nested = {"model_type": "zipformer", "warmup_batches": 4000.0, **small.ZIPFORMER}
    (folder / "config.json").write_text(json.dumps({"model_type": "voice-multitask", "encoder_config": nested}))
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("audio")
    found = []
    for number, (seconds, rate) in enumerate(((0.6, 16_000), (0.9, 8_000))):
        random = np.random.default_rng(number)
        soundfile.write(folder / f"{number}.wav", random.standard_normal(int(seconds * rate)) * 0.1, rate)
        found.append(str(folder / f"{number}.wav"))
    return found


def test_the_voice_model_gives_labels_scores_and_probabilities(voice, files, capsys) -> None:
    words = ["predict", *files, "--checkpoint", str(voice), "--task", "emotion", "--topk", "3", "--json"]
    assert main([*words, "--device", "cpu"]) == 0
    said = capsys.readouterr()
    rows = json.loads(said.out)
    assert [row["file"] for row in rows] == files
    assert "closed set" not in said.err
    weights = torch.load(voice / "pretrained.pt", weights_only=True)
    network = auden.open_voice(voice)
    for row, cut in zip(rows, cuts_of([Path(file) for file in files]), strict=True):
        wave = torch.from_numpy(audio.load(cut))[None]
        with torch.inference_mode():
            embedding = network.encoder(wave, torch.tensor([wave.shape[1]]))[0]
        logits = weights["classifier_emotion.1.weight"] @ embedding + weights["classifier_emotion.1.bias"]
        best = logits.argsort(descending=True)[:3]
        assert row["emotion"]["labels"] == [MAPS["emotion"][place] for place in best]
        assert row["emotion"]["logits"] == pytest.approx(logits[best].tolist(), rel=1e-4, abs=1e-4)
        assert row["emotion"]["probs"] == pytest.approx(logits.softmax(0)[best].tolist(), rel=1e-4)


def test_all_tasks_are_told_and_the_closed_set_once(voice, files, capsys) -> None:
    assert main(["predict", *files, "--checkpoint", str(voice / "pretrained.pt"), "--topk", "9", "--json"]) == 0
    said = capsys.readouterr()
    (first, _) = json.loads(said.out)
    assert list(first) == ["file", "speaker", "emotion", "gender", "age_group"]
    assert {task: len(first[task]["labels"]) for task in ("speaker", "emotion", "gender")} == {
        "speaker": 3,
        "emotion": 4,
        "gender": 2,
    }
    assert sum(first["speaker"]["probs"]) == pytest.approx(1)
    assert said.err.count("closed set") == 1


def test_a_table_has_a_line_per_file_and_the_tasks_have_audens_names_too(voice, files, capsys) -> None:
    assert main(["predict", *files, "--checkpoint", str(voice), "--task", "age"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["0.wav", "1.wav"]
    assert all("age_group" in line and "%" in line for line in lines[1:])


def test_embeddings_of_the_encoder_do_not_depend_on_the_maps(voice) -> None:
    network = auden.open_voice(voice)
    assert network.targets is not None
    assert network.targets.sizes == {"speaker": 3, "emotion": 4, "gender": 2, "age_group": 2}
    assert network.encoder(*small.audio(16_000)).shape[1] == max(small.ZIPFORMER["encoder_dim"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--task", "emotoin"], "Did you mean emotion"),
        (["--topk", "0"], "--topk is 0"),
        (["--eval_path", "run"], "one network"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_in_one_sentence(voice, files, capsys, words, says) -> None:
    assert main(["predict", files[0], "--checkpoint", str(voice), *words]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_without_maps_or_with_a_head_of_another_size_is_refused(voice, tmp_path) -> None:
    for name in ("config.json", "pretrained.pt"):
        (tmp_path / name).write_bytes((voice / name).read_bytes())
    with pytest.raises(UserError, match="0 label maps"):
        auden.open_voice(tmp_path)
    for task, names in MAPS.items():
        (tmp_path / f"id2label_{task}.json").write_text(json.dumps(dict(enumerate([*names, "one more"]))))
    with pytest.raises(UserError, match="do not fit"):
        auden.open_voice(tmp_path)


def test_a_mixture_trains_four_tasks_and_the_run_predicts(voice, files, tmp_path, monkeypatch, capsys, caplog) -> None:
    """Labels that an utterance or the map lacks train nothing, and are said."""
    monkeypatch.setenv("VOXBOARD_CORPORA", str(tmp_path / "corpora"))
    random = np.random.default_rng(0)
    for name in ("OAF_a_angry", "OAF_b_sad", "03a01Fa", "08a01La"):
        (tmp_path / "wav").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "wav" / f"{name}.wav", random.standard_normal(8000) * 0.1, 16_000)
    for corpus in ("TESS", "EMO-DB"):
        assert main(["prepare", corpus, "--data_path", str(tmp_path / "wav"), "--split", "train"]) == 0
    manifests = [f"{{name: {name}, manifest: corpora/{name}/train.jsonl.gz}}" for name in ("TESS", "EMO-DB")]
    (tmp_path / "mix.yaml").write_text("".join(f"- {entry}\n" for entry in manifests))
    assert main(["prepare", "Mix", "--mixture", str(tmp_path / "mix.yaml")]) == 0
    head = "multi-task(tasks=('speaker', 'emotion', 'gender', 'age_group'), weights=(1, 2.5, 3, 3), reduction=sum)"
    words = ["train", "Mix", f"fbank+statistics+{head}", "--label_maps", str(voice), "--skiptest", "--device", "cpu"]
    words += ["--nb_total_step", "3", "--nb_steps_eval", "3", "--batch_size", "4", "--workers", "0", "--train_max_sec"]
    assert main([*words, "0.5", "--runs", str(tmp_path / "runs"), "--records", str(tmp_path / "records")]) == 0
    said = " ".join([*caplog.messages, capsys.readouterr().err])
    assert "The label map of emotion does not have boredom: 1 training utterances do not train it." in said
    (run,) = (tmp_path / "runs").iterdir()
    assert main(["predict", files[0], "--eval_path", str(run), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row["speaker"]["labels"]) < {"id1", "1001", "OAF"}
    assert sum(len(row[task]["labels"]) for task in ("speaker", "emotion", "gender", "age_group")) == 4
