"""A run from the command line's point of view: train it, resume it, evaluate it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard import benchmarks, heads, parallel, systems, tracking
from voxboard.data import catalogue, splits, targets, tokens
from voxboard.data.corpus import speaker_of
from voxboard.data.targets import Targets
from voxboard.devices import device_of
from voxboard.errors import UserError
from voxboard.evaluation import evaluate
from voxboard.evaluation.encoder import Encoder, untrained
from voxboard.evaluation.evaluate import Setting
from voxboard.parts import Part
from voxboard.settings import Evaluation, Weights, flags
from voxboard.systems import System
from voxboard.training import run_folder
from voxboard.training.config import General, RunConfig, part_flags, task_flags
from voxboard.training.start import Outcome, bank_key, carry_out, created, refuse_idle, refuse_seen
from voxboard.training.trained import trained

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.data.corpus import Corpus
    from voxboard.data.vocabulary import Vocabulary
    from voxboard.records import Record
    from voxboard.settings import Eval


def train(config: RunConfig, show_progress: bool = True) -> tuple[Path, Record | None]:
    """Train a system into a new run folder and test it. Returns the folder and the record of the test."""
    (outcome,) = train_bank([config], show_progress=show_progress)
    return outcome.run, outcome.record


def train_bank(
    configs: Sequence[RunConfig], runs: Sequence[Path] | None = None, show_progress: bool = True
) -> list[Outcome]:
    """Train systems together, on one frozen backbone, and test each; a single one may train its backbone.

    `runs` are their folders, gone on with where they were begun; default: new ones. Raises `UserError` for systems
    that cannot share a backbone's frames.
    """
    first = configs[0]
    for config in configs:
        systems.check(config.system)
        tracking.check_packages(config.general.trackers)
    keys = {bank_key(config) for config in configs}
    if len(configs) > 1 and (len(keys) > 1 or not all(keys)):
        raise UserError(
            "These systems cannot be trained together: they must share a frozen backbone, corpus, batches and seed.",
            "Train them one by one, or with --frz_pretrain.",
        )
    corpus = _corpus(first.corpus, first.general)
    if created(first.benchmark).disjoint:
        splits.check_disjoint(corpus)
    cuts = list(corpus.cuts("train"))
    learned, speakers = _targets(first, cuts), sorted({speaker_of(cut) for cut in cuts})
    places = []
    for number, config in enumerate(configs):
        place = run_folder.create(config.general.runs, config, runs[number] if runs else None)
        run_folder.keep_targets(place, learned, speakers)
        places.append(place)
    return carry_out(configs, places, corpus, cuts, show_progress)


def resume(name: str, show_progress: bool = True) -> tuple[Path, Record | None]:
    """Go on with a run where its last checkpoint is; the result equals an uninterrupted run's."""
    run = run_folder.find(name)
    config = run_folder.config_of(run)
    corpus = _corpus(config.corpus, config.general)
    (outcome,) = carry_out([config], [run], corpus, list(corpus.cuts("train")), show_progress)
    return run, outcome.record


def _corpus(name: str, options: General | Eval) -> Corpus:
    """A corpus, which the first process prepares where that is to be done."""
    device_of(options.device)  # where there are several, they find each other
    return parallel.in_turn(lambda: catalogue.find_corpus(name, options.audio_root))


def _targets(config: RunConfig, cuts: Sequence[Cut]) -> Targets:
    """Training targets for the head of a run, from its training cuts."""
    cls, _ = heads.REGISTRY.resolve(config.system.head.name)
    options = heads.REGISTRY.config(config.system.head.name, **config.system.head.options)

    def vocabulary(texts: Sequence[str]) -> Vocabulary:
        return tokens.make(config.training.vocabulary, texts, config.training.text_normalizer)

    sentence_encoder = getattr(options, "sentence_encoder", "")
    return targets.learn(cls.needs(options), cuts, vocabulary, config.training.label_maps, sentence_encoder)


def evaluate_run(
    data: str,
    task: Part | None,
    run_name: str,
    options: Eval,
    settings: Evaluation,
    weights: Weights,
    words: Sequence[str] | None = None,
) -> Record:
    """Evaluate a run on a corpus; `_` is the corpus it was trained on, no `task` the one it was trained for.

    `words` are the command that makes its record again (default: what was typed).
    """
    run = run_folder.find(run_name, options.runs)
    config = run_folder.config_of(run)
    home = _corpus(config.corpus, replace(config.general, device=options.device))
    same = data in ("_", config.data)
    corpus = home if same else _corpus(benchmarks.card(data).corpus, options)
    chosen = _for_corpus(config.benchmark, task, same)
    benchmark, own = created(chosen), created(_for_corpus(config.benchmark, task, True))
    test = benchmark.items(corpus, options.split)
    # Another preparation of the same audio has the same speakers, whatever it is called.
    if options.split != "train" and (corpus.name == home.name or corpus.audio_root == home.audio_root):
        refuse_seen(test, run_folder.speakers_of(run), benchmark)
    setting = Setting(benchmark, settings, options.records, options.device, words, task=chosen)
    encoder = trained(config, run, home, created(config.benchmark), weights)
    refuse_idle(encoder.network, config.system, benchmark)
    if chosen.name != config.benchmark.name:  # what its validations fixed is of another task
        encoder = encoder.forgetful()
    fixed = benchmark.reusable() and encoder.fixed is not None
    judge, place = (own, home) if benchmark.fixed_at_home else (benchmark, corpus)
    valid = None if fixed or not judge.has_validation(place) else judge.items(place, "valid")
    return evaluate.evaluate(evaluate.informed(encoder, valid, setting), test, setting)


def measure_again(run: Path, general: General) -> Record | None:
    """Take the numbers of a run anew, those that validation fixes too, by its own task on its own corpus.

    None where the validation error is not the one that chose the weights: training would end with others now.
    """
    config = run_folder.config_of(run)
    corpus, benchmark = _corpus(config.corpus, config.general), created(config.benchmark)
    if not benchmark.reusable():
        return None
    test = benchmark.items(corpus, "test")
    refuse_seen(test, run_folder.speakers_of(run), benchmark)
    valid = benchmark.items(corpus, "valid") if benchmark.has_validation(corpus) else None
    words, task = config.command(), config.benchmark
    setting = Setting(benchmark, config.evaluation, general.records, general.device, words, False, task)
    encoder = trained(config, run, corpus, benchmark, Weights())
    before = encoder.fixed
    encoder = evaluate.informed(encoder.forgetful(), valid, setting)
    after = encoder.fixed
    if (before is None) != (after is None) or (before and after and not _close(before.error, after.error)):
        return None
    return evaluate.evaluate(encoder, test, setting)


def _close(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-9)


def _for_corpus(own: Part, task: Part | None, same: bool) -> Part:
    """The benchmark of an evaluation: the run's own lists and settings go with its corpus."""
    if task is None:
        task = Part(own.name)
    return Part(own.name, {**own.options, **task.options}) if same and task.name == own.name else task


def evaluate_untrained(
    data: str, task: Part, system: System, options: Eval, settings: Evaluation, show_progress: bool = True
) -> Record:
    """Evaluate a system with the weights that it starts from."""
    systems.check(system)
    words = ["eval", data, system.name, "--seed", str(options.seed), *task_flags(data, task), *part_flags(system)]
    return evaluate_encoder(untrained(system, options.seed), data, task, options, settings, words, show_progress)


def evaluate_encoder(
    encoder: Encoder,
    data: str,
    task: Part,
    options: Eval,
    settings: Evaluation,
    words: Sequence[str],
    show_progress: bool = True,
) -> Record:
    """Evaluate an encoder that was not trained here; `words` begin the command that makes its record again."""
    benchmark = created(task)
    corpus = _corpus(benchmarks.card(data).corpus, options)
    test = benchmark.items(corpus, options.split)
    valid = benchmark.items(corpus, "valid") if benchmark.has_validation(corpus) else None
    command = [*words, *flags(asdict(settings), asdict(Evaluation()))]
    command += flags({"split": options.split}, {"split": "test"})
    setting = Setting(benchmark, settings, options.records, options.device, command, show_progress, task)
    return evaluate.evaluate(evaluate.informed(replace(encoder, home=corpus), valid, setting), test, setting)
