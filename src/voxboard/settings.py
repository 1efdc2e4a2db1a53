"""Settings of an evaluation as dataclasses: the fields are the flags, their docstrings the help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from voxboard import limits
from voxboard.errors import unknown
from voxboard.limits import CountOrZero, NotNegative, Positive, Replicates, Seconds, Seed

# Settings that no number depends on: they say where things are kept, and when.
ASIDE = frozenset({"steps_save", "cache", "cache_gb", "cache_frames", "trackers", "kept", "outputs_mb"})


@dataclass(frozen=True)
class Evaluation:
    """Settings of embedding and of confidence intervals; a benchmark has more."""

    max_seconds: Seconds = 120.0
    """A longer utterance is embedded in equal chunks of at most this length, whose embeddings are averaged."""
    skip_bad_audio: bool = False
    """Leave out files that cannot be read instead of stopping; they are counted in the record."""
    replicates: Replicates = 1_000
    """Bootstrap replicates behind the 95 % intervals."""
    outputs_mb: NotNegative = 200.0
    """Largest size, in MB, of raw outputs (scores, predictions, turns, texts) that are kept in a folder beside the
    records, so that `voxboard compare` can pair them; 0 keeps none."""
    cache: Path | None = None
    """Folder of embeddings that evaluations have computed before, shared by any number of them."""
    cache_gb: Positive = 10.0
    """Largest size of that folder in GB; what was not used for the longest time goes first."""
    cache_frames: bool = False
    """Keep the frames of large backbones in it too, so that systems that differ in the pooler compute them once."""

    def __post_init__(self) -> None:
        limits.check(self)


@dataclass(frozen=True)
class Weights:
    """Weights of a run to evaluate: those of the best validation, or an average up to a checkpoint."""

    iter: CountOrZero = 0
    """Step up to which checkpoints are averaged; 0 takes the best validation."""
    avg: CountOrZero = 0
    """Checkpoints before that step whose weights are averaged; 0 takes what that checkpoint has averaged itself."""

    def __post_init__(self) -> None:
        limits.check(self)


@dataclass(frozen=True)
class Eval:
    """Settings of an evaluation: device, seed, and the place of the record."""

    eval_path: str = ""
    """Run folder (a path, or its name below --runs)."""
    eval_data: str = ""
    """The same as naming DATA (the ancestor's flag)."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    seed: Seed = 42
    """Seed of random weights and of the intervals."""
    split: Literal["test", "valid", "train"] = "test"
    """Which part of DATA is evaluated. `train` tells how well a run learned its own utterances, and the record says so.
    """
    skiptest: bool = False
    """Only find the validation threshold."""
    runs: Path = Path("results/runs")
    """Where run folders are."""
    records: Path = Path("results/records")
    """Where the record is written."""
    audio_root: Path | None = None
    """Folder that a bare manifest's paths must lie in (default: the manifest's own)."""
    trust_code: bool = False
    """Run code that the run names in a file, though nothing shows that it is yours."""
    json: bool = False
    """Print the record as JSON instead of a table."""


def flags(values: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = "") -> list[str]:
    """`--key value` for every value that is not the default and changes what comes out."""
    words = []
    for key, value in values.items():
        if key in ASIDE or (key in defaults and value == defaults[key]):
            continue
        if isinstance(value, bool):
            words.append(f"--{prefix}{'' if value else 'no_'}{key}")
        elif isinstance(value, (list, tuple)):
            words += [f"--{prefix}{key}", *map(str, value)]
        else:
            words += [f"--{prefix}{key}", str(value)]
    return words


def words_for_paths(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their paths as words, as part options and records hold them."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}


def filled(sections: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
    """Return frozen dataclasses with the fields that `values` names. Raises `UserError` for one that none of them has.

    A word for a path becomes a path, a list a tuple, as on a command line.
    """
    names = {f.name for section in sections for f in fields(section)}
    for name in values:
        if name not in names:
            raise unknown("setting", name, names)
    return [replace(section, **_of(section, values)) for section in sections]


def _of(section: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    types = {f.name: str(f.type) for f in fields(section)}
    return {name: _typed(types[name], value) for name, value in values.items() if name in types}


def _typed(kind: str, value: Any) -> Any:
    if isinstance(value, str) and "Path" in kind and "str" not in kind:
        return Path(value)
    if isinstance(value, list):
        return tuple(_typed(kind, item) for item in value)
    return value
