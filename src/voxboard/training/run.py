"""A run from the command line's point of view: train it, resume it, evaluate it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard import model, systems
from voxboard.benchmarks import verification
from voxboard.data import prepare, splits
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.errors import UserError
from voxboard.systems import System
from voxboard.training import checkpoint, evaluate, folder
from voxboard.training.config import Evaluation, RunConfig, flags, part_flags
from voxboard.training.evaluate import Setting
from voxboard.training.loop import Loop

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.cli.eval import Eval
    from voxboard.records import Record

log = logging.getLogger("voxboard")
QUICK_TRIALS = 101


def train(config: RunConfig, show_progress: bool = True) -> tuple[Path, Record | None]:
    """Trains a system into a new run folder and tests it. Returns the folder and the record of the test."""
    systems.check(config.system)
    corpus = prepare.find_corpus(config.data, config.general.audio_root)
    splits.check_disjoint(corpus)
    cuts = list(corpus.cuts("train"))
    run = folder.create(config.general.runs, config)
    speakers = sorted({speaker_of(cut) for cut in cuts})
    checkpoint.write_text(run / "speakers.json", json.dumps(speakers, ensure_ascii=False) + "\n")
    return run, _carry_out(config, run, corpus, cuts, show_progress)


def resume(name: str, show_progress: bool = True) -> tuple[Path, Record | None]:
    """Goes on with a run where its last checkpoint is; the result equals an uninterrupted run's."""
    run = folder.find(name)
    config = folder.config_of(run)
    corpus = prepare.find_corpus(config.data, config.general.audio_root)
    return run, _carry_out(config, run, corpus, list(corpus.cuts("train")), show_progress)


def _carry_out(config: RunConfig, run: Path, corpus: Corpus, cuts: Sequence[Cut], show_progress: bool) -> Record | None:
    general, evaluation = config.general, config.evaluation
    handler = folder.log_to(run)
    try:
        valid = _trials(config, corpus, "valid", evaluation.valid_trials)
        test = None if general.skiptest else _trials(config, corpus, "test", evaluation.test_trials)
        speakers = folder.speakers_of(run)
        for trials in (valid, test):
            refuse_seen(trials, speakers)
        if valid is None:
            log.info("%s has no validation speakers: the last step counts as the best.", corpus.name)
        network = model.build(config.system, len(speakers), general.seed, general.frz_pretrain)
        loop = Loop(config, run, network, cuts)
        loop.fit(valid, show_progress)
        if test is None:
            return None
        setting = Setting(evaluation, general.records, general.device, config.command(), show_progress)
        subject = evaluate.informed(evaluate.trained(config, run, corpus), valid, setting)
        return evaluate.evaluate(subject, test, setting)
    finally:
        log.removeHandler(handler)
        handler.close()


def _trials(config: RunConfig, corpus: Corpus, split: str, path: Path | None) -> verification.TrialSet | None:
    if split == "test" and path is None and split not in corpus.splits:
        raise UserError(f"{corpus.name} has no test split.", "Pass --test_trials FILE, or --skiptest.")
    trials = _valid(corpus, path) if split == "valid" else verification.trial_set(corpus, split, path)
    if trials is None:
        return None
    return trials.first(QUICK_TRIALS) if config.general.quickrun else trials


def refuse_seen(trials: verification.TrialSet | None, training_speakers: Sequence[str]) -> None:
    """Raises `UserError` when a trial's speaker was trained on."""
    if trials is None:
        return
    seen = sorted(set(trials.speakers.tolist()) & set(training_speakers))
    if seen:
        raise UserError(
            f"{len(seen)} speakers of the {trials.split} trials are training speakers (e.g. {', '.join(seen[:3])}).",
            "Prepare the corpus with disjoint speakers, or pass another trial list.",
        )


def evaluate_run(data: str, run_name: str, options: Eval, settings: Evaluation) -> Record:
    """Evaluates the best checkpoint of a run on a corpus; `_` is the corpus it was trained on."""
    run = folder.find(run_name, options.runs)
    config = folder.config_of(run)
    home = prepare.find_corpus(config.data, config.general.audio_root)
    same = data in ("_", config.data)
    corpus = home if same else prepare.find_corpus(data, options.audio_root)
    if same:  # the lists that the run was given go with its corpus
        settings = replace(settings, test_trials=settings.test_trials or config.evaluation.test_trials)
    test = verification.trial_set(corpus, "test", settings.test_trials)
    # Another preparation of the same audio has the same speakers, whatever it is called.
    if corpus.name == home.name or corpus.audio_root == home.audio_root:
        refuse_seen(test, folder.speakers_of(run))
    setting = Setting(settings, options.records, options.device)
    subject = evaluate.trained(config, run, home)
    # The run's own validation holds for plain scores; normalised ones need theirs.
    known = settings.score_norm == "none" and subject.reference is not None
    valid = None if known else _valid(home, config.evaluation.valid_trials)
    return evaluate.evaluate(evaluate.informed(subject, valid, setting), test, setting)


def evaluate_untrained(
    data: str, system: System, options: Eval, settings: Evaluation, show_progress: bool = True
) -> Record:
    """Evaluates a system with the weights that it starts from."""
    systems.check(system)
    corpus = prepare.find_corpus(data, options.audio_root)
    test = verification.trial_set(corpus, "test", settings.test_trials)
    valid = _valid(corpus, settings.valid_trials)
    command = ["eval", data, system.name, "--seed", str(options.seed), *part_flags(system)]
    command += flags(asdict(settings), asdict(Evaluation()))
    setting = Setting(settings, options.records, options.device, command, show_progress)
    subject = evaluate.informed(evaluate.untrained(system, options.seed, corpus), valid, setting)
    return evaluate.evaluate(subject, test, setting)


def _valid(corpus: Corpus, path: Path | None) -> verification.TrialSet | None:
    """The validation trials, None for a corpus that has none."""
    has_valid = path is not None or "valid" in corpus.splits
    return verification.trial_set(corpus, "valid", path) if has_valid else None
