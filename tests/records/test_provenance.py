"""Provenance says where a number comes from, and nothing about whose machine it was."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.records.record_samples import make_record
from voxboard.records import collect, load, portable, save
from voxboard.records import provenance as module
from voxboard.records.codec import encode
from voxboard.records.portable import portable_command


def test_collect_knows_this_process() -> None:
    facts = collect(seed=7, arguments=["eval", "Vox1", "_"], batching="exact", digests={"weights": "ab"})
    facts.validate()
    assert facts.command == "voxboard eval Vox1 _"
    assert facts.seed == 7
    assert facts.packages["numpy"]
    assert facts.python
    assert facts.cpu
    assert facts.digests == {"weights": "ab"}


def test_nothing_that_was_collected_names_home_or_tmp(tmp_path: Path) -> None:
    arguments = ["eval", str(tmp_path / "corpus"), "_", f"--eval_path={Path.home()}/runs/1"]
    text = json.dumps(encode(collect(seed=1, arguments=arguments)))
    assert str(Path.home()) + "/" not in text
    assert str(tmp_path) not in text


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if not shutil.which("git"):
        pytest.skip("no git")
    root = tmp_path / "checkout"
    (root / "src").mkdir(parents=True)
    (root / "pyproject.toml").write_text("")
    (root / "src" / "a.py").write_text("a = 1\n")
    _git(tmp_path, "init", "-q", str(root))
    _git(root, "add", ".")
    _git(root, "commit", "-qm", "one")
    return root


def test_a_checkout_gives_its_revision_and_whether_code_changed(checkout: Path) -> None:
    revision = _git(checkout, "rev-parse", "HEAD")
    assert module.git_facts(checkout) == (revision, False)
    (checkout / "results").mkdir()
    (checkout / "results" / "record.json").write_text("{}")
    assert module.git_facts(checkout) == (revision, False)  # results are not code
    (checkout / "src" / "new.py").write_text("b = 2\n")
    assert module.git_facts(checkout) == (revision, True)


def test_a_git_hook_does_not_change_whose_revision_is_read(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert module.git_facts(checkout)[0] == _git(checkout, "-c", "x.y=z", "--git-dir=.git", "rev-parse", "HEAD")


def test_a_copy_inside_another_repository_does_not_borrow_its_revision(checkout: Path) -> None:
    inner = checkout / "vendored"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("")
    assert module.git_facts(inner) == ("", None)


def test_outside_a_checkout_the_rest_is_still_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "source_root", lambda: None)
    facts = collect(seed=1, arguments=[])
    assert (facts.git_revision, facts.git_dirty, facts.lock_digest) == ("", None, "")
    assert facts.packages
    assert module.git_facts(tmp_path) == ("", None)


def test_the_lock_digest_is_that_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv.lock").write_bytes(b"lock")
    monkeypatch.setattr(module, "source_root", lambda: tmp_path)
    assert collect(seed=1, arguments=[]).lock_digest == hashlib.sha256(b"lock").hexdigest()


# --- text that may leave the machine ---


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ("results/runs/local-1", "results/runs/local-1"),
        ("../data/vctk", "../data/vctk"),
        ("/corpora/Libri Speech", '"$DATA/Libri Speech"'),
        ("--data_path=/corpora/vctk", "--data_path=$DATA/vctk"),
        ("wavlm(path=/home/ann/w, a=3)", '"wavlm(path=$DATA/w, a=3)"'),
        ("hf:/home/ann/wavlm", "hf:$DATA/wavlm"),
        ("~ann/vctk", "$DATA/vctk"),
        ("https://ann:pw@host/a/b?sig=1", "https://host/a/b"),
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("--api_token=abc", "--api_token=HIDDEN"),
        ("hf_abcdefghijklmnopqrst", "HIDDEN"),
        ("$HOME", "'$HOME'"),
        ("", "''"),
    ],
)
def test_commands_keep_what_was_typed_except_places_and_secrets(argument: str, word: str) -> None:
    assert portable_command(["eval", argument]) == f"voxboard eval {word}"


def test_a_path_below_the_working_directory_becomes_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert portable_command([str(tmp_path / "data" / "vctk")]) == "voxboard data/vctk"


def test_the_value_after_a_secret_flag_is_hidden() -> None:
    assert portable_command(["x", "--api_key", "abc", "--seed", "1"]) == "voxboard x --api_key HIDDEN --seed 1"


@given(st.lists(st.text(st.characters(exclude_characters="$\x00", exclude_categories=("Cs",)), max_size=10)))
@settings(deadline=None)
def test_a_shell_reads_back_the_words_that_need_no_change(words: list[str]) -> None:
    plain = [word for word in words if portable(word) == word and not word.startswith(("/", "-"))]
    assert shlex.split(portable_command(plain)) == ["voxboard", *plain]


@pytest.mark.parametrize("text", ["3/4 and/or 5 m/s", "~3/4", "https://host/a/b", "GENDER_MATCH=1", "/", "a / b"])
def test_text_that_is_no_path_stays(text: str) -> None:
    assert portable(text) == text


@given(st.text())
@settings(deadline=None)
def test_portable_text_stays_as_it_is(text: str) -> None:
    assert portable(portable(text)) == portable(text)


def test_a_saved_record_has_no_place_of_this_machine(tmp_path: Path) -> None:
    reason = f"'{tmp_path}/a b/x.flac' and {tmp_path}/y.flac are not audio"
    record = make_record(system__spec=f"hf:{tmp_path}/wavlm+mean", reason=reason, status="imported")
    text = save(record, tmp_path / "records").read_text()
    assert str(tmp_path) not in text
    loaded = load(tmp_path / "records")[0]
    assert loaded.reason == "'$DATA/x.flac' and $DATA/y.flac are not audio"
    assert loaded.system.spec == "hf:$DATA/wavlm+mean"
