"""What goes wrong for users: one clear sentence, exit code 2, nothing lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from voxboard import records
from voxboard.cli import main
from voxboard.data.corpus import Corpus, CorpusInfo

QUICK = ["--replicates", "50", "--device", "cpu"]


@pytest.fixture
def broken(here: Path, corpora: Path) -> Path:
    """A copy of Voices in which one test file is empty."""
    copy = here / "Broken"
    shutil.copytree(corpora / "Voices", copy)
    cut = next(iter(Corpus.open(copy).cuts("test")))
    Path(cut.recording.sources[0].source).write_bytes(b"")
    return copy


def test_an_empty_file_stops_the_evaluation_and_is_named(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(broken), "fbank+statistics", *QUICK]) == 2
    said = capsys.readouterr().err
    assert ".flac" in said
    assert "empty" in said


def test_skipping_bad_audio_is_counted_and_changes_the_protocol(broken: Path, here: Path) -> None:
    assert main(["eval", str(broken), "fbank+statistics", *QUICK, "--skip_bad_audio"]) == 0
    assert main(["eval", "Voices", "fbank+statistics", *QUICK, "--skip_bad_audio"]) == 0
    less, whole = sorted(records.load(here / "results" / "records"), key=lambda record: -len(record.provenance.skipped))
    assert less.provenance.skipped == {"unreadable test audio": 1}
    assert whole.provenance.skipped == {}
    assert less.protocol_id != whole.protocol_id


def test_a_trial_that_names_an_unknown_utterance(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "list.txt").write_text("1 nobody-1 nobody-2\n0 nobody-1 nobody-3\n")
    assert main(["eval", "Voices", "fbank+statistics", "--test_trials", "list.txt", *QUICK]) == 2
    assert "nobody" in capsys.readouterr().err


def test_training_speakers_in_the_test_are_refused(
    here: Path, corpora: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = [cut.id for cut in Corpus.open(corpora / "Voices").cuts("train")][:3]
    (here / "list.txt").write_text(f"1 {first} {second}\n0 {first} {third}\n")
    assert (
        main(["train", "Voices", "fbank+statistics", "--test_trials", "list.txt", "--nb_total_step", "1", *QUICK]) == 2
    )
    assert "training speakers" in capsys.readouterr().err


def test_a_hub_id_without_network_says_how_to_go_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "Voices", "hf:no/such-model+mean", *QUICK]) == 2
    assert "folder" in capsys.readouterr().err


def test_the_same_audio_under_another_name_is_still_training_audio(
    here: Path, corpora: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voices = Corpus.open(corpora / "Voices")
    Corpus.write(here / "Alias", CorpusInfo("Alias"), {"test": voices.cuts("train")}, voices.audio_root)
    small = ["--channels", "16", "--frame_size", "32", "--batch_size", "4", "--train_max_sec", "0.5", "--workers", "0"]
    steps = ["--nb_total_step", "1", "--nb_steps_eval", "1", "--skiptest", "--runs", "runs"]
    assert main(["train", "Voices", "ecapa+mean", *small, *steps, *QUICK]) == 0
    (run,) = (here / "runs").iterdir()
    assert main(["eval", "Alias", "_", "--eval_path", str(run), "--replicates", "50"]) == 2
    assert "training speakers" in capsys.readouterr().err
