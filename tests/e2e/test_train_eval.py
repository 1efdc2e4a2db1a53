"""Train, resume, evaluate, board: the commands on real (synthetic) audio."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from voxboard import records
from voxboard.cli import main
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.training import checkpoint, run_folder

SMALL = shlex.split(
    "--channels 16 --frame_size 32 --batch_size 8 --train_max_sec 0.5 --workers 0 --device cpu --replicates 50"
)
MODEL = "ecapa+statistics"


def _train(*words: str) -> int:
    return main(["train", "Voices", MODEL, *SMALL, *words])


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two validation speakers, which is all that the small corpus has, fix a threshold."""
    monkeypatch.setattr("voxboard.metrics.enough.SPEAKERS", 2)


def _only_run(here: Path) -> Path:
    (run,) = (here / "results" / "runs").iterdir()
    return run


@pytest.mark.smoke
def test_a_run_leaves_everything_that_it_promises(
    here: Path, capsys: pytest.CaptureFixture[str], few_are_enough: None
) -> None:
    assert _train("--nb_total_step", "6", "--nb_steps_eval", "3", "--seed", "3") == 0
    run = _only_run(here)
    names = {path.name for path in run.iterdir()}
    assert {"config.json", "training.log", "metrics.jsonl", "speakers.json", "labels.json"} <= names
    assert {"best.safetensors", "best.json", "last.safetensors", "last.json"} <= names
    assert any(name.startswith("events.out") for name in names)
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps if "valid_eer" in line] == [3, 6]
    _, meta = run_folder.state_of(run, "best")
    (record,) = records.load(here / "results" / "records")
    assert record.values["far@valid_threshold"].value is not None
    assert record.system.training is not None
    assert record.system.training.corpus == "Voices"
    assert record.benchmark.synthetic
    assert record.cost.training_steps == meta["step"]
    (scores,) = run.glob("scores-*.txt.gz")
    with gzip.open(scores, "rt") as file:
        lines = [line.split() for line in file]
    assert record.protocol is not None
    assert len(lines) == record.protocol.items.count
    far = np.mean([float(s) >= meta["best"]["fixed"]["threshold"] for label, _, _, s in lines if label == "0"])
    assert record.values["far@valid_threshold"].value == pytest.approx(far)
    said = capsys.readouterr().err
    assert f"eval DATA _ --eval_path {run.relative_to(here)}" in said
    assert "results/records" in said
    assert main(["board"]) == 0
    assert "synthetic" in (here / "results" / "board" / "index.html").read_text()
    assert "ecapa" in capsys.readouterr().out


def test_a_threshold_of_two_speakers_is_left_out_with_a_word(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--nb_total_step", "2", "--nb_steps_eval", "2") == 0
    said = capsys.readouterr()
    assert "FAR*, FRR*, EER*, actual DCF and Cllr are left out: too few validation speakers: 2 with" in said.err
    assert "No actDCF(0.01), Cllr, FAR*, FRR*, EER*: too few validation speakers" in " ".join(said.out.split())
    (record,) = records.load(here / "results" / "records")
    absent = [metric for metric, value in record.values.items() if value.value is None]
    assert len(absent) == 5
    assert main(["board"]) == 0
    assert "too few validation speakers: 2 with target" in (here / "results/board/leaderboard.md").read_text()


def test_normalised_scores_are_another_protocol_with_a_threshold_of_their_own(here: Path, few_are_enough: None) -> None:
    assert _train("--nb_total_step", "4", "--nb_steps_eval", "4") == 0
    words = ["eval", "_", "_", "--eval_path", _only_run(here).name, "--device", "cpu", "--replicates", "50"]
    assert main([*words, "--score_norm", "as-norm", "--cohort_speakers", "4"]) == 0
    plain, normalized = sorted(records.load(here / "results" / "records"), key=lambda r: r.protocol.scoring.cohort)
    assert normalized.protocol.scoring.normalisation == "as-norm"
    assert normalized.protocol.scoring.options == {"top": 4}
    assert plain.protocol_id != normalized.protocol_id
    starred = [record.values["far@valid_threshold"].threshold for record in (plain, normalized)]
    assert starred[0] != starred[1]
    assert len(normalized.curves.actual) == len(normalized.curves.log_odds) > 0
    assert any(stratum.label == "duration" for stratum in normalized.groups)


def test_a_killed_run_goes_on_to_the_same_weights(here: Path) -> None:
    long = ["--nb_total_step", "24", "--nb_steps_eval", "4", "--skiptest"]
    assert _train(*long, "--runs", "whole") == 0
    (whole,) = (here / "whole").iterdir()
    code = "import sys; from voxboard.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "train", "Voices", MODEL, *SMALL, *long, "--runs", "cut"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not list((here / "cut").glob("*/last.safetensors")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (cut,) = (here / "cut").iterdir()
    state, meta = run_folder.state_of(cut, "last")
    assert 0 < meta["step"] < 24, "killed in the middle"
    assert main(["train", "_", "_", "--resume", str(cut)]) == 0
    resumed, resumed_meta = run_folder.state_of(cut, "last")
    expected, _ = run_folder.state_of(whole, "last")
    assert resumed_meta["step"] == 24
    assert checkpoint.same(resumed, expected)
    assert not checkpoint.same(resumed, state)
    assert (cut / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


def test_evaluating_a_run_again_gives_the_same_numbers(here: Path) -> None:
    assert _train("--nb_total_step", "2", "--nb_steps_eval", "2") == 0
    run = _only_run(here)
    assert (
        main(["eval", "_", "_", "--eval_path", run.name, "--device", "cpu", "--replicates", "50", "--records", "again"])
        == 0
    )
    (first,) = records.load(here / "results" / "records")
    (second,) = records.load(here / "again")
    assert first.protocol_id == second.protocol_id
    assert first.values == second.values
    assert first.row == second.row


def test_naming_another_corpus_evaluates_that_corpus(here: Path, corpora: Path) -> None:
    assert _train("--nb_total_step", "2", "--nb_steps_eval", "2", "--skiptest") == 0
    voices = Corpus.open(corpora / "Voices")
    Corpus.write(here / "Others", CorpusInfo("Others"), {"test": voices.cuts("valid")}, voices.audio_root)
    assert main(["eval", "Others", "_", "--eval_path", _only_run(here).name, "--replicates", "50"]) == 0
    (record,) = records.load(here / "results" / "records")
    assert record.benchmark.corpus == "Others"


@pytest.mark.smoke
def test_an_untrained_baseline_needs_no_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "Voices", "fbank+statistics", "--replicates", "50", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["system"]["training"] is None
    assert 0 < printed["values"]["eer@interpolated"]["value"] < 0.5


def test_quickrun_is_short(here: Path) -> None:
    assert _train("--quickrun", "--nb_steps_eval", "1", "--nb_total_step", "99") == 0
    _, meta = run_folder.state_of(_only_run(here), "last")
    assert meta["step"] == 3
    (record,) = records.load(here / "results" / "records")
    assert record.protocol is not None
    assert record.protocol.items.count <= 102


def test_two_runs_never_share_a_folder(here: Path) -> None:
    from voxboard.cli.train import read

    config = read(["Voices", MODEL])
    made = {run_folder.create(here / "runs", config) for _ in range(5)}
    assert len(made) == 5


def test_the_same_seed_gives_the_same_run(here: Path) -> None:
    for runs in ("a", "b"):
        assert _train("--nb_total_step", "3", "--nb_steps_eval", "3", "--skiptest", "--runs", runs) == 0
    (a,), (b,) = (here / "a").iterdir(), (here / "b").iterdir()
    assert checkpoint.same(run_folder.state_of(a, "last")[0], run_folder.state_of(b, "last")[0])


def test_unipool_learns_on_a_frozen_checkpoint_of_a_local_folder(here: Path) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    shape = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    published = Wav2Vec2Model(shape)
    published.save_pretrained(here / "tiny")
    words = "--use_pretrain --frz_pretrain --backbone_cfg tiny --conv_dim 8 --pool_dim 16 --batch_size 4"
    steps = "--train_max_sec 0.5 --nb_total_step 2 --nb_steps_eval 2 --workers 0 --device cpu --replicates 50"
    assert main(["train", "Voices", "UniPool", *shlex.split(words), *shlex.split(steps)]) == 0
    state, _ = run_folder.state_of(_only_run(here), "best")
    assert not checkpoint.prefixed(state, "encoder.backbone."), "a frozen backbone is where it came from"
    again = ["eval", "_", "_", "--eval_path", str(_only_run(here)), "--replicates", "50", "--records", "again"]
    assert main(again) == 0
    (record,) = records.load(here / "results" / "records")
    assert record.system.frozen
    assert record.system.pretrained
    assert record.cost.trainable_parameters is not None
    assert record.cost.trainable_parameters < (record.cost.parameters or 0)
    (repeated,) = records.load(here / "again")
    assert repeated.values == record.values
    with torch.no_grad():
        published.encoder.layers[0].final_layer_norm.bias += 1.0
    published.save_pretrained(here / "tiny")
    assert main(again) == 2


def test_an_average_of_kept_checkpoints_is_evaluated(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--average_period 1 --keep_checkpoints 3 --nb_total_step 3 --nb_steps_eval 1 --skiptest"
    assert _train(*shlex.split(words)) == 0
    evaluation = ["eval", "_", "_", "--eval_path", str(_only_run(here)), "--replicates", "20", "--iter", "3", "--avg"]
    assert main([*evaluation, "2"]) == 0
    (record,) = records.load(here / "results" / "records")
    assert record.system.training is not None
    assert record.system.training.steps == 3
    assert record.system.training.hyperparameters["avg"] == 2
    assert main([*evaluation, "3"]) == 2
    assert "1 older one(s) are missing" in capsys.readouterr().err
