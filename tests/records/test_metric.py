"""How metrics are called and shown: as a record says, else as voxboard has them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.records.record_samples import DCF, EER, make_record
from voxboard import benchmarks
from voxboard.boards.arrange import column_order
from voxboard.errors import UserError
from voxboard.records import Metric, Record, Value
from voxboard.records.standard_metrics import FAMILIES, family_of, standard

OFF = "seconds_off"
SECONDS = Metric(OFF, "Seconds off", "Mean distance.", "seconds", "lower", (0.0, None), 1, {"rounded": True})
SHARE = Metric("a_share", "Share", better="higher", bounds=(0.0, 1.0))


def _foreign(**values: float) -> Record:
    """A record of a task that voxboard does not have."""
    sample = make_record()
    assert sample.protocol is not None
    return replace(
        sample,
        benchmark=replace(sample.benchmark, task="duration", main_metric=OFF),
        protocol=replace(sample.protocol, metrics={metric.id: metric.parameters for metric in (SECONDS, SHARE)}),
        values={
            OFF: Value(values.get(OFF, 0.3), unit="seconds"),
            "a_share": Value(values.get("a_share", 0.5), "higher"),
        },
        groups=(),
        metrics=(SECONDS.recorded(), SHARE.recorded()),
    )


def test_what_a_task_declares_survives_json_without_its_parameters_twice() -> None:
    record = _foreign()
    content = json.loads(json.dumps(record.to_dict()))
    assert "parameters" not in content["metrics"][0]
    again = Record.from_dict(content)
    assert again == record
    assert again.metric(OFF) == SECONDS.recorded()
    assert (again.metric(OFF).name, again.metric(OFF).digits, again.metric("a_share").digits) == ("Seconds off", 1, 2)


def test_a_record_that_describes_nothing_is_read_with_voxboards_words_and_its_own_units() -> None:
    record = make_record()
    assert not record.metrics
    assert (record.metric(EER).name, record.metric(DCF).name) == ("EER", "minDCF(0.01)")
    hertz = replace(record, values={**record.values, "mae": Value(3.0, "lower", "Hz")})
    assert (hertz.metric("mae").unit, hertz.metric("mae").name, hertz.metric("mae").digits) == ("Hz", "MAE", 2)
    assert record.metric("strange@x") == Metric("strange@x")


@pytest.mark.parametrize(
    ("values", "message"),
    [({OFF: -0.1}, "Seconds off lies within"), ({"a_share": 50.0}, "6.4 % is 0.064")],
)
def test_a_value_beyond_what_its_metric_can_be_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _foreign(**values).validate()


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"id": "other"}, "protocol.metrics lacks it"),
        ({"id": OFF, "bounds": [1.0]}, "bounds has 1 values"),
        ({"id": OFF, "decimals": 99}, "decimals is 99"),
        ({"id": OFF, "lable": "x"}, "Did you mean label"),
    ],
)
def test_a_description_that_nobody_could_follow_is_refused(metric: dict[str, Any], message: str) -> None:
    content = json.loads(json.dumps(_foreign().to_dict())) | {"metrics": [metric]}
    with pytest.raises(UserError, match=message):
        Record.from_dict(content)


def test_columns_of_another_task_stand_as_it_declares_them_behind_the_main_one() -> None:
    declared = [Metric("z_main"), Metric("m"), Metric("b"), Metric("rmse")]
    shuffled = ["unheard", "b", "rmse", "z_main", "m"]
    ordered = sorted(shuffled, key=lambda metric: column_order(metric, "z_main", declared))
    assert ordered == ["z_main", "rmse", "m", "b", "unheard"]


@pytest.mark.parametrize("task", [name for name in benchmarks.names() if benchmarks.REGISTRY.entry(name)])
def test_every_metric_of_our_tasks_is_a_standard_one(task: str) -> None:
    """Records of older schemas are read by the same words."""
    for metric in benchmarks.create(task).metrics:
        assert family_of(metric.id) in FAMILIES
        assert metric == standard(metric.id, **metric.parameters)
