"""What the pages tell people to do works as it is written."""

from __future__ import annotations

import doctest
import itertools
import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.benchmarks.test_diarization_task import corpus_of, recording
from tests.diarization.sources import conversation
from tests.diarization.test_pipeline import TEST
from voxboard.cli import COMMANDS, main
from voxboard.data.corpus import Corpus
from voxboard.data.labels import label_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.preparation import prepare

ROOT = Path(__file__).resolve().parents[2]


def _blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _extending(file: str) -> tuple[str, str]:
    """The code of a file on the page about parts, and the commands that use it."""
    (code,) = (block for block in _blocks("docs/extending.md", "python") if block.startswith(f"# {file}\n"))
    (command,) = (block for block in _blocks("docs/extending.md", "sh") if file in block)
    return code, command


def test_the_backbone_of_the_extending_page_can_be_evaluated(here: Path) -> None:
    code, command = _extending("loudness.py")
    (here / "loudness.py").write_text(code)
    assert main([*shlex.split(command)[1:], "--replicates", "50"]) == 0


def test_the_encoder_of_the_extending_page_is_checked_evaluated_and_met_by_its_reference(here: Path) -> None:
    code, commands = _extending("levels.py")
    (here / "levels.py").write_text(code)
    check, evaluate = commands.splitlines()
    assert main(shlex.split(check)[1:]) == 0
    assert main([*shlex.split(evaluate)[1:], "--replicates", "50"]) == 0
    noise = np.random.default_rng(0)
    for name in ("a.wav", "b.wav"):
        soundfile.write(here / name, 0.1 * noise.standard_normal(16_000), 16_000)
    _, snippet = _blocks("docs/extending.md", "py")
    names: dict[str, Any] = {"__name__": "notebook"}
    exec(compile(snippet, "docs/extending.md", "exec"), names)
    assert names["embeddings"].shape == (2, 16)
    windows = [np.lib.stride_tricks.sliding_window_view(soundfile.read(f"{x}.wav")[0], 400)[::160] for x in "ab"]
    levels = np.stack([np.log(np.sort(np.square(window).mean(-1))[::-1][:4] + 1e-6) for window in windows])
    np.savez("embeddings.npz", files=["a.wav", "b.wav"], embeddings=levels)
    (against,) = (block for block in _blocks("docs/extending.md", "bash") if "--against" in block)
    assert main(shlex.split(against)[1:]) == 0
    np.savez("embeddings.npz", files=["a.wav", "b.wav"], embeddings=levels[::-1])
    assert main(shlex.split(against)[1:]) == 1


def test_the_task_of_the_extending_page_is_evaluated_and_shown(here: Path) -> None:
    code, commands = _extending("duration.py")
    (here / "duration.py").write_text(code)
    for line in commands.splitlines():
        more = ["--replicates", "50"] if line.startswith("voxboard eval") else []
        assert main([*shlex.split(line)[1:], *more]) == 0, line
    assert "Seconds off" in (here / "results" / "board" / "leaderboard.md").read_text(encoding="utf-8")


def test_the_head_of_the_extending_page_keeps_what_it_promises(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, command = _extending("two_labels.py")
    (here / "two_labels.py").write_text(code)
    assert main([*shlex.split(command)[1:], "--json"]) == 0
    (built,) = json.loads(capsys.readouterr().out)["built"]
    measured = {check["check"]: check["measured"] for check in built["checks"]}
    assert measured["protocols"] == "PredictsTasks"


def test_the_recipe_of_the_extending_page_is_prepared_and_evaluated(here: Path) -> None:
    code, commands = _extending("reading.py")
    (here / "reading.py").write_text(code)
    noise = np.random.default_rng(0)
    for speaker, session, take in itertools.product("abcdefgh", "12", "xy"):
        path = here / "audio" / speaker / session / f"{take}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * noise.standard_normal(8000), 16_000)
        path.with_suffix(".txt").write_text("a word")
    prepare, evaluate = commands.splitlines()
    assert main([*shlex.split(prepare)[1:], "--out", "READING"]) == 0
    corpus = Corpus.open("READING")
    cut = corpus.cuts("test")[0]
    assert (label_of(cut, "text"), label_of(cut, "session")[2:]) in (("a word", "1"), ("a word", "2"))
    assert (corpus.info.licence, corpus.info.source) == ("CC-BY-4.0", "https://example.org/reading")
    assert main([*shlex.split(evaluate)[1:], "--replicates", "20"]) == 0


def test_the_tracker_and_the_diarizer_of_the_extending_page_work(here: Path) -> None:
    for name in ("lines.py", "loud.py"):
        (here / name).write_text(_extending(name)[0])
    words = "--nb_total_step 2 --nb_steps_eval 2 --batch_size 4 --skiptest --device cpu --trackers lines.py:Lines"
    assert main(["train", "Voices", "fbank+statistics+softmax", *words.split()]) == 0
    (file,) = here.glob("results/runs/*/lines.txt")
    assert {line.split()[0] for line in file.read_text().splitlines()[1:]} == {"2", "in"}
    conversation(here, "talk", TEST, 12.5)
    corpus = corpus_of(here, test=[recording(here / "talk.wav", TEST)])
    words = f"--diarizer loud.py:Loud(level=0.0001) --corpus {corpus.folder} --replicates 50"
    assert main(["score", *words.split()]) == 0
    (record,) = (json.loads(path.read_text()) for path in here.glob("results/records/**/*.json"))
    assert record["system"]["name"] == "Loud"
    assert record["values"]["der@collar=0.25"]["value"] < 1


def test_the_python_of_the_measuring_page_runs_from_top_to_bottom(here: Path) -> None:
    code = "\n".join(_blocks("docs/measuring.md", "python"))
    exec(compile(code, "docs/measuring.md", "exec"), {})
    assert (here / "det.png").stat().st_size > 10_000


def test_the_first_command_of_the_training_page_trains_a_classifier(here: Path) -> None:
    (command,) = _blocks("docs/training.md", "sh")
    assert main([*shlex.split(command)[1:], "--replicates", "50"]) == 0
    (record,) = (json.loads(path.read_text()) for path in here.glob("results/records/**/*.json"))
    assert record["benchmark"]["name"] == "Voices gender"
    assert record["protocol"]["options"]["classifier"] == "head"
    assert sum(map(sum, record["confusion"]["counts"])) == record["protocol"]["items"]["count"]


def test_the_commands_of_the_tasks_page_leave_records(here: Path) -> None:
    (block,) = _blocks("docs/tasks.md", "sh")
    for line in block.splitlines():
        assert main([*shlex.split(line)[1:], "--replicates", "20"]) == 0
    tasks = [json.loads(path.read_text())["benchmark"]["task"] for path in here.glob("results/records/**/*.json")]
    assert sorted(tasks) == ["attributes", "intensity"]


def test_the_weights_page_lists_and_looks_for_weights(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOXBOARD_CACHE", str(here / "cache"))
    (commands,) = _blocks("docs/weights.md", "sh")
    lines = [shlex.split(line, comments=True)[1:] for line in commands.splitlines()]
    assert [main(words) for words in lines] == [0, 0, 2]  # nothing is here
    assert "voxboard weights get pyannet" in capsys.readouterr().err
    (code,) = _blocks("docs/weights.md", "python")
    exec(compile(code, "docs/weights.md", "exec"), {})
    assert capsys.readouterr().out.startswith("Apache-2.0 39373b86598f LibriSpeech/train-other-500")


PAGES = (
    *("README", "docs/index", "docs/corpora", "docs/measuring", "docs/training", "docs/tasks"),
    *("docs/embedding", "docs/comparing", "docs/grids", "docs/weights"),
)


@pytest.mark.parametrize("page", [f"{page}.md" for page in PAGES])
def test_every_command_on_a_page_exists(page: str) -> None:
    for block in _blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["voxboard"]:
                assert words[1] in COMMANDS, line
            elif words[:2] == ["python", "src/main.py"]:
                assert words[2] in COMMANDS, line


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the notebook's session."""
    folder = tmp_path_factory.mktemp("notebook")
    prepare("Voices", None, folder / "data" / "Voices", PrepareOptions(speakers=60, utterances=8))
    return folder


def test_the_session_of_the_notebook_page_shows_what_it_says(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(notebook)
    monkeypatch.delenv("VOXBOARD_CORPORA", raising=False)
    (session,) = _blocks("docs/notebook.md", "pycon")
    test = doctest.DocTestParser().get_doctest(session, {}, "docs/notebook.md", None, 0)
    assert len(test.examples) == 10
    report: list[str] = []
    assert doctest.DocTestRunner().run(test, out=report.append).failed == 0, "".join(report)


def test_the_module_of_the_notebook_page_is_evaluated(here: Path) -> None:
    (code,) = _blocks("docs/notebook.md", "python")
    (here / "levels.py").write_text(code)
    runpy.run_path(str(here / "levels.py"))


def test_the_executed_notebook_has_shown_tables() -> None:
    cells = json.loads((ROOT / "examples" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert sum("<table" in "".join(output.get("data", {}).get("text/html", "")) for output in outputs) >= 3
