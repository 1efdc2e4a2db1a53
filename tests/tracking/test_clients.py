"""The real clients, offline: what they have written is read back from their own files."""

from __future__ import annotations

import importlib.util
import json
import logging
import random
import sqlite3
import zipfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from voxboard import tracking
from voxboard.tracking.history import History, close

CONFIG = {"training": {"max_lr": 0.1}, "general": {"trackers": ["neptune"], "audio_root": None}}
LOSSES = {10: 0.5, 20: 0.25}
_SETTINGS = ("MODE", "PROJECT", "API_TOKEN", "API_KEY", "DIR", "DATA_DIRECTORY", "TRACKING_URI", "START_ONLINE")


def _installed(name: str) -> bool:
    return importlib.util.find_spec(tracking.REGISTRY.resolve(name)[0].package) is not None


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A run with every client that is here, all at once."""
    run = tmp_path_factory.mktemp("runs") / "local-1"
    run.mkdir()
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("voxboard").addHandler(handler)
    with pytest.MonkeyPatch.context() as patch:
        for client in ("NEPTUNE", "COMET", "WANDB", "MLFLOW"):
            for setting in _SETTINGS:
                patch.delenv(f"{client}_{setting}", raising=False)
        before = random.getstate()
        history = History.of(run, CONFIG, [name for name in tracking.REGISTRY.names() if _installed(name)], 5)
        for step, loss in LOSSES.items():
            history.add(step, loss=loss)
        history.summary({"eer@none": 0.125})
        close([history])
        after = random.getstate()
    logging.getLogger("voxboard").removeHandler(handler)
    return SimpleNamespace(run=run, messages=messages, same=before == after)


def _needs(name: str) -> Any:
    return pytest.mark.skipif(not _installed(name), reason=f"the client of {name} is not installed")


def test_no_client_failed_or_drew_from_the_random_stream_of_the_run(written: SimpleNamespace) -> None:
    assert written.messages == []
    assert written.same


@_needs("neptune")
def test_neptune(written: SimpleNamespace) -> None:
    (log,) = (written.run / "neptune" / "offline").glob("run__*/data-1.log")
    decoder, text, found = json.JSONDecoder(), log.read_text(), []
    while text:
        operation, end = decoder.raw_decode(text)
        found.append(operation["obj"])
        text = text[end:].lstrip()
    values = {"/".join(operation["path"]): operation.get("value") for operation in found if "value" in operation}
    assert values["sys/name"] == "local-1 from step 5"
    assert values["config/training/max_lr"] == 0.1
    assert values["resumed_at"] == 5
    assert values["summary/eer@none"] == 0.125
    losses = [entry for op in found if op["path"] == ["metrics", "loss"] for entry in op["values"]]
    assert {entry["step"]: entry["value"] for entry in losses} == LOSSES


@_needs("comet")
def test_comet(written: SimpleNamespace) -> None:
    (archive,) = (written.run / "comet").glob("*.zip")
    with zipfile.ZipFile(archive) as file:
        messages = [json.loads(line)["payload"] for line in file.read("messages.json").splitlines()]
    metrics = [message["metric"] for message in messages if message.get("metric")]
    assert {m["step"]: m["metricValue"] for m in metrics if m["metricName"] == "loss"} == LOSSES
    text = json.dumps(messages)
    for word in ("training.max_lr", "local-1 from step 5", "eer@none"):
        assert word in text


def _wandb_records(content: bytes) -> Iterator[bytes]:
    """The records of LevelDB's log format, in blocks of 32 KiB after 7 bytes of W&B's."""
    at, parts = 7, b""
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


@_needs("wandb")
def test_wandb(written: SimpleNamespace) -> None:
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = (written.run / "wandb").glob("offline-run-*/run-*.wandb")
    losses, config, summary = {}, {}, {}
    for data in _wandb_records(path.read_bytes()):
        record = Record.FromString(data)
        for update in [*record.run.config.update, *record.config.update]:
            config[update.key] = update.value_json
        for update in record.summary.update:
            summary[update.key or "/".join(update.nested_key)] = update.value_json
        items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        if "loss" in items:
            losses[items["_step"]] = items["loss"]
    assert losses == LOSSES
    assert json.loads(config["training.max_lr"]) == 0.1
    assert json.loads(summary["eer@none"]) == 0.125


@_needs("mlflow")
def test_mlflow_in_a_sqlite_store(written: SimpleNamespace) -> None:
    with sqlite3.connect(written.run.parent / "mlflow.db") as store:
        assert store.execute("select name, status from runs").fetchall() == [("local-1 from step 5", "FINISHED")]
        params = dict(store.execute("select key, value from params"))
        metrics = store.execute("select key, step, value from metrics order by step").fetchall()
    assert params["training.max_lr"] == "0.1"
    assert params["resumed_at"] == "5"
    assert metrics == [("summary/eer_none", 0, 0.125), ("loss", 10, 0.5), ("loss", 20, 0.25)]
