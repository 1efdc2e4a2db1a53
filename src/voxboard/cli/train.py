"""`voxboard train DATA MODEL`: train a system on a corpus, then test it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from voxboard import benchmarks, parallel, systems
from voxboard.cli.log import board_command, closing, to_stderr
from voxboard.cli.parse import combine, helped, parse, qualify
from voxboard.data.augmentation import Augmentation
from voxboard.errors import UserError
from voxboard.parts import Part
from voxboard.screen import print
from voxboard.settings import Evaluation, words_for_paths
from voxboard.systems import System
from voxboard.training.config import General, RunConfig, Training, training_of

DESCRIPTION = """Train MODEL on DATA, validate as it goes, and test the best checkpoint.

DATA is VCTK, LibriSpeech, Vox1, Vox2, Voices, … (see voxboard list corpora) or a prepared folder. MODEL is a
named system (UniPool, ECAPA-TDNN, X-vector) or backbone+pooler+head. With both named, --help shows the options of
the model too. These are the flags that people use first; --help_all shows them all."""
FIRST = (
    *("task", "seed", "nb_total_step", "nb_steps_eval", "batch_size", "max_lr", "device", "workers"),
    *("quickrun", "resume"),
)
POSITIONALS = (("data", "corpus or prepared folder"), ("model", "named system, or backbone+pooler+head"))


@dataclass(frozen=True)
class TaskArgs:
    """Task of the benchmark."""

    task: str = benchmarks.DEFAULT_TASK
    """What the system is validated and tested by (voxboard list benchmarks); a card as DATA says it itself."""


@dataclass(frozen=True)
class Resume:
    """Going on with an earlier run."""

    resume: str = ""
    """Run folder to go on with; DATA and MODEL are then `_ _`."""
    trust_code: bool = False
    """Run code that the run names in a file, though nothing shows that it is yours."""


def main(argv: Sequence[str]) -> int:
    """Parse and run. Returns 0."""
    resumed = _resumed(argv)
    config = None if resumed else read(argv)
    from voxboard.training import run
    from voxboard.training import run_folder as runs

    to_stderr()
    folder, record = run.train(config) if config else run.resume(str(resumed))
    if not parallel.first():
        return 0
    print(f"run {folder}")
    if record is not None:
        from voxboard.boards.record_table import sheet
        from voxboard.console import Console

        Console().print(sheet(record))
    _close(folder, runs.config_of(folder), record is not None)
    return 0


def _close(run: Path, config: RunConfig, tested: bool) -> None:
    """Say where a run and its record lie, and what to do with them."""
    name = shlex.quote(str(run))
    if not tested:
        closing(f"the run lies in {run}; it has not been tested.", f"voxboard eval _ _ --eval_path {name}")
        return
    closing(
        f"the run lies in {run}, its record in {config.general.records}.",
        f"voxboard eval DATA _ --eval_path {name}    the same network on another corpus",
        f"{board_command(config.general.records)}    the leaderboard of all records",
    )


def read(argv: Sequence[str]) -> RunConfig:
    """The configuration that the words of a command line describe."""
    named = len(argv) > 1 and not any(word.startswith("-") for word in argv[:2])
    benchmark = chosen(argv)
    flat: dict[str, Any] = {
        "task": TaskArgs(benchmark.name),
        "benchmark": benchmarks.REGISTRY.config(benchmark.name, **benchmark.options),
        "general": General(),
        "training": Training(),
        "augmentation": Augmentation(),
        "evaluation": Evaluation(),
        "going_on": Resume(),
    }
    parts: dict[str, Any] = {}
    if named:
        system = benchmarks.fitted(systems.parse(argv[1]), benchmark)
        flat["training"] = training_of(system)
        parts = {kind: systems.registry(kind).config(part.name, **part.options) for kind, part in system.parts()}
    words, shown = helped(argv, flat, FIRST)
    kind = combine("Train", POSITIONALS, shown, parts)
    args: Any = parse(kind, qualify(words, flat, parts), prog="train", description=DESCRIPTION)
    if not named:
        raise UserError("DATA and MODEL come first.", "Write: voxboard train DATA MODEL [--flags]")
    for part in parts:
        system = system.with_options(part, changed(getattr(args, part), system.fixed(part)))
    first, benchmark = benchmark, Part(benchmark.name, changed(args.benchmark))
    system = refitted(system, args.head, first, benchmark)
    return RunConfig.of(args.data, benchmark, system, args.general, args.training, args.evaluation, args.augmentation)


def chosen(argv: Sequence[str]) -> Part:
    """The benchmark that the words ask for: `--task`, else the one of DATA's card, else verification."""
    data = argv[0] if argv and not argv[0].startswith("-") else ""
    card = benchmarks.card(data, word_after(argv, "--task") or "")
    return Part(card.task, dict(card.options))


def refitted(system: System, head: Any, first: Part, after: Part) -> System:
    """The system as the benchmark trains it once its own flags are read, where those of the head say nothing else.

    `head` is its `Config` after the flags, `first` the benchmark before and `said` the one after.
    """
    before = benchmarks.wanted(system, first)
    follow = {
        key: value for key, value in benchmarks.wanted(system, after).items() if getattr(head, key) == before[key]
    }
    return system.with_options("head", {**system.head.options, **follow})


def changed(config: Any, fixed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The options that differ from their defaults, and from those that a name has `fixed`; paths as words."""
    values = {f.name: getattr(config, f.name) for f in fields(config)}
    usual = {f.name: f.default for f in fields(config)}
    fixed = fixed or {}
    return words_for_paths(
        {key: value for key, value in values.items() if value != usual[key] or value != fixed.get(key, value)}
    )


def _resumed(argv: Sequence[str]) -> str | None:
    """The run that `--resume RUN` or `--resume=RUN` names."""
    run_name = word_after(argv, "--resume")
    if run_name == "":
        raise UserError("--resume needs the name of a run.", "Write: voxboard train _ _ --resume RUN")
    return run_name


def word_after(argv: Sequence[str], flag: str) -> str | None:
    """Value of `--flag VALUE` or `--flag=VALUE`; None without the flag, "" without a value."""
    for number, word in enumerate(argv):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
        if word == flag:
            return argv[number + 1] if number + 1 < len(argv) else ""
    return None
