"""Fused systems are better than either, and fusing one system is calibrating it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from voxboard.metrics.detection import cllr, eer
from voxboard.scoring import calibration, fusion
from voxboard.scoring.fusion import Fusion


def systems(noises: tuple[float, ...], count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores [n, K] of systems with independent noise, and labels."""
    draw = np.random.default_rng(0)
    labels = np.repeat([1, 0], count)
    return labels[:, None] + draw.standard_normal((2 * count, len(noises))) * noises, labels


def test_independent_systems_are_weighted_by_what_they_know() -> None:
    columns, labels = systems((0.5, 1.0))
    fused = fusion.fit(columns, labels)
    # Of Gaussian scores the ratio is Σ x / σ², so that the weights are as 4 to 1.
    assert fused.weights == pytest.approx((4.0, 1.0), rel=0.1)
    values = fused.apply(columns)
    assert eer(values, labels)[0] < min(eer(column, labels)[0] for column in columns.T)
    assert cllr(values, labels) < min(
        cllr(calibration.fit(column, labels).apply(column), labels) for column in columns.T
    )


def test_one_system_is_calibrated() -> None:
    columns, labels = systems((0.7,))
    fused, alone = fusion.fit(columns, labels, 0.05), calibration.fit(columns[:, 0], labels, 0.05)
    assert (fused.weights[0], fused.offset) == (alone.scale, alone.offset)


def test_systems_that_say_the_same_share_the_weight_and_constant_ones_have_none() -> None:
    columns, labels = systems((0.7,))
    alone = fusion.fit(columns, labels)
    fused = fusion.fit(np.column_stack([columns, columns, np.ones(len(columns))]), labels)
    half = alone.weights[0] / 2
    assert fused.weights == pytest.approx((half, half, 0.0), rel=1e-3)
    np.testing.assert_allclose(
        fused.apply(np.column_stack([columns, columns, columns])), alone.apply(columns), atol=1e-3
    )


def test_scales_of_the_systems_do_not_matter() -> None:
    columns, labels = systems((0.5, 1.0))
    stretched = columns * [1e3, 1e-3] + [5, -7]
    plain, other = fusion.fit(columns, labels), fusion.fit(stretched, labels)
    np.testing.assert_allclose(plain.apply(columns), other.apply(stretched), atol=1e-6)


def test_the_mean_weighs_all_systems_alike() -> None:
    assert fusion.mean([[1.0, 3.0], [-1.0, np.inf]]).tolist() == [2.0, np.inf]


def test_it_survives_json() -> None:
    found = fusion.fit(*systems((0.5, 1.0), 50))
    assert Fusion.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="two dimensions"):
        fusion.fit([1.0, 2.0], [1, 0])
    with pytest.raises(ValueError, match="2 columns were fitted, 3 are given"):
        Fusion((1.0, 2.0), 0.0).apply(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="trial 1, column 0, is NaN"):
        fusion.mean([[1.0], [np.nan]])
