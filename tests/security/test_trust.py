"""Code that data names does not run: run folders, records, grids that are only looked at."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from tests.records.record_samples import make_record
from tests.security.conftest import Arena
from voxboard import code_digest, records
from voxboard.cli import main
from voxboard.storage import config

PART = """
from dataclasses import dataclass
from voxboard.poolers.mean import Mean
{payload}

class Mine(Mean):
    pass
"""
TRAIN = ["--nb_total_step", "2", "--nb_steps_eval", "2", "--batch_size", "4", "--train_max_sec", "0.2"]
FAST = ["--device", "cpu", "--replicates", "20"]
ECAPA = "ecapa(channels=8, frame_size=16)"


@pytest.fixture
def corpus(noise_root: Path, arena: Arena, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a corpus of noise."""
    monkeypatch.setenv("VOXBOARD_CORPORA", str(noise_root))
    monkeypatch.setenv("VOXBOARD_CACHE", str(arena.work / "cache" / "voxboard"))
    return "c"


@pytest.fixture
def run(corpus: str, arena: Arena) -> Path:
    """The folder of a run of voxboard's own parts."""
    assert main(["train", corpus, f"{ECAPA}+mean+softmax", *TRAIN, *FAST, "--workers", "0"]) == 0
    (folder,) = Path("results/runs").iterdir()
    return folder


def evil(arena: Arena, path: Path) -> Path:
    """A file with a payload, made by somebody else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PART.format(payload=arena.python))
    return path


def planted(run: Path, change: Callable[[dict[str, Any]], None], digests: dict[str, str] | None = None) -> None:
    """Change a run's configuration, and say what a hostile sender would say of its code."""
    content = json.loads((run / "config.json").read_text())
    change(content)
    (run / "config.json").write_text(json.dumps(content))
    code = json.loads((run / "code.json").read_text())
    (run / "code.json").write_text(json.dumps({**code, "user": digests or {}}))


def pooler(name: str, options: dict[str, Any] | None = None) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["system"]["pooler"] = {"name": name, "options": options or {}}

    return change


def _head(content: dict[str, Any]) -> None:
    content["system"]["head"] = {"name": "multi-task", "options": {"tasks": ["speaker"], "main": "evil.py:Mine"}}


def _task(content: dict[str, Any]) -> None:
    content["benchmark"] = {"name": "evil.py:Mine", "options": {}}


def _tracker(content: dict[str, Any]) -> None:
    content["general"]["trackers"] = ["evil.py:Mine"]


HOSTILE = {
    "relative": pooler("evil.py:Mine"),
    "dotted": pooler("./evil.py:Mine"),
    "climbing": pooler("../work/evil.py:Mine"),
    "in an option": pooler("mlp", {"pooler": "evil.py:Mine"}),
    "nested quotes": pooler("mlp", {"pooler": "mlp(pooler='evil.py:Mine')"}),
    "escaped": pooler("mlp", {"pooler": "mlp(pooler='evil.p\\x79:Mine')"}),
    "twice nested": pooler("weighted", {"pooler": "mlp(pooler=\"mlp(pooler='evil.py:Mine')\")"}),
    "head": _head,
    "task": _task,
    "tracker": _tracker,
}


@pytest.mark.parametrize("where", HOSTILE)
def test_a_run_that_names_code_does_not_run_it(
    where: str, run: Path, arena: Arena, capsys: pytest.CaptureFixture[str]
) -> None:
    file = evil(arena, arena.work / "evil.py")
    planted(run, HOSTILE[where], {"evil.py": code_digest.user_digest(file)})
    assert main(["eval", "_", "_", "--eval_path", str(run), *FAST]) == 2
    assert "evil.p" in capsys.readouterr().err


ODD = {
    "digests of another type": (None, {"evil.py": ["x"]}),
    "a list of digests": (None, ["evil.py"]),
    "a part without a name": (lambda c: c["system"].update(pooler={"name": 5, "options": {}}), {}),
    "options that are a list": (lambda c: c["system"].update(pooler={"name": "mlp", "options": ["evil.py:Mine"]}), {}),
    "options nested deeply": (lambda c: c["system"]["pooler"].update(options={"pooler": _nested(400)}), {}),
    "quotes nested deeply": (pooler("mlp", {"pooler": "mlp(pooler=" * 3000 + "evil.py:Mine"}), {}),
    "a NUL": (pooler("evil.py\0:Mine"), {}),
    "a folder": (pooler("folder.py:Mine"), {}),
    "an escape sequence": (pooler("\x1b[31mevil.py:Mine"), {}),
}


def _nested(depth: int) -> list[Any]:
    found: list[Any] = ["evil.py:Mine"]
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("what", ODD)
def test_odd_configurations_are_refused_in_one_sentence(
    what: str, run: Path, arena: Arena, capsys: pytest.CaptureFixture[str]
) -> None:
    evil(arena, arena.work / "evil.py")
    (arena.work / "folder.py").mkdir()
    change, digests = ODD[what]
    planted(run, change or pooler("evil.py:Mine"), digests)  # type: ignore[arg-type]
    assert main(["eval", "_", "_", "--eval_path", str(run), *FAST]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said.rpartition("voxboard: ")[2]
    assert len(said.rpartition("voxboard: ")[2].strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["eval", "predict", "embed", "cross", "resume", "show"])
def test_no_command_runs_it(
    command: str, run: Path, arena: Arena, noise_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = evil(arena, run / "evil.py")
    planted(run, pooler(f"{file}:Mine"), {str(file): code_digest.user_digest(file)})
    audio = next(noise_root.rglob("*.wav"))
    words = {
        "eval": ["eval", "c", "_", "--eval_path", str(run)],
        "predict": ["predict", str(audio), "--eval_path", str(run)],
        "embed": ["embed", "c", "--eval_path", str(run)],
        "cross": ["grid", "cross", str(run), "--on", "c"],
        "resume": ["train", "_", "_", "--resume", str(run)],
        "show": ["show", run.name],
    }
    code = main(words[command])
    assert code == {"show": 0, "cross": 3}.get(command, 2)
    captured = capsys.readouterr()
    assert command == "show" or "nothing here shows that it is yours" in captured.err + captured.out


@pytest.mark.parametrize("trusted", [[], ["--trust_code"]])
def test_code_below_the_cache_never_runs(
    trusted: list[str], run: Path, arena: Arena, capsys: pytest.CaptureFixture[str]
) -> None:
    from voxboard.storage import cache

    file = evil(arena, cache() / "copies" / "bucket" / "evil.py")
    (arena.work / "link.py").symlink_to(file)
    for name in (str(file), "link.py"):
        planted(run, pooler(f"{name}:Mine"), {name: code_digest.user_digest(file)})
        assert main(["eval", "_", "_", "--eval_path", str(run), *FAST, *trusted]) == 2
        assert "below the cache folder" in capsys.readouterr().err


def test_the_owner_evaluates_a_run_with_parts_of_their_own(
    corpus: str, arena: Arena, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = arena.work / "mine.py"
    (arena.work / "helper.py").write_text("SCALE = 1.0\n")
    mine.write_text(PART.format(payload="import sys; sys.path.insert(0, '.'); import helper"))
    assert main(["train", corpus, f"{ECAPA}+mine.py:Mine+softmax", *TRAIN, *FAST, "--workers", "0"]) == 0
    (run,) = Path("results/runs").iterdir()
    again = ["eval", "_", "_", "--eval_path", str(run), *FAST]
    assert main(again) == 0
    (arena.work / "helper.py").write_text("# a comment\nSCALE = 1.0\n")
    assert main(again) == 0
    (arena.work / "helper.py").write_text("SCALE = 2.0\n")
    assert main(again) == 2
    assert "other code than mine.py" in capsys.readouterr().err
    assert main([*again, "--trust_code"]) == 0
    (arena.work / "helper.py").write_text("SCALE = 1.0\n")
    (config() / "code-of-mine").unlink()  # another machine, which has never seen this code
    assert main(again) == 2
    assert "--trust_code" in capsys.readouterr().err


def files(arena: Arena) -> list[str]:
    """What lies in the working folder, but for the cache."""
    return sorted(str(file) for file in arena.work.rglob("*") if not file.is_relative_to(arena.work / "cache"))


EVAL = f"eval c '{ECAPA}+mean'"
COMMANDS = {
    "resume": "train _ _ --resume {run}",
    "resume, joined": "train _ _ --resume={run}",
    "resume behind a model": f"train c '{ECAPA}+mean' --resume {{run}}",
    "cache": f"{EVAL} --cache {{outside}}/made",
    "cache, joined": f"{EVAL} --cache={{outside}}/made",
    "cache, abbreviated": f"{EVAL} --cach {{outside}}/made",
    "records": f"{EVAL} --records {{outside}}/made",
    "records, twice": f"{EVAL} --records {{outside}}/made --records={{outside}}/more",
    "runs": f"train c '{ECAPA}+mean+softmax' {' '.join(TRAIN)} --workers 0 --runs {{outside}}/made",
    "audio from anywhere": f"{EVAL} --audio_root /",
    "record": f"{EVAL} --record {{outside}}/made",
    "prefixed": f"{EVAL} --eval.records {{outside}}/made",
    "prefixed with dashes": f"{EVAL} --evaluation.cache {{outside}}/made",
    "a tracker": f"train c '{ECAPA}+mean+softmax' --trackers evil.py:Mine",
    "a registered tracker": f"train c '{ECAPA}+mean+softmax' --trackers mlflow",
    "code": f"eval c '{ECAPA}+evil.py:Mine'",
    "code in training": f"train c '{ECAPA}+evil.py:Mine+softmax'",
    "code in an option": f"eval c \"{ECAPA}+mlp(pooler='evil.py:Mine')\"",
    "code, escaped": f"eval c \"{ECAPA}+mlp(pooler='evil.p\\x79:Mine')\"",
    "code as a flag": f"eval c '{ECAPA}+mlp' --pooler.pooler evil.py:Mine",
    "code as a flag, joined": f"eval c '{ECAPA}+mlp' --pooler_pooler=evil.py:Mine",
    "code as a task": f"{EVAL} --task evil.py:Mine",
    "code that says it is trusted": f"eval c '{ECAPA}+evil.py:Mine' --trust_code",
    "a shell": f"{EVAL}; {{shell}}",
    "a shell in a word": f"eval '$({{shell}})' '{ECAPA}+mean'",
    "backticks": f"eval '`{{shell}}`' '{ECAPA}+mean'",
    "a pipe": f"eval 'pipe:{{shell}}' '{ECAPA}+mean'",
    "a climbing corpus": f"eval ../outside '{ECAPA}+mean'",
    "another command": "prepare Voices --out {outside}/made",
    "python": "python -c pass",
    "nested quotes": "eval c 'ecapa+mean",
    "end of flags": f"{EVAL} -- --records {{outside}}/made",
    "a short flag": f"{EVAL} -r {{outside}}/made",
    "a NUL": "eval c 'a\0b+mean'",
    "a newline": f"{EVAL}\n--resume {{run}}",
    "no such flag": f"{EVAL} --no_records",
    "scores that write": "score --hypotheses h --references r --out {outside}/made",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_verify_runs_no_command_that_a_record_made_up(
    name: str, corpus: str, arena: Arena, capsys: pytest.CaptureFixture[str]
) -> None:
    evil(arena, arena.work / "evil.py")
    own = arena.work / "results" / "runs" / "own"
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    text = COMMANDS[name]
    for word, value in (("{run}", str(own)), ("{outside}", str(arena.outside)), ("{shell}", arena.shell)):
        text = text.replace(word, value)
    provenance = replace(make_record().provenance, command=f"voxboard {text}")
    path = records.save(replace(make_record(), provenance=provenance), arena.work / "records")
    before = files(arena)
    code = main(["verify", str(path)])
    assert code in (2, 4)  # refused, or run with the record's own places left out
    assert (code == 4) == (
        name in ("cache", "cache, joined", "records", "records, twice", "runs", "audio from anywhere")
    )
    assert files(arena) == before
    assert (own / "config.json").read_text() == "{}"
    assert "Traceback" not in capsys.readouterr().err


def test_verify_runs_code_that_is_trusted_and_has_not_changed(
    corpus: str, arena: Arena, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = arena.work / "mine.py"
    mine.write_text(PART.format(payload="A = 1"))
    words = ["eval", corpus, f"{ECAPA}+mine.py:Mine", *FAST]
    assert main(words) == 0
    (path,) = Path("results/records").rglob("*.json")
    record = records.read(path)
    assert shlex.split(record.provenance.command)[3] == f"{ECAPA}+mine.py:Mine"
    assert main(["verify", str(path)]) == 2
    assert "pass --trust_code" in capsys.readouterr().err
    assert main(["verify", str(path), "--trust_code"]) == 0
    assert "\nverified" in capsys.readouterr().out
    mine.write_text(PART.format(payload="A = 2"))
    assert main(["verify", str(path), "--trust_code"]) == 2
    assert "is not what made the record" in capsys.readouterr().err


def test_grid_status_runs_no_code(corpus: str, arena: Arena, capsys: pytest.CaptureFixture[str]) -> None:
    evil(arena, arena.work / "evil.py")
    (arena.work / "g.toml").write_text(
        'name = "g"\ndata = "c"\nbackbones = ["ecapa"]\nheads = ["evil.py:Mine"]\n'
        'poolers = ["evil.py:Mine", "mlp(pooler=\'evil.py:Mine\')"]\n'
    )
    assert main(["grid", "status", "g.toml"]) in (2, 3)
    captured = capsys.readouterr()
    assert "grid status runs no code of yours" in captured.err or "missing" in captured.out


@pytest.fixture(scope="module")
def small_run(noise_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["train", str(noise_root / "c"), "ecapa(channels=8, frame_size=16)+mean+softmax", "--runs", str(folder)]
    words += ["--nb_total_step", "2", "--nb_steps_eval", "1", "--batch_size", "4", "--train_max_sec", "0.2"]
    assert main([*words, "--device", "cpu", "--workers", "0", "--skiptest"]) == 0
    (run,) = folder.iterdir()
    return run


CONTENTS = [
    "[1]",
    "{}",
    '{"speaker": 7}',
    '{"speaker": {"kind": []}}',
    '"x"',
    "null",
    "[" * 100_000,
    "{",
    '[{"a": 1}]',
    "[7]",
]


@pytest.mark.parametrize("name", ["labels.json", "speakers.json", "code.json", "config.json", "best", "last"])
@pytest.mark.parametrize("text", CONTENTS)
def test_a_run_folder_of_any_content_is_used_or_refused_in_a_sentence(
    arena: Arena, small_run: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    run = arena.work / "run"
    shutil.copytree(small_run, run)
    if name.endswith(".json"):
        (run / name).write_text(text)
    else:
        with safe_open(run / f"{name}.safetensors", framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        save_file(tensors, run / f"{name}.safetensors", {"voxboard": text})
    for words in (["eval", "_", "_", "--eval_path", str(run)], ["train", "_", "_", "--resume", str(run)]):
        capsys.readouterr()
        assert main(words) in (0, 2)
        assert "fault of voxboard" not in capsys.readouterr().err
