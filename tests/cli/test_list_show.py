"""`voxboard list` and `voxboard show`: the same facts, as tables and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import make_dataclass
from pathlib import Path

import pytest

from voxboard import catalogue
from voxboard.cli import main
from voxboard.poolers.mean import Mean
from voxboard.poolers.token import Token
from voxboard.registry import option_docs

PLUGIN = '''
from dataclasses import dataclass

from voxboard.poolers.mean import Mean


class Halved(Mean):
    """Half of the mean."""

    @dataclass(frozen=True)
    class Config(Mean.Config):
        """Options."""

        share: float = 0.5
        """What is kept."""
'''


def _run(*words: str, path: Path | None = None) -> str:
    code = "import sys; from voxboard.cli import main; sys.exit(main())"
    more = {} if path is None else {"PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ | more, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_list_has_sizes_costs_and_parity() -> None:
    found = json.loads(_run("list", "--json"))
    assert list(found) == ["backbones", "poolers", "heads", "systems", "benchmarks", "corpora"]
    base = found["backbones"]["wavlm-base"]
    assert base["parameters"] == 94_381_936
    assert base["multiply_adds"] == catalogue.measured()["backbone"]["wavlm-base"]["multiply_adds"]
    assert "unipool_full" in base["parity"]
    assert "WavLM" in base["source"]
    assert found["systems"]["UniPool"]["spec"].startswith("wav2vec2-base")


def test_list_prints_one_kind() -> None:
    printed = _run("list", "poolers")
    (line,) = (line for line in printed.splitlines() if line.startswith("unipool "))
    assert {"2.87M", "yes"} <= set(line.split())
    assert "ecapa-1024" not in printed


def test_list_has_tasks_and_cards_with_their_main_metrics() -> None:
    found = json.loads(_run("list", "benchmarks", "--json"))["benchmarks"]
    task, card = found["verification"], found["VoxConverse"]
    assert (task["kind"], task["main_metric"], task["shown"], task["corpus"]) == (
        "task",
        "eer@interpolated",
        "EER",
        "any",
    )
    assert (card["kind"], card["task"], card["corpus"]) == ("card", "diarization", "VoxConverse")
    assert card["main_metric"] == "der@collar=0.25"
    printed = " ".join(_run("list", "benchmarks").split())
    assert "do two utterances EER any" in printed


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("verification", ("min_dcf@p=0.01", "score_norm", "Equal error rate")),
        ("voxconverse", ("der@collar=0.25", "collar")),
    ],
)
def test_show_tells_of_tasks_and_cards(name: str, texts: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    printed = capsys.readouterr().out
    for text in texts:
        assert text.split()[0] in printed


def test_list_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'scipy', 'lhotse', 'transformers'}"
    code = f"import sys; from voxboard.cli import main; main(); print('heavy', *({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, "list"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy"


def test_show_prints_the_facts_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "double-mha"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for text in ("arXiv 2007.13199", "816", "an embedding of 48", "dmha_pooling", "mask_prob", "0.3"):
        assert text in printed


def test_show_gives_everything_of_a_name_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "unipool").mkdir()
    (tmp_path / "unipool" / "config.json").write_text('{"seed": 1}')
    assert main(["show", "unipool", "--json", "--runs", str(tmp_path)]) == 0
    system, pooler, run = json.loads(capsys.readouterr().out)
    assert (system["kind"], system["name"]) == ("system", "UniPool")
    assert pooler["size"]["parameters"] == 2_869_476
    assert {"name": "conv_dim", "default": "128"}.items() <= pooler["options"][1].items()
    assert run == {"seed": 1}


def test_a_plugin_is_listed_and_shown_without_numbers(tmp_path: Path) -> None:
    (tmp_path / "halving_plugin.py").write_text(PLUGIN)
    installed = tmp_path / "halving-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: halving\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[voxboard.poolers]\nhalved = halving_plugin:Halved\n")
    (line,) = (line for line in _run("list", "poolers", path=tmp_path).splitlines() if line.startswith("halved"))
    assert line.split()[-3:] == ["–", "–", "–"]
    printed = " ".join(_run("show", "halved", path=tmp_path).split())
    for text in ("Half of the mean.", "What is kept.", "Which layer to pool"):
        assert text in printed


def test_options_are_documented_along_the_parents() -> None:
    assert set(option_docs(Token.Config)) == {"position", "layer", "project"}
    # Made without a file: there is nothing of its own to read, but its parent's.
    sourceless = make_dataclass("Config", [("share", float, 0.5)], bases=(Mean.Config,), frozen=True)
    assert set(option_docs(sourceless)) == {"layer", "project"}


def test_backbones_are_listed_by_what_they_have_heard(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "backbones", "--seen", "VoxCeleb1", "--json"]) == 0
    heard = json.loads(capsys.readouterr().out)["backbones"]
    assert "resemblyzer" in heard
    assert "wavlm-base-plus" not in heard
    assert all(any("VoxCeleb1" in corpus for corpus in row["seen"]) for row in heard.values())
    assert main(["list", "--seen", "VoxCeleb9"]) == 2
    assert "VoxCeleb1" in capsys.readouterr().err
