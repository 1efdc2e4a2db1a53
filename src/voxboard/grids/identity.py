"""Ids of cells: a digest of all that the number depends on, so that equal ids mean equal numbers."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict, dataclass, replace

from voxboard import benchmarks
from voxboard.data.catalogue import find_corpus
from voxboard.data.corpus import Corpus
from voxboard.evaluation import code
from voxboard.evaluation.code import Code
from voxboard.grids.spec import Cell
from voxboard.records.codec import encode, short_digest
from voxboard.settings import ASIDE


@dataclass(frozen=True)
class Named:
    """A cell and its id, `<what is asked>-<code>`: another version of the code makes another cell of the same key."""

    cell: Cell
    id: str
    base: str = ""  # id of the cell whose run it evaluates
    training: str = ""  # digest of the code that trains it
    measuring: str = ""  # digest of the code that measures it

    @property
    def key(self) -> str:
        """Digest of the question, independent of the code."""
        return self.id.partition("-")[0]


class Names:
    """Gives cells their ids; reads every corpus and every source file once."""

    def __init__(self) -> None:
        self._corpora: dict[str, str] = {}
        self._codes: dict[str, Code] = {}

    def named(self, cell: Cell) -> Named:
        """Give a cell its id. Raises `UserError` for a corpus that is not there."""
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
        digests = self.digests(cell)
        name = f"{short_digest(content)}-{self.code(cell)[:8]}"
        return Named(cell, name, base, digests.training, digests.measuring)

    def code(self, cell: Cell) -> str:
        """One digest of the code that the cell's number comes out of."""
        parts = self.digests(cell)
        return hashlib.sha256(f"{parts.training} {parts.measuring}".encode()).hexdigest()

    def digests(self, cell: Cell) -> Code:
        """Digests of the code that the cell's number comes out of; none of it is run for that."""
        key = json.dumps([encode(cell.system), encode(cell.benchmark), cell.trained], sort_keys=True, default=str)
        if key not in self._codes:
            self._codes[key] = code.of(cell.system, cell.benchmark, cell.trained)
        return self._codes[key]

    def _corpus(self, name: str) -> str:
        if name not in self._corpora:
            self._corpora[name] = corpus_digest(find_corpus(name))
        return self._corpora[name]


def corpus_digest(corpus: Corpus) -> str:
    """sha256 of a corpus's description, utterances and trial lists, wherever the audio lies."""
    digest = hashlib.sha256(short_digest(encode(replace(corpus.info, audio_root="."))).encode())
    lists = {corpus.folder / name for name in corpus.info.trials.values()}
    for path in sorted({*corpus.folder.glob("*.jsonl*"), *lists}):
        data = path.read_bytes()
        # A compressed file also holds when it was written.
        digest.update(gzip.decompress(data) if path.suffix == ".gz" else data)
    return digest.hexdigest()
