"""The folder of a run: what it was told, what it did, and what it can go on from.

config.json        the resolved configuration       metrics.jsonl   one line per logged step
training.log       what was printed                 events.out.*    the same for TensorBoard
labels.json        what was learned, by task        speakers.json   whom it was learned from
code.json          digests of the code that it was trained and measured by, and of the user's files
scores-*.txt.gz    the scores of every trial list, or the predictions, turns or texts of another task
last.safetensors   everything to resume from        best.safetensors  the weights of the best validation
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard import parallel, trust
from voxboard.data.targets import Targets
from voxboard.errors import UserError
from voxboard.files import read_json, read_json_object, write_text
from voxboard.screen import Formatter
from voxboard.training import checkpoint
from voxboard.training.config import RunConfig

if TYPE_CHECKING:
    from voxboard.model import Network

log = logging.getLogger("voxboard")
CODE = "code.json"
_META: Mapping[str, Callable[[Any], Any]] = {"step": int, "seconds": float, "skipped": list, "best": dict}


def create(runs: Path, config: RunConfig, place: Path | None = None) -> Path:
    """Make a run's folder and write the configuration into it: `place`, which may be there from an earlier attempt.

    By default `local-YYYYMMDD-HHmmss[-n]` below `runs`, which never collides.
    """

    def made() -> Path:
        folder = place or _new(runs)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / CODE, json.dumps(_code(config), indent=2) + "\n")
        write_text(folder / "config.json", json.dumps(config.to_dict(), indent=2) + "\n")
        return folder

    return parallel.once(made)


def _code(config: RunConfig) -> dict[str, Any]:
    from voxboard.evaluation import code

    return asdict(code.of(config.system, config.benchmark, also=config.general.trackers))


def code_of(folder: Path) -> dict[str, Any]:
    """Digests of the code that a run was trained by: `training`, `measuring`, `user`; nothing of an older run."""
    content = read_json_object(folder / CODE) if (folder / CODE).is_file() else {}
    user = content.get("user")
    return {**content, "user": user if isinstance(user, dict) else {}}


def note_measuring(folder: Path, digest: str) -> None:
    """Write down that a run's numbers were taken again, by other code than when it was trained."""
    write_text(folder / CODE, json.dumps({**code_of(folder), "measuring": digest}, indent=2) + "\n")


def _new(runs: Path) -> Path:
    stem = time.strftime("local-%Y%m%d-%H%M%S")
    runs.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        folder = runs / (f"{stem}-{number}" if number else stem)
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def find(run: str, runs: Path = Path("results/runs")) -> Path:
    """The folder that `--eval_path` or `--resume` names: a path, or a name below results/runs."""
    for folder in (Path(run), runs / run):
        if (folder / "config.json").is_file():
            return folder
    from voxboard.errors import unknown

    if runs.is_dir() and Path(run).name == run:
        raise unknown(f"run in {runs}", run, [path.name for path in runs.iterdir() if path.is_dir()])
    raise UserError(f"{run} is not a run folder (it has no config.json).", "Name a folder below results/runs.")


def config_of(folder: Path) -> RunConfig:
    """The configuration that a run was started with.

    Raises `UserError` where it cannot be read, or names code in a file that must not run (see `voxboard.trust`).
    """
    content = read_json_object(folder / "config.json")
    try:
        config = RunConfig.from_dict(content)
        parts = [(part.name, part.options) for part in (config.benchmark, *(p for _, p in config.system.parts()))]
        # A tracker is never in a run's way: one whose file has gone is dropped with a warning, and runs nothing.
        parts += [(name, {}) for name in config.general.trackers if not trust.is_gone(name)]
        trust.check_config(folder, parts, code_of(folder)["user"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{folder / 'config.json'} cannot be read: {error}.", "Train again.") from error
    return config


def log_to(folder: Path) -> logging.Handler:
    """Copy the log into the run folder until the handler is removed; of several processes the first one's."""
    if not parallel.first():
        return logging.NullHandler()
    handler = logging.FileHandler(folder / "training.log", encoding="utf-8")
    handler.setFormatter(Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    return handler


def keep_targets(folder: Path, targets: Targets, speakers: Sequence[str]) -> None:
    """Write what the training utterances teach, and whose they are, unless the folder has it already."""

    def kept() -> None:
        if (folder / "labels.json").is_file():
            return
        for name, content in (("speakers.json", list(speakers)), ("labels.json", targets.to_dict())):
            write_text(folder / name, json.dumps(content, ensure_ascii=False) + "\n")

    parallel.once(kept)


def targets_of(folder: Path) -> Targets:
    """Return what a run was trained to predict. Raises `UserError` where its file does not say it."""
    path = folder / "labels.json"
    content = read_json_object(path)
    with as_written(path):
        return Targets.from_dict(content)


def speakers_of(folder: Path) -> list[str]:
    """Return the speakers that a run was trained on, sorted. Raises `UserError` where its file does not say it."""
    path = folder / "speakers.json"
    content = read_json(path)
    with as_written(path):
        if not isinstance(content, list) or not all(isinstance(speaker, str) for speaker in content):
            raise TypeError("it is no list of names")
        return content


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Raise `UserError` where what the block takes from a run's file is not what training writes there."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise UserError(
            f"{path} is not as training wrote it ({type(error).__name__}: {error}).",
            "Bring the file back, or train again.",
        ) from error


def check_backbone(folder: Path, network: Network, meta: Mapping[str, Any]) -> None:
    """Raise `UserError` where a run's frozen backbone is not the one that it was trained on."""
    fingerprint = meta.get("backbone", "")
    if fingerprint and network.built_on != fingerprint:
        raise UserError(
            f"The frozen backbone of {folder.name} has other weights than when it was trained.",
            "Put the checkpoint that its config.json names back in place.",
        )


def state_of(folder: Path, which: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return tensors and JSON of the `best` or `last` checkpoint. Raises `UserError` where that is none of a run's."""
    path = folder / f"{which}.safetensors"
    tensors, meta = checkpoint.load(path)
    with as_written(path):
        return tensors, meta | {key: kind(meta[key]) for key, kind in _META.items() if key in meta}


def is_run(folder: Path) -> bool:
    """True if a folder is that of a run, and not of a Hugging Face model, whose config.json has other keys."""
    file = folder / "config.json"
    if not file.is_file():
        return False
    try:
        return not {"model_type", "architectures"} & read_json_object(file).keys()
    except UserError:
        return True  # reading it as a run says what is wrong with it
