"""Records: what goes in comes out, what is wrong is named, what means the same has the same id."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.records.record_samples import DCF, EER, any_record, failed, make_record
from voxboard.errors import UserError
from voxboard.records import Benchmark, Crop, Protocol, Record, Training, Value, validate
from voxboard.records.codec import canonical, decode, encode
from voxboard.records.migrations import migrate


@given(any_record())
@settings(deadline=None, max_examples=40)
def test_a_record_survives_json(record: Record) -> None:
    text = json.dumps(record.to_dict(), allow_nan=False)
    again = Record.from_dict(json.loads(text))
    assert again == record
    assert again.id == record.id


def _with(path: str, value: Any) -> dict[str, Any]:
    """The sample as parsed JSON with one place changed; `...` removes it."""
    data: dict[str, Any] = json.loads(json.dumps(make_record().to_dict()))
    place = data
    *parents, leaf = path.split("/")
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is ...:
        del place[leaf]
    else:
        place[leaf] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("system/nmae", "x", "Did you mean name"),
        ("system/name", "  ", "system.name is empty"),
        ("system/name", 3, "system.name should be text, not a whole number"),
        ("system/name", ..., "system.name is missing"),
        ("system/name", "\ud800", "not Unicode"),
        ("system/training/steps", True, "system.training.steps should be a whole number, not true or false"),
        ("system/training/hyperparameters/max_lr", float("inf"), "system.training.hyperparameters.max_lr is inf"),
        ("benchmark/main_metric", "eer@interpolate", f"Did you mean {EER}"),
        ("protocol/items/digest", "", "protocol.items.digest is empty"),
        ("protocol/items/targets", 9999, "9999 targets"),
        ("protocol/crop/max_seconds", 20.0, "protocol.id is"),
        ("protocol", None, "protocol is null"),
        ("provenance/created", "yesterday", "provenance.created is 'yesterday'"),
        (f"values/{EER}/value", 6.4, "6.4 % is 0.064"),
        (f"values/{EER}/value", None, "no value and no reason"),
        (f"values/{EER}/value", "6.4 %", "should be a number, not text"),
        (f"values/{EER}/value", 10**400, "not a number to compare"),
        (f"values/{EER}/low", None, "half an interval"),
        (f"values/{EER}/low", 0.9, "an interval from 0.9 down to"),
        (f"values/{EER}/better", "smaller", "value of values.eer@interpolated.better 'smaller'"),
        (f"values/{EER}", ..., f"values lacks the main metric {EER}"),
        ("values/err", {"value": 0.1}, "metric in values"),
        (f"strata/0/values/{EER}/level", 95, "strata[GENDER_MATCH=1].values.eer@interpolated.level is 95"),
        ("strata/0/count", -1, "-1 items"),
        ("status", "failed", "has no reason"),
        ("schema", 99, "Update voxboard"),
        ("schema", ..., "no schema version"),
    ],
)
def test_a_mistake_is_named_with_its_field(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        validate(_with(path, value))
    assert message in str(caught.value)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(UserError, match="not a JSON object"):
        Record.from_dict([])  # type: ignore[arg-type]


def test_a_failure_may_lack_its_protocol_but_not_its_reason() -> None:
    failed("x", protocol=None).validate()
    with pytest.raises(UserError, match="no reason"):
        failed("x", reason=" ").validate()


def test_numpy_scalars_and_tuples_become_json() -> None:
    value = Value(np.float32(0.5), threshold=np.float64(0.25), clusters=np.int64(3))  # type: ignore[arg-type]
    assert json.dumps(encode({"v": value, "t": (1, 2)}))
    assert decode(Value, encode(value)) == Value(0.5, threshold=0.25, clusters=3)


# --- protocol ids ---


def _protocol(**changes: Any) -> Protocol:
    protocol = make_record().protocol
    assert protocol is not None
    return replace(protocol, **changes)


def test_the_ids_are_pinned() -> None:
    """A change here breaks every record that exists: it needs a new schema and a migration."""
    protocol = _protocol()
    assert (protocol.id, *protocol.columns.values()) == PINNED
    assert protocol.digest == "e9ce296012ea", "the protocol id until schema 5"


PINNED = ("1d85cb45e88d", "588b375fa332", "360a1e472225", "1455b18ea0b9")


def test_what_fixes_the_meaning_changes_all_ids() -> None:
    base = _protocol()
    others = [
        _protocol(items=replace(base.items, digest="cd" * 32)),
        _protocol(items=replace(base.items, count=6001)),
        _protocol(crop=Crop("whole", 20.0)),
        _protocol(scoring=replace(base.scoring, clamp=True)),
        _protocol(scoring=replace(base.scoring, normalisation="as-norm", cohort="aa")),
        _protocol(options={"layers": []}),
        _protocol(options={"layers": None}),
        _protocol(options={"collar": 0.25}),
        _protocol(condition={"noise": "babble", "snr": 5}),
    ]
    assert len({p.id for p in [base, *others]}) == len(others) + 1
    assert len({p.columns[EER] for p in [base, *others]}) == len(others) + 1


def test_a_metric_changes_its_own_column_alone() -> None:
    base = _protocol()
    dearer = _protocol(metrics={**base.metrics, DCF: {"c_miss": 10, "c_fa": 1}})
    fewer = _protocol(metrics={EER: base.metrics[EER], DCF: base.metrics[DCF]})
    assert {p.id for p in (base, dearer, fewer)} == {base.id}
    assert len({p.digest for p in (base, dearer, fewer)}) == 3
    assert [metric for metric, id_ in dearer.columns.items() if id_ != base.columns[metric]] == [DCF]
    assert fewer.columns.items() < base.columns.items()
    assert len(set(base.columns.values())) == 3
    named_alike = _protocol(metrics={metric: {} for metric in base.metrics})
    assert len(set(named_alike.columns.values())) == 3, "without parameters it is the metric that differs"


def test_what_does_not_fix_the_meaning_keeps_the_id() -> None:
    base = _protocol(crop=Crop("whole", 20.0))
    same = [
        _protocol(crop=Crop("whole", 20), items=replace(base.items, name="a copy.csv")),  # type: ignore[arg-type]
        _protocol(crop=Crop("whole", 20.0), metrics=dict(reversed(base.metrics.items()))),
        _protocol(crop=Crop("whole", 20.0, beyond="")),
    ]
    for ids in ({p.id for p in same}, {p.digest for p in same}, {p.columns[DCF] for p in same}):
        assert len(ids) == 1
    assert same[0].id == base.id


@given(st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=3), max_size=5))
@settings(deadline=None)
def test_canonical_text_does_not_depend_on_order(content: dict[str, Any]) -> None:
    assert canonical(content) == canonical(dict(reversed(content.items())))


def test_the_best_step_of_a_run_makes_no_other_system() -> None:
    base = make_record()
    told = Training("Voices", steps=2000, hyperparameters={"max_lr": 0.003, "nb_total_step": 3000})
    cells = [
        replace(base, system=replace(base.system, training=replace(told, steps=steps, hyperparameters=settings))).cell
        for steps in (2000, 3000)
        for settings in (told.hyperparameters, {"max_lr": 0.003})
    ]
    assert cells[0] == cells[2]
    assert cells[1] != cells[3]  # all that is known of how long it was trained


def test_rows_and_cells_tell_systems_seeds_and_protocols_apart() -> None:
    base = make_record()
    repeated = make_record(eer=0.5, provenance__created="2027-01-01T00:00:00Z", system__code_licence="GPL-3.0")
    assert (repeated.row, repeated.cell) == (base.row, base.cell)
    assert make_record(provenance__seed=43).row != base.row
    assert make_record(system__training=None).row != base.row
    other_list = make_record(protocol=_protocol(crop=Crop("whole", 5.0)))
    assert other_list.row == base.row
    assert other_list.cell != base.cell
    assert make_record(benchmark=replace(base.benchmark, name="b")).cell != base.cell
    assert isinstance(base.benchmark, Benchmark)


# --- schemas ---


def test_an_old_record_is_brought_up_to_date_step_by_step() -> None:
    steps = {1: lambda d: {**d, "b": d["a"] + 1}, 2: lambda d: {"c": d["b"] * 2}}
    assert migrate({"schema": 1, "a": 1}, steps, 3) == {"schema": 3, "c": 4}
    assert migrate({"schema": 3, "c": 7}, steps, 3) == {"schema": 3, "c": 7}
