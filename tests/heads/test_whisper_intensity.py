"""Whisper with a level: what its loss is made of, what padding does, its checkpoints, and mistakes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from transformers import WhisperConfig, WhisperForConditionalGeneration

from voxboard import backbones, heads
from voxboard.backbones.frames import Frames
from voxboard.errors import UserError
from voxboard.heads.base import MISSING
from voxboard.heads.whisper_decoder import DecoderOptions, WhisperDecoder
from voxboard.reference_weights import load_reference

SIZE, TOKENS = 16, 9
SIZES = {"rms_dbfs": 1, "text": TOKENS}


def make(**options: Any) -> Any:
    torch.manual_seed(0)
    return heads.create("whisper-intensity", SIZE, SIZES, **{"layers": 1, "heads": 2, "dropout": 0.0, **options})


def frames(*lengths: int, padding: float = 0.0) -> Frames:
    generator = torch.Generator().manual_seed(1)
    states = torch.full((len(lengths), 1, max(lengths), SIZE), padding)
    for row, length in enumerate(lengths):
        states[row, 0, :length] = torch.randn(length, SIZE, generator=generator)
    return Frames(states, torch.tensor(lengths), 0.02)


LABELS = {
    "text": torch.tensor([[3, 4, 5], [6, 7, MISSING]]),
    "rms_dbfs": torch.tensor([-20.0, -30.0]),
}


def folder(at: Path) -> WhisperForConditionalGeneration:
    """Saves a tiny Whisper with random weights whose texts begin with token 3 and end with 1."""
    torch.manual_seed(0)
    shape = {"d_model": SIZE, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "num_mel_bins": 20, "vocab_size": 64}
    halves = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    tokens = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 1, "decoder_start_token_id": 3}
    config = WhisperConfig(**{**shape, **halves, **tokens}, max_source_positions=100, max_target_positions=32)
    model = WhisperForConditionalGeneration(config).eval()
    model.save_pretrained(at)
    return model


def test_the_loss_is_the_cross_entropy_of_text_and_end_plus_the_weighted_squared_error() -> None:
    head, given = make(weight=0.25).eval(), frames(6, 4)
    text = torch.tensor([[3, 4, 5, 0], [6, 7, 0, MISSING]])  # 0 begins and ends a text of voxboard's own tokens
    scores = head.decoder(given, torch.tensor([[0, 3, 4, 5], [0, 6, 7, 0]]))
    spoken = F.cross_entropy(scores.flatten(0, 1), text.flatten(), ignore_index=MISSING)
    error = (head.predict(given)[:, 0] - LABELS["rms_dbfs"]).square().mean()
    assert torch.allclose(head.loss(given, LABELS), spoken + 0.25 * error)


def test_a_text_that_ends_already_is_not_ended_again_and_an_unknown_one_not_at_all() -> None:
    ended = make().decoder.ended(torch.tensor([[3, 0, MISSING], [0, MISSING, MISSING], [MISSING] * 3, [3, 4, 5]]))
    none = [MISSING] * 4
    assert ended.tolist() == [[3, 0, MISSING, MISSING], [0, MISSING, MISSING, MISSING], none, [3, 4, 5, 0]]


def test_the_reference_never_trains_the_end_and_counts_padding() -> None:
    ours, published = make().eval(), make(reference=True).eval()
    given = frames(6, 4, padding=0.5)
    unended = published.decoder.loss(given, LABELS["text"])
    ended = {**LABELS, "text": torch.tensor([[3, 4, 5, 0], [6, 7, 0, MISSING]])}
    error = published.value_loss(given, LABELS["rms_dbfs"])
    assert torch.allclose(published.loss(given, ended), unended + error)
    assert torch.allclose(published.pooled(given)[1], given.states[1, 0].mean(0))
    assert torch.allclose(ours.pooled(given)[1], given.states[1, 0, :4].mean(0))


@pytest.mark.parametrize("padding", [0.0, 7.0, math.nan])
@torch.no_grad()
def test_padding_changes_neither_scores_nor_levels(padding: float) -> None:
    head = make().eval()
    together, alone = frames(6, 4, padding=padding), frames(6, 4)
    alone = Frames(alone.states[1:, :, :4], alone.lengths[1:], 0.02)
    if math.isnan(padding):  # the pooler gives zeros on padding; attention weights of 0 would not silence a NaN
        together = Frames(together.states.nan_to_num(), together.lengths, 0.02)
    tokens = torch.tensor([[0, 6, 7]])
    assert torch.allclose(head.predict(together)[1], head.predict(alone)[0], atol=1e-6)
    assert torch.allclose(head.decoder(together, tokens.expand(2, 3))[1], head.decoder(alone, tokens)[0], atol=1e-5)


def test_what_is_not_known_trains_nothing() -> None:
    head, given = make().eval(), frames(6, 4)
    level_only = {"text": torch.full((2, 3), MISSING), "rms_dbfs": LABELS["rms_dbfs"]}
    assert torch.allclose(head.loss(given, level_only), head.value_loss(given, LABELS["rms_dbfs"]))
    nothing = {"text": level_only["text"], "rms_dbfs": torch.full((2,), math.nan)}
    assert head.loss(given, nothing) == 0


@torch.no_grad()
def test_a_checkpoints_decoder_gives_transformers_own_scores(tmp_path: Path) -> None:
    model = folder(tmp_path)
    sizes = {"rms_dbfs": 1, "text": 64}
    head = heads.create("whisper-intensity", SIZE, sizes, cfg=str(tmp_path), use_pretrain=True).eval()
    labels = torch.tensor([[5, MISSING, 6, 1], [7, 8, MISSING, MISSING]])
    states = frames(100, 100).states[:, 0]
    found = head.decoder(Frames(states[:, None], torch.tensor([100, 100]), 0.02), head.decoder.shifted(labels))
    expected = model(encoder_outputs=(states,), labels=labels)
    assert torch.allclose(found, expected.logits, atol=1e-5)
    loss = head.decoder.loss(Frames(states[:, None], torch.tensor([100, 100]), 0.02), labels)
    assert torch.allclose(loss, expected.loss, atol=1e-5)


def test_known_checkpoints_have_their_tokens_without_a_network_connection() -> None:
    from voxboard.heads import whisper_decoder

    shape = whisper_decoder._shape(384, 51865, whisper_decoder.DecoderOptions(cfg="openai/whisper-tiny"))
    assert (shape.decoder_start_token_id, shape.eos_token_id, shape.vocab_size) == (50258, 50257, 51865)
    assert (shape.d_model, shape.decoder_layers, shape.decoder_attention_heads) == (384, 4, 6)


def test_mistakes_are_refused(tmp_path: Path) -> None:
    folder(tmp_path)
    with pytest.raises(UserError, match="reads frames of size 16, the backbone gives 24"):
        heads.create("whisper-intensity", 24, SIZES, cfg=str(tmp_path))
    with pytest.raises(UserError, match="knows 64 tokens, the vocabulary has 65"):
        heads.create("whisper-intensity", SIZE, {"rms_dbfs": 1, "text": 65}, cfg=str(tmp_path))
    with pytest.raises(UserError, match="no checkpoint whose weights"):
        make(use_pretrain=True)
    with pytest.raises(UserError, match="3 attention heads do not divide"):
        make(heads=3)
    with pytest.raises(UserError, match="longest is 3"):
        make(positions=3).loss(frames(6, 4), LABELS)
    with pytest.raises(UserError, match="unexpected decoder.weight"):
        load_reference("whisper-intensity", {"decoder.weight": torch.zeros(1)})


def test_it_learns_to_write_and_to_tell() -> None:
    head, given = make(), frames(6, 4)
    texts = {**LABELS, "text": torch.tensor([[3, 4, 5], [6, 7, MISSING]])}
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    with torch.no_grad():
        head.intensity[-1].bias.fill_(-25.0)
    for _ in range(60):
        optimizer.zero_grad()
        head.loss(given, texts).backward()
        optimizer.step()
    assert head.eval().written(given) == [[3, 4, 5], [6, 7]]
    assert (head.predict(given)[:, 0] - LABELS["rms_dbfs"]).abs().max() < 1.0


@torch.no_grad()
def test_greedy_search_is_transformers_own(tmp_path: Path) -> None:
    model = folder(tmp_path)
    head = heads.create("whisper-intensity", SIZE, {"rms_dbfs": 1, "text": 64}, cfg=str(tmp_path), use_pretrain=True)
    given = Frames(frames(100, 100).states, torch.tensor([100, 100]), 0.02)
    tokens = torch.tensor([[3, 9, 8]] * 2)
    for _ in range(5):
        scores = model(encoder_outputs=(given.states[:, 0],), decoder_input_ids=tokens).logits
        tokens = torch.cat([tokens, scores[:, -1].argmax(-1)[:, None]], 1)
    expected = [row[: row.index(1)] if 1 in row else row for row in tokens[:, 3:].tolist()]
    assert head.eval().decoder.greedy(given, [9, 8], most=5) == expected


@torch.no_grad()
def test_a_whole_window_gives_the_frames_of_its_padding(tmp_path: Path) -> None:
    folder(tmp_path)
    backbone = backbones.create("whisper", cfg=str(tmp_path), use_pretrain=True).eval()
    whole = backbones.create("whisper", cfg=str(tmp_path), use_pretrain=True, whole=True).eval()
    waveforms = 0.1 * torch.randn(2, 40_000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([40_000, 9_000])  # of windows of 32,000
    ours, all_frames = backbone(waveforms, lengths), whole(waveforms, lengths)
    assert (ours.lengths.tolist(), all_frames.lengths.tolist()) == ([125, 29], [200, 100])
    assert torch.equal(all_frames.states[:, :, :125], ours.states)
    assert whole.fingerprint() != backbone.fingerprint()


@pytest.mark.parametrize("prompt", [(), (3, 4)])
def test_kept_keys_and_values_change_no_token(prompt: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    decoder = WhisperDecoder(32, 40, DecoderOptions(layers=2, heads=4, positions=48)).eval()
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    frames = Frames(torch.randn(3, 1, 20, 32), torch.tensor([20, 13, 5]), 0.02)
    tokens = torch.tensor([[decoder.start, *prompt]]).repeat(3, 1)
    with torch.no_grad():
        for _ in range(30):
            tokens = torch.cat([tokens, decoder(frames, tokens)[:, -1].argmax(-1, keepdim=True)], 1)
    written = decoder.greedy(frames, prompt, most=30)
    assert any(written)
    for row, expected in zip(written, tokens[:, 1 + len(prompt) :].tolist(), strict=True):
        assert row == (expected[: expected.index(decoder.end)] if decoder.end in expected else expected)


def test_decoders_of_known_names_have_their_own_sizes() -> None:
    from voxboard.heads.whisper_decoder import _shape

    english = _shape(384, 10, DecoderOptions(cfg="openai/whisper-tiny.en"))
    assert (english.vocab_size, english.decoder_start_token_id, english.decoder_layers) == (51864, 50257, 4)
    turbo = _shape(1280, 10, DecoderOptions(cfg="openai/whisper-large-v3-turbo"))
    assert (turbo.vocab_size, turbo.decoder_layers) == (51866, 4)
