"""From weights and the items of a benchmark to a record: the last hops of every run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from voxboard import model, parallel, progress, records
from voxboard.backbones.base import AudioSpec
from voxboard.benchmarks.base import Benchmark, Items, Outputs
from voxboard.data import audio
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.devices import device_of
from voxboard.evaluation import code
from voxboard.evaluation.encoder import Encoder
from voxboard.evaluation.exposure import exposure
from voxboard.model import Network
from voxboard.parts import Part
from voxboard.records import Record
from voxboard.records import outputs as raw
from voxboard.settings import Evaluation
from voxboard.shown import shown
from voxboard.systems import System
from voxboard.weights import weights_digest

log = logging.getLogger("voxboard")


@dataclass(frozen=True)
class Setting:
    """Settings of an evaluation; `arguments` is the command that reproduces it."""

    benchmark: Benchmark
    evaluation: Evaluation
    records: Path
    device: str = "auto"
    arguments: Sequence[str] | None = None  # default: what was typed
    show_progress: bool = True
    task: Part | None = None  # what the benchmark was created by; None: the name of its task


def informed(encoder: Encoder, valid: Items | None, setting: Setting) -> Encoder:
    """The encoder with all that must be known before the test items are scored.

    That is what scoring learns from the training split, and what the validation items fix, scored the same way.
    """
    benchmark, evaluation, show = setting.benchmark, setting.evaluation, setting.show_progress
    encoder.network.to(device_of(setting.device))
    learned = benchmark.learn(encoder.network, encoder.home, evaluation, encoder.seed, show)
    if learned is not None:
        encoder = replace(encoder, learned=learned)
    if not benchmark.reusable():
        encoder = replace(encoder, fixed=None)
    if encoder.fixed is None and valid is not None:
        with progress.part("validation"):
            outputs = benchmark.run(encoder.network, valid, evaluation, learned, show_progress=show)
        encoder = replace(encoder, fixed=benchmark.fix(outputs))
    return encoder


def evaluate(encoder: Encoder, test: Items, setting: Setting) -> Record:
    """Run the network over the test items, measures, and saves the record and the raw outputs."""
    network, evaluation, benchmark = encoder.network, setting.evaluation, setting.benchmark
    device = device_of(setting.device)
    network.to(device)
    with progress.part(test.split):
        outputs = benchmark.run(network, test, evaluation, encoder.learned, encoder.fixed, setting.show_progress)
    # Every process has all outputs; one number of each is enough.
    return parallel.once(lambda: _recorded(encoder, outputs, test, setting, str(device)))


def _recorded(encoder: Encoder, outputs: Outputs, test: Items, setting: Setting, device: str) -> Record:
    """The numbers of some outputs as a record that is saved."""
    network, evaluation, benchmark = encoder.network, setting.evaluation, setting.benchmark
    measured = benchmark.measure(outputs, encoder.fixed, evaluation.replicates)
    outputs_digest = _kept(encoder, outputs, test, setting)
    record = Record(
        system=_system(encoder, network.encoder.backbone.spec),
        benchmark=benchmark_of(benchmark, benchmark.called(outputs), test.corpus, test.split),
        protocol=benchmark.protocol(outputs, evaluation, encoder.learned),
        **vars(measured),
        exposure=exposure(encoder, benchmark, outputs.items),
        metrics=tuple(metric.recorded() for metric in benchmark.metrics),
        cost=_cost(encoder, outputs),
        provenance=_provenance(encoder, outputs, setting, device, outputs_digest),
    )
    path = records.save(record, setting.records)
    main = shown(record.metric(benchmark.main_metric), record.values[benchmark.main_metric])
    log.info("%s on %s: %s %s → %s", encoder.system.name, test.corpus.name, benchmark.main_metric, main, path.name)
    return record


def _kept(encoder: Encoder, outputs: Outputs, test: Items, setting: Setting) -> str:
    """Keep the raw outputs, in the run's folder too where there is one, and return their digest."""
    benchmark = setting.benchmark
    about: dict[str, Any] = {"fixed": encoder.fixed.to_dict() if encoder.fixed else None}
    if benchmark.clustered_by == "speaker":
        about["speakers"] = {cut.id: speaker_of(cut) for cut in outputs.items.cuts}
    stem = f"{records.slug(test.corpus.name)}-{test.digest[:8]}"
    home, limit = raw.beside(setting.records), setting.evaluation.outputs_mb
    return raw.keep(partial(benchmark.save, outputs), stem, about, home, limit, encoder.run)


def _system(encoder: Encoder, spec: AudioSpec) -> records.System:
    parts = {kind: records.Part(part.name, dict(part.options)) for kind, part in encoder.system.parts()}
    headed = encoder.network.head is not None
    named = ("backbone", "pooler", "head") if headed else ("backbone", "pooler")
    return records.System(
        name=encoder.system.name,
        spec="+".join(str(part) for kind, part in encoder.system.parts() if kind in named),
        backbone=parts["backbone"],
        pooler=parts["pooler"],
        head=parts["head"] if headed else None,
        training=encoder.training,
        weights=weights_of(encoder.network, encoder.system),
        pretrained=spec.weights == "pretrained",
        pretrained_on=spec.trained_on,
        frozen=encoder.frozen,
        code_licence=spec.code_licence,
        weights_licence=spec.weights_licence,
    )


def weights_of(network: Network, system: System) -> records.Weights:
    """Origin of the weights of a network that was not trained here."""
    start = network.encoder.backbone.spec.weights
    new = system.pooler.name != "native" and model.parameters(network.encoder.pooler) > 0
    if start == "none":
        return "random" if new else "none"
    return "pretrained backbone" if start == "pretrained" and new else start


def benchmark_of(benchmark: Benchmark, name: str, corpus: Corpus, split: str) -> records.Benchmark:
    """Record entry of a benchmark called `name`, on a split of a corpus."""
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
        about=benchmark.about,
    )


def _cost(encoder: Encoder, outputs: Outputs) -> records.Cost:
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
        parameters=model.parameters(encoder.network.encoder),
        utterances=spent.utterances,
        audio_seconds=spent.audio_seconds,
        **encoder.cost,
    )


def _provenance(
    encoder: Encoder, outputs: Outputs, setting: Setting, device: str, outputs_digest: str
) -> records.Provenance:
    network, items = encoder.network, outputs.items
    return records.collect(
        seed=encoder.seed,
        arguments=setting.arguments,
        device=f"{device} × {parallel.world()}" if parallel.launched() else device,
        batching=f"{network.encoder.backbone.spec.batching}, {outputs.spent.batching}",
        run=encoder.run.name if encoder.run else "",
        digests={
            "weights": network.encoder.fingerprint(),
            "head": weights_digest(network.head) if network.head is not None else "",
            "items": items.digest,
            "valid_items": encoder.fixed.digest if encoder.fixed else "",
            "audio": audio.audio_digest(items.cuts, items.corpus.folder / ".digests.json"),
            **_code(encoder, setting),
            **({raw.NAME: outputs_digest} if outputs_digest else {}),
        },
        skipped={where: count for where, count in _skipped(encoder, outputs).items() if count},
    )


def _code(encoder: Encoder, setting: Setting) -> dict[str, str]:
    """Digests of the code: of training as the run kept it, of measuring as it is now."""
    task = setting.task or Part(setting.benchmark.task)
    now = code.of(encoder.system, task, trained=encoder.network.head is not None)
    digests = replace(now, training=encoder.training_code).digests()
    return {**digests, "user_code": encoder.user_code} if encoder.user_code else digests


def _skipped(encoder: Encoder, outputs: Outputs) -> dict[str, int]:
    return {"unreadable test audio": len(outputs.spent.skipped), "unreadable training audio": encoder.skipped}
