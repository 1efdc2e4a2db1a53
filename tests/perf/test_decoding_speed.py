"""Whisper's greedy decoding beside transformers' own, of tiny.en's sizes with random weights: `make bench`."""

from __future__ import annotations

import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from tests.perf.measure import interleaved, report
from voxboard.backbones.frames import Frames
from voxboard.heads.whisper_decoder import DecoderOptions, WhisperDecoder

pytestmark = pytest.mark.perf
BATCH, TOKENS, FRAMES = 4, 60, 1500


def test_greedy_decoding_is_not_slower_than_transformers() -> None:
    torch.manual_seed(0)
    decoder = WhisperDecoder(384, 51864, DecoderOptions(cfg="openai/whisper-tiny.en")).eval()
    shape = WhisperConfig(
        vocab_size=51864, d_model=384, encoder_layers=1, decoder_layers=4, encoder_attention_heads=6,
        decoder_attention_heads=6, encoder_ffn_dim=1536, decoder_ffn_dim=1536, decoder_start_token_id=decoder.start,
        eos_token_id=decoder.end, pad_token_id=decoder.pad, bos_token_id=decoder.end, suppress_tokens=[],
        begin_suppress_tokens=[],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(shape).eval()
    model.model.decoder.load_state_dict(decoder.network.state_dict())
    model.proj_out.weight = model.model.decoder.embed_tokens.weight
    states = torch.randn(BATCH, FRAMES, 384)
    frames = Frames(states[:, None], torch.full((BATCH,), FRAMES), 0.02)
    start = torch.full((BATCH, 1), decoder.start)

    @torch.no_grad()
    def generate() -> list[list[int]]:
        made = model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states), decoder_input_ids=start, do_sample=False,
            num_beams=1, max_new_tokens=TOKENS, min_new_tokens=TOKENS,
        )  # fmt: skip
        return made[:, -TOKENS:].tolist()

    ours = [row[:TOKENS] for row in decoder.greedy(frames, most=TOKENS)]
    theirs = [row[: len(mine)] for row, mine in zip(generate(), ours, strict=True)]
    assert ours == theirs
    took = interleaved(5, ours=lambda: decoder.greedy(frames, most=TOKENS), transformers=generate)
    report(f"greedy decoding, {BATCH} × {TOKENS} tokens", took, "≥ 1 × transformers' generate")
    assert took["ours"] <= 1.05 * took["transformers"]
