"""`voxboard train DATA MODEL`: train a system on a corpus, then test it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from voxboard import systems
from voxboard.cli.parse import combine, parse, qualify
from voxboard.errors import UserError
from voxboard.training.config import Evaluation, General, RunConfig, Training, training_of

DESCRIPTION = """Train MODEL on DATA, validate as it goes, and test the best checkpoint.

DATA is VCTK, LibriSpeech, Vox1, Vox2, Voices, … (see voxboard list corpora) or a prepared folder. MODEL is a
named system (UniPool, ECAPA-TDNN, X-vector) or backbone+pooler+head. With both named, --help shows the options of
the model too."""
POSITIONALS = (("data", "corpus or prepared folder"), ("model", "named system, or backbone+pooler+head"))


@dataclass(frozen=True)
class Resume:
    """Going on with an earlier run."""

    resume: str = ""
    """Run folder to go on with; DATA and MODEL are then `_ _`."""


def main(argv: Sequence[str]) -> int:
    """Parses and runs. Returns 0."""
    resumed = _resumed(argv)
    config = None if resumed else read(argv)
    from voxboard.cli.log import to_stderr
    from voxboard.training import run

    to_stderr()
    folder, record = run.train(config) if config else run.resume(str(resumed))
    print(f"run {folder}")
    if record is not None:
        from rich.console import Console

        from voxboard.board.sheet import sheet

        Console().print(sheet(record))
    return 0


def read(argv: Sequence[str]) -> RunConfig:
    """The configuration that the words of a command line describe."""
    named = len(argv) > 1 and not any(word.startswith("-") for word in argv[:2])
    flat: dict[str, Any] = {
        "general": General(),
        "training": Training(),
        "evaluation": Evaluation(),
        "going_on": Resume(),
    }
    parts: dict[str, Any] = {}
    if named:
        system = systems.parse(argv[1])
        flat["training"] = training_of(system)
        parts = {kind: systems.registry(kind).config(part.name, **part.options) for kind, part in system.parts()}
    kind = combine("Train", POSITIONALS, flat, parts)
    args: Any = parse(kind, qualify(argv, flat, parts), prog="train", description=DESCRIPTION)
    if not named:
        raise UserError("DATA and MODEL come first.", "Write: voxboard train DATA MODEL [--flags]")
    for part in parts:
        system = system.with_options(part, changed(getattr(args, part)))
    config = RunConfig(args.data, system, args.general, args.training, args.evaluation)
    return config.quick() if args.general.quickrun else config


def changed(config: Any) -> dict[str, Any]:
    """The options of a part that differ from its defaults."""
    return {f.name: getattr(config, f.name) for f in fields(config) if getattr(config, f.name) != f.default}


def _resumed(argv: Sequence[str]) -> str | None:
    """The run that `--resume RUN` or `--resume=RUN` names."""
    for number, word in enumerate(argv):
        if word.startswith("--resume="):
            return word.partition("=")[2]
        if word == "--resume":
            if number + 1 == len(argv):
                raise UserError("--resume needs the name of a run.", "Write: voxboard train _ _ --resume RUN")
            return argv[number + 1]
    return None
