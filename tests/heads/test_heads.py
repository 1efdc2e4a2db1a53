"""AAM-softmax: the margin's formula, cosines of exactly ±1, several heads; softmax: the x-vector's hidden layer."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from voxboard import heads
from voxboard.errors import UserError
from voxboard.heads.aam import AAM


def with_directions(directions: torch.Tensor, **options: float | bool) -> AAM:
    """A head whose classes point into the rows of `directions` [C, E]."""
    head = heads.create("aam", directions.shape[1], len(directions), **options)
    assert isinstance(head, AAM)
    with torch.no_grad():
        head.weight.copy_(directions.T[None])
    return head


@pytest.mark.parametrize("easy_margin", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_cosine_of_exactly_one_has_a_finite_gradient(easy_margin: bool, sign: float) -> None:
    directions = torch.eye(3)
    head = with_directions(directions, easy_margin=easy_margin)
    embeddings = (sign * directions).requires_grad_()
    labels = torch.arange(3)
    assert torch.equal(head.cosines(embeddings)[:, 0].diagonal(), torch.full((3,), sign))
    head.loss(embeddings, labels).backward()
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()
    assert head.weight.grad is not None
    assert torch.isfinite(head.weight.grad).all()


def test_cosines_that_round_past_one_stay_finite() -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(512, 192)
    head = with_directions(embeddings)
    cosines = head.cosines(embeddings)[:, 0].diagonal()
    assert bool((cosines >= 1.0).any())  # float32 rounds some to one and beyond
    inputs = embeddings.clone().requires_grad_()
    head.loss(inputs, torch.arange(512)).backward()
    assert inputs.grad is not None
    assert torch.isfinite(inputs.grad).all()


@given(angle=st.floats(0.0, math.pi), margin=st.floats(0.0, 0.5), easy=st.booleans())
def test_the_margin_turns_the_angle(angle: float, margin: float, easy: bool) -> None:
    head = with_directions(torch.eye(2), margin=margin, scale=10.0, easy_margin=easy)
    embedding = torch.tensor([[math.cos(angle), math.sin(angle)]])
    logits = head.margin_logits(embedding, torch.tensor([0]))[0, 0].tolist()
    assert logits[1] == pytest.approx(10 * math.sin(angle), abs=1e-4)
    if easy:
        expected = math.cos(angle + margin) if math.cos(angle) > 0 else math.cos(angle)
        near_edge = abs(math.cos(angle)) < 1e-6
    else:
        turned = angle + margin < math.pi
        expected = math.cos(angle + margin) if turned else math.cos(angle) - margin * math.sin(math.pi - margin)
        near_edge = abs(angle + margin - math.pi) < 1e-3
    if not near_edge:
        assert logits[0] == pytest.approx(10 * expected, abs=1e-2)


def test_prediction_is_the_scaled_cosine_without_margin() -> None:
    torch.manual_seed(0)
    head = heads.create("aam", 8, 4, scale=20.0)
    assert isinstance(head, AAM)
    embeddings = torch.randn(5, 8)
    expected = 20 * F.normalize(embeddings, dim=-1) @ F.normalize(head.weight[0], dim=0)
    assert torch.allclose(head.predict(embeddings), expected, atol=1e-5)
    assert torch.allclose(head.predict(3 * embeddings), expected, atol=1e-5)


def test_several_heads_are_several_losses() -> None:
    torch.manual_seed(0)
    head = heads.create("aam", 8, 4, heads=2)
    assert isinstance(head, AAM)
    assert head.heads == 2
    embeddings, labels = torch.randn(5, 8), torch.tensor([0, 1, 2, 3, 0])
    single = []
    for piece in range(2):
        part = heads.create("aam", 4, 4)
        part.load_state_dict({"weight": head.weight.detach()[piece : piece + 1]})
        single.append(part.loss(embeddings[:, 4 * piece : 4 * piece + 4], labels))
    assert torch.allclose(head.loss(embeddings, labels), torch.stack(single).mean())


def test_heads_must_divide_the_embedding() -> None:
    with pytest.raises(UserError, match="3 heads do not divide"):
        heads.create("aam", 8, 4, heads=3)


def test_unknown_options_get_the_nearest_match() -> None:
    with pytest.raises(UserError, match="Did you mean margin"):
        heads.create("aam", 8, 4, marginn=0.1)


def test_softmax_is_a_linear_classifier() -> None:
    head = heads.create("softmax", 6, 3)
    embeddings, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    assert sum(p.numel() for p in head.parameters()) == 6 * 3 + 3
    assert torch.allclose(head.loss(embeddings, labels), F.cross_entropy(head.predict(embeddings), labels))


def test_softmax_can_have_the_x_vectors_hidden_layer() -> None:
    head = heads.create("softmax", 6, 3, hidden=5, bias=False)
    assert head.predict(torch.randn(4, 6)).shape == (4, 3)
    assert sum(p.numel() for p in head.parameters()) == 2 * 6 + 6 * 5 + 5 + 2 * 5 + 5 * 3
