"""From weights and a trial list to a record: the last hops of every run."""

from __future__ import annotations

import gzip
import hashlib
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard import model, records
from voxboard.backbones.base import BackboneSpec
from voxboard.benchmarks import verification
from voxboard.benchmarks.verification import Reference, Scored, TrialSet
from voxboard.data import audio
from voxboard.data.corpus import Corpus
from voxboard.errors import UserError
from voxboard.metrics.bootstrap import Interval
from voxboard.metrics.subgroups import Group
from voxboard.model import Network
from voxboard.records import Record
from voxboard.scoring.calibration import Calibration
from voxboard.scoring.cohort import Cohort
from voxboard.scoring.cosine import BLOCK
from voxboard.scoring.portions import Portion
from voxboard.systems import System
from voxboard.training import folder
from voxboard.training.config import Evaluation, RunConfig
from voxboard.training.devices import device_of

if TYPE_CHECKING:
    from lhotse.cut import Cut

log = logging.getLogger("voxboard")


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a network and how it came to its weights."""

    network: Network
    system: System
    seed: int
    reference: Reference | None = None  # what validation fixed
    home: Corpus | None = None  # whose training speakers scores may be normalised against
    cohort: Cohort | None = None
    training: records.Training | None = None
    frozen: bool = False
    run: Path | None = None
    skipped: int = 0  # training utterances that could not be read
    cost: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """How it is evaluated and where the record goes; `arguments` is the command that reproduces it."""

    evaluation: Evaluation
    records: Path
    device: str = "auto"
    arguments: Sequence[str] | None = None  # default: what was typed
    show_progress: bool = True


def trained(config: RunConfig, run: Path, corpus: Corpus) -> Subject:
    """The best checkpoint of a run; `corpus` is the one it was trained on."""
    tensors, meta = folder.state_of(run, "best")
    speakers = folder.speakers_of(run)
    network = model.build(config.system, len(speakers), config.general.seed, config.general.frz_pretrain)
    network.load(tensors)
    training = records.Training(
        corpus=corpus.name,
        digest=_manifest_digest(corpus),
        licence=corpus.info.licence,
        steps=int(meta["step"]),
        hyperparameters=asdict(config.training) | {"speakers": len(speakers)},
    )
    cost = {
        "training_seconds": meta["seconds"],
        "training_steps": meta["step"],
        "trainable_parameters": sum(p.numel() for p in network.encoder.parameters() if p.requires_grad),
    }
    return Subject(
        network,
        config.system,
        config.general.seed,
        reference=_reference(meta),
        home=corpus,
        training=training,
        frozen=config.general.frz_pretrain,
        run=run,
        skipped=len(meta["skipped"]),
        cost=cost,
    )


def untrained(system: System, seed: int, corpus: Corpus) -> Subject:
    """A system with the weights that it starts from."""
    return Subject(model.build(system, None, seed), system, seed, home=corpus)


def informed(subject: Subject, valid: TrialSet | None, setting: Setting) -> Subject:
    """The subject with all that must be known before the test list is scored.

    That is the cohort, where scores are normalised, and what the validation list fixes, scored the same way; a run
    knows it from its best validation, which was not normalised.
    """
    evaluation = setting.evaluation
    subject.network.to(device_of(setting.device))
    if evaluation.score_norm != "none":
        cuts = _cohort_cuts(subject)
        cohort = verification.cohort_of(subject.network, cuts, evaluation, subject.seed, setting.show_progress)
        subject = replace(subject, cohort=cohort, reference=None)
    if subject.reference is None and valid is not None:
        scored = verification.score(subject.network, valid, evaluation, subject.cohort, setting.show_progress)
        subject = replace(subject, reference=verification.reference(scored))
    return subject


def _cohort_cuts(subject: Subject) -> Iterable[Cut]:
    if subject.home is None or "train" not in subject.home.splits:
        where = subject.home.name if subject.home else "nothing"
        raise UserError(f"{where} has no training speakers to normalise scores with.", "Leave --score_norm out.")
    return subject.home.cuts("train")


def _reference(meta: Mapping[str, Any]) -> Reference | None:
    """What the best validation of a run fixed; None for a run without a validation list, or of an older version."""
    best = meta["best"]
    if best.get("calibration") is None:
        return None
    calibration = Calibration.from_dict(best["calibration"])
    return Reference(best["valid_eer"], best["val_threshold"], calibration, meta["valid_trials"])


def evaluate(subject: Subject, test: TrialSet, setting: Setting) -> Record:
    """Scores the trials, measures, and saves the record (and, for a run, the scores)."""
    network, evaluation = subject.network, setting.evaluation
    device = device_of(setting.device)
    network.to(device)
    scored = verification.score(network, test, evaluation, subject.cohort, setting.show_progress)
    measured = verification.measure(scored, subject.reference, subject.seed, evaluation.replicates)
    if subject.run is not None:
        write_scores(subject.run / f"scores-{records.slug(test.corpus.name)}-{test.digest[:8]}.txt.gz", scored)
    record = Record(
        system=_system(subject, network.encoder.backbone.spec),
        benchmark=_benchmark(test.corpus, test.split),
        protocol=_protocol(scored, evaluation, subject.cohort),
        values={name: _value(name, value, measured.thresholds.get(name)) for name, value in measured.values.items()},
        strata=tuple(_stratum(portion, group) for portion, group in measured.portions),
        gaps=tuple(
            records.Gap(label, name, gap.worst, gap.best, _value(name, gap.value)) for label, name, gap in measured.gaps
        ),
        curves=records.Curves(**measured.curves),
        cost=_cost(subject, scored),
        provenance=_provenance(subject, scored, setting, str(device)),
    )
    path = records.save(record, setting.records)
    error = 100 * measured.values[verification.MAIN_METRIC].value
    log.info("%s on %s: EER %.2f %% → %s", subject.system.name, test.corpus.name, error, path.name)
    return record


def _stratum(portion: Portion, group: Group) -> records.Stratum:
    values = {name: _value(name, value) for name, value in group.values.items()}
    counts = int(portion.inside.sum()), int(portion.targets)
    return records.Stratum(portion.name, *counts, values, group.reason, portion.label)


def failed(subject: Subject, corpus: Corpus, reason: str, setting: Setting) -> Record:
    """Records that a cell gave no number, and why, so that a board can say it."""
    spec = subject.network.encoder.backbone.spec
    record = Record(
        system=_system(subject, spec),
        benchmark=_benchmark(corpus, "test"),
        protocol=None,
        provenance=records.collect(seed=subject.seed, arguments=setting.arguments),
        status="failed",
        reason=reason,
    )
    records.save(record, setting.records)
    return record


def write_scores(path: Path, scored: Scored) -> None:
    """`label enrol test score`, a line per trial; scores are written exactly."""
    trials = scored.trial_set.trials
    names = trials.utterances
    columns = (trials.labels, trials.enrol, trials.test, scored.scores)
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=3) as file:
        for start in range(0, len(scored.scores), BLOCK):
            rows = zip(*(column[start : start + BLOCK].tolist() for column in columns), strict=True)
            file.writelines(f"{label} {names[a]} {names[b]} {score!r}\n" for label, a, b, score in rows)


def _system(subject: Subject, spec: BackboneSpec) -> records.System:
    parts = {kind: records.Part(part.name, dict(part.options)) for kind, part in subject.system.parts()}
    named = ("backbone", "pooler", "head") if subject.training else ("backbone", "pooler")
    return records.System(
        name=subject.system.name,
        spec="+".join(str(part) for kind, part in subject.system.parts() if kind in named),
        backbone=parts["backbone"],
        pooler=parts["pooler"],
        head=parts["head"] if subject.training else None,
        training=subject.training,
        pretrained=bool(spec.trained_on) or bool(subject.system.backbone.options.get("use_pretrain")),
        pretrained_on=spec.trained_on,
        frozen=subject.frozen,
        code_licence=spec.code_licence,
        weights_licence=spec.weights_licence,
    )


def _benchmark(corpus: Corpus, split: str) -> records.Benchmark:
    info = corpus.info
    return records.Benchmark(
        name=f"{corpus.name} verification",
        task="verification",
        corpus=corpus.name,
        main_metric=verification.MAIN_METRIC,
        split=split,
        synthetic=info.synthetic,
        licence=info.licence,
        source=info.source,
    )


def _protocol(scored: Scored, evaluation: Evaluation, cohort: Cohort | None) -> records.Protocol:
    trials, skipped = scored.trial_set, scored.embeddings.skipped
    top = {"top": verification.top_k(cohort, evaluation)} if cohort and evaluation.score_norm == "as-norm" else {}
    return records.Protocol(
        items=records.Items(
            digest=trials.digest,
            count=len(trials.trials.labels),
            name=trials.trials.name,
            targets=int((trials.trials.labels == 1).sum()),
            speakers=len(set(trials.speakers.tolist())),
        ),
        metrics=verification.METRICS,
        crop=records.Crop("whole", evaluation.max_seconds, "mean of chunks"),
        scoring=records.Scoring(
            "cosine", evaluation.clamp_scores, evaluation.score_norm, cohort.digest if cohort else "", top
        ),
        # Without some utterances it is another list, and its numbers belong in another column.
        options={"left out": hashlib.sha256("\n".join(skipped).encode()).hexdigest()[:12]} if skipped else {},
    )


def _value(name: str, interval: Interval, threshold: float | None = None) -> records.Value:
    bounded = not math.isnan(interval.low)
    return records.Value(
        value=interval.value,
        unit="cost" if name.startswith(("min_dcf", "act_dcf", "cllr")) else "fraction",
        low=interval.low if bounded else None,
        high=interval.high if bounded else None,
        level=interval.level,
        clusters=interval.clusters,
        replicates=interval.replicates,
        interval=interval.method if bounded else "",
        threshold=threshold,
        reason="" if bounded else f"no interval: {interval.clusters} speakers are too few to resample",
    )


def _cost(subject: Subject, scored: Scored) -> records.Cost:
    embedded = scored.embeddings
    return records.Cost(
        parameters=model.parameters(subject.network.encoder),
        embeddings_per_second=len(embedded.ids) / embedded.wall_seconds,
        real_time_factor=embedded.wall_seconds / embedded.audio_seconds,
        peak_memory_mib=embedded.peak_mib,
        wall_seconds=embedded.wall_seconds,
        utterances=len(embedded.ids),
        audio_seconds=embedded.audio_seconds,
        **subject.cost,
    )


def _provenance(subject: Subject, scored: Scored, setting: Setting, device: str) -> records.Provenance:
    embedded = scored.embeddings
    encoder = subject.network.encoder
    return records.collect(
        seed=subject.seed,
        arguments=setting.arguments,
        device=device,
        batching=f"{encoder.backbone.spec.batching}, {embedded.batching}",
        run=subject.run.name if subject.run else "",
        digests={
            "weights": encoder.fingerprint(),
            "trials": scored.trial_set.digest,
            "valid_trials": subject.reference.digest if subject.reference else "",
            "audio": audio.audio_digest(scored.trial_set.cuts, scored.trial_set.corpus.folder / ".digests.json"),
        },
        skipped={where: count for where, count in _skipped(subject, scored).items() if count},
    )


def _skipped(subject: Subject, scored: Scored) -> dict[str, int]:
    return {"unreadable test audio": len(scored.embeddings.skipped), "unreadable training audio": subject.skipped}


def _manifest_digest(corpus: Corpus) -> str:
    """sha256 of the training utterances' ids and durations: what was trained on, wherever it lies."""
    lines = (f"{cut.id} {cut.duration}\n" for cut in corpus.cuts("train"))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
