"""Stores by URL and leases on them: the same on a file system and on an S3 server."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest

from voxboard import storage
from voxboard.errors import UserError
from voxboard.grids import lease
from voxboard.storage import Store


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("VOXBOARD_CACHE", str(tmp_path / "cache"))
    base = f"file://{tmp_path}/store" if request.param == "file" else request.getfixturevalue("s3")
    return Store(f"{base}/grids/tiny/")


def test_an_empty_store_has_no_files(store: Store) -> None:
    assert store.names() == {}
    assert store.names("records/") == {}
    assert store.read("records/a.json") is None
    store.remove(["records/a.json"])


def test_files_are_listed_by_the_beginning_of_their_names(store: Store) -> None:
    for name in ("records/ab-1/x.json", "records/ab-2/y.json", "records/b-1/z.json", "board/index.html"):
        store.write(name, name.encode())
    assert list(store.names("records/ab-")) == ["records/ab-1/x.json", "records/ab-2/y.json"]
    assert len(store.names()) == 4
    store.remove(["records/ab-1/x.json"])
    assert list(store.names("records/")) == ["records/ab-2/y.json", "records/b-1/z.json"]


def test_a_neighbour_whose_name_begins_alike_is_not_listed(store: Store) -> None:
    Store(f"{store.url}-2").write("a", b"")
    assert store.names() == {}


def test_another_content_of_the_same_size_has_another_tag(store: Store) -> None:
    store.write("a", b"one")
    first = store.names()
    store.write("a", b"two")
    assert store.names() != first


def test_only_one_of_several_writes_what_must_be_new(store: Store) -> None:
    assert store.write("a", b"first", only_new=True)
    assert not store.write("a", b"second", only_new=True)
    assert store.read("a") == b"first"


def test_large_files_go_and_come(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(bytes(range(256)) * 1000)
    store.send(source, "runs/c/best.safetensors")
    store.fetch(["runs/c/best.safetensors"], tmp_path / "here")
    assert (tmp_path / "here/runs/c/best.safetensors").read_bytes() == source.read_bytes()
    assert [path.name for path in (tmp_path / "here/runs/c").iterdir()] == ["best.safetensors"]


def test_a_name_that_leads_out_of_a_folder_is_refused(s3: str, tmp_path: Path) -> None:
    files = fsspec.filesystem("s3", use_listings_cache=False)
    for name in ("records/../../out.json", "records//out.json"):
        files.pipe_file(f"{s3}/grid/{name}", b"{}")
        with pytest.raises(UserError, match="unsafe name"):
            storage.folder(f"{s3}/grid")
        files.rm_file(f"{s3}/grid/{name}")
    assert not list(tmp_path.rglob("out.json"))


def test_a_copy_follows_its_store(store: Store) -> None:
    with pytest.raises(UserError, match="There is nothing at"):
        storage.folder(store.url)
    store.write("a/1.json", b"one")
    store.write("a/2.json", b"two")
    home = storage.folder(store.url)
    assert (home / "a/1.json").read_bytes() == b"one"
    (home / "a/2.json").write_bytes(b"kept, as it is not fetched again")
    store.write("a/1.json", b"eno")
    store.write("b/3.json", b"three")
    assert storage.copied(store.url, "a/") == home
    assert (home / "a/1.json").read_bytes() == b"eno"
    assert (home / "a/2.json").read_bytes().startswith(b"kept")
    assert not (home / "b").exists()
    store.remove(["a/1.json"])
    storage.folder(store.url)
    assert sorted(path.name for path in home.rglob("*.json")) == [storage.TAGS, "2.json", "3.json"]


def test_a_word_that_is_no_url_is_itself() -> None:
    assert storage.folder("results/records") == Path("results/records")


def test_an_unknown_kind_of_url_and_a_store_out_of_reach_are_said(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="Did you mean s3://"):
        Store("s4://bucket/grid")
    with pytest.raises(UserError, match="s3://no-such-bucket/grid cannot be used"):
        Store("s3://no-such-bucket/grid").write("a", b"")


@pytest.mark.skipif(importlib.util.find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(UserError, match=r"gs:// needs the package gcsfs\. Run: pip install 'voxboard\[gs\]'"):
        Store("gs://bucket/grid").names()


def test_two_starts_exclude_each_other_and_the_second_is_told_until_when(store: Store) -> None:
    said = r"at work in .*lease runs until 20\d\d-.* UTC"
    with lease.held(store), pytest.raises(UserError, match=said), lease.held(store):
        pass
    with lease.held(store):
        assert list(store.names("lease/")) == ["lease/00000002.json"]


def test_a_lease_is_kept_up_while_its_holder_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"file://{tmp_path}/store")
    monkeypatch.setattr(lease, "SECONDS", 10.0)

    def until() -> float:
        return float(json.loads(store.read("lease/00000001.json") or b"")["until"])

    with lease.held(store):
        first, limit = until(), time.monotonic() + 60
        while until() == first and time.monotonic() < limit:
            time.sleep(0.05)
        assert until() > first
        with pytest.raises(UserError, match="at work"), lease.held(store):
            pass


def test_the_lease_of_a_crashed_holder_runs_out(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}/store")
    code = (
        "import os, sys; from voxboard.grids import lease; from voxboard.storage import Store\n"
        "lease.SECONDS = 2.0\n"
        "with lease.held(Store(sys.argv[1])): print('in', flush=True); os.kill(os.getpid(), 9)"
    )
    crashed = subprocess.run([sys.executable, "-c", code, store.url], stdout=subprocess.PIPE, text=True, check=False)
    assert (crashed.stdout, crashed.returncode) == ("in\n", -9)
    until = json.loads(store.read("lease/00000001.json") or b"")["until"]
    with pytest.raises(UserError, match="after a crash"), lease.held(store):
        pass
    time.sleep(max(0.0, until - time.time()))
    with lease.held(store):
        assert list(store.names("lease/")) == ["lease/00000002.json"]


def test_one_who_has_lost_the_lease_stops(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 0.5)
    taken = json.dumps({"holder": "another", "until": time.time() + 600}).encode()

    def at_work() -> None:
        with lease.held(store):
            store.write("lease/00000002.json", taken)
            time.sleep(30)

    with pytest.raises(UserError, match="another voxboard may be at work"):
        at_work()
    assert store.read("lease/00000002.json") == taken


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.default_int_handler])
def test_one_whose_keyboard_is_ignored_stops_too_and_is_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Any
) -> None:
    """A shell has what it starts with `&` ignore SIGINT."""
    monkeypatch.setattr(lease, "SECONDS", 0.5)
    store = Store(f"file://{tmp_path}/store")
    handlers = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM)]

    def at_work() -> None:
        with lease.held(store):
            store.write("lease/00000002.json", json.dumps({"holder": "another", "until": time.time() + 600}).encode())
            time.sleep(30)

    signal.signal(signal.SIGINT, before)
    try:
        with pytest.raises(UserError, match="another voxboard may be at work"):
            at_work()
    finally:
        signal.signal(signal.SIGINT, handlers[0])
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM)] == handlers


def test_a_file_that_is_no_lease_is_said(store: Store) -> None:
    store.write("lease/00000001.json", b"[]")
    with pytest.raises(UserError, match="is no lease"), lease.held(store):
        pass
