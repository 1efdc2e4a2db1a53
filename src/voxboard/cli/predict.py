"""`voxboard predict FILE…`: what a trained network says about audio files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from voxboard.cli.log import closing
from voxboard.cli.parse import own_advice, parse
from voxboard.errors import UserError
from voxboard.limits import Count, CountOrZero, Seconds
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.evaluation.predict import Said
    from voxboard.model import Network

DESCRIPTION = """Tell what a trained network says about audio files: emotion, gender, age group, speaker, level or text.

  voxboard predict call.wav --eval_path RUN
  voxboard predict *.wav --checkpoint auden-voice/ --task emotion --topk 3 --json"""


@dataclass(frozen=True)
class Predict:
    """Audio files, and the network that is asked."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE…")]
    """Audio files."""
    eval_path: str = ""
    """Run folder (a path, or its name below --runs)."""
    checkpoint: str = ""
    """Folder of Auden's voice model (config.json, id2label_*.json, pretrained.pt), or a weights file in it."""
    task: str = ""
    """What is asked of a network that knows several: emotion, gender, age_group, speaker … (default: all)."""
    topk: Count = 1
    """How many of the likeliest classes are told."""
    iter: CountOrZero = 0
    """Step of the run up to which checkpoints are averaged; 0 takes the best validation."""
    avg: CountOrZero = 0
    """Checkpoints before that step whose weights are averaged; 0 takes what that checkpoint has averaged itself."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    runs: Path = Path("results/runs")
    """Where run folders are."""
    trust_code: bool = False
    """Run code that the run names in a file, though nothing shows that it is yours."""
    max_seconds: Seconds = 120.0
    """Longer files go through the network in equal pieces."""
    json: bool = False
    """Print JSON, with the scores too."""


def main(argv: Sequence[str]) -> int:
    """Parse and predicts. Returns 0."""
    args = parse(Predict, argv, prog="predict", description=DESCRIPTION)
    with own_advice(Predict):
        return run(args)


def run(args: Predict) -> int:
    """Print what the network says, a line per file and task; warnings go to stderr. Returns 0."""
    if not args.files:
        raise UserError("There is no file to predict.", "Write: voxboard predict FILE… --eval_path RUN")
    if bool(args.eval_path) == bool(args.checkpoint):
        raise UserError("Predicting needs one network.", "Name --eval_path RUN or --checkpoint DIR.")
    from voxboard.data.scan import cuts_of
    from voxboard.devices import device_of
    from voxboard.evaluation import predict
    from voxboard.settings import Evaluation

    device = device_of(args.device)
    for file in args.files:
        if not file.exists():
            raise UserError(f"There is no file {file}.", "Check its name.")
    cuts = cuts_of(args.files)
    network = _network(args)
    network.to(device)
    tasks = predict.tasks_of(network, args.task)
    if "speaker" in tasks:
        print(f"voxboard: {predict.CLOSED_SET}", file=sys.stderr)
    predictions = predict.predict(network, cuts, args.task, args.topk, Evaluation(max_seconds=args.max_seconds))
    if args.json:
        rows = zip(args.files, predictions, strict=True)
        content = [{"file": str(file), **{task: predict.to_dict(answer) for task, answer in row.items()}}
                   for file, row in rows]  # fmt: skip
        print(dumps(content))
    else:
        _print_table(args.files, predictions)
        next_ones = "--topk 3 tells the next likeliest classes. " if args.topk == 1 else ""
        closing(f"{next_ones}--json tells the scores too.")
    return 0


def _network(args: Predict) -> Network:
    if args.checkpoint:
        from voxboard import auden

        return auden.open_voice(args.checkpoint)
    from voxboard.settings import Weights
    from voxboard.training import run_folder
    from voxboard.training.trained import network_of

    run = run_folder.find(args.eval_path, args.runs)
    return network_of(run_folder.config_of(run), run, Weights(args.iter, args.avg))[0]


def _print_table(files: Sequence[Path], predictions: Sequence[Mapping[str, Said]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from voxboard.console import Console

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("file", "task", "prediction"):
        table.add_column(column, overflow="fold")
    for file, row in zip(files, predictions, strict=True):
        for task, answer in row.items():
            table.add_row(Text(file.name), task, Text(_words(answer)))
    Console().print(table)


def _words(answer: Said) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, float):
        return f"{answer:.2f}"
    return ", ".join(f"{label} {prob:.1%}" for label, prob in zip(answer.labels, answer.probs, strict=True))
