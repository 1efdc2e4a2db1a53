"""Diarization from the command line: recordings are prepared, and a run of another task is evaluated on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.diarization.sources import conversation
from tests.diarization.test_pipeline import DEV, TEST
from voxboard import records
from voxboard.benchmarks.conversations import recordings
from voxboard.cli import main
from voxboard.data.corpus import Corpus
from voxboard.metrics.rttm import read_rttm, write_rttm

SMALL = ["--channels", "16", "--frame_size", "32", "--batch_size", "8", "--train_max_sec", "0.5", "--workers", "0"]
TASK = ["--task", "diarization", "--device", "cpu", "--replicates", "50"]


@pytest.fixture
def meetings(here: Path, capsys: pytest.CaptureFixture[str]) -> Corpus:
    """A prepared corpus of two made-up meetings, outside of the shared corpora root."""
    folder = here / "meetings"
    folder.mkdir()
    for name, turns, seconds in (("dev", DEV, 15.5), ("talk", TEST, 12.5)):
        conversation(folder, name, turns, seconds)
    write_rttm({"dev": DEV, "talk": TEST}, folder / "all.rttm")
    words = ["--rttm", "all.rttm", "--valid_recordings", "d*", "--out", str(here / "prepared"), "--json"]
    assert main(["prepare", str(folder), *words]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["test"]["turns"] == len(TEST)
    return Corpus.open(here / "prepared")


def test_a_run_is_tuned_on_the_recordings_of_the_corpus_that_it_is_tested_on(meetings: Corpus, here: Path) -> None:
    steps = ["--nb_total_step", "2", "--nb_steps_eval", "2", "--device", "cpu", "--skiptest"]
    assert main(["train", "Voices", "ecapa+statistics", *SMALL, *steps]) == 0
    (run,) = (here / "results" / "runs").iterdir()
    assert main(["eval", str(meetings.folder), "_", "--eval_path", run.name, *TASK]) == 0
    (record,) = records.load(here / "results" / "records")
    assert record.benchmark.main_metric == "der@collar=0.25"
    assert record.provenance.digests["valid_items"] == recordings(meetings, "valid").digest
    assert record.values["der@collar=0.25"].threshold is not None
    assert [stratum.name for stratum in record.groups] == ["recording=talk"]
    (turns,) = run.glob("turns-*.rttm")
    assert set(read_rttm(turns)) == {"talk"}


def test_mistakes_end_with_a_sentence_and_exit_code_2(meetings: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(meetings.folder)
    for words, says in (
        (["eval", place, "fbank+statistics"], "holds recordings, not utterances"),
        (["train", place, "ecapa+statistics"], "holds recordings, not utterances"),
        (["eval", "Voices", "fbank+statistics", "--task", "diarization"], "holds utterances, not recordings"),
        (["eval", place, "fbank+statistics", *TASK, "--window", "0"], "window is 0"),
        (["eval", "AMI", "fbank+statistics"], "AMI is not prepared"),
        (["prepare", "meetings", "--rttm", "none.rttm"], "There is no RTTM none.rttm"),
    ):
        assert main(words) == 2, words
        said = capsys.readouterr().err
        assert says in said
        assert "Traceback" not in said
