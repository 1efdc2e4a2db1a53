"""Local copies of results at a URL: records, raw outputs and runs, and nothing else that lies there.

Whoever writes `file:///etc`, or a bucket that holds more than results, does not get it copied into the cache.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxboard.errors import UserError
from voxboard.files import read_json
from voxboard.storage import Store, copied, is_url

RECORD_BYTES = 32 << 20  # of one record; a large one has some hundred kilobytes
OUTPUT_BYTES = 4 << 30
MOST_FILES = 200_000
RECORD_KEYS = frozenset({"schema", "benchmark", "system", "provenance"})
RAW = re.compile(r"(.*/)?[a-z]+-[^/]*\.(gz|jsonl|csv|rttm)")  # what an evaluation calls its raw outputs
RUN = re.compile(r"(.*/)?[^/]+\.(json|jsonl|safetensors|txt|csv|gz|md|toml|log|model|rttm)")


class Json:
    """JSON files of the size of records, whatever they hold: their reader says what is wrong with one."""

    def by_name(self, name: str, size: int) -> bool:
        return name.endswith(".json") and size <= RECORD_BYTES

    def by_content(self, name: str, file: Path) -> bool:
        return True


@dataclass
class Results(Json):
    """Records, by what they hold, and with `raw` the raw outputs, by their names."""

    raw: bool = False
    others: list[str] = field(default_factory=list)  # JSON files that were no records

    def by_name(self, name: str, size: int) -> bool:
        return super().by_name(name, size) or self._is_raw(name, size)

    def _is_raw(self, name: str, size: int) -> bool:
        return self.raw and size <= OUTPUT_BYTES and RAW.fullmatch(name) is not None

    def by_content(self, name: str, file: Path) -> bool:
        if not name.endswith(".json"):
            return True
        try:
            content = read_json(file)
        except UserError:
            content = None
        fits = isinstance(content, dict) and content.keys() >= RECORD_KEYS
        if not fits:
            self.others.append(name)
        return fits


class RemoteRun:
    """The files of a run folder."""

    def by_name(self, name: str, size: int) -> bool:
        return RUN.fullmatch(name) is not None

    def by_content(self, name: str, file: Path) -> bool:
        return True


def records(word: str | Path) -> Path:
    """The folder of records that a word names: itself, or a copy of the records at a URL, as they are now.

    Raises `UserError` where there is none, and for other JSON that lies between them.
    """
    return _results(str(word), Results()) if is_url(word) else Path(word)


def results(word: str) -> Path:
    """Copy records like `records`, with the raw outputs below, or beside a folder `records` named or there."""
    if not is_url(word):
        return Path(word)
    above, _, name = word.rstrip("/").rpartition("/")
    if name == "records":
        return _results(above, Results(raw=True), "records/", "outputs/") / name
    below = ("records/", "outputs/") if Store(word).names("records/") else ()
    return _results(word, Results(raw=True), *below)


def run(url: str) -> Path:
    """A copy of the run at a URL. Raises `UserError` where there is none."""
    if Store(url).read("config.json") is None:
        raise UserError(f"There is no run at {url} (it has no config.json).", "Check the URL.")
    return copied(url, wanted=RemoteRun())


def runs(url: str, names: Sequence[str]) -> Path:
    """A copy of some runs of the folder at a URL."""
    return copied(url, *(f"{name}/" for name in names), wanted=RemoteRun())


def _results(url: str, wanted: Results, *below: str) -> Path:
    home = copied(url, *below, wanted=wanted, most=MOST_FILES)
    if wanted.others:
        listed = ", ".join(sorted(wanted.others)[:3])
        raise UserError(
            f"{len(wanted.others)} files at {url} are not valid records: {listed}.",
            "Repair or move away what is named, or name the folder of the records alone.",
        )
    if not any(path.is_file() for path in home.rglob("*") if not path.name.startswith(".")):
        raise UserError(f"There is nothing at {url} that voxboard reads.", "Check the URL.")
    return home


def local(word: str) -> str:
    """Return the word, or the local copy of a URL; of a folder of records with the raw outputs beside it."""
    return str(results(word)) if is_url(word) else word
