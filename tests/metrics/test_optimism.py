"""The best of several looks too good: by how much, from what records keep."""

from __future__ import annotations

import numpy as np
import pytest

from voxboard.metrics.paired import Evidence, optimism

SPEAKERS, SYSTEMS = 40, 20


def _equal(draw: np.random.Generator, systems: int = SYSTEMS) -> list[Evidence]:
    """Systems with equal error rates of 10 %, measured on the same speakers."""
    hard = draw.normal(0.10, 0.05, SPEAKERS)
    rates = hard + draw.normal(0, 0.05, (systems, SPEAKERS))
    means = rates.mean(1)
    return [
        Evidence(float(mean), (row - mean) / SPEAKERS, None, "00ff00ff00ff00ff")
        for mean, row in zip(means, rates, strict=True)
    ]


def test_the_estimate_is_near_what_choosing_really_gains() -> None:
    draw = np.random.default_rng(0)
    lists = [_equal(draw) for _ in range(60)]
    shift = [np.mean([one.value for one in systems]) for systems in lists]  # what all systems share on a list
    real = np.mean([mean - min(one.value for one in systems) for mean, systems in zip(shift, lists, strict=True)])
    estimated = np.mean([optimism(systems, "lower") for systems in lists])
    assert real > 0.01
    assert 0.5 * real < estimated < 1.5 * real


def test_two_far_apart_gain_next_to_nothing_and_higher_mirrors_lower() -> None:
    draw = np.random.default_rng(1)
    one, other = _equal(draw, 2)
    far = Evidence(other.value + 0.5, other.influences, None, other.digest)
    assert optimism([one, far], "lower") < 0.002
    mirrored = [Evidence(-e.value, -e.influences, None, e.digest) for e in (one, other)]
    assert optimism(mirrored, "higher") == pytest.approx(optimism([one, other], "lower"))


def test_resamples_count_where_they_are_kept() -> None:
    stars = np.array([[0.1, 0.3, np.nan], [0.2, 0.1, 0.1]])
    pair = [Evidence(0.2, np.zeros(3), stars[0], "aa"), Evidence(0.25, np.zeros(3), stars[1], "aa")]
    assert optimism(pair, "lower") == pytest.approx(((0.2 - 0.1) + (0.25 - 0.1)) / 2)


def test_one_system_or_another_list_is_refused() -> None:
    one, other = _equal(np.random.default_rng(2), 2)
    with pytest.raises(ValueError, match="two systems"):
        optimism([one], "lower")
    with pytest.raises(ValueError, match="one list"):
        optimism([one, Evidence(0.1, other.influences, None, "bb")], "lower")
