"""docs/scale.md shows what the arithmetic makes of docs/scale.json."""

from __future__ import annotations

import pytest

from tests.perf import scale_costs
from tests.perf.scale_costs import PAGE, finished, read

ONE = {
    "parameters": 1_000_000,
    "multiply_adds": 33_500_000_000,  # a thousandth of the assumed GPU's second
    "share": 0.5,
    "frame_bytes_per_second": 1,
    "poolers": {"mean": {"per_crop": 0.05, "per_step": 6.4, "parameters": 1_000, "embedding": 8}},
}
FOUND = {"backbones": {"one": ONE}, "reading": {"flac": {"crops_per_core_second": 1e9}}}


def test_the_page_shows_what_the_measurements_give() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert scale_costs.filled(page, read()) == page
    assert f"{scale_costs.STEPS:,} steps" in page
    assert f"{scale_costs.HOURS:,.0f} h" in page


def test_hours_are_multiply_adds_over_the_speed_that_is_reached() -> None:
    crops = scale_costs.STEPS * scale_costs.BATCH
    tested = scale_costs.tested_crops()
    # 2 ms per forward at half the peak; three probes of a tenth of a forward each: 0.05 + 6.4 / 128.
    assert scale_costs.bank_hours(FOUND, "one") == pytest.approx((1.3 * crops + tested) * 0.002 / 3600, rel=1e-6)
    alone = scale_costs.single_hours(FOUND, "one", "mean", frozen=False)
    assert alone == pytest.approx((3.1 * crops + tested) * 0.002 / 3600, rel=1e-6)


def test_every_gpu_moves_all_weights() -> None:
    probe = ONE["poolers"]["mean"]
    assert scale_costs.probe_cost(probe, 64) == pytest.approx(0.05 + 6.4 / 2)


def test_a_bank_that_waits_for_audio_takes_as_long_as_reading_it() -> None:
    slow = {**FOUND, "reading": {"flac": {"crops_per_core_second": 1.0}}}
    crops = scale_costs.STEPS * scale_costs.BATCH + scale_costs.tested_crops()
    assert scale_costs.bank_hours(slow, "one") == pytest.approx(crops / scale_costs.CORES / 3600)


def test_the_ring_sends_almost_two_gradients_over_the_slowest_link() -> None:
    assert scale_costs.exchange_seconds(1e9, 1) == 0
    assert scale_costs.exchange_seconds(1e9, 8) == pytest.approx(4e9 * 2 * 7 / 8 / scale_costs.NVLINK)
    assert scale_costs.exchange_seconds(1e9, 64) == pytest.approx(4e9 * 2 * 63 / 64 / scale_costs.NETWORK)


def test_jobs_are_given_out_longest_first() -> None:
    assert finished([1, 2, 3, 4], 1) == 10
    assert finished([1, 2, 3, 4], 2) == 5
    assert finished([1, 2, 3, 4], 64) == 4


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="0 places"):
        scale_costs.filled("", {})
