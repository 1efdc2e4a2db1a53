"""Two systems on one list from their evidence alone: weights, intervals, p, and what is never called different."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr, stdtrit

from tests.metrics.test_bootstrap import trials
from voxboard.metrics import bootstrap, paired
from voxboard.metrics.clusters import Clusters
from voxboard.metrics.paired import Evidence

RNG = np.random.default_rng(0)


def mean_of(values: np.ndarray, digest: str = "list") -> Evidence:
    return Evidence(float(values.mean()), (values - values.mean()) / values.size, None, digest)


def chosen(value: float, spread: float, size: int, seed: int) -> Evidence:
    """A metric with resamples, as an EER has them."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(size=size) * spread / size**0.5
    counts = next(Clusters.of(size, [f"s{k:03d}" for k in range(size)]).draws(1000))
    return Evidence(value, moves - moves.mean(), value + (moves - moves.mean()) @ counts, "list")


def test_weights_are_a_function_of_the_names_alone() -> None:
    """Literal counts: no release of NumPy and no machine may change them."""
    clusters = Clusters.of(6, list("fbdace"))
    assert clusters.key.hex() == "f2dec3b6690a0046" + clusters.key.hex()[16:]
    assert next(clusters.draws(4)).T.tolist() == [
        [1, 1, 0, 3, 1, 0],
        [1, 2, 0, 0, 1, 2],
        [4, 1, 1, 0, 0, 0],
        [2, 1, 1, 0, 1, 1],
    ]
    assert Clusters.of(6, list("abcdef")).digest(1000) == "d4cbd37bcc08a194"
    assert Clusters.of(6, [3, 1, 0, 2, 5, 4], names=list("cbdafe")).digest(1000) == "d4cbd37bcc08a194"


def test_more_resamples_begin_with_the_same_and_other_names_have_others() -> None:
    names = [f"s{k}" for k in range(12)]
    few, many = (next(Clusters.of(12, names).draws(count)) for count in (10, 50))
    assert np.array_equal(few, many[:, :10])
    assert not np.array_equal(many, next(Clusters.of(12, [*names[:-1], "other"]).draws(50)))


def test_the_digest_tells_list_clusters_and_resamples() -> None:
    first, second = ["a", "a", "b", "c"], ["a", "b", "c", "c"]
    clusters = Clusters.of(4, first, second)
    assert clusters.digest(1000) == Clusters.of(4, first[::-1], second[::-1]).digest(1000)
    others = {Clusters.of(3, first[:3], second[:3]).digest(1000), Clusters.of(4, first, first).digest(1000)}
    assert clusters.digest(1000) not in {clusters.digest(999), *others}


def test_p_of_a_mean_is_that_of_the_paired_t_test() -> None:
    before, after = RNG.normal(0.0, 1.0, 40), RNG.normal(0.3, 1.0, 40)
    found = paired.difference(mean_of(before), mean_of(after))
    moves = after - before - (after - before).mean()
    second, fourth = (moves**2).sum(), (moves**4).sum()
    degrees = min(39, 2 * second**2 / (fourth - second**2 / 40))
    error = stats.sem(after - before)
    assert found.value == pytest.approx((after - before).mean())
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.value) / error, degrees))
    assert found.low == pytest.approx(found.value - stdtrit(degrees, 0.975) * error)
    assert (found.method, found.flat) == ("t", False)


def test_p_of_a_chosen_threshold_is_read_from_the_arm_that_faces_zero() -> None:
    before, after = chosen(0.10, 0.02, 40, 1), chosen(0.13, 0.02, 40, 2)
    found = paired.difference(before, after)
    assert before.replicates is not None
    assert after.replicates is not None
    _, (degrees,) = paired.spread((after.influences - before.influences)[None])
    tail = ndtr(-((40 / 39) ** 0.5) * stdtrit(degrees, 0.975))
    low, high = np.quantile(after.replicates - before.replicates, [tail, 1 - tail])
    assert (found.low, found.high) == pytest.approx((low, high))
    steps = stdtrit(39, 0.975) * found.value / (found.value - low)
    assert found.p == pytest.approx(2 * stats.t.sf(steps, 39))
    assert found.method == "resampled"


def test_few_clusters_stretch_the_arms_of_the_usual_quantiles() -> None:
    before, after = chosen(0.10, 0.02, 10, 3), chosen(0.13, 0.02, 10, 4)
    found = paired.difference(before, after)
    assert before.replicates is not None
    assert after.replicates is not None
    _, (degrees,) = paired.spread((after.influences - before.influences)[None])
    quantile = np.quantile(after.replicates - before.replicates, 0.025)
    wider = (10 / 9) ** 0.5 * stdtrit(degrees, 0.975) / stats.norm.ppf(0.975)
    assert found.low == pytest.approx(found.value - wider * (found.value - quantile))


def test_p_is_never_below_that_of_a_sign_flip_test_and_five_clusters_have_none() -> None:
    for size in range(3, 12):
        values = 0.01 * RNG.normal(size=size)
        found = paired.difference(mean_of(values), mean_of(10 + 0.01 * RNG.normal(size=size)))
        assert found.p == (None if size < 6 else 2.0 ** (1 - size))
        assert found.low is not None


def test_no_difference_has_p_one_and_no_interval_of_no_width() -> None:
    for one in (mean_of(RNG.normal(size=20)), chosen(0.1, 0.02, 40, 5)):
        same = paired.difference(one, one)
        assert (same.value, same.p, same.low, same.high, same.flat) == (0.0, 1.0, None, None, False)
    one = mean_of(RNG.normal(size=20))
    moved = paired.difference(one, replace(one, value=one.value + 0.25))
    assert (moved.p, moved.low, moved.flat) == (2.0**-19, None, True)


def test_a_system_without_errors_is_not_known_exactly() -> None:
    """Of 40 speakers none failed: a share of 7 % may. Two per cent of another system are no proof."""
    nothing = Evidence(0.0, np.zeros(40), None, "list", (0.0, 0.0722))
    other = mean_of(RNG.beta(1, 49, 40))
    found = paired.difference(nothing, other)
    assert found.low is not None
    assert found.low < 0
    assert found.p is not None
    assert found.p > 0.3
    assert paired.difference(replace(nothing, bound=None), other).p < 0.01  # type: ignore[operator]
    clear = paired.difference(nothing, mean_of(RNG.beta(30, 70, 40)))
    assert clear.p is not None
    assert clear.p < 0.001


def test_a_bound_at_another_level_follows_from_the_units() -> None:
    one = Evidence(0.0, np.zeros(40), None, "list", (0.0, 1 - 0.05 ** (1 / 40)))
    assert one.reach(0.95)[1] == pytest.approx(1 - 0.05 ** (1 / 40))
    assert one.reach(0.99) == pytest.approx((0.0, 1 - 0.01 ** (1 / 40)))


def test_evidence_of_other_lists_is_refused() -> None:
    values = RNG.normal(size=10)
    with pytest.raises(ValueError, match="other lists"):
        paired.difference(mean_of(values), mean_of(values, "another"))


def test_resamples_without_a_value_are_left_out_and_half_of_them_are_too_many() -> None:
    before, after = chosen(0.10, 0.02, 40, 1), chosen(0.13, 0.02, 40, 2)
    assert after.replicates is not None
    some = after.replicates.copy()
    some[:100] = math.nan
    found = paired.difference(before, replace(after, replicates=some))
    assert found.low is not None
    some[:600] = math.nan
    assert paired.difference(before, replace(after, replicates=some)).p is None


@pytest.mark.parametrize("size", [10, 40])
def test_equal_systems_whose_interval_ends_at_zero_are_not_different(size: int) -> None:
    """At the very limit p is 0.05 but for rounding, on either side: neither says different."""
    from voxboard.verdicts import significant

    for seed in range(200):
        before, after = (mean_of(np.random.default_rng([seed, side]).normal(size=size)) for side in (0, 1))
        found = paired.difference(before, after)
        assert found.low is not None
        assert found.high is not None
        arm = found.value - found.low
        on_the_edge = paired.difference(before, replace(after, value=before.value + arm))
        assert on_the_edge.p == pytest.approx(0.05, rel=1e-9)
        assert not significant(on_the_edge, on_the_edge.p)


def test_verification_gives_evidence_of_every_metric() -> None:
    scores, labels, first, second = trials(1, 4000, 40)
    found = bootstrap.detection(scores, labels, first, second, threshold=1.0, calibrated=scores, replicates=100)
    kept = {name for name, one in found.items() if one.evidence is not None and one.evidence.replicates is not None}
    assert kept == {"eer", "min_dcf_0.01", "min_dcf_0.05"}
    for name, one in found.items():
        assert one.evidence is not None, name
        assert one.evidence.influences.shape == (40,)
        assert one.evidence.influences.sum() == pytest.approx(0, abs=1e-9), name
