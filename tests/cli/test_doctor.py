"""`voxboard doctor` tells which contract a part breaks, and what to do."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from voxboard.cli import main
from voxboard.cli.doctor_installation import findings

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "examples" / "plugin"
in_the_tree = pytest.mark.skipif(not PLUGIN.is_dir(), reason="runs in the source tree only")

BROKEN = '''
from dataclasses import dataclass
import torch
from torch import nn
from voxboard.backbones.base import Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.heads.base import Head
from voxboard.poolers.base import Pooler


class Options:
    @dataclass(frozen=True)
    class Config:
        floor: float = 0.0
        """What energies are raised to."""


class Leaks(Options, Backbone):
    """Divides by the loudest of the whole batch, whose padding counts as frames."""

    def __init__(self, config):
        super().__init__()
        self.floor = config.floor
        self.gain = nn.Parameter(torch.rand(()) + 0.5)
        self.spec = BackboneSpec(FramesSpec(1, 1, hop=0.01), min_samples=400, parameters=1)

    def encode(self, waveforms, lengths):
        energy = waveforms.unfold(1, 400, 160).square().mean(-1)
        x = self.gain * self.over(energy)
        return Frames(x[:, None, :, None], (lengths - 400) // 160 + 1, 0.01)

    def over(self, energy):
        return (energy + 1e-6).log() - energy.mean().add(1e-6).log()


class Silent(Leaks):
    """The logarithm of silence."""

    def over(self, energy):
        return energy.clamp(min=self.floor).log()


class Mean(Options, Pooler):
    """Counts padding as frames."""

    def __init__(self, spec, config):
        super().__init__(spec)
        self.embedding_size = spec.size

    def forward(self, frames):
        return frames.states[:, -1].mean(1)


class Deviation(Mean):
    """A root without a floor, whose gradient is infinite for frames that are alike."""

    def forward(self, frames):
        x = frames.states[:, -1].masked_fill(~frames.mask[..., None], 0.0)
        count = frames.mask.sum(1)[:, None]
        mean = x.sum(1) / count
        centred = (x - mean[:, None]).masked_fill(~frames.mask[..., None], 0.0)
        return (centred.square().sum(1) / count).sqrt()


class Unit(Options, Head):
    """Divides by a length that may be nothing."""

    def __init__(self, size, n_classes, config):
        super().__init__()
        self.output = nn.Linear(size, n_classes)

    def loss(self, embeddings, labels):
        return nn.functional.cross_entropy(self.predict(embeddings), labels)

    def predict(self, embeddings):
        return self.output(embeddings / embeddings.norm(dim=-1, keepdim=True))


class Backwards(Unit):
    """Predicts what it has learned to be wrong; a batch shares one normalisation."""

    def predict(self, embeddings):
        scores = self.output(embeddings - embeddings.mean(0))
        return scores if torch.is_grad_enabled() else -scores


class Unnormalized(Unit):
    """Scores of tokens that are no probabilities."""

    reads, targets, label = "frames", "tokens", "text"

    def loss(self, frames, labels):
        known = (labels != -1).float()
        return (self.predict(frames).mean((1, 2)) * known.mean(1)).sum()

    def predict(self, frames):
        return self.output(frames.states[:, 0])

    def rows(self, frames):
        return [row[:n] for row, n in zip(self.predict(frames), frames.lengths.tolist())]


class TwoMinds(Unit):
    """Predicts its task in two ways that are not the same."""

    def predict(self, embeddings):
        return self.output(embeddings)

    def predict_tasks(self, embeddings):
        return {"speaker": -self.predict(embeddings)}


class Typo(Unit):
    """A mistake in the code."""

    def loss(self, embeddings, labels):
        return self.outptu(embeddings).sum()
'''

ENCODER = """
from dataclasses import dataclass
from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec


class Levels(UtteranceEncoder):
    '''The levels of the first frames, and the mean of all.'''

    batching = "equal-length"

    @dataclass(frozen=True)
    class Config:
        size: int = 8
        '''Numbers of an embedding.'''

    def __init__(self, config):
        super().__init__()
        self.size = config.size
        self.spec = UtteranceSpec(
            embedding_size=config.size, min_samples=1600, batching=self.batching, weights="none"
        )

    def embed(self, waveforms, lengths):
        levels = waveforms.unfold(1, 400, 160).square().mean(-1)
        return (levels[:, : self.size] + levels.mean(1, keepdim=True) + 1e-6).log()


class Boastful(Levels):
    '''The same, as if padding did not count.'''

    batching = "exact"
"""


def doctor(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code and what every check found, the worst of the variants."""
    code = main(["doctor", *words, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] == (code == 0)
    found: dict[str, dict[str, Any]] = {}
    for variant in report["built"]:
        for check in variant["checks"]:
            if check["check"] not in found or check["passed"] is False:
                found[check["check"]] = check
    return code, found


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(BROKEN)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "name", "check", "says", "advises"),
    [
        ("backbone", "Leaks", "batch mates", "beside longer ones, which pad it", "Zero or mask"),
        ("backbone", "Silent", "silence", "samples of silence: .* NaN or infinite", "Floor what goes into logarithms"),
        ("pooler", "Mean", "padding", "Padding with 0 changes the embedding of 23 frames", "masked_fill"),
        ("pooler", "Deviation", "gradients", "silence, constant frames and one frame", "Floor variances"),
        ("head", "Unit", "gradients", "inputs of size 0", "Floor lengths"),
        ("head", "Backwards", "learning", "0% of the labels", "larger score"),
        ("head", "Backwards", "batch mates", "alone differs by", "statistics of batches"),
        ("head", "Unnormalized", "protocols", "probabilities of rows miss 1 by", "log_softmax"),
        ("head", "TwoMinds", "protocols", "main task's scores differ by", "the first task's"),
        ("head", "Typo", "shapes", "AttributeError.*outptu", r"broken.py, line \d+"),
    ],
)
def test_a_broken_part_is_told_what_to_do(
    kind: str, name: str, check: str, says: str, advises: str, broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = doctor(capsys, kind, f"broken.py:{name}")
    assert code == 1
    assert found[check]["passed"] is False, found
    assert re.search(says, found[check]["measured"])
    assert re.search(advises, found[check]["advice"])


def test_an_option_can_mend_a_part(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = doctor(capsys, "backbone", "broken.py:Silent", "--floor", "1e-6")
    assert code == 0
    assert found["silence"]["passed"] is True
    assert doctor(capsys, "backbone", "broken.py:Silent(floor=1e-6)")[0] == 0


def test_an_encoder_of_utterances_is_checked_as_one(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (broken / "own.py").write_text(ENCODER)
    code, checks = doctor(capsys, "backbone", "own.py:Levels", "--size", "5")
    assert code == 0
    assert checks["shapes"]["measured"] == "embeddings of 5"
    assert "equal-length" in checks["batch mates"]["measured"]
    code, checks = doctor(capsys, "backbone", "own.py:Boastful")
    assert code == 1
    assert [check for check, finding in checks.items() if finding["passed"] is False] == ["batch mates"]


def test_the_table_shows_what_a_part_costs_and_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "pooler", "mean"]) == 0
    shown = capsys.readouterr().out
    assert "0 weights" in shown
    assert "padding" in shown
    assert "FAILED" not in shown


def test_all_heads_are_checked_but_those_that_are_too_large(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "heads", "--largest", "59", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["ge2e"]["passed"] is True
    assert rows["ge2e"]["checks"] >= 7
    assert rows["aam"]["passed"] is None
    assert rows["aam"]["parameters"] == 60


def test_the_installation_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = {check["check"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "FLAC" in found["audio"]["measured"]
    assert "CPU" in found["devices"]["measured"]
    assert found["ffmpeg"]["passed"] in (True, None)


@pytest.mark.parametrize(("release", "cuda"), [("2.11.0", "13.2"), ("2.10.1", None)])
def test_a_torchaudio_for_another_torch_is_named_before_it_is_imported(
    release: str, cuda: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from voxboard.cli import doctor_installation

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(doctor_installation, "version", lambda name: release)
    monkeypatch.setattr(doctor_installation, "_built", lambda name: cuda)
    monkeypatch.setitem(sys.modules, "torchaudio", None)  # importing it would be another sentence
    with pytest.raises(doctor_installation._Lacking) as caught:
        doctor_installation._torch()
    assert f"torchaudio {release}" in caught.value.problem
    assert "are no pair" in caught.value.problem
    assert ("CUDA 13.0 and 13.2" in caught.value.problem) == (cuda is not None)
    assert "pip install torch==" in caught.value.advice


def test_what_a_package_was_built_for_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxboard.cli import doctor_installation

    (tmp_path / "sounding").mkdir()
    (tmp_path / "sounding" / "__init__.py").write_text("raise OSError")
    (tmp_path / "sounding" / "version.py").write_text("__version__ = '2.11.1+cu132'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert doctor_installation._built("sounding") == "13.2"
    assert doctor_installation._built("nowhere") is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["encoder", "ecapa"], "kind of part"),
        (["backbone"], "Which backbone"),
        (["backbone", "ecappa"], "ecapa"),
        (["backbone", "nowhere.py:Part"], "nowhere.py"),
        (["backbone", "typo.py:Part"], "SyntaxError"),
        (["backbone", "ecapa(channels=33)"], "33"),
        (["head", "aam(maargin=1)"], "margin"),
    ],
)
def test_a_mistake_of_the_users_is_one_sentence(
    words: list[str], says: str, broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (broken / "typo.py").write_text("class Part(\n")
    assert main(["doctor", *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said


@in_the_tree
def test_the_example_plugin_installs_is_listed_and_keeps_all_contracts(tmp_path: Path) -> None:
    shutil.copytree(PLUGIN, tmp_path / "plugin")
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(tmp_path / "plugin")], check=True)
    lines = ["list --json", "doctor --json"]
    lines += ["doctor backbone gammatone --json", "doctor pooler top-share --json", "doctor head circle --json"]
    code = "import sys; from voxboard.cli import main\n"
    code += "for line in sys.argv[1:]:\n    assert main(line.split()) == 0; print('===')"
    environment = os.environ | {"PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *lines], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed, installation, *parts = (json.loads(shown) for shown in done.stdout.split("===\n")[:-1])
    assert "circle" in listed["heads"]
    assert {"backbone gammatone", "pooler top-share", "head circle", "corpus tones"} <= {
        c["check"] for c in installation["checks"]
    }
    assert [part["name"] for part in parts] == ["gammatone", "top-share", "circle"]
    exports = [check for part in parts for built in part["built"] for check in built["checks"]][-1]
    assert exports["check"] == "export"
    assert exports["passed"] is True


@in_the_tree
def test_the_doctor_of_the_extending_page_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(# loudness\.py\n.*?)```", text, re.DOTALL)
    (tmp_path / "loudness.py").write_text(code)
    first, *_ = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    assert main(shlex.split(first)[1:]) == 0
    snippet, *_ = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    exec(compile(snippet, "docs/extending.md", "exec"), {})


def test_an_installation_without_the_voices_is_whole_and_says_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    finding = next(one for one in findings() if one.check == "espeak")
    assert finding.passed is None
    assert "voxboard[voices]" in finding.advice
