"""CTC: its loss against a sum over all alignments and against transformers, and what must not train or break."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from voxboard import heads
from voxboard.backbones.frames import Frames
from voxboard.data.vocabulary import BLANK
from voxboard.errors import UserError
from voxboard.heads.base import MISSING
from voxboard.heads.ctc import CTC, BidirectionalLSTM

SIZE = 6
LSTM: dict[str, Any] = {"project": 5, "layers": 2, "hidden": 4}


def build(classes: int = 4, **options: Any) -> CTC:
    torch.manual_seed(0)
    head = heads.create("ctc", SIZE, classes, **options)
    assert isinstance(head, CTC)
    return head


def frames(lengths: list[int], size: float = 1.0, seed: int = 1) -> Frames:
    states = size * torch.randn(len(lengths), 1, max(lengths), SIZE, generator=torch.Generator().manual_seed(seed))
    return Frames(states, torch.tensor(lengths), 0.02)


def labels(*rows: list[int]) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [MISSING] * (width - len(row)) for row in rows])


def by_hand(log_probs: Tensor, tokens: list[int]) -> float:
    """-log of the summed probability of every alignment that spells the tokens; 0 where there is none."""
    steps, classes = log_probs.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        if [token for token, _ in itertools.groupby(path) if token] == tokens:
            total += math.exp(sum(float(log_probs[step, token]) for step, token in enumerate(path)))
    return -math.log(total) if total else 0.0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.lists(st.integers(1, 3), max_size=4)), min_size=1, max_size=3),
    st.sampled_from(["mean", "sum"]),
)
def test_the_loss_is_a_sum_over_all_alignments(utterances: list[tuple[int, list[int]]], reduction: str) -> None:
    head, batch = build(reduction=reduction), frames([steps for steps, _ in utterances])
    log_probs = head.predict(batch).detach()
    parts = [by_hand(log_probs[row, :steps], tokens) for row, (steps, tokens) in enumerate(utterances)]
    if reduction == "mean":
        parts = [part / max(len(tokens), 1) / len(parts) for part, (_, tokens) in zip(parts, utterances, strict=True)]
    found = head.loss(batch, labels(*(tokens or [BLANK] for _, tokens in utterances)))
    assert found.item() == pytest.approx(sum(parts), abs=1e-5)


@pytest.mark.parametrize("options", [{}, LSTM])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_utterance_without_a_text_trains_nothing(options: dict[str, Any], reduction: str) -> None:
    head = build(reduction=reduction, **options)
    batch = frames([5, 4, 5])
    batch.states.requires_grad_()
    head.loss(batch, labels([1, 2], [], [3])).backward()
    assert batch.states.grad is not None
    assert not batch.states.grad[1].any()
    assert batch.states.grad[0].any()
    kept = Frames(batch.states.detach()[[0, 2]], batch.lengths[[0, 2]], 0.02)
    assert torch.allclose(head.loss(batch, labels([1, 2], [], [3])), head.loss(kept, labels([1, 2], [3])))


def test_an_empty_text_trains_blanks() -> None:
    head, batch = build(), frames([5, 3])
    log_probs = head.predict(batch).detach()
    expected = -(log_probs[0, :5, BLANK].sum() + log_probs[1, :3, BLANK].sum()) / 2
    assert torch.allclose(head.loss(batch, labels([BLANK], [BLANK])), expected)


@pytest.mark.parametrize("columns", [0, 2])
def test_a_batch_without_any_text_costs_nothing_and_still_reaches_the_weights(columns: int) -> None:
    head = build()
    loss = head.loss(frames([5, 3]), torch.full((2, columns), MISSING))
    loss.backward()
    assert loss == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in head.parameters())


@pytest.mark.parametrize("options", [{}, LSTM])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("steps", [1, 3, 20])
def test_loss_and_gradients_are_finite(options: dict[str, Any], size: float, steps: int) -> None:
    head, batch = build(**options), frames([steps, 1], size)
    batch.states.requires_grad_()
    loss = head.loss(batch, labels([1, 1, 2, 3, 3], [2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert batch.states.grad is not None
    for gradient in (batch.states.grad, *(parameter.grad for parameter in head.parameters())):
        assert gradient is not None
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("options", [{}, LSTM, {"stack": 2}, {**LSTM, "stack": 3}])
def test_padding_changes_nothing(options: dict[str, Any]) -> None:
    head = build(**options).eval()
    alone = frames([4])
    noise = torch.full((1, 1, 5, SIZE), 7.0)
    padded = Frames(
        torch.cat([torch.cat([alone.states, noise], 2), torch.randn(1, 1, 9, SIZE)]), torch.tensor([4, 9]), 1
    )
    expected = head.predict(alone)
    assert torch.allclose(head.predict(padded)[:1, : expected.shape[1]], expected, atol=1e-6)
    only_first = head.loss(padded, labels([1, 2], []))
    assert torch.allclose(only_first, head.loss(alone, labels([1, 2])), atol=1e-5)


def test_predictions_are_log_probabilities_in_float32_also_under_autocast() -> None:
    head, batch = build(), frames([3])
    with torch.autocast("cpu", torch.bfloat16):
        found = head.predict(batch)
        assert head.loss(batch, labels([1])).dtype == torch.float32
    assert found.shape == (1, 3, 4)
    assert found.dtype == torch.float32
    assert torch.allclose(found.exp().sum(-1), torch.ones(1, 3))


def test_dropout_acts_in_training_only() -> None:
    head, batch = build(dropout=0.5), frames([8])
    assert not torch.equal(head.predict(batch), head.predict(batch))
    head.eval()
    assert torch.equal(head.predict(batch), head.predict(batch))


@pytest.mark.parametrize("options", [{}, LSTM])
def test_training_teaches_a_text(options: dict[str, Any]) -> None:
    head, batch, text = build(**options), frames([8, 6]), labels([1, 2, 2, 3], [3, 1])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    first = head.loss(batch, text).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = head.loss(batch, text)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first


def test_stacked_frames_stand_side_by_side() -> None:
    head, batch = build(stack=2), frames([5, 3])
    batch.states[1, 0, 3:] = math.nan  # padding may be anything
    side_by_side = torch.zeros(2, 3, 2 * SIZE)
    for row, length in enumerate([5, 3]):
        for step in range(length):
            at = step % 2 * SIZE
            side_by_side[row, step // 2, at : at + SIZE] = batch.states[row, 0, step]
    expected = head.output(side_by_side).log_softmax(-1)
    assert torch.allclose(head.predict(batch), expected, atol=1e-6)
    assert head.steps(batch.lengths).tolist() == [3, 2]
    found = head.rows(batch)
    assert [len(row) for row in found] == [3, 2]
    assert torch.allclose(found[1], expected[1, :2], atol=1e-6)
    # Its 2 steps spell 2 tokens, and not 3.
    assert head.loss(batch, labels([], [1, 2])) > 0
    assert head.loss(batch, labels([], [1, 2, 3])) == 0


def test_both_directions_are_those_of_a_packed_lstm() -> None:
    torch.manual_seed(0)
    lengths, x = torch.tensor([3, 7, 1]), torch.randn(3, 7, SIZE)
    ours, theirs = BidirectionalLSTM(SIZE, 4, 2), nn.LSTM(SIZE, 4, 2, batch_first=True, bidirectional=True)
    for layer in range(2):
        for own, suffix in ((ours.there, ""), (ours.back, "_reverse")):
            named = {name: getattr(theirs, f"{name[:-1]}{layer}{suffix}") for name in own[layer].state_dict()}
            own[layer].load_state_dict(named)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        assert torch.allclose(found[row, :length], expected[row, :length], atol=1e-6)


@pytest.mark.parametrize("bad", [4, -1])
def test_labels_outside_the_vocabulary_are_refused(bad: int) -> None:
    with pytest.raises(UserError, match="outside the vocabulary of 4"):
        build().loss(frames([5]), labels([1, bad]))


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(UserError, match=r"labels \[2\] for 2 utterances"):
        build().loss(frames([5, 5]), torch.tensor([1, 2]))
    with pytest.raises(UserError, match="no reduction 'median'"):
        build(reduction="median")
    with pytest.raises(UserError, match="blank alone"):
        build(classes=1)
    with pytest.raises(UserError, match="cannot stack 0"):
        build(stack=0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_transformers_gives_the_same_loss_and_logits(reduction: str) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=12, hidden_size=SIZE, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        ctc_loss_reduction=reduction, ctc_zero_infinity=True, pad_token_id=0,
    )  # fmt: skip
    peer = Wav2Vec2ForCTC(config).eval()
    waveforms = torch.randn(3, 6000)
    text = labels([5, 5, 7], [9], [3] * 30)
    with torch.no_grad():
        expected = peer(waveforms, labels=text)
        states = peer.wav2vec2(waveforms).last_hidden_state
    head = build(classes=12, reduction=reduction)
    head.output.load_state_dict(peer.lm_head.state_dict())
    batch = Frames(states[:, None], torch.full((3,), states.shape[1]), 0.02)
    assert states.shape[1] < 30  # the last text does not fit: an infinite loss that counts as zero
    assert torch.allclose(head.predict(batch), expected.logits.log_softmax(-1), atol=1e-6)
    assert torch.allclose(head.loss(batch, text), expected.loss, rtol=1e-5)
