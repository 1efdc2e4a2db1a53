"""The Zipformer opens the published layouts, keeps batch mates and the future apart, and says what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.contracts import small
from voxboard import backbones
from voxboard.backbones.zipformer import Zipformer
from voxboard.backbones.zipformer_checkpoints import WEIGHTS
from voxboard.backbones.zipformer_encoder import ZipformerEncoder
from voxboard.backbones.zipformer_fbank import PADDING, AudenFbank
from voxboard.backbones.zipformer_subsampling import Conv2dSubsampling
from voxboard.errors import UserError

SIZES = {name: list(value) if isinstance(value, tuple) else value for name, value in small.ZIPFORMER.items()}


def network(seed: int = 0, **options: Any) -> Zipformer:
    """A small one whose weights are large enough for everything to matter."""
    torch.manual_seed(seed)
    made = backbones.create("zipformer", **{**small.ZIPFORMER, **options})
    for name, weight in made.named_parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
        elif name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.1)
    return made.eval()


@torch.no_grad()
def output(made: Any) -> Tensor:
    return made(*small.audio(16_000)).states


def folder(at: Path, config: dict[str, Any], name: str, weights: dict[str, Any]) -> str:
    (at / "config.json").write_text(json.dumps(config))
    save_file(weights, at / name) if name.endswith(".safetensors") else torch.save(weights, at / name)
    return str(at)


def test_opens_the_published_layouts(tmp_path: Path) -> None:
    source = network()
    state = dict(source.state_dict())
    inside = {f"encoder.{key}": value for key, value in state.items()}
    older = {key: value for key, value in state.items() if key != "model_batch_count"}
    plain = {"model_type": "zipformer", "warmup_batches": 4000.0, **SIZES}
    layouts: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
        "auden": (plain, "model.safetensors", state),
        "parallel": (plain, "model.pt", {"state_dict": {f"module.{key}": value for key, value in state.items()}}),
        "voice": (
            {"model_type": "voice-multitask", "encoder_config": plain},
            "pretrained.pt",
            {**inside, "classifier_id.1.weight": torch.zeros(3, 32)},
        ),
        "speech": (
            {"model_type": "lalm", "speech_encoder_config": plain},
            "pretrained.safetensors",
            {**{f"speech_encoder.{key}": value for key, value in state.items()}, "llm.weight": torch.zeros(2)},
        ),
        "audio": (
            {"audio_encoder_config": plain},
            "model.pt",
            {"state_dict": {f"module.audio_encoder.{key}": value for key, value in state.items()}},
        ),
        "icefall": (
            SIZES,
            "pretrained.pt",
            {"model": {**older, "decoder.embedding.weight": torch.zeros(2, 2), "joiner.output.bias": torch.zeros(2)}},
        ),
    }
    for name, (config, file, weights) in layouts.items():
        (tmp_path / name).mkdir()
        opened = backbones.create("zipformer", checkpoint=folder(tmp_path / name, config, file, weights)).eval()
        assert torch.equal(output(opened), output(source)), name
        assert float(opened.model_batch_count) == (100_000.0 if name == "icefall" else 0.0)


def test_the_first_of_the_published_names_is_opened(tmp_path: Path) -> None:
    for seed, name in enumerate(WEIGHTS):
        folder(tmp_path, SIZES, name, dict(network(seed).state_dict()))
    for seed, name in enumerate(WEIGHTS):
        opened = backbones.create("zipformer", checkpoint=str(tmp_path)).eval()
        assert torch.equal(output(opened), output(network(seed))), name
        explicit = backbones.create("zipformer", checkpoint=str(tmp_path / WEIGHTS[-1])).eval()
        assert torch.equal(output(explicit), output(network(len(WEIGHTS) - 1)))
        if name != WEIGHTS[-1]:
            (tmp_path / name).unlink()


def test_a_file_of_weights_alone_takes_its_sizes_from_the_options(tmp_path: Path) -> None:
    source = network()
    torch.save(source.state_dict(), tmp_path / "averaged.pt")
    opened = backbones.create("zipformer", checkpoint=str(tmp_path / "averaged.pt"), **small.ZIPFORMER).eval()
    assert opened.fingerprint() == source.fingerprint()
    with pytest.raises(UserError, match="do not fit"):
        backbones.create("zipformer", checkpoint=str(tmp_path / "averaged.pt"), **{**small.ZIPFORMER, "pos_dim": 16})


def test_a_checkpoint_may_be_run_with_other_chunks(tmp_path: Path) -> None:
    source = network(causal=True, chunk_size=(8,), left_context_frames=(8,))
    config = {**SIZES, "causal": True, "chunk_size": [8], "left_context_frames": [8]}
    at = folder(tmp_path, config, "model.safetensors", dict(source.state_dict()))
    assert torch.equal(output(backbones.create("zipformer", checkpoint=at).eval()), output(source))
    other = backbones.create("zipformer", checkpoint=at, chunk_size=(16,)).eval()
    assert other.config.left_context_frames == (8,)
    assert not torch.allclose(output(other), output(source), atol=1e-3)


@pytest.mark.parametrize(
    ("config", "file", "message"),
    [
        ({"model_type": "whisper"}, "model.pt", "whisper"),
        (SIZES, "other.pt", "has no weights"),
        (SIZES, "model.pt", "missing encoder"),
        ({**SIZES, "num_heads": [2, 2]}, "model.pt", "num_heads has 2 values for 3 stacks"),
    ],
)
def test_says_what_is_wrong_with_a_checkpoint(tmp_path: Path, config: Any, file: str, message: str) -> None:
    at = folder(tmp_path, config, file, {"encoder_embed.out.weight": torch.zeros(2)})
    with pytest.raises(UserError, match=message):
        backbones.create("zipformer", checkpoint=at)


def test_a_wrong_path_or_chunk_is_an_error() -> None:
    with pytest.raises(UserError, match="no folder or file"):
        backbones.create("zipformer", checkpoint="/absent/folder")
    with pytest.raises(UserError, match="no multiple"):
        network(causal=True, chunk_size=(6,))


@pytest.mark.parametrize("chunk", [-1, 8, 64])
def test_padding_changes_nothing_unless_the_reference_is_asked_for(chunk: int) -> None:
    streams = {"causal": True, "chunk_size": (chunk,), "left_context_frames": (16,)}
    lengths = (16_000, 9_876, 2_000)
    for options in ({}, streams):
        ours, published = network(**options), network(**options, reference=True)
        waveforms, counts = small.audio(*lengths)
        with torch.no_grad():
            together, mixed = ours(waveforms, counts), published(waveforms, counts)
            alone = [ours(waveforms[row : row + 1, :n], counts[row : row + 1]).states for row, n in enumerate(lengths)]
            same = published(waveforms[1:2, : lengths[1]], counts[1:2]).states
        for row, states in enumerate(alone):
            small.assert_close(together.states[row, :, : states.shape[2]], states[0])
        small.assert_close(same, alone[1])
        assert (mixed.states[1, :, : same.shape[2]] - same[0]).abs().max() > 1e-2
    assert (ours.spec.batching, published.spec.batching) == ("exact", "equal-length")


def test_a_chunk_does_not_see_the_next() -> None:
    made = network(causal=True, chunk_size=(8,), left_context_frames=(16,))
    features = torch.randn(1, 200, 80)
    changed = features.clone()
    changed[:, 100:] += 1.0  # the embeddings of 8 chunks in 50 Hz frames lie between
    with torch.no_grad():
        before, after = (made.frames(x, torch.tensor([200]))[0] for x in (features, changed))
    # The front sees 10 frames ahead and its ConvNeXt 3 more embeddings: frame 40 of 50 Hz is untouched by frame 100.
    assert torch.equal(before[:, :, :20], after[:, :, :20])
    assert not torch.equal(before[:, :, 24:], after[:, :, 24:])


def test_training_draws_chunks_and_evaluation_does_not() -> None:
    made = network(causal=True, chunk_size=(8, 16, 32, -1), left_context_frames=(16, 64))
    assert {made.chunks() for _ in range(20)} == {made.chunks()}
    made.train()
    assert len({made.chunks() for _ in range(60)}) == 8


def test_every_stack_can_be_a_layer() -> None:
    one, every = network(), network(stacks=True)
    with torch.no_grad():
        states = every(*small.audio(16_000)).states
    assert states.shape[1] == every.spec.frames.layers == 4
    assert torch.equal(states[:, 3:], output(one))
    assert not states[:, 0, :, 16:].any()
    assert states[:, 0, :, :16].any()


def test_the_catalogue_names_the_published_sizes() -> None:
    found = {}
    for name in ("zipformer", "zipformer-large"):
        config = backbones.REGISTRY.config(name)
        with torch.device("meta"):
            parts = Conv2dSubsampling(config.feature_dim, config.encoder_dim[0]), ZipformerEncoder(config)
        found[name] = sum(weight.numel() for part in parts for weight in part.parameters())
    assert found == {"zipformer": 65_913_719, "zipformer-large": 152_675_514}


def test_the_log_mel_mirrors_every_utterance_at_its_own_end() -> None:
    waveforms, lengths = small.audio(4_000, 2_345)
    waveforms = waveforms.nan_to_num()
    extract = AudenFbank()
    together, counts = extract(waveforms, lengths)
    alone, count = extract(waveforms[1:, :2_345], lengths[1:])
    assert counts.tolist() == [25, 15]
    assert torch.equal(together[1, :15], alone[0])
    assert count.tolist() == [15]
    assert bool((together[1, 15:] == PADDING).all())
    loaded, _ = extract(waveforms, torch.full_like(lengths, 4_000))
    assert torch.equal(loaded[1, :13], alone[0, :13])
    assert (loaded[1, 14] - alone[0, 14]).abs().max() > 0.5
