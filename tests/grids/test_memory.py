"""What jobs are thought to need of memory, against peaks that were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from voxboard.grids.estimate import activations, job_bytes
from voxboard.grids.identity import Named
from voxboard.grids.plan import Job
from voxboard.grids.spec import Cell
from voxboard.parts import Part
from voxboard.systems import parse

POOLERS = ("mean", "statistics", "asp", "mha", "double-mha", "unipool")
# Multiply-adds of 3 s and bytes of a crop's activations, of whole processes on a CPU: training, and on frozen weights.
TRAINED = {
    "xvector": (0.81e9, 38e6),
    "ecapa": (1.32e9, 56e6),
    "zipformer": (2.89e9, 116e6),
    "wavlm": (21.2e9, 421e6),
    "resnet": (16.5e9, 195e6),
}
FROZEN = {"ecapa": (1.32e9, 30e6), "zipformer": (2.89e9, 43e6), "wavlm": (21.2e9, 100e6), "large": (54.8e9, 154e6)}


def named(spec: str, frozen: bool = True, rates: tuple[float, ...] = ()) -> Named:
    system = replace(parse(spec), training={"batch_size": 32, "train_max_sec": 3.0})
    return Named(Cell("Voices", Part("verification"), system, 1, frozen=frozen, rates=rates), spec)


@pytest.mark.parametrize(("measured", "gradient"), [(TRAINED, True), (FROZEN, False)])
def test_activations_are_those_that_were_measured_within_a_factor(
    measured: dict[str, tuple[float, float]], gradient: bool
) -> None:
    for cost, peak in measured.values():
        assert 0.5 < activations(cost, gradient) / peak < 2


def test_a_bank_on_wavlm_large_needs_what_it_needed() -> None:
    bank = Job(tuple(named(f"wavlm-large+{pooler}+aam") for pooler in POOLERS))
    assert job_bytes(bank) == pytest.approx(6.7e9, rel=0.2)


def test_a_bank_has_one_backbone_and_a_run_that_trains_it_more_of_it() -> None:
    one, two = (Job(tuple(named("ecapa+statistics+aam") for _ in range(count))) for count in (1, 2))
    assert job_bytes(one) == job_bytes(two)  # the statistics have no weights
    assert job_bytes(Job((named("ecapa+asp+aam", rates=(0.1, 0.2)),))) > job_bytes(Job((named("ecapa+asp+aam"),)))
    assert job_bytes(Job((named("ecapa+statistics+aam", frozen=False),))) > job_bytes(one)
