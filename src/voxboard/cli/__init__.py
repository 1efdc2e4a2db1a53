"""The `voxboard` command: a table of subcommands, each a module that is imported when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from voxboard import parallel, trust
from voxboard.cli import faults
from voxboard.errors import UserError, unknown
from voxboard.screen import print

# name → (module, one line). Every module has `def main(argv) -> int`, which parses with tyro.
COMMANDS = {
    "train": ("voxboard.cli.train", "train a system on a corpus, then test it"),
    "eval": ("voxboard.cli.eval", "evaluate a run, or an untrained system, on any corpus"),
    "embed": ("voxboard.cli.embed", "embeddings of every utterance and speaker of a folder or corpus"),
    "predict": ("voxboard.cli.predict", "what a trained network says about audio files"),
    "weights": ("voxboard.cli.weights", "published weights: what there is, under what licence, and bring it here"),
    "prepare": ("voxboard.cli.prepare", "make manifests of a corpus that you have"),
    "trials": ("voxboard.cli.trials", "build, check, show and convert trial lists"),
    "grid": ("voxboard.cli.grid", "whole grids of systems and benchmarks, resumable; runs × test sets"),
    "nightly": ("voxboard.cli.nightly", "refresh a grid and its board, and say what has changed"),
    "board": ("voxboard.cli.board", "build the leaderboard from the records"),
    "compare": ("voxboard.cli.compare", "what is significantly better or worse, as a table or a gate"),
    "score": ("voxboard.cli.score", "records of scores, RTTM and transcripts that others computed"),
    "verify": ("voxboard.cli.verify", "make a record again and check its numbers"),
    "plot": ("voxboard.cli.plot", "DET curves, histograms, calibration and groups as PNG or SVG"),
    "demo": ("voxboard.cli.demo", "the whole way on synthetic voices, in minutes"),
    "list": ("voxboard.cli.list", "backbones, poolers, heads, systems, corpora"),
    "show": ("voxboard.cli.show", "one part, system or run in detail"),
    "completion": ("voxboard.cli.completion", "complete commands, flags and names in bash, zsh or fish"),
    "doctor": ("voxboard.cli.doctor", "does the installation work, does a part keep its contract"),
}
SHARED = ("train", "eval")  # what several processes can do together, started by torchrun
EXAMPLES = """\
start here:
  voxboard demo                                       train and rank nine encoders on synthetic voices
  voxboard prepare LibriSpeech --data_path DIR        manifests from a folder that you have
  voxboard train LibriSpeech ECAPA-TDNN --seed 1      a run below results/runs
  voxboard eval Vox1 _ --eval_path RUN                the run on another data set
  voxboard board                                      the leaderboard of all records

`voxboard help COMMAND` explains a command; `voxboard train DATA MODEL --help` also the model's own options.
`voxboard completion bash` completes them in the shell; --debug shows where an error comes from."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand. Returns the exit code: 0 done, 1 a fault of voxboard's, 2 a mistake, 130 interrupted."""
    words = [*(sys.argv[1:] if argv is None else argv)]  # `list` is a subcommand's module once it was imported
    debug = faults.DEBUG in words or os.environ.get(faults.ENVIRONMENT, "") not in ("", "0")
    with faults.terminable():
        try:
            return _run([word for word in words if word != faults.DEBUG])
        except (Exception, KeyboardInterrupt) as error:
            return faults.explain(error, debug)


def _run(words: Sequence[str]) -> int:
    try:
        code = _called(words)
        faults.flush()
        return code
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Rich's way to end `voxboard list | head`
            return 0
        faults.flush()  # after --help
        raise
    finally:
        parallel.leave()


def _called(words: Sequence[str]) -> int:
    if words and words[0] == "help":
        words = [*words[1:], "--help"]
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    if words[0] in ("-V", "--version"):
        from voxboard.version import __version__

        print(__version__)
        return 0
    if words[0] not in COMMANDS:
        raise unknown("command", words[0], COMMANDS)
    if parallel.launched() and words[0] not in SHARED:
        raise UserError(f"voxboard {words[0]} is no work for several processes.", "Start it without torchrun.")
    _quiet_libraries()
    module = importlib.import_module(COMMANDS[words[0]][0])
    with trust.command(words):
        return int(module.main(words[1:]) or 0)


def usage() -> str:
    """The text of `voxboard --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(["usage: voxboard COMMAND …\n", "commands:", *lines, "", EXAMPLES])


def _quiet_libraries() -> None:
    """Keep the libraries' own start-up chatter off stderr; ours is the only progress shown."""
    for name in ("TOKENIZERS_PARALLELISM", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(name, "false" if name.startswith("TOK") else "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
