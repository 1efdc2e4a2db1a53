"""The contrastive head: its losses against sums by hand, equal captions, several captions, batches of one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from voxboard import heads
from voxboard.errors import UserError
from voxboard.heads.contrastive import Contrastive

SIZE, TEXT = 6, 4
NONE = [math.nan] * TEXT


def build(**options: str | int | float) -> Contrastive:
    torch.manual_seed(0)
    head = heads.create("contrastive", SIZE, TEXT, size=5, **options)
    assert isinstance(head, Contrastive)
    return head.eval()


def batch(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, SIZE, generator=generator), torch.randn(count, TEXT, generator=generator)


def similarities(head: Contrastive, embeddings: Tensor, vectors: Tensor) -> list[list[float]]:
    audio, text = head.predict(embeddings), head.project_texts(vectors)
    return [[float((one @ other).detach()) * math.exp(head.log_scale.item()) for other in text] for one in audio]


def by_hand(table: list[list[float]], same: set[tuple[int, int]]) -> float:
    """Both directions' mean cross entropy; pairs in `same` are neither right nor wrong."""
    count, total = len(table), 0.0
    for i in range(count):
        texts = [table[i][j] for j in range(count) if (i, j) not in same]
        audio = [table[j][i] for j in range(count) if (j, i) not in same]
        for found in (texts, audio):
            total += math.log(sum(map(math.exp, found))) - table[i][i]
    return total / (2 * count)


def test_infonce_is_the_mean_of_two_cross_entropies() -> None:
    head, (embeddings, vectors) = build(), batch(4)
    expected = by_hand(similarities(head, embeddings, vectors), set())
    assert head.loss(embeddings, vectors).item() == pytest.approx(expected, rel=1e-5)
    assert math.exp(-head.log_scale.item()) == pytest.approx(0.07)


def test_an_equal_caption_is_no_negative() -> None:
    head, (embeddings, vectors) = build(), batch(4)
    vectors[3] = vectors[1]
    table = similarities(head, embeddings, vectors)
    assert head.loss(embeddings, vectors).item() == pytest.approx(by_hand(table, {(1, 3), (3, 1)}), rel=1e-5)
    assert by_hand(table, set()) > by_hand(table, {(1, 3), (3, 1)})


def test_a_caption_that_an_utterance_also_has_is_no_negative_to_it() -> None:
    head, (embeddings, vectors) = build(), batch(3)
    several = torch.tensor(NONE).expand(3, 2, TEXT).clone()
    several[:, 0] = vectors
    several[0, 1] = vectors[2]  # the first caption counts in evaluation; utterance 0 has that of 2 too
    table = similarities(head, embeddings, vectors)
    assert head.loss(embeddings, several).item() == pytest.approx(by_hand(table, {(0, 2)}), rel=1e-5)


def test_siglip_looks_at_every_pair_by_itself() -> None:
    head, (embeddings, vectors) = build(objective="siglip", temperature=0.1), batch(3)
    vectors[2] = vectors[0]
    assert head.bias is not None
    total = 0.0
    for i, row in enumerate(similarities(head, embeddings, vectors)):
        for j, value in enumerate(row):
            sign = 1.0 if i == j or {i, j} == {0, 2} else -1.0
            total += math.log1p(math.exp(-sign * (value + head.bias.item())))
    assert head.loss(embeddings, vectors).item() == pytest.approx(total / 3, rel=1e-5)


@pytest.mark.parametrize("objective", ["infonce", "siglip"])
def test_a_batch_of_one_and_one_of_equal_captions_are_finite(objective: str) -> None:
    head = build(objective=objective)
    embeddings, vectors = batch(3)
    for count, labels in ((1, vectors[:1]), (3, vectors[:1].expand(3, -1))):
        loss = head.loss(embeddings[:count], labels)
        loss.backward()  # type: ignore[no-untyped-call]
        assert bool(torch.isfinite(loss))
        assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in head.parameters())


def test_training_takes_any_of_the_captions_as_the_seed_says() -> None:
    head, (embeddings, _) = build().train(), batch(4)
    generator = torch.Generator().manual_seed(2)
    several = torch.randn(4, 3, TEXT, generator=generator)
    several[1, 2] = math.nan

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return float(head.loss(embeddings, several).detach())

    found = {loss(seed) for seed in range(8)}
    assert len(found) > 2
    assert loss(3) == loss(3)
    assert not any(map(math.isnan, found))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(UserError, match="no objective 'triplet'"):
        build(objective="triplet")
    with pytest.raises(UserError, match="projections of 3 layers"):
        build(layers=3)
