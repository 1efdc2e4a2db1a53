"""`voxboard eval DATA MODEL`: evaluate a run, or a system as it is, on any corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from voxboard import api, benchmarks, parallel, systems
from voxboard.cli.log import board_command, closing
from voxboard.cli.parse import combine, helped, parse, qualify
from voxboard.cli.train import TaskArgs, changed, chosen, word_after
from voxboard.errors import UserError
from voxboard.parts import Part
from voxboard.screen import dumps, print
from voxboard.settings import Eval, Evaluation, Weights, words_for_paths

DESCRIPTION = """Evaluate a run on the test list of DATA, and write a record.

`voxboard eval _ _ --eval_path RUN` evaluates the run on the corpus it was trained on,
`voxboard eval Vox1 _ --eval_path RUN` on another one. Without --eval_path, MODEL is built with
the weights that it starts from: an untrained baseline such as fbank+statistics, or a pretrained network.

These are the flags that people use first; --help_all shows them all."""
FIRST = (*("eval_path", "task", "split", "device", "seed", "records", "json", "replicates", "skip_bad_audio", "cache"),)
POSITIONALS = (
    ("data", "corpus, prepared folder or manifest; _ = as trained"),
    ("model", "system; _ = as trained"),
)


def main(argv: Sequence[str]) -> int:
    """Parse, evaluate and print. Returns 0."""
    task = _benchmark(argv)
    config = benchmarks.REGISTRY.config(task.name, **task.options)
    flat: dict[str, Any] = {
        "eval": Eval(),
        "task": TaskArgs(task.name),
        "benchmark": config,
        "weights": Weights(),
        "evaluation": Evaluation(),
    }
    model = argv[1] if len(argv) > 1 and not argv[1].startswith("-") else "_"
    parts: dict[str, Any] = {}
    if model != "_":
        system = systems.parse(model)
        parts = {kind: systems.registry(kind).config(part.name, **part.options) for kind, part in system.parts()}
    words, shown = helped(argv, flat, FIRST)
    kind = combine("Eval", POSITIONALS, shown, parts)
    args: Any = parse(kind, qualify(words, flat, parts), prog="eval", description=DESCRIPTION)
    options: Eval = args.eval
    data = options.eval_data or args.data
    from voxboard.training import run_folder

    task = Part(task.name, changed(args.benchmark))
    if options.eval_path:
        # Without a word about the task, a run is evaluated by its own.
        task_given = word_after(argv, "--task") or data in benchmarks.cards() or spoken(argv, args.benchmark)
        # A flag that says the default counts as well: the run may have been trained with another value.
        given = Part(task.name, {**task.options, **spoken(argv, args.benchmark)}) if task_given else None
        folder = run_folder.find(options.eval_path, options.runs)
        record = api.measure(folder, data, given, options, args.evaluation, args.weights)
    elif model == "_" or data == "_":
        raise UserError("`_` stands for what a run was trained with.", "Add --eval_path RUN, or name DATA and MODEL.")
    else:
        for part in parts:
            system = system.with_options(part, changed(getattr(args, part), system.fixed(part)))
        record = api.measure(system, data, task, options, args.evaluation, args.weights)
    if parallel.first():
        _show(record, options.json)
        closing(f"the record lies in {options.records}.", board_command(options.records))
    return 0


def _benchmark(argv: Sequence[str]) -> Part:
    """The benchmark whose settings are flags: the one that is named, else the run's own, else verification."""
    run, runs = word_after(argv, "--eval_path"), word_after(argv, "--runs")
    task_given = word_after(argv, "--task") or (argv and argv[0] in benchmarks.cards())
    if not run or task_given:
        return chosen(argv)
    from voxboard.training import run_folder

    return Part(run_folder.config_of(run_folder.find(run, Path(runs or Eval.runs))).benchmark.name)


def spoken(argv: Sequence[str], config: Any) -> dict[str, Any]:
    """The settings that the words name, whatever their values."""
    flags = {f.name: (f"--{f.name}", f"--{f.name.replace('_', '-')}", f"--no_{f.name}") for f in fields(config)}
    named = {name for name, spellings in flags.items() if any(word_after(argv, flag) is not None for flag in spellings)}
    return words_for_paths({name: getattr(config, name) for name in named})


def _show(record: Any, as_json: bool) -> None:
    if as_json:
        print(dumps(record.to_dict()))
        return
    from voxboard.boards.record_table import sheet
    from voxboard.console import Console

    Console().print(sheet(record))
