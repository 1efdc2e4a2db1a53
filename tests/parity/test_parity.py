"""voxboard's parts give the numbers of the reference implementations, on every variant under VOXBOARD_PARITY."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.parity.adapters import ADAPTERS, UNDOCUMENTED
from tests.parity.reference_fixture import OWN, ROOT, Fixture, variants

VARIANTS = variants()


@pytest.mark.parametrize("fixture", VARIANTS, ids=lambda fixture: fixture.name)
def test_matches_the_reference(fixture: Fixture) -> None:
    if fixture.component not in ADAPTERS:
        assert ROOT != OWN, f"{fixture.component} is committed but has no adapter"
        pytest.skip(f"no adapter for {fixture.component} yet")
    with torch.no_grad():
        found = ADAPTERS[fixture.component](fixture)
    compared = set(fixture.outputs) - UNDOCUMENTED.get(fixture.component, set())
    absent = sorted(compared - set(found))
    assert not absent, f"the adapter does not produce {absent}"
    for name in sorted(compared):
        expected = fixture.outputs[name]
        value = np.asarray(torch.as_tensor(found[name]).detach(), dtype=np.float64)
        # The reference drops batch axes of one.
        assert np.squeeze(value).shape == np.squeeze(expected).shape, name
        np.testing.assert_allclose(
            value.reshape(expected.shape), expected, **fixture.tolerance(name), err_msg=f"{fixture.name} {name}"
        )


@pytest.mark.parametrize(
    "component",
    [
        "unipool_backend",
        "unipool_full",
        "aam_softmax",
        "multihead_aam",
        "eer_mindcf",
        "retrieval_metrics",
        "attention_pooling",
        "mha_pooling",
        "dmha_pooling",
        "zipformer_ops",
        "zipformer_layer",
        "zipformer_encoder",
        "auden_fbank",
        "sincnet",
        "vgg_frontend",
        "dmha_logmel",
        "dmha_resnet",
        "dmha_model",
        "am_softmax_dmha",
        "am_softmax_explore",
        "ge2e_softmax",
        "ge2e_contrast",
        "ge2e_eer",
        "ordinal_losses",
        "explorewv2",
        "finetunewv2",
        "ge2e_wavlm",
        "whisper_intensity",
        "intensity_targets",
        "intensity_baseline",
        "pyannet",
        "pyannet_real",
        "pyannet_stitch",
        "campplus_real",
        "resemblyzer_real",
        "mhfa",
        "eres2net",
        "eres2netv2",
        "wespeaker_resnet",
        "redimnet",
        "weighted_stats_pool",
    ],
)
def test_is_compared_at_all(component: str) -> None:
    if ROOT == OWN:
        assert any(fixture.component == component for fixture in VARIANTS)
    assert component in ADAPTERS
