"""What a cell is called: a digest of all that its number depends on, so that equal names mean equal numbers."""

from __future__ import annotations

import ast
import gzip
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from voxboard import benchmarks, systems
from voxboard.data.corpus import Corpus
from voxboard.data.prepare import find_corpus
from voxboard.grids.spec import Cell
from voxboard.records.codec import encode, short_digest
from voxboard.training.config import ASIDE

_OWN = "voxboard"
_PARTS = tuple(f"voxboard.{package}." for package in ("backbones", "poolers", "heads", "benchmarks"))


@dataclass(frozen=True)
class Named:
    """A cell and its id, `<what is asked>-<code>`: another version of the code makes another cell of the same key."""

    cell: Cell
    id: str
    base: str = ""  # id of the cell whose run it evaluates

    @property
    def key(self) -> str:
        """What is asked, whatever the code."""
        return self.id.partition("-")[0]


class Names:
    """Gives cells their ids; reads every corpus and every source file once."""

    def __init__(self) -> None:
        self._corpora: dict[str, str] = {}
        self._files: dict[Path, str] = {}

    def named(self, cell: Cell) -> Named:
        """Raises `UserError` for a corpus that is not there."""
        base = self.named(cell.base).id if cell.base else ""
        system, training = cell.system, cell.training
        content = {
            "system": [system.name, *(str(part) for kind, part in system.parts() if cell.trained or kind != "head")],
            "training": asdict(training) if training else None,
            "frozen": cell.frozen,
            "corpus": self._corpus(benchmarks.card(cell.data).corpus),
            "benchmark": encode(cell.benchmark),
            "seed": cell.seed,
            "evaluation": {key: item for key, item in asdict(cell.evaluation).items() if key not in ASIDE},
            "base": base.partition("-")[0],
        }
        if cell.rates:
            content["rates"] = cell.rates
        return Named(cell, f"{short_digest(content)}-{self.code(cell)[:8]}", base)

    def code(self, cell: Cell) -> str:
        """sha256 of the source files of the cell's parts and task, of what these import of such, and of training/."""
        files = _with_imports({path for cls in _classes(cell) for path in _sources(cls)}) | set(_training())
        lines = sorted(f"{path.parent.name}/{path.name} {self._digest(path)}\n" for path in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _corpus(self, name: str) -> str:
        if name not in self._corpora:
            self._corpora[name] = corpus_digest(find_corpus(name))
        return self._corpora[name]

    def _digest(self, path: Path) -> str:
        if path not in self._files:
            self._files[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._files[path]


def corpus_digest(corpus: Corpus) -> str:
    """sha256 of a corpus's description, utterances and trial lists, wherever the audio lies."""
    digest = hashlib.sha256(short_digest(encode(replace(corpus.info, audio_root="."))).encode())
    lists = {corpus.folder / name for name in corpus.info.trials.values()}
    for path in sorted({*corpus.folder.glob("*.jsonl*"), *lists}):
        data = path.read_bytes()
        # A compressed file also holds when it was written.
        digest.update(gzip.decompress(data) if path.suffix == ".gz" else data)
    return digest.hexdigest()


def _classes(cell: Cell) -> Iterator[type[Any]]:
    """The classes of a cell's parts and of its benchmark."""
    for kind, part in cell.system.parts():
        if cell.trained or kind != "head":
            yield systems.registry(kind).resolve(part.name)[0]
    yield benchmarks.REGISTRY.resolve(cell.benchmark.name)[0]


def _sources(cls: type[Any]) -> Iterator[Path]:
    """The files of a class and of its base classes, as far as they are voxboard's or the user's own."""
    for one in cls.__mro__:
        if one.__module__.startswith(_OWN) or one is cls:
            file = getattr(sys.modules[one.__module__], "__file__", None)
            if file:
                yield Path(file)


def _with_imports(files: set[Path]) -> set[Path]:
    """The files, and all modules of parts and tasks that they import, inside functions too."""
    found: set[Path] = set()
    todo = set(files)
    while todo:
        path = todo.pop()
        found.add(path)
        todo |= _imported(path) - found
    return found


@cache
def _imported(path: Path) -> frozenset[Path]:
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(file for name in names if name.startswith(_PARTS) and (file := _file(name)))


def _file(name: str) -> Path | None:
    """The file of a module; None for a name that is in one."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _training() -> Iterator[Path]:
    from voxboard import training

    assert training.__file__ is not None
    yield from Path(training.__file__).parent.glob("*.py")
