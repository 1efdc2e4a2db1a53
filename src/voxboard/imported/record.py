"""A record of numbers that were taken from what somebody else computed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard import records
from voxboard.errors import UserError
from voxboard.evaluation import code
from voxboard.text_files import is_hidden

if TYPE_CHECKING:
    from voxboard.benchmarks.base import Benchmark

WHO = {
    "speaker": "",
    "linked utterances": "speakers are not told: utterances that target trials link were resampled together",
    "utterance": "speakers are not told: utterances were resampled, so the intervals are too narrow",
    "recording": "",
}

PLAIN = ("kaldi", "voxboard")  # formats that go without saying


@dataclass(frozen=True)
class ImportSource:
    """Imported outputs, and their names on boards."""

    system: str  # the system's name
    corpus: str  # the corpus that is tested on
    files: Mapping[str, Path] = field(default_factory=dict)  # "scores", "trials" … → the file or folder
    split: str = "test"
    trained_on: str = "unknown"  # the corpus that it was trained on
    origin: str = ""  # where it comes from: a URL, a paper
    seed: int = 0  # that a board files it under
    replicates: int = 1000
    arguments: Sequence[str] | None = None  # of the command that makes the record again
    formats: Mapping[str, str] = field(default_factory=dict)  # how files were read, by the names of `files`
    outputs: str = ""  # digest of outputs that were computed here and lie in no file
    user_code: str = ""  # digest of the user's code that computed them
    runs: Path | None = None  # where a folder with the outputs, as our own runs leave them, is made; None = nowhere

    def described(self, name: str) -> str:
        """A file's name, and how it was read where that is not a voxboard's own way."""
        format_ = self.formats.get(name, "")
        return self.files[name].name + (f" ({format_})" if format_ not in ("", *PLAIN) else "")

    def run(self, protocol: str) -> str:
        """The name of the folder of outputs, the same for the same files and protocol; empty where none is made."""
        if self.runs is None:
            return ""
        content = "".join(f"{name}\t{digest(path)}\n" for name, path in self.files.items())
        return f"imported-{hashlib.sha256((content + self.outputs + protocol).encode()).hexdigest()[:12]}"


def record_of(
    source: ImportSource,
    benchmark: Benchmark,
    measured: records.Measured,
    protocol: records.Protocol,
    save: Callable[[Path, str], None],
) -> records.Record:
    """The record, marked as imported; its protocol says so too, as nobody here knows how the outputs were made.

    `save(folder, stem)` writes the outputs, where comparisons look for those of a run.
    """
    run = source.run(protocol.digest)
    if source.runs is not None:
        (source.runs / run).mkdir(parents=True, exist_ok=True)
        save(source.runs / run, f"{records.slug(source.corpus)}-{protocol.items.digest[:8]}")

    where = source.origin or ", ".join(source.described(name) for name in source.files)
    info = _corpus(source.corpus)
    return records.Record(
        system=records.System(source.system, source.system, training=records.Training(source.trained_on)),
        benchmark=records.Benchmark(
            f"{source.corpus} {benchmark.name}",
            *(benchmark.task, source.corpus, benchmark.main_metric, source.split),
            **info,
        ),
        protocol=protocol,
        provenance=records.collect(
            seed=source.seed,
            arguments=source.arguments,
            device="",
            precision="",
            run=run,
            digests={
                **{name: digest(path) for name, path in source.files.items()},
                "items": protocol.items.digest,
                "measuring_code": code.importing(),
                **({"user_code": source.user_code} if source.user_code else {}),
            },
        ),
        **vars(measured),
        metrics=tuple(metric.recorded() for metric in benchmark.metrics),
        status="imported",
        reason="; ".join(part for part in (f"imported from {where}", WHO[benchmark.clustered_by]) if part),
    )


def checked(measured: records.Measured) -> records.Measured:
    """Raise `UserError` where a number is infinite or none, which no record can hold."""
    for metric, value in measured.values.items():
        if value.value is not None and not math.isfinite(value.value):
            raise UserError(f"{metric} has no finite value on these items.", "Check the reference.")
    return measured


def digest(path: Path) -> str:
    """sha256 of a file, or of the names and contents of a folder's files, hidden ones left out as they are not read."""
    content = hashlib.sha256()
    for file in (
        [path] if path.is_file() else sorted(one for one in path.iterdir() if one.is_file() and not is_hidden(one))
    ):
        content.update(b"" if path.is_file() else f"{file.name}\0".encode())
        content.update(file.read_bytes())
    return content.hexdigest()


def _corpus(name: str) -> dict[str, Any]:
    """Description of the corpus, where it is prepared here."""
    from voxboard.data.catalogue import find_corpus

    try:
        info = find_corpus(name).info
    except UserError:
        return {}
    return {"synthetic": info.synthetic, "licence": info.licence, "source": info.source}
