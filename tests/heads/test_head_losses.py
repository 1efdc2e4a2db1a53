"""Weighted, focal and ordinal losses by hand, and what the age fork computes in their place."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from voxboard import heads
from voxboard.errors import UserError
from voxboard.heads import losses
from voxboard.heads.base import MISSING

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-1.0, 3.0, 0.0], [0.4, 0.0, -2.0]])
LABELS = torch.tensor([0, 2, 1, 2])
WEIGHTS = torch.tensor([1.0, 2.0, 5.0])


def test_weighted_cross_entropy_is_torchs() -> None:
    assert torch.allclose(losses.cross_entropy(LOGITS, LABELS, WEIGHTS), F.cross_entropy(LOGITS, LABELS, WEIGHTS))
    assert torch.allclose(losses.cross_entropy(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", ["cross_entropy", "focal", "cumulative", "distance"])
def test_missing_labels_train_nothing(name: str, weights: torch.Tensor | None) -> None:
    given = {} if name == "distance" else {"weights": weights}
    loss = getattr(losses, name)
    predictions = LOGITS.clone().requires_grad_()
    values = predictions.softmax(-1)
    some = torch.tensor([0, MISSING, 1, 2])
    assert torch.allclose(loss(values, some, **given), loss(values[some >= 0], some[some >= 0], **given))
    nothing = loss(values, torch.full((4,), MISSING), **given)
    nothing.backward()
    assert nothing == 0
    assert predictions.grad is not None
    assert not predictions.grad.any()


def test_focal_weighs_each_utterance_and_the_reference_the_batch() -> None:
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    true = LOGITS.softmax(-1)[torch.arange(4), LABELS]
    assert torch.allclose(losses.focal(LOGITS, LABELS), ((1 - true) ** 2 * each).mean())
    mean = each.mean()
    assert torch.allclose(losses.focal(LOGITS, LABELS, reference=True), (1 - (-mean).exp()) ** 2 * mean)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_of_a_certain_utterance_has_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    losses.focal(logits, torch.tensor([0]), gamma).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_cumulative_targets_are_ones_up_to_the_true_class() -> None:
    assert losses.cumulative(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([1])) == 0
    predictions = torch.tensor([[0.5, 0.0, 0.0], [1.0, 1.0, 0.2]])
    labels = torch.tensor([0, 2])
    assert float(losses.cumulative(predictions, labels)) == pytest.approx((0.25 + 0.64) / 2)
    # 1 × 0.25 of class 0 and 5 × 0.64 of class 2.
    assert float(losses.cumulative(predictions, labels, WEIGHTS)) == pytest.approx((0.25 + 5 * 0.64) / 6)
    # The reference weighs the entries by their targets, which are 1 in both places.
    assert float(losses.cumulative(predictions, labels, WEIGHTS, reference=True)) == pytest.approx(2 * 0.89 / 2)


def test_distance_costs_more_the_farther_off_but_for_the_references_next_class() -> None:
    certain = torch.eye(4)
    one = torch.tensor([1])
    costs = [float(losses.distance(certain[j : j + 1], one)) for j in range(4)]
    assert costs == [1 + 4, 0, 1 + 4, 1 + 9]
    old = [float(losses.distance(certain[j : j + 1], one, reference=True)) for j in range(4)]
    assert old == [1 + 4, 0, 1 + 0, 1 + 1]


@pytest.mark.parametrize("name", ["ordinal", "ordinal-distance"])
def test_ordinal_heads_predict_classes(name: str) -> None:
    torch.manual_seed(0)
    head = heads.create(name, 5, 4)
    assert head.needs(head.config) == {"age_group": "classes"}
    embeddings = torch.randn(3, 5)
    scores = head.predict(embeddings)
    logits = torch.nn.functional.linear(embeddings, head.output.weight, head.output.bias)
    if name == "ordinal":
        assert torch.allclose(scores.sum(1), logits.sigmoid()[:, 0], atol=1e-6)
        assert torch.allclose(scores.flip(1).cumsum(1).flip(1), logits.sigmoid(), atol=1e-6)
    else:
        assert torch.allclose(scores, logits)


def test_ordinal_options_are_checked() -> None:
    with pytest.raises(UserError, match="no form 'nearest'"):
        heads.create("ordinal", 5, 4, form="nearest")
    with pytest.raises(UserError, match="takes no class weights"):
        heads.create("ordinal-distance", 5, 2, class_weights=(1.0, 2.0))


def test_softmax_takes_weights_and_the_focal_exponent() -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(4, 6)
    weighted = heads.create("softmax", 6, 3, class_weights=(1.0, 2.0, 5.0))
    expected = F.cross_entropy(weighted.predict(embeddings), LABELS, WEIGHTS)
    assert torch.allclose(weighted.loss(embeddings, LABELS), expected)
    assert set(weighted.state_dict()) == {"output.weight", "output.bias"}
    hard = heads.create("softmax", 6, 3, focal=2.0)
    assert torch.allclose(hard.loss(embeddings, LABELS), losses.focal(hard.predict(embeddings), LABELS))
