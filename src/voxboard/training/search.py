"""A learning rate that validation chooses: every candidate is a run of its own, and the run becomes the chosen one.

RUN/candidates/max_lr-0.001/  the run folder of a candidate; the files of the chosen one move up into RUN
RUN/search.json               what was tried, what came of it, and which was chosen, as records tell it
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxboard.files import write_text
from voxboard.records import Candidate, Search
from voxboard.records.codec import decode, encode
from voxboard.training import run_folder
from voxboard.training.config import RunConfig

SETTING = "max_lr"
FILE, CANDIDATES = "search.json", "candidates"


def place(run: Path, rate: float) -> Path:
    """The run folder of a candidate."""
    return run / CANDIDATES / f"{SETTING}-{rate!r}"


def with_rate(config: RunConfig, rate: float) -> RunConfig:
    """The configuration with another learning rate, as if its grid had no other."""
    system = replace(config.system, training={**config.system.training, SETTING: rate})
    return replace(config, system=system, training=replace(config.training, max_lr=rate))


def of(run: Path) -> Search | None:
    """Search that chose the learning rate of a run; None for one that was given, or is not chosen yet."""
    file = run / FILE
    return decode(Search, json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def recorded(run: Path) -> dict[str, Any]:
    """The same as records have it."""
    search = of(run)
    return encode(search, sparse=True) if search else {}


def choose(run: Path, configs: Sequence[RunConfig], reasons: Mapping[Path, str]) -> str:
    """Choose the rate with the lowest validation error, of equal ones the first, and write it down.

    `configs` are those of the candidates in their order, `reasons` says of their folders why they were retired.
    Returns why none is left, or nothing.
    """
    tried = [_candidate(run, config.training.max_lr, reasons) for config in configs]
    left = [(one.error, number) for number, one in enumerate(tried) if one.error is not None]
    if not left:
        return _none_left(tried)
    chosen = tried[min(left)[1]].value
    search = Search(SETTING, configs[0].training.nb_total_step, tuple(tried), chosen)
    write_text(run / FILE, json.dumps(encode(search, sparse=True), indent=2) + "\n")
    return ""


def _candidate(run: Path, rate: float, reasons: Mapping[Path, str]) -> Candidate:
    home = place(run, rate)
    if reasons.get(home):
        return Candidate(rate, reason=reasons[home])
    error = run_folder.state_of(home, "best")[1]["best"]["error"]
    if error is None or not math.isfinite(error):
        return Candidate(rate, reason=f"The validation error is {error}.")
    return Candidate(rate, float(error))


def _none_left(tried: Sequence[Candidate]) -> str:
    """Their reason where they share one, else that of each."""
    if len({one.reason for one in tried}) == 1:
        return tried[0].reason
    return " ".join(f"{SETTING} {one.value:g}: {one.reason}" for one in tried)


def settle(run: Path) -> None:
    """Move the files of the chosen candidate into the run; what an interruption has left, the next call moves."""
    search = of(run)
    assert search is not None
    assert search.chosen is not None
    home = place(run, search.chosen)
    if not home.is_dir():
        return
    for file in sorted(home.iterdir()):
        file.replace(run / file.name)
    home.rmdir()
