"""GE2E: leave-one-out centroids by hand, both forms, the form of its batches, and its predictions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from voxboard import heads
from voxboard.errors import UserError
from voxboard.heads.ge2e import GE2E


def ge2e(**options: object) -> GE2E:
    head = heads.create("ge2e", 6, 7, **options)
    assert isinstance(head, GE2E)
    return head


def batch(speakers: int = 3, each: int = 4) -> Tensor:
    return torch.randn(speakers, each, 6, generator=torch.Generator().manual_seed(2))


def by_hand(embeddings: Tensor) -> Tensor:
    """Equations 4, 5, 8 and 9 of the paper, one number at a time."""
    unit = F.normalize(embeddings, dim=-1)
    speakers, each, _ = unit.shape
    found = torch.empty(speakers, each, speakers)
    for j in range(speakers):
        for i in range(each):
            for k in range(speakers):
                others = [unit[k, m] for m in range(each) if (k, m) != (j, i)]
                found[j, i, k] = 10 * F.cosine_similarity(unit[j, i], torch.stack(others).mean(0), dim=0) - 5
    return found


def test_similarities_are_to_centroids_without_the_utterance_itself() -> None:
    assert torch.allclose(ge2e().similarities(batch()), by_hand(batch()), atol=1e-3)


@pytest.mark.parametrize("form", ["softmax", "contrast"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_the_papers(form: str, reduction: str) -> None:
    similarities = by_hand(batch())
    total = 0.0
    for j in range(3):
        for row in similarities[j]:
            others = torch.cat([row[:j], row[j + 1 :]])
            if form == "softmax":
                total += float(row.logsumexp(0) - row[j])
            else:
                total += float(1 - row[j].sigmoid() + others.sigmoid().max())
    labels = torch.tensor([5, 1, 3]).repeat_interleave(4)
    # Classes are numbered otherwise than the batch is ordered, which must not matter.
    found = ge2e(form=form, reduction=reduction).loss(batch().flatten(0, 1), labels)
    assert float(found.detach()) == pytest.approx(total / (12 if reduction == "mean" else 1), rel=1e-3)


def test_the_order_of_a_batch_does_not_matter() -> None:
    labels = torch.tensor([0, 2, 4]).repeat_interleave(4)
    embeddings, order = batch().flatten(0, 1), torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ge2e().loss(embeddings, labels), ge2e().loss(embeddings[order], labels[order]))


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1, 2]])
def test_batches_of_another_form_are_refused(labels: list[int]) -> None:
    with pytest.raises(UserError, match="equally many utterances each"):
        ge2e().loss(torch.randn(4, 6), torch.tensor(labels))


def test_it_says_which_batches_it_wants() -> None:
    assert ge2e(speakers=16, utterances=5).batches == (16, 5)
    assert heads.create("softmax", 6, 7).batches is None


def test_the_scale_learns_slowly_and_to_the_same_value() -> None:
    labels = torch.arange(3).repeat_interleave(4)
    slow, fast = ge2e(), ge2e(gradient_scale=1.0)
    found = [head.loss(batch().flatten(0, 1), labels) for head in (slow, fast)]
    for loss in found:
        loss.backward()
    assert found[0] == found[1]
    assert slow.similarity_weight.grad is not None
    assert fast.similarity_weight.grad is not None
    assert torch.allclose(slow.similarity_weight.grad, 0.01 * fast.similarity_weight.grad)


def test_the_factor_stays_positive_but_for_the_reference() -> None:
    assert bool((ge2e(init_w=-3.0).similarities(batch()) >= -5 - 1e-5).all())
    assert bool((ge2e(init_w=-3.0, reference=True).similarities(batch()) < -5).any())


def test_silence_in_a_batch_has_a_finite_gradient() -> None:
    embeddings = batch().flatten(0, 1)
    embeddings[:4] = 0
    embeddings.requires_grad_()
    ge2e().loss(embeddings, torch.arange(3).repeat_interleave(4)).backward()
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()


def test_predictions_compare_with_the_latest_centroids() -> None:
    head = ge2e()
    embeddings, labels = batch(), torch.tensor([5, 1, 3])
    head.loss(embeddings.flatten(0, 1), labels.repeat_interleave(4))
    centroids = F.normalize(embeddings, dim=-1).mean(1)
    found = head.predict(centroids)
    assert torch.equal(found.argmax(1), labels)
    assert torch.allclose(found.amax(1), torch.tensor(5.0), atol=1e-2)
    head.eval().loss(-embeddings.flatten(0, 1), labels.repeat_interleave(4))
    assert torch.equal(head.predict(centroids), found)


def test_an_unknown_form_is_an_error() -> None:
    with pytest.raises(UserError, match="no triplet form"):
        ge2e(form="triplet")
