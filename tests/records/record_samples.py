"""Records to test with, and hypothesis strategies that make any valid one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from voxboard.records import (
    Benchmark,
    Confusion,
    Cost,
    Crop,
    Curves,
    Gap,
    Group,
    Items,
    Metric,
    Part,
    Protocol,
    Provenance,
    Record,
    Scoring,
    System,
    Training,
    Value,
)

EER, DCF, FAR = "eer@interpolated", "min_dcf@p=0.01", "far@valid_threshold"


def make_record(name: str = "ecapa-tdnn+statistics+aam", eer: float = 0.064, **changes: Any) -> Record:
    """A verification record; `changes` are fields of Record, or of its parts as `part__field`."""
    backbone, pooler, head = (*name.split("+"), "", "")[:3]
    record = Record(
        system=System(
            name=name,
            spec=name,
            backbone=Part(backbone, {"channels": 128}),
            pooler=Part(pooler) if pooler else None,
            head=Part(head, {"margin": 0.2}) if head else None,
            training=Training("Voices", "cd" * 32, "CC0-1.0", 2000, {"max_lr": 0.003}),
            code_licence="MIT",
        ),
        benchmark=Benchmark("Voices verification", "verification", "Voices", EER, synthetic=True, licence="CC0-1.0"),
        protocol=Protocol(
            Items("ab" * 32, 6000, "trials", "trials-test.csv.gz", 3000, 24),
            {EER: {"accept": "score >= threshold"}, DCF: {"c_miss": 1, "c_fa": 1}, FAR: {}},
            Crop("whole"),
            Scoring(),
        ),
        provenance=Provenance(
            command="voxboard eval _ _ --eval_path results/runs/local-1",
            seed=42,
            created="2026-11-20T23:51:00Z",
            packages={"torch": "2.11.0"},
            digests={"weights": "ef" * 32, "audio": "01" * 32},
        ),
        values={
            EER: Value(eer, low=eer * 0.8, high=eer * 1.2, clusters=24, replicates=1000, threshold=0.41),
            DCF: Value(min(1.0, eer * 6), unit="cost"),
            FAR: Value(None, reason="no validation list"),
        },
        groups=(
            Group("GENDER_MATCH=1", 4500, 3000, {EER: Value(min(1.0, eer * 1.3))}),
            Group("GENDER_MATCH=0", 1500, 0, reason="no target trials"),
        ),
        cost=Cost(parameters=5_400_000, embeddings_per_second=41.2, real_time_factor=0.0123),
    )
    for key, value in changes.items():
        part, _, leaf = key.partition("__")
        record = replace(record, **{part: replace(getattr(record, part), **{leaf: value}) if leaf else value})
    return record


def failed(name: str, reason: str = "not enough memory", **changes: Any) -> Record:
    """A cell that gave no numbers."""
    return make_record(name, **{"status": "failed", "reason": reason, "values": {}, "groups": (), **changes})


_words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_names = _words.filter(str.strip)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _numbers | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=6,
)
_options = st.dictionaries(_words, _json, max_size=3)
_counts = st.none() | st.integers(0, 10**9)


@st.composite
def _values(draw: st.DrawFn) -> Value:
    low, high = sorted((draw(_numbers), draw(_numbers)))
    bounds = draw(st.sampled_from([(None, None), (low, high)]))
    value = draw(st.none() | _numbers)
    return Value(
        value,
        draw(st.sampled_from(["lower", "higher"])),
        "cost",
        *bounds,
        level=draw(st.floats(0.01, 0.99)),
        clusters=draw(_counts),
        threshold=draw(st.none() | _numbers),
        reason=draw(_names if value is None else _words),
    )


@st.composite
def _curves(draw: st.DrawFn) -> Curves:
    """Curves of fitting lengths."""
    bins, points = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    rates = st.lists(st.floats(0, 1), min_size=points, max_size=points)
    counts = st.lists(st.integers(0, 10**6), min_size=bins, max_size=bins)
    edges = sorted(draw(st.lists(_numbers, min_size=bins + 1, max_size=bins + 1)))
    columns = [tuple(draw(column)) for column in (rates, rates, counts, counts)]
    return Curves(columns[0], columns[1], tuple(edges), columns[2], columns[3])


_digits = st.none() | st.integers(0, 12)


@st.composite
def _confusions(draw: st.DrawFn) -> Confusion:
    """A square table of counts."""
    classes = draw(st.lists(_names, min_size=1, max_size=3))
    rows = st.lists(st.integers(0, 10**6), min_size=len(classes), max_size=len(classes))
    return Confusion(tuple(classes), tuple(tuple(draw(rows)) for _ in classes))


@st.composite
def any_record(draw: st.DrawFn) -> Record:
    """Any valid record: odd names, huge numbers, every optional field with and without a value."""
    metrics = draw(st.dictionaries(_names, _options, min_size=1, max_size=3))
    part = st.none() | st.builds(Part, _names, _options)
    measured = {metric: draw(_values()) for metric in metrics}
    training = st.none() | st.builds(Training, _names, _words, _words, _counts, _options, _options)
    strata = st.builds(Group, _names, st.integers(0, 10**6), _counts, st.just(measured), _words, _words)
    gaps = st.builds(Gap, _names, st.sampled_from(list(metrics)), _names, _names, _values())
    return Record(
        draw(st.builds(System, _names, _names, part, part, part, training, st.booleans())),
        draw(st.builds(Benchmark, _names, _names, _names, st.just(next(iter(metrics))), synthetic=st.booleans())),
        Protocol(
            draw(st.builds(Items, _names, st.integers(1, 10**9), st.just("utterances"), _words)),
            metrics,
            draw(st.builds(Crop, _words, st.none() | _numbers, _words)),
            draw(st.none() | st.builds(Scoring, _words, st.booleans(), options=_options)),
            draw(_options),
        ),
        draw(st.builds(Provenance, _words, st.integers(), st.just("2026-11-20T23:51:00Z"), packages=st.just({}))),
        measured,
        tuple(draw(st.lists(strata, max_size=2))),
        tuple(draw(st.lists(gaps, max_size=2))),
        draw(st.none() | _curves()),
        draw(st.none() | _confusions()),
        draw(st.builds(Cost, parameters=_counts, wall_seconds=st.none() | _numbers.map(abs))),
        draw(st.sampled_from(["ok", "imported"])),
        metrics=tuple(Metric(name, draw(_words), draw(_words), decimals=draw(_digits)) for name in metrics),
    )
