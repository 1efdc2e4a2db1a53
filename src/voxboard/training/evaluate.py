"""From weights and the items of a benchmark to a record: the last hops of every run."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from voxboard import heads, model, parallel, progress, records
from voxboard.backbones.base import BackboneSpec, weights_digest
from voxboard.benchmarks.base import Benchmark, Fixed, Items, Outputs
from voxboard.benchmarks.fields import fields_of
from voxboard.data import audio
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.data.targets import Targets
from voxboard.errors import UserError
from voxboard.model import Network
from voxboard.records import Record
from voxboard.records import outputs as raw
from voxboard.shown import shown
from voxboard.systems import Part, System
from voxboard.training import averaging, checkpoint, code, folder, search
from voxboard.training.config import Evaluation, RunConfig, Weights, words_for_paths
from voxboard.training.devices import device_of

log = logging.getLogger("voxboard")


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a network and how it came to its weights."""

    network: Network
    system: System
    seed: int
    fixed: Fixed | None = None  # by validation
    home: Corpus | None = None  # whose training split scoring may learn from
    learned: Any = None  # from that split
    training: records.Training | None = None
    frozen: bool = False
    run: Path | None = None
    skipped: int = 0  # training utterances that could not be read
    cost: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """How it is evaluated and where the record goes; `arguments` is the command that reproduces it."""

    benchmark: Benchmark
    evaluation: Evaluation
    records: Path
    device: str = "auto"
    arguments: Sequence[str] | None = None  # default: what was typed
    show_progress: bool = True
    task: Part | None = None  # what the benchmark was created by; None: the name of its task


def trained(
    config: RunConfig,
    run: Path,
    corpus: Corpus,
    benchmark: Benchmark,
    weights: Weights,
    beside: Network | None = None,
) -> Subject:
    """A run with the weights that are asked for, trained on `corpus`; `beside` as in `model.build`."""
    network, meta = network_of(config, run, weights, beside)
    speakers = folder.speakers_of(run)
    chosen = {name: value for name, value in asdict(weights).items() if weights.iter}
    if corpus.info.mixture:
        chosen["mixture"] = dict(corpus.info.mixture)
    training = records.Training(
        corpus=corpus.name,
        digest=_manifest_digest(corpus),
        licence=corpus.info.licence,
        steps=weights.iter or int(meta["step"]),
        hyperparameters=words_for_paths(asdict(config.training)) | {"speakers": len(speakers)} | chosen,
        search=search.recorded(run),
    )
    cost = {
        "training_seconds": meta["seconds"],
        "training_steps": meta["step"],
        "trainable_parameters": sum(p.numel() for p in network.encoder.parameters() if p.requires_grad),
    }
    with folder.as_written(run / "best.safetensors"):
        best = meta["best"]["fixed"]
        fixed = benchmark.fixed_from(best) if best and not weights.iter else None
    return Subject(
        network,
        config.system,
        config.general.seed,
        fixed=fixed,
        home=corpus,
        training=training,
        frozen=config.general.frz_pretrain,
        run=run,
        skipped=len(meta["skipped"]),
        cost=cost,
    )


def network_of(
    config: RunConfig, run: Path, weights: Weights, beside: Network | None = None
) -> tuple[Network, dict[str, Any]]:
    """A run's network with its classes and the weights that are asked for, and the JSON of its best checkpoint."""
    tensors, meta = folder.state_of(run, "best")
    if weights.iter:
        tensors = averaging.average_until_step(run, weights.iter, weights.avg)
    with folder.as_written(run / "best.safetensors"):
        meta = {**meta, **{key: meta[key] for key in ("step", "seconds", "skipped", "best")}}
    targets = targets_of(config.system.head, run)
    network = model.build(config.system, targets.sizes, config.general.seed, config.general.frz_pretrain, beside)
    folder.check_backbone(run, network, meta)
    network.load(checkpoint.without(tensors, "average."))
    network.targets = targets
    return network, meta


def targets_of(head: Part, run: Path) -> Targets:
    """Return what a run's head was trained to predict. Raises `UserError` where the run does not say that."""
    targets = folder.targets_of(run)
    needs = heads.REGISTRY.resolve(head.name)[0].needs(heads.REGISTRY.config(head.name, **head.options))
    if needs and not set(needs) & set(targets.targets):
        raise UserError(f"{run / 'labels.json'} lacks {', '.join(needs)}.", "Bring the file back, or train again.")
    return targets


def untrained(system: System, seed: int, corpus: Corpus) -> Subject:
    """A system with the weights that it starts from."""
    return Subject(model.build(system, None, seed), system, seed, home=corpus)


def forgetful(subject: Subject) -> Subject:
    """The subject without what its own validations fixed."""
    return replace(subject, fixed=None)


def informed(subject: Subject, valid: Items | None, setting: Setting) -> Subject:
    """The subject with all that must be known before the test items are scored.

    That is what scoring learns from the training split, and what the validation items fix, scored the same way.
    """
    benchmark, evaluation, show = setting.benchmark, setting.evaluation, setting.show_progress
    subject.network.to(device_of(setting.device))
    learned = benchmark.learn(subject.network, subject.home, evaluation, subject.seed, show)
    if learned is not None:
        subject = replace(subject, learned=learned)
    if not benchmark.reusable():
        subject = replace(subject, fixed=None)
    if subject.fixed is None and valid is not None:
        with progress.part("validation"):
            outputs = benchmark.run(subject.network, valid, evaluation, learned, show_progress=show)
        subject = replace(subject, fixed=benchmark.fix(outputs))
    return subject


def evaluate(subject: Subject, test: Items, setting: Setting) -> Record:
    """Runs the network over the test items, measures, and saves the record and the raw outputs."""
    network, evaluation, benchmark = subject.network, setting.evaluation, setting.benchmark
    device = device_of(setting.device)
    network.to(device)
    with progress.part(test.split):
        outputs = benchmark.run(network, test, evaluation, subject.learned, subject.fixed, setting.show_progress)
    # Every process has all outputs; one number of each is enough.
    return parallel.once(lambda: _recorded(subject, outputs, test, setting, str(device)))


def _recorded(subject: Subject, outputs: Outputs, test: Items, setting: Setting, device: str) -> Record:
    """The numbers of some outputs as a record that is saved."""
    network, evaluation, benchmark = subject.network, setting.evaluation, setting.benchmark
    measured = benchmark.measure(outputs, subject.fixed, evaluation.replicates)
    kept = _kept(subject, outputs, test, setting)
    record = Record(
        system=_system(subject, network.encoder.backbone.spec),
        benchmark=benchmark_of(benchmark, benchmark.called(outputs), test.corpus, test.split),
        protocol=benchmark.protocol(outputs, evaluation, subject.learned),
        **fields_of(benchmark, measured),
        cost=_cost(subject, outputs),
        provenance=_provenance(subject, outputs, setting, device, kept),
    )
    path = records.save(record, setting.records)
    main = shown(benchmark.main_metric, record.values[benchmark.main_metric])
    log.info("%s on %s: %s %s → %s", subject.system.name, test.corpus.name, benchmark.main_metric, main, path.name)
    return record


def _kept(subject: Subject, outputs: Outputs, test: Items, setting: Setting) -> str:
    """Keeps the raw outputs, in the run's folder too where there is one, and returns their digest."""
    benchmark = setting.benchmark
    about: dict[str, Any] = {"fixed": subject.fixed.to_dict() if subject.fixed else None}
    if benchmark.clustered_by == "speaker":
        about["speakers"] = {cut.id: speaker_of(cut) for cut in outputs.items.cuts}
    stem = f"{records.slug(test.corpus.name)}-{test.digest[:8]}"
    home, limit = raw.beside(setting.records), setting.evaluation.outputs_mb
    return raw.keep(partial(benchmark.save, outputs), stem, about, home, limit, subject.run)


def _system(subject: Subject, spec: BackboneSpec) -> records.System:
    parts = {kind: records.Part(part.name, dict(part.options)) for kind, part in subject.system.parts()}
    headed = subject.network.head is not None
    named = ("backbone", "pooler", "head") if headed else ("backbone", "pooler")
    return records.System(
        name=subject.system.name,
        spec="+".join(str(part) for kind, part in subject.system.parts() if kind in named),
        backbone=parts["backbone"],
        pooler=parts["pooler"],
        head=parts["head"] if headed else None,
        training=subject.training,
        weights=weights_of(subject.network, subject.system),
        pretrained=spec.weights == "pretrained",
        pretrained_on=spec.trained_on,
        frozen=subject.frozen,
        code_licence=spec.code_licence,
        weights_licence=spec.weights_licence,
    )


def weights_of(network: Network, system: System) -> records.Weights:
    """How a network that was not trained here came to its weights."""
    start = network.encoder.backbone.spec.weights
    new = system.pooler.name != "native" and model.parameters(network.encoder.pooler) > 0
    if start == "none":
        return "random" if new else "none"
    return "pretrained backbone" if start == "pretrained" and new else start


def benchmark_of(benchmark: Benchmark, name: str, corpus: Corpus, split: str) -> records.Benchmark:
    """What a record says of a benchmark that it calls `name`, on a split of a corpus."""
    info = corpus.info
    return records.Benchmark(
        name=f"{corpus.name} {name}",
        task=benchmark.task,
        corpus=corpus.name,
        main_metric=benchmark.main_metric,
        split=split,
        synthetic=info.synthetic,
        licence=info.licence,
        source=info.source,
    )


def _cost(subject: Subject, outputs: Outputs) -> records.Cost:
    spent = outputs.spent
    measured: dict[str, Any] = {}
    if not spent.cached:  # what was computed before has cost nothing now
        measured = {
            "embeddings_per_second": spent.utterances / spent.wall_seconds,
            "real_time_factor": spent.wall_seconds / spent.audio_seconds,
            "peak_memory_mib": spent.peak_mib,
            "wall_seconds": spent.wall_seconds,
        }
    return records.Cost(
        **measured,
        parameters=model.parameters(subject.network.encoder),
        utterances=spent.utterances,
        audio_seconds=spent.audio_seconds,
        **subject.cost,
    )


def _provenance(subject: Subject, outputs: Outputs, setting: Setting, device: str, kept: str) -> records.Provenance:
    encoder, items = subject.network.encoder, outputs.items
    return records.collect(
        seed=subject.seed,
        arguments=setting.arguments,
        device=f"{device} × {parallel.world()}" if parallel.launched() else device,
        batching=f"{encoder.backbone.spec.batching}, {outputs.spent.batching}",
        run=subject.run.name if subject.run else "",
        digests={
            "weights": encoder.fingerprint(),
            "head": weights_digest(subject.network.head) if subject.network.head is not None else "",
            "items": items.digest,
            "valid_items": subject.fixed.digest if subject.fixed else "",
            "audio": audio.audio_digest(items.cuts, items.corpus.folder / ".digests.json"),
            **_code(subject, setting),
            **({raw.NAME: kept} if kept else {}),
        },
        skipped={where: count for where, count in _skipped(subject, outputs).items() if count},
    )


def _code(subject: Subject, setting: Setting) -> dict[str, str]:
    """Digests of the code: of training as the run kept it, of measuring as it is now."""
    task = setting.task or Part(setting.benchmark.task)
    now = code.of(subject.system, task, trained=subject.network.head is not None)
    if subject.run is None:
        return replace(now, training="").digests()
    return replace(now, training=str(folder.code_of(subject.run).get("training", ""))).digests()


def _skipped(subject: Subject, outputs: Outputs) -> dict[str, int]:
    return {"unreadable test audio": len(outputs.spent.skipped), "unreadable training audio": subject.skipped}


def _manifest_digest(corpus: Corpus) -> str:
    """sha256 of the training utterances' ids and durations: what was trained on, wherever it lies."""
    lines = (f"{cut.id} {cut.duration}\n" for cut in corpus.cuts("train"))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
