"""The code that makes the numbers of a system on a task, as two digests, and the user's own as one for each file.

*Training code* is what weights come out of: data, model, parts, the loop. *Measuring code* is what numbers come out of
given weights: embedding, decoding, scoring, metrics, the task. Neither holds what only reads settings, keeps files or
shows numbers. Parts are found by what the registry says of their names; a part that a part names is followed too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxboard import code_digest, systems, trust
from voxboard.errors import UserError
from voxboard.parts import Part
from voxboard.registry import Origin
from voxboard.systems import System

# What makes no number: faces, files, settings (which are in records and names of cells by their values), catalogues
# (whose lines are taken in for the parts that are used).
_NO_NUMBER = """
    cli.* boards.* charts.* plots.* grids.* comparison.* api html shown catalogue.* contracts.* imported.* tracking.*
    progress errors files storage registry systems trust code_digest config_fields records.* settings devices
    training.config training.run_folder evaluation.code embedding.cache embedding.cache_keys embedding.cache_entries
    preparation published published.* data.prepare_options data.catalogue data.download
    backbones poolers heads benchmarks
"""
ASIDE = (
    "voxboard",
    *(f"voxboard.{name}" for name in _NO_NUMBER.split()),
)
TRAINING = tuple(f"voxboard.training.{name}" for name in ("loop", "trainee", "start", "run", "search"))
MEASURING = ("voxboard.evaluation.evaluate", "voxboard.training.trained")
_ONLY_MEASURING = ("evaluation", "benchmarks", "embedding", "decoding", "scoring", "diarization")
_NOT_TRAINING = (*ASIDE, *MEASURING, *(f"voxboard.{name}.*" for name in _ONLY_MEASURING))
_NAME = re.compile(r"\s*([^()\s]+)\s*(?:\(.*\))?\s*", re.DOTALL)


@dataclass(frozen=True)
class Code:
    """Digests of the code behind a number."""

    training: str
    measuring: str
    user: Mapping[str, str] = field(default_factory=dict)  # a file as it is named → the digest of the user's code

    def digests(self) -> dict[str, str]:
        """The same as a record has it; a digest of the user's code only where there is some."""
        digests = {"training_code": self.training, "measuring_code": self.measuring}
        return {**digests, "user_code": user_code(self.user)} if self.user else digests


def importing() -> str:
    """The digest of the code that measures what others computed."""
    return code_digest.digest(("voxboard.imported.tasks",), (), [name for name in ASIDE if "imported" not in name])


def user_code(digests: Mapping[str, str]) -> str:
    """One digest of the user's files, whatever they are called."""
    return hashlib.sha256(" ".join(sorted(digests.values())).encode()).hexdigest()


def of(system: System, task: Part, trained: bool = True, also: Sequence[str] = ()) -> Code:
    """The code of a system on a task; `also` are users' parts that move no number, such as trackers.

    Raises `UserError` for a part that is not there.
    """
    parts = [(kind, part) for kind, part in system.parts() if trained or kind != "head"]
    origins = _origins(parts)
    tasks = _origins([("benchmark", task)])
    training = _digest(TRAINING, origins, _NOT_TRAINING) if trained else ""
    measuring = _digest(MEASURING, origins | tasks, ASIDE)
    named = {(part.name, _frozen(part.options)): part for _, part in (*parts, ("benchmark", task))}
    return Code(training, measuring, user_digests([*((p.name, p.options) for p in named.values()), ((), also)]))


def user_digests(parts: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Files that parts name → digests of their code."""
    pairs = [(name if isinstance(name, str) else "", options) for name, options in parts]
    files = {location: Path(location) for location in trust.locations(pairs)}
    return {location: code_digest.user_digest(path) for location, path in sorted(files.items()) if path.is_file()}


def _frozen(options: Mapping[str, Any]) -> str:
    return repr(sorted(options.items(), key=lambda pair: pair[0]))


def _digest(modules: Sequence[str], origins: Mapping[str, Origin], without: Sequence[str]) -> str:
    """One digest of the loop or the evaluation with some parts, and of the options that their names fix."""
    files = [origin.file for origin in origins.values() if origin.file]
    own = [*modules, *(origin.module for origin in origins.values() if origin.module)]
    # What a part's file imports of its own kind is followed, though the task's other files are not for training.
    lines = [
        f"{kind if origin.file is None else kind.partition(' ')[0]} {origin.module}:{origin.attribute} "
        f"{sorted(origin.options.items())!r}"
        for kind, origin in sorted(origins.items())
    ]
    code = code_digest.digest(own, files, without)
    return hashlib.sha256("\n".join([code, *lines]).encode()).hexdigest()


def _origins(parts: Sequence[tuple[str, Part]]) -> dict[str, Origin]:
    """`kind name` → where its class is; parts that are named in the options or the file of a part are among them."""
    origins: dict[str, Origin] = {}
    waiting = list(parts)
    # Only the pooler `native` looks at the name of a pooler that a backbone has in its file.
    native = any(kind == "pooler" and "native" in str(part) for kind, part in parts)
    while waiting:
        kind, part = waiting.pop()
        key = f"{kind} {part.name}"
        origin = origins[key] if key in origins else systems.registry(kind).origin(part.name)
        fresh = key not in origins
        origins[key] = origin
        words = set(trust.strings([dict(part.options), dict(origin.options)]))
        if fresh and (kind in ("pooler", "head") or (kind == "backbone" and native)):
            words |= _words(origin)
        inner = [one for word in sorted(words) for one in _nested(kind, word)]
        waiting += [(kind_, part_) for kind_, part_ in inner if f"{kind_} {part_.name}" not in origins]
    return origins


def _words(origin: Origin) -> frozenset[str]:
    """The texts in the file of a part, and in a user's other files."""
    if origin.file is not None:
        return code_digest.words(code_digest.user_sources(origin.file))
    path = code_digest.module_file(origin.module)
    return code_digest.words([code_digest.Source(origin.module, path)]) if path else frozenset()


def _nested(kind: str, word: str) -> list[tuple[str, Part]]:
    """The part that a text in another part names, where it names one: a pooler in a pooler, a head in a head."""
    match = _NAME.fullmatch(word)
    inner = "head" if kind == "head" else "pooler"
    if match is None:
        return []
    name = match[1]
    pair = trust.split(name)
    if name not in systems.registry(inner).names() and not (pair and Path(pair[0]).is_file()):
        return []
    try:
        return [(inner, Part.parse(word))]
    except UserError:
        return [(inner, Part(name))]
