"""The folder of records: whole files or none, in a stable order, with every broken one named."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.records.record_samples import any_record, make_record
from voxboard.errors import UserError
from voxboard.files import write_atomically
from voxboard.records import Record, load, read, save, scan, slug, survey, validate


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(record=any_record())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_saved_is_loaded(record: Record, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "r", ignore_errors=True)
    path = save(record, tmp_path / "r")
    assert [loaded.values for loaded in load(tmp_path / "r")] == [record.values]
    assert path.is_relative_to(tmp_path / "r")
    assert path.name.isascii()


def test_the_name_is_readable_and_the_content_addresses_it(tmp_path: Path) -> None:
    first = save(make_record("Ünï Pool+x+y"), tmp_path)
    assert first.relative_to(tmp_path).as_posix().startswith("voices-verification/uni-pool-x-y-voices-s42-")
    before = first.read_bytes()
    assert save(make_record("Ünï Pool+x+y"), tmp_path) == first
    assert first.read_bytes() == before
    assert save(make_record("Ünï Pool+x+y", eer=0.07), tmp_path) != first
    assert len(load(tmp_path)) == 2


def test_the_order_is_that_of_the_names_not_of_the_disk(tmp_path: Path) -> None:
    for index in (3, 1, 2):
        (tmp_path / f"{index}").mkdir()
        text = json.dumps(make_record(f"s{index}").to_dict())
        (tmp_path / f"{index}" / "r.json").write_text(text)
        os.utime(tmp_path / f"{index}" / "r.json", (10 * index, 10 * index))
    assert [(filed.path, filed.record.system.name) for filed in scan(tmp_path)] == [
        (f"{index}/r.json", f"s{index}") for index in (1, 2, 3)
    ]


def test_every_broken_file_is_named_in_one_error(tmp_path: Path) -> None:
    good = save(make_record(), tmp_path)
    (tmp_path / "cut.json").write_bytes(good.read_bytes()[:200])
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "nan.json").write_text('{"schema": NaN}')
    (tmp_path / "latin.json").write_bytes(b'{"schema": "\xe9"}')
    (tmp_path / "typo.json").write_text(good.read_text().replace('"seed"', '"sed"'))
    (tmp_path / ".half.json.tmp").write_text("{")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert "6 files" in message
    for name in ("cut", "empty", "deep", "nan", "latin", "typo"):
        assert f"{name}.json" in message
    assert "Did you mean seed" in message
    assert good.name not in message


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(make_record("a"), tmp_path / "open")
    save(make_record("b"), tmp_path / "closed")
    (tmp_path / "linked").symlink_to(tmp_path / "open")
    scandir = os.scandir

    def denied(path: str) -> Any:
        if Path(path).name == "closed":  # what a folder of another user does; for root every folder is open
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    found = survey(tmp_path)
    assert [filed.record.system.name for filed in found.filed] == ["a"]
    assert [one.path for one in found.unread] == ["closed", "linked"]
    assert "Permission denied" in found.unread[0].reason
    with pytest.raises(UserError, match="closed: It cannot be read: Permission denied"):
        scan(tmp_path)


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = save(make_record(), tmp_path)
    path.write_text(path.read_text().replace('"seed":', '"seed": 1, "seed":'))
    with pytest.raises(UserError, match="the key 'seed' is there twice"):
        scan(tmp_path)


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file, not a folder of records"):
        load(tmp_path / "file")
    with pytest.raises(UserError, match="There is no folder"):
        load(tmp_path / "nowhere")


def test_validate_takes_a_file_a_dict_or_a_record(tmp_path: Path) -> None:
    record = make_record()
    path = save(record, tmp_path)
    assert validate(path) == validate(str(path)) == validate(record) == validate(record.to_dict()) == read(path)


def test_an_invalid_record_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="values"):
        save(make_record(eer=float("nan")), tmp_path)
    assert _files(tmp_path) == {}


@contextmanager
def _full_disk(room: int) -> Iterator[None]:
    """The kernel refuses any file beyond `room` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    save(make_record(), tmp_path)
    before = _files(tmp_path)
    with _full_disk(500), pytest.raises(UserError, match="cannot be written"):
        save(make_record(eer=0.07), tmp_path)
    assert _files(tmp_path) == before


def test_several_files_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    old = {tmp_path / "a": b"old a", tmp_path / "b": b"old b"}
    write_atomically(old)
    with _full_disk(100), pytest.raises(UserError, match="Nothing that was there has changed"):
        write_atomically({tmp_path / "a": b"new a", tmp_path / "b": b"x" * 1000})
    assert _files(tmp_path) == {"a": b"old a", "b": b"old b"}


def test_an_interruption_leaves_the_old_file_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically({tmp_path / "a": b"old"})

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically({tmp_path / "a": b"new"})
    assert _files(tmp_path) == {"a": b"old"}


@given(st.text())
@settings(deadline=None)
def test_a_slug_is_a_safe_file_name(text: str) -> None:
    name = slug(text)
    assert 0 < len(name) <= 60
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name.strip("-") == name


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"seed": 42', '"seed": ' + "[" * 200_000 + "]" * 200_000, "nested too deeply"),
        ('"options": {}', '"options": ' + '{"a": ' * 5000 + "1" + "}" * 5000, "nested too deeply"),
        ('"count": 6000', '"count": 1' + "0" * 400, "401 digits"),
        ('"count": 6000', '"count": 1' + "0" * 5000, "not readable as JSON"),
        ('"value": 0.064', '"value": 1e999', "is inf"),
        ('"value": 0.064', '"value": "NaN"', "should be a number, not text"),
        ('"value": 0.064', '"value": NaN', "not readable as JSON"),
        ('"clusters": 24', '"clusters": -24', "clusters is -24"),
        ('"parameters": 5400000', '"parameters": -1', "parameters is -1"),
        ('"real_time_factor": 0.0123', '"real_time_factor": -0.0123', "real_time_factor is -0.0123"),
        ('"seed": 42', '"seed": 42, "seed": 43', "there twice"),
        ('"schema"', '"shema"', "no schema version"),
    ],
)
def test_an_odd_record_is_one_sentence(old: str, new: str, says: str, tmp_path: Path) -> None:
    path = save(make_record(), tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=re.escape(says)):
        read(path)


def test_a_record_that_is_no_object_is_one_sentence(tmp_path: Path) -> None:
    for content in ("[]", "3", "null", '"x"', "", "{", "\xff"):
        (tmp_path / "odd.json").write_bytes(content.encode("latin-1"))
        with pytest.raises(UserError, match=r"odd\.json"):
            read(tmp_path / "odd.json")
