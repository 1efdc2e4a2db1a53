"""Carrying runs out: one alone, or a bank of many on one frozen backbone, which runs once for all of them."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard import benchmarks, heads, model
from voxboard.benchmarks.base import Benchmark, Items
from voxboard.data.corpus import Corpus
from voxboard.data.targets import Targets
from voxboard.devices import device_of, fabric
from voxboard.embedding.cache import Shared, together
from voxboard.errors import UserError
from voxboard.evaluation import evaluate
from voxboard.evaluation.encoder import Encoder
from voxboard.evaluation.evaluate import Setting
from voxboard.model import Network
from voxboard.parts import Part
from voxboard.settings import Weights
from voxboard.systems import System
from voxboard.training import run_folder
from voxboard.training.config import General, RunConfig
from voxboard.training.interrupts import Interrupted, again
from voxboard.training.loop import Loop
from voxboard.training.trained import targets_of, trained
from voxboard.training.trainee import Trainee

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.records import Record

log = logging.getLogger("voxboard")
QUICK_ITEMS = 101

# What runs on one frozen backbone may differ in: the rest decides what the backbone hears, or when it is validated.
OWN = frozenset(
    {
        *("optimizer", "schedule", "max_lr", "base_lr", "pct_start", "anneal_strategy", "cycles", "pct_hold"),
        *("initial_lr", "final_lr", "eden_batches", "eden_epochs", "eden_epoch_steps", "eden_warmup"),
        *("plateau_factor", "plateau_patience", "early_stop", "average_period", "keep_checkpoints"),
        *("weight_decay", "head_weight_decay", "grad_clip", "clipping_scale"),
    }
)


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run: the record of its test, none without one; or the reason why it was given up."""

    run: Path
    record: Record | None = None
    reason: str = ""


def bank_key(config: RunConfig) -> str:
    """Runs with equal keys can be one bank; empty for a run that trains its backbone."""
    if not config.general.frz_pretrain:
        return ""
    head = heads.REGISTRY.config(config.system.head.name, **config.system.head.options)
    kind = heads.REGISTRY.resolve(config.system.head.name)[0]
    wants = [list(kind.needs(head).items()), kind.wants(head), getattr(head, "sentence_encoder", "")]
    training = {name: str(value) for name, value in asdict(config.training).items() if name not in OWN}
    general = {name: str(value) for name, value in asdict(config.general).items() if name != "description"}
    shared = [config.data, str(config.benchmark), str(config.system.backbone), wants]
    return json.dumps([*shared, training, general, str(config.augmentation), str(config.evaluation)], sort_keys=True)


def carry_out(
    configs: Sequence[RunConfig], runs: Sequence[Path], corpus: Corpus, cuts: Sequence[Cut], show_progress: bool
) -> list[Outcome]:
    """Train and test runs in their folders, from where their last checkpoints are. Several must have one bank key.

    Raises `UserError` for a run that is alone and fails; of several, the others go on.
    """
    first = configs[0]
    benchmark = created(first.benchmark)
    learned = targets_of(first.system.head, runs[0])
    with logged(runs):
        valid = _some(benchmark.items(corpus, "valid"), first) if benchmark.has_validation(corpus) else None
        test = None if first.general.skiptest else _some(benchmark.items(corpus, "test"), first)
        for items in (valid, test):
            refuse_seen(items, run_folder.speakers_of(runs[0]), benchmark)
        if valid is None:
            log.info("%s has no validation split: the last step counts as the best.", corpus.name)
        usable = [cut for cut in cuts if learned.known(cut)]
        if len(usable) < len(cuts):
            log.info("%d of %d training utterances have no label and are left out.", len(cuts) - len(usable), len(cuts))
        trainees = _trainees(configs, runs, learned, benchmark)
        retired = Loop(trainees, usable, learned, corpus.info.mixture).fit(valid, show_progress)
        reasons = {trainee.run: reason for trainee, reason in retired.items()}
        whole = [(config, run) for config, run in zip(configs, runs, strict=True) if run not in reasons]
        tested = _tested(whole, corpus, benchmark, valid, test, show_progress) if test is not None else {}
    return [Outcome(run, tested.get(run), reasons.get(run, "")) for run in runs]


def _trainees(
    configs: Sequence[RunConfig], runs: Sequence[Path], learned: Targets, benchmark: Benchmark
) -> list[Trainee]:
    """A trainee per run, all on the first one's backbone: it is frozen, and a seed gives the same to each."""
    device = fabric(configs[0].general.device)
    trainees: list[Trainee] = []
    for config, run in zip(configs, runs, strict=True):
        general = config.general
        beside = trainees[0].network if trainees else None
        network = model.build(config.system, learned.sizes, general.seed, general.frz_pretrain, beside)
        network.targets = learned
        if not general.skiptest:
            refuse_idle(network, config.system, benchmark)
        trainees.append(Trainee(config, run, network, benchmark, device))
    return trainees


def refuse_idle(network: Network, system: System, benchmark: Benchmark) -> None:
    """Raise `UserError` where training changes nothing that the benchmark measures."""
    if benchmark.by_embedding and not any(parameter.requires_grad for parameter in network.encoder.parameters()):
        probe = system.probing(General.embedding_layer)
        raise UserError(
            f"Nothing in {system.spec} that training changes reaches the embedding: its numbers would be those "
            "of the untrained system.",
            f"Evaluate it untrained (voxboard eval), or put a layer behind the pooler: {probe.spec}",
        )


def _tested(
    done: Sequence[tuple[RunConfig, Path]],
    corpus: Corpus,
    benchmark: Benchmark,
    valid: Items | None,
    test: Items,
    show_progress: bool,
) -> dict[Path, Record]:
    """The records of runs, whose backbone passes over the test once where it is frozen for all of them."""
    encoders: dict[Path, Encoder] = {}
    for config, run in done:
        beside = next(iter(encoders.values())).network if encoders else None
        encoders[run] = trained(config, run, corpus, benchmark, Weights(), beside)
    networks = [encoder.network for encoder in encoders.values()]
    store = None
    if len(networks) > 1 and benchmark.embeds:
        evaluation, device = done[0][0].evaluation, device_of(done[0][0].general.device)
        for network in networks:
            network.to(device)
        store = together([network.encoder for network in networks], test.cuts, evaluation, show_progress)
    records = {}
    for config, run in done:
        general, evaluation = config.general, config.evaluation
        evaluation = Shared.of(evaluation, store) if store is not None else evaluation
        words, task = config.command(), config.benchmark
        setting = Setting(benchmark, evaluation, general.records, general.device, words, show_progress, task)
        records[run] = evaluate.evaluate(evaluate.informed(encoders[run], valid, setting), test, setting)
    return records


def created(part: Part) -> Benchmark:
    """The benchmark that a run's configuration names."""
    return benchmarks.create(part.name, **part.options)


@contextmanager
def logged(runs: Sequence[Path]) -> Iterator[None]:
    """Copy the log into the run folders. An interruption says how to go on, where a checkpoint is."""
    handlers = [run_folder.log_to(run) for run in runs]
    try:
        yield
    except KeyboardInterrupt as end:
        if isinstance(end, Interrupted) and str(end):
            raise
        (run, *others) = runs
        if others or not (run / "last.safetensors").is_file():
            raise
        number = getattr(end, "number", signal.SIGINT)
        text = f"interrupted; {run} is kept up to its last checkpoint. Go on with: {again(run)}"
        raise Interrupted(text, number) from None
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def _some(items: Items, config: RunConfig) -> Items:
    return items.first(QUICK_ITEMS) if config.general.quickrun else items


def refuse_seen(items: Items | None, training_speakers: Sequence[str], benchmark: Benchmark) -> None:
    """Raise `UserError` when a speaker of the items was trained on, unless the benchmark is a closed set."""
    if items is None or not benchmark.disjoint:
        return
    seen = sorted(set(items.speakers.tolist()) & set(training_speakers))
    if seen:
        raise UserError(
            f"{len(seen)} speakers of the {items.split} items are training speakers (e.g. {', '.join(seen[:3])}).",
            "Prepare the corpus with disjoint speakers, or pass another list.",
        )
