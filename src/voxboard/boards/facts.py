"""Facts behind a number, as pairs of a term and a text; unknown ones are left out or say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from voxboard.boards.model import BoardColumn
from voxboard.charts.numbers import count, duration, known, plain, quantity, size
from voxboard.records import Cost, Exposure, Part, Protocol, Provenance, System, Training, Value
from voxboard.records.standard_metrics import standard

Facts = list[tuple[str, str]]

_METHODS = {
    "": "",
    "bca": "BCa bootstrap",
    "bca_t": "BCa-t bootstrap",
    "percentile": "percentile bootstrap",
    "logit_t": "Student's t on the logit",
    "log_t": "Student's t on the logarithm",
}
_RESAMPLED = ("bca", "bca_t", "percentile")


def protocol_facts(protocol: Protocol, columns: Sequence[BoardColumn]) -> Facts:
    """Facts of a protocol: what is common to all columns, in words, then the metrics, then the digests.

    Of `columns` those that the protocol has are called as they are on their board.
    """
    names = {column.id: column.label for column in columns}
    metrics = [
        (names.get(protocol.columns[metric]) or standard(metric).name, metric + options(given))
        for metric, given in protocol.metrics.items()
    ]
    return _clean([*common_facts(protocol), *metrics, *digest_facts(protocol)])


def panel_facts(protocol: Protocol, columns: Sequence[BoardColumn]) -> Facts:
    """Like `protocol_facts`, with all metrics of a panel, those of older records too."""
    metrics = [(column.label, column.metric + options(column.parameters)) for column in columns]
    return _clean([*common_facts(protocol), *metrics, *digest_facts(protocol)])


def common_facts(protocol: Protocol) -> Facts:
    """Facts common to all columns of a panel, in words."""
    items, crop, scoring = protocol.items, protocol.crop, protocol.scoring
    counts = [f"{count(items.count)} {items.kind}"]
    counts += [f"{count(items.targets)} targets"] if items.targets is not None else []
    counts += [f"{count(items.speakers)} speakers"] if items.speakers is not None else []
    limit = f", at most {quantity(crop.max_seconds)} s" if crop.max_seconds else ""
    beyond = f" (longer: {crop.beyond})" if crop.beyond else ""
    facts = [
        (items.kind.capitalize(), ", ".join([items.name, *counts] if items.name else counts)),
        ("Crop", {"whole": "whole utterance"}.get(crop.policy, crop.policy) + limit + beyond),
    ]
    if scoring:
        clamp = ", clamped to [0, 1]" if scoring.clamp else ", unclamped" if scoring.function == "cosine" else ""
        facts.append(("Score", scoring.function + clamp + options(scoring.options)))
        facts.append(("Score normalisation", scoring.normalisation))
    facts.append(("Condition", options(protocol.condition).strip(" ()")))
    facts += [(key, _plain_json(value)) for key, value in sorted(protocol.options.items())]
    return _clean(facts)


def digest_facts(protocol: Protocol) -> Facts:
    """The small print of a protocol: what decides where words could be the same."""
    cohort = protocol.scoring.cohort if protocol.scoring else ""
    return _clean(
        [("List digest", protocol.items.digest), ("Cohort digest", cohort[:12]), ("Protocol id", protocol.id)]
    )


def system_facts(system: System, seed: int, parameters: int | None) -> Facts:
    """Parts, training and licences."""
    facts: Facts = [("Spec", system.spec)]
    for kind in ("backbone", "pooler", "head"):
        part: Part | None = getattr(system, kind)
        facts += [(kind.capitalize(), part.name + options(part.options))] if part else []
    facts.append(("Backbone starts from", _start(system) + (", frozen" if system.frozen else "")))
    if system.training:
        facts.append(("Trained on", system.training.corpus))
        facts.append(("Training digest", system.training.digest))
        facts += [(key, _plain_json(value)) for key, value in sorted(system.training.hyperparameters.items())]
        facts.append(("Hyperparameter search", _search(system.training)))
    else:
        untrained = system.origin == "untrained"
        facts.append(("Trained on", "nothing: an untrained baseline" if untrained else system.trained_on))
    facts += [("Seed", str(seed)), ("Parameters", count(parameters))]
    facts += [("Code licence", known(system.code_licence)), ("Weights licence", known(system.weights_licence))]
    facts.append(("Training data licence", known(system.training_licence)))
    return _clean(facts)


def exposure_facts(exposure: Exposure | None) -> Facts:
    """Facts about what the weights have seen of the test; none for records that do not say."""
    if exposure is None:
        return []
    facts: Facts = [("Seen of the test", exposure.relation), ("Why", exposure.reason)]
    facts += [("Weights have heard", ", ".join(exposure.seen)), ("Tested on", ", ".join(exposure.tested))]
    return _clean(facts)


def _start(system: System) -> str:
    """The weights that a backbone starts from, and what those of others have seen."""
    seen = ", ".join(system.pretrained_on) or "on unknown data"
    return {
        "none": "no weights",
        "random": "random initialisation",
        "unknown": "unknown weights",
    }.get(system.start, f"published weights ({seen})")


def _search(training: Training) -> str:
    """`max_lr 0.003 by validation error, of 0.001 (0.21), 0.003 (0.19); 2,000 steps each`."""
    tried = training.tried
    if tried is None:
        return options(training.search).strip()
    errors = {one.value: one.reason or quantity(one.error) for one in tried.candidates}
    among = ", ".join(f"{value:g}" + (f" ({text})" if text else "") for value, text in errors.items())
    chosen = "none" if tried.chosen is None else f"{tried.chosen:g}"
    return f"{tried.setting} {chosen} by validation error, of {among}; {count(tried.steps)} steps each"


def cost_facts(cost: Cost) -> Facts:
    """Facts about the cost of the numbers."""
    return _clean(
        [
            ("Parameters", size(cost.parameters)),
            ("Trained parameters", size(cost.trainable_parameters)),
            ("Embeddings per second", quantity(cost.embeddings_per_second)),
            ("Real-time factor", quantity(cost.real_time_factor)),
            ("Peak memory", f"{quantity(cost.peak_memory_mib)} MiB" if cost.peak_memory_mib else ""),
            ("Evaluation", duration(cost.wall_seconds)),
            ("Utterances", count(cost.utterances)),
            ("Audio", duration(cost.audio_seconds)),
            ("Training", duration(cost.training_seconds)),
            ("Training steps", count(cost.training_steps)),
        ]
    )


def provenance_facts(provenance: Provenance) -> Facts:
    """Code, environment, machine and inputs."""
    dirty = {True: ", with changes that were not committed", False: "", None: ""}[provenance.git_dirty]
    facts = [
        ("Evaluated", provenance.created.replace("T", " ").replace("Z", " UTC")),
        ("Run", provenance.run),
        ("Git revision", known(provenance.git_revision) + dirty),
        ("Lock digest", known(provenance.lock_digest)),
        ("Device", provenance.device + (f", {provenance.threads} threads" if provenance.threads else "")),
        ("Precision", provenance.precision),
        ("CPU", provenance.cpu),
        ("Platform", provenance.platform),
        ("Python", provenance.python),
        ("Batching", provenance.batching),
    ]
    facts += [(f"Digest of {name}", digest) for name, digest in sorted(provenance.digests.items())]
    skipped = ", ".join(f"{count(n)} ({reason})" for reason, n in sorted(provenance.skipped.items()) if n)
    facts.append(("Left out", skipped or "nothing"))
    facts.append(("Packages", ", ".join(f"{name} {version}" for name, version in provenance.packages.items())))
    return _clean(facts)


def interval_note(values: Iterable[Value]) -> str:
    """Note on the intervals of a board, `BCa bootstrap over speakers, 1,000 replicates`; empty if unknown."""
    made = [value for value in values if value.low is not None and value.interval not in ("", "bound")]
    if not made:
        return ""
    methods = " or ".join(sorted({_METHODS[value.interval] for value in made}))
    over = clusters(made)
    resampled = [value for value in made if value.interval in _RESAMPLED]
    times = " or ".join(count(n) for n in sorted({value.replicates for value in resampled if value.replicates}))
    return f"{methods} over {over}" + (f", {times} replicates" if times else "")


def clusters(values: Iterable[Value]) -> str:
    """Units that the intervals of a board resample: "speakers", or "recordings or speakers"."""
    made = [value for value in values if value.low is not None]
    return " or ".join(sorted({f"{plain(value.cluster_by)}s" for value in made})) or "speakers"


def value_note(value: Value, brief: bool = False) -> str:
    """Note on a value: `95 % BCa interval over 40 speakers, 1,000 replicates; threshold 0.41`.

    `brief` leaves out the interval's making, for numbers beside one that tells it.
    """
    notes = []
    if value.low is not None and value.interval != "bound" and not brief:
        over = f" over {count(value.clusters)} {value.cluster_by}s" if value.clusters else ""
        resampled = value.replicates and value.interval in (*_RESAMPLED, "")
        times = f", {count(value.replicates)} replicates" if resampled else ""
        method = _METHODS[value.interval].removesuffix(" bootstrap")
        made = f" by {method}" if method and value.interval not in _RESAMPLED else ""
        named = f"{method} " if value.interval in _RESAMPLED else ""
        notes.append(f"{value.level * 100:g} % {named}interval{made}{over}{times}")
    if value.threshold is not None:
        notes.append(f"threshold {value.threshold:.4f}")
    if value.false_alarms is not None:
        notes.append(f"{count(value.false_alarms)} false alarms at the optimum")
    if value.reason:
        notes.append(plain(value.reason))
    return "; ".join(notes)


def options(options: Mapping[str, Any]) -> str:
    """` (c_miss=1, c_fa=1)`, empty where there are none."""
    return f" ({', '.join(f'{k}={_plain_json(v)}' for k, v in options.items())})" if options else ""


def _plain_json(value: Any) -> str:
    if isinstance(value, Mapping):
        return options(value).strip(" ()") or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_plain_json(item) for item in value) or "none"
    return {None: "none", True: "yes", False: "no"}.get(value) or str(value) if _is_word(value) else str(value)


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _clean(facts: Iterable[tuple[str, str]]) -> Facts:
    return [(plain(term), plain(text)) for term, text in facts if plain(text)]
