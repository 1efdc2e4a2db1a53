"""A run from the command line's point of view: train it, resume it, evaluate it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard import benchmarks, heads, model, systems
from voxboard.benchmarks.base import Benchmark, Items
from voxboard.data import prepare, splits, targets, tokens
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.data.targets import Targets
from voxboard.errors import UserError
from voxboard.systems import Part, System
from voxboard.training import evaluate, folder
from voxboard.training.config import Evaluation, RunConfig, Weights, flags, part_flags, task_flags
from voxboard.training.evaluate import Setting
from voxboard.training.loop import Loop

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.cli.eval import Eval
    from voxboard.data.tokens import Vocabulary
    from voxboard.records import Record

log = logging.getLogger("voxboard")
QUICK_ITEMS = 101


def train(config: RunConfig, show_progress: bool = True) -> tuple[Path, Record | None]:
    """Trains a system into a new run folder and tests it. Returns the folder and the record of the test."""
    systems.check(config.system)
    benchmark = _benchmark(config.benchmark)
    corpus = prepare.find_corpus(config.corpus, config.general.audio_root)
    if benchmark.disjoint:
        splits.check_disjoint(corpus)
    cuts = list(corpus.cuts("train"))
    learned = _targets(config, cuts)
    run = folder.create(config.general.runs, config)
    folder.keep_targets(run, learned, sorted({speaker_of(cut) for cut in cuts}))
    return run, _carry_out(config, run, corpus, cuts, show_progress)


def resume(name: str, show_progress: bool = True) -> tuple[Path, Record | None]:
    """Goes on with a run where its last checkpoint is; the result equals an uninterrupted run's."""
    run = folder.find(name)
    config = folder.config_of(run)
    corpus = prepare.find_corpus(config.corpus, config.general.audio_root)
    return run, _carry_out(config, run, corpus, list(corpus.cuts("train")), show_progress)


def _carry_out(config: RunConfig, run: Path, corpus: Corpus, cuts: Sequence[Cut], show_progress: bool) -> Record | None:
    general, benchmark = config.general, _benchmark(config.benchmark)
    handler = folder.log_to(run)
    try:
        valid = _some(benchmark.items(corpus, "valid"), config) if benchmark.has_validation(corpus) else None
        test = None if general.skiptest else _some(benchmark.items(corpus, "test"), config)
        for items in (valid, test):
            refuse_seen(items, folder.speakers_of(run), benchmark)
        if valid is None:
            log.info("%s has no validation split: the last step counts as the best.", corpus.name)
        learned = folder.targets_of(run)
        network = model.build(config.system, learned.sizes, general.seed, general.frz_pretrain)
        network.targets = learned
        usable = [cut for cut in cuts if learned.known(cut)]
        if len(usable) < len(cuts):
            log.info("%d of %d training utterances have no label and are left out.", len(cuts) - len(usable), len(cuts))
        Loop(config, run, network, usable, learned, benchmark, corpus.info.mixture).fit(valid, show_progress)
        if test is None:
            return None
        setting = Setting(
            benchmark, config.evaluation, general.records, general.device, config.command(), show_progress
        )
        subject = evaluate.trained(config, run, corpus, benchmark, Weights())
        return evaluate.evaluate(evaluate.informed(subject, valid, setting), test, setting)
    finally:
        log.removeHandler(handler)
        handler.close()


def _benchmark(part: Part) -> Benchmark:
    return benchmarks.create(part.name, **part.options)


def _targets(config: RunConfig, cuts: Sequence[Cut]) -> Targets:
    """What the head of a run is to learn from its training cuts."""
    cls, _ = heads.REGISTRY.resolve(config.system.head.name)
    options = heads.REGISTRY.config(config.system.head.name, **config.system.head.options)

    def vocabulary(texts: Sequence[str]) -> Vocabulary:
        return tokens.make(config.training.vocabulary, texts, config.training.text_normalizer)

    sentence_encoder = getattr(options, "sentence_encoder", "")
    return targets.learn(cls.needs(options), cuts, vocabulary, config.training.label_maps, sentence_encoder)


def _some(items: Items, config: RunConfig) -> Items:
    return items.first(QUICK_ITEMS) if config.general.quickrun else items


def refuse_seen(items: Items | None, training_speakers: Sequence[str], benchmark: Benchmark) -> None:
    """Raises `UserError` when a speaker of the items was trained on, unless the benchmark is a closed set."""
    if items is None or not benchmark.disjoint:
        return
    seen = sorted(set(items.speakers.tolist()) & set(training_speakers))
    if seen:
        raise UserError(
            f"{len(seen)} speakers of the {items.split} items are training speakers (e.g. {', '.join(seen[:3])}).",
            "Prepare the corpus with disjoint speakers, or pass another list.",
        )


def evaluate_run(
    data: str, task: Part | None, run_name: str, options: Eval, settings: Evaluation, weights: Weights
) -> Record:
    """Evaluates a run on a corpus; `_` is the corpus it was trained on, no `task` the one it was trained for."""
    run = folder.find(run_name, options.runs)
    config = folder.config_of(run)
    home = prepare.find_corpus(config.corpus, config.general.audio_root)
    same = data in ("_", config.data)
    corpus = home if same else prepare.find_corpus(benchmarks.card(data).corpus, options.audio_root)
    chosen = _for_corpus(config.benchmark, task, same)
    benchmark, own = _benchmark(chosen), _benchmark(_for_corpus(config.benchmark, task, True))
    test = benchmark.items(corpus, options.split)
    # Another preparation of the same audio has the same speakers, whatever it is called.
    if options.split != "train" and (corpus.name == home.name or corpus.audio_root == home.audio_root):
        refuse_seen(test, folder.speakers_of(run), benchmark)
    setting = Setting(benchmark, settings, options.records, options.device)
    subject = evaluate.trained(config, run, home, _benchmark(config.benchmark), weights)
    if chosen.name != config.benchmark.name:  # what its validations fixed is of another task
        subject = evaluate.forgetful(subject)
    known = benchmark.reusable() and subject.fixed is not None
    judge, place = (own, home) if benchmark.fixed_at_home else (benchmark, corpus)
    valid = None if known or not judge.has_validation(place) else judge.items(place, "valid")
    return evaluate.evaluate(evaluate.informed(subject, valid, setting), test, setting)


def _for_corpus(own: Part, task: Part | None, same: bool) -> Part:
    """The benchmark of an evaluation: the run's own lists and settings go with its corpus."""
    if task is None:
        task = Part(own.name)
    return Part(own.name, {**own.options, **task.options}) if same and task.name == own.name else task


def evaluate_untrained(
    data: str, task: Part, system: System, options: Eval, settings: Evaluation, show_progress: bool = True
) -> Record:
    """Evaluates a system with the weights that it starts from."""
    systems.check(system)
    benchmark = _benchmark(task)
    corpus = prepare.find_corpus(benchmarks.card(data).corpus, options.audio_root)
    test = benchmark.items(corpus, options.split)
    valid = benchmark.items(corpus, "valid") if benchmark.has_validation(corpus) else None
    command = ["eval", data, system.name, "--seed", str(options.seed), *task_flags(data, task), *part_flags(system)]
    command += flags(asdict(settings), asdict(Evaluation())) + flags({"split": options.split}, {"split": "test"})
    setting = Setting(benchmark, settings, options.records, options.device, command, show_progress)
    subject = evaluate.informed(evaluate.untrained(system, options.seed, corpus), valid, setting)
    return evaluate.evaluate(subject, test, setting)
