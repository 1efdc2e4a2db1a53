"""A run as an encoder: its network with the weights that are asked for, and what its validations fixed."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from voxboard import heads, model, records
from voxboard.benchmarks.base import Benchmark
from voxboard.data.corpus import Corpus
from voxboard.data.targets import Targets
from voxboard.errors import UserError
from voxboard.evaluation.encoder import Encoder
from voxboard.model import Network
from voxboard.parts import Part
from voxboard.settings import Weights, words_for_paths
from voxboard.training import averaging, checkpoint, run_folder, search
from voxboard.training.config import RunConfig


def trained(
    config: RunConfig,
    run: Path,
    corpus: Corpus,
    benchmark: Benchmark,
    weights: Weights,
    beside: Network | None = None,
) -> Encoder:
    """A run with the weights that are asked for, trained on `corpus`; `beside` as in `model.build`."""
    network, meta = network_of(config, run, weights, beside)
    speakers = run_folder.speakers_of(run)
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
    with run_folder.as_written(run / "best.safetensors"):
        best = meta["best"]["fixed"]
        fixed = benchmark.fixed_from(best) if best and not weights.iter else None
    return Encoder(
        network,
        config.system,
        config.general.seed,
        fixed=fixed,
        home=corpus,
        training=training,
        training_code=str(run_folder.code_of(run).get("training", "")),
        frozen=config.general.frz_pretrain,
        run=run,
        skipped=len(meta["skipped"]),
        cost=cost,
    )


def opened(run: Path) -> Encoder:
    """A run with its best weights, for embedding: nothing of its corpus is read."""
    config = run_folder.config_of(run)
    network, _ = network_of(config, run, Weights())
    return Encoder(network, config.system, config.general.seed, frozen=config.general.frz_pretrain, run=run)


def network_of(
    config: RunConfig, run: Path, weights: Weights, beside: Network | None = None
) -> tuple[Network, dict[str, Any]]:
    """A run's network with its classes and the weights that are asked for, and the JSON of its best checkpoint."""
    tensors, meta = run_folder.state_of(run, "best")
    if weights.iter:
        tensors = averaging.average_until_step(run, weights.iter, weights.avg)
    with run_folder.as_written(run / "best.safetensors"):
        meta = {**meta, **{key: meta[key] for key in ("step", "seconds", "skipped", "best")}}
    targets = targets_of(config.system.head, run)
    network = model.build(config.system, targets.sizes, config.general.seed, config.general.frz_pretrain, beside)
    run_folder.check_backbone(run, network, meta)
    network.load(checkpoint.without(tensors, "average."))
    network.targets = targets
    return network, meta


def targets_of(head: Part, run: Path) -> Targets:
    """Return what a run's head was trained to predict. Raises `UserError` where the run does not say that."""
    targets = run_folder.targets_of(run)
    needs = heads.REGISTRY.resolve(head.name)[0].needs(heads.REGISTRY.config(head.name, **head.options))
    if needs and not set(needs) & set(targets.targets):
        raise UserError(f"{run / 'labels.json'} lacks {', '.join(needs)}.", "Bring the file back, or train again.")
    return targets


def _manifest_digest(corpus: Corpus) -> str:
    """sha256 of the training utterances' ids and durations: what was trained on, wherever it lies."""
    lines = (f"{cut.id} {cut.duration}\n" for cut in corpus.cuts("train"))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
