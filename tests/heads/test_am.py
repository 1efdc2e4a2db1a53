"""AM-softmax: the margin, its annealing, the age classifier's mixed loss; AAM's sub-centers and inter-top-k penalty."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from voxboard import heads
from voxboard.errors import UserError
from voxboard.heads import losses
from voxboard.heads.aam import AAM
from voxboard.heads.am import AM
from voxboard.heads.base import MISSING


def batch(size: int = 8, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(6, size), torch.arange(6) % classes


def am(**options: object) -> AM:
    torch.manual_seed(0)
    head = heads.create("am", 8, 4, **options)
    assert isinstance(head, AM)
    return head


def aam(**options: object) -> AAM:
    torch.manual_seed(0)
    head = heads.create("aam", 8, 4, **options)
    assert isinstance(head, AAM)
    return head


def test_the_margin_is_taken_off_the_true_class_only() -> None:
    head = am(margin=0.35, scale=20.0)
    embeddings, labels = batch()
    expected = 20 * (head.cosines(embeddings)[:, 0] - 0.35 * F.one_hot(labels, 4))
    assert torch.allclose(head.margin_logits(embeddings, labels)[:, 0], expected, atol=1e-5)
    assert torch.allclose(head.loss(embeddings, labels), F.cross_entropy(expected, labels))
    assert torch.allclose(head.predict(embeddings), 20 * head.cosines(embeddings)[:, 0])


@pytest.mark.parametrize("step", [0, 700, 100_000])
def test_an_annealed_margin_mixes_in_the_plain_cosine(step: int) -> None:
    head = am(annealing=1000.0)
    head.num_batches_tracked.fill_(step)
    embeddings, labels = batch()
    alpha = 1000 / (1 + 1e-4 * step) ** 2
    cosines = head.cosines(embeddings)[:, 0]
    expected = 30 * (cosines - 0.4 * F.one_hot(labels, 4) + alpha * cosines) / (1 + alpha)
    assert torch.allclose(head.margin_logits(embeddings, labels)[:, 0], expected, atol=1e-4)


def test_training_steps_are_counted_and_saved_evaluation_is_not() -> None:
    head = am(annealing=1000.0)
    embeddings, labels = batch()
    first = head.loss(embeddings, labels)
    assert head.loss(embeddings, labels) > first  # the margin grows
    head.eval()
    head.loss(embeddings, labels)
    assert int(head.state_dict()["num_batches_tracked"]) == 2


def test_the_age_classifiers_loss_is_half_cross_entropy_half_ordinal() -> None:
    weights = (1.0, 2.0, 3.0, 4.0)
    head = am(ordinal=0.5, class_weights=weights, reference=True)
    embeddings, labels = batch()
    plain = F.cross_entropy(head.margin_logits(embeddings, labels)[:, 0], labels, torch.tensor(weights))
    ordinal = losses.distance(head.cosines(embeddings)[:, 0].softmax(-1), labels, reference=True)
    assert torch.allclose(head.loss(embeddings, labels), 0.5 * plain + 0.5 * ordinal)


def test_class_weights_must_be_one_per_class() -> None:
    with pytest.raises(UserError, match="3 class weights for 4 classes"):
        am(class_weights=(1.0, 2.0, 3.0))


@pytest.mark.parametrize("build", [am, aam])
def test_missing_labels_train_nothing(build: type) -> None:
    embeddings, labels = batch()
    labels[2] = MISSING
    head = build()
    embeddings.requires_grad_()
    head.loss(embeddings, labels).backward()
    assert embeddings.grad is not None
    assert not embeddings.grad[2].any()
    kept = labels != MISSING
    assert torch.allclose(head.loss(embeddings, labels), head.loss(embeddings[kept], labels[kept]))
    assert head.loss(embeddings, torch.full_like(labels, MISSING)) == 0


def test_the_nearest_of_several_centers_counts() -> None:
    head = aam(centers=3)
    embeddings, _ = batch()
    every = F.normalize(embeddings, dim=-1) @ F.normalize(head.weight[0], dim=0)  # class-major
    expected = torch.stack([every[:, 3 * c : 3 * c + 3].amax(1) for c in range(4)], 1)
    assert head.weight.shape == (1, 8, 12)
    assert torch.allclose(head.predict(embeddings), 30 * expected, atol=1e-4)


def test_the_nearest_wrong_classes_are_penalised() -> None:
    head, plain = aam(top_k=2, top_margin=0.1), aam()
    embeddings, labels = batch()
    angles = plain.cosines(embeddings)[:, 0].arccos()
    angles[torch.arange(6), labels] = math.inf  # never among the nearest
    found = head.margin_logits(embeddings, labels)[:, 0]
    expected = plain.margin_logits(embeddings, labels)[:, 0]
    for row in range(6):
        for near in angles[row].argsort()[:2]:
            expected[row, near] = 30 * torch.cos(angles[row, near] - 0.1)
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_wrong_class_closer_than_the_penalty_still_gets_a_higher_logit() -> None:
    head = aam(top_k=1, top_margin=0.3)
    with torch.no_grad():
        head.weight.copy_(torch.eye(8)[:, :4][None])
    angles = torch.tensor([0.0, 0.1, 0.2, 0.29, 0.31, 0.5])
    embeddings = torch.stack([angles.cos(), angles.sin(), *torch.zeros(6, 6)], 1)
    logits = head.margin_logits(embeddings, torch.full((6,), 3))[:, 0, 0]
    assert bool((logits.diff() < 0).all())
    assert bool((logits > 30 * angles.cos()).all())
