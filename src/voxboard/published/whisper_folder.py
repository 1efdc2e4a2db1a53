"""A Whisper model of CTranslate2's as a folder in Hugging Face's layout, which transformers loads without a hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.files import read_json_object
from voxboard.published import ctranslate2
from voxboard.published.kept import WEIGHTS

Values = NDArray[np.float32]
SPECIFICATION = "WhisperSpec"
START, END = "<|startoftranscript|>", "<|endoftext|>"
TRANSCRIBE, NO_TIMES, BEFORE = "<|transcribe|>", "<|notimestamps|>", "<|startofprev|>"
LANGUAGE = re.compile(r"<\|[a-z]{2,3}\|>")
FIRST_TIME = 50  # the latest that a text may begin with timestamps: 1 s in steps of 0.02 s
# CTranslate2's names → transformers', inside a layer; stacked ones are split into as many.
ATTENTION = {"linear_0": ("q_proj", "k_proj", "v_proj"), "linear_1": ("out_proj",)}
CROSS = {"linear_0": ("q_proj",), "linear_1": ("k_proj", "v_proj"), "linear_2": ("out_proj",)}
BLOCKS: dict[str, tuple[str, str, Mapping[str, tuple[str, ...]]]] = {
    "self_attention": ("self_attn.", "self_attn_layer_norm", ATTENTION),
    "attention": ("encoder_attn.", "encoder_attn_layer_norm", CROSS),
    "ffn": ("", "final_layer_norm", {"linear_0": ("fc1",), "linear_1": ("fc2",)}),
}
SIMPLE = {
    "embeddings": "embed_tokens",
    "position_encodings": "embed_positions",
    "layer_norm": "layer_norm",
    "conv1": "conv1",
    "conv2": "conv2",
}
KINDS = {"beta": "bias", "gamma": "weight", "encodings": "weight", "weight": "weight", "bias": "bias"}


def whisper_folder(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Return the files of the folder: configuration, weights in float32, tokenizer, generation, feature extraction.

    Of `files` are needed `model.bin`, `config.json` and `tokenizer.json`. Raises `UserError` for what is no Whisper.
    """
    import torch
    from safetensors.torch import save

    model = ctranslate2.read(files["model.bin"])
    if model.specification != SPECIFICATION:
        raise UserError(f"model.bin is a {model.specification[:40]}, no Whisper.", "Fetch it again.")
    tokenizer = files["tokenizer.json"].read_bytes()
    ids = {token["content"]: token["id"] for token in json.loads(tokenizer)["added_tokens"]}
    settings = read_json_object(files["config.json"])
    try:
        tensors = dict(_tensors(model.variables))
        shape = _shape(model.variables, ids, settings)
    except (KeyError, ValueError) as error:
        raise UserError(f"model.bin is no Whisper of the usual layers: {error}.", "Fetch it again.") from error
    contents = {
        "config.json": shape,
        "generation_config.json": _generation(shape, ids, settings),
        "preprocessor_config.json": _features(shape),
        "tokenizer_config.json": _tokenizer(shape),
    }
    weights = save({name: torch.from_numpy(value) for name, value in tensors.items()}, {"format": "pt"})
    texts = {name: f"{json.dumps(content, indent=2)}\n".encode() for name, content in contents.items()}
    return {WEIGHTS: weights, "tokenizer.json": tokenizer, **texts}


def _tensors(variables: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, Values]]:
    """Transformers' names and tensors. Raises `ValueError` for a variable that has no place."""
    for name, value in variables.items():
        side, *path = name.split("/")
        if value.ndim == 0 or name == "decoder/projection/weight":  # settings; the embeddings once more
            continue
        kind = KINDS.get(path[-1], "")
        match = re.fullmatch(r"layer_(\d+)", path[0])
        if kind and match and len(path) == 4 and path[1] in BLOCKS:
            yield from _of_layer(f"model.{side}.layers.{match[1]}.", path[1], path[2], kind, value)
        elif kind and len(path) == 2 and path[0] in SIMPLE and value.dtype.kind == "f":
            yield f"model.{side}.{SIMPLE[path[0]]}.{kind}", value.astype(np.float32)
        else:
            raise ValueError(f"{name} has no place")


def _of_layer(start: str, block: str, part: str, kind: str, value: NDArray[Any]) -> Iterator[tuple[str, Values]]:
    prefix, norm, linears = BLOCKS[block]
    if value.dtype.kind != "f":
        raise ValueError(f"{start}{block}/{part} is quantized")
    if part == "layer_norm":
        yield f"{start}{norm}.{kind}", value.astype(np.float32)
        return
    targets = linears[part]
    for target, piece in zip(targets, np.split(value, len(targets)), strict=True):
        if (target, kind) == ("k_proj", "bias"):  # Whisper's keys have none
            if piece.any():
                raise ValueError(f"the keys of {start}{block} have a bias")
            continue
        yield f"{start}{prefix}{target}.{kind}", np.ascontiguousarray(piece, np.float32)


def _shape(
    variables: Mapping[str, NDArray[Any]], ids: Mapping[str, int], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of config.json, by the shapes of the tensors and the numbers of the tokens."""

    def layers(side: str) -> int:
        return len({name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_")} - {"layer_norm"})

    size, bins = variables["encoder/conv1/weight"].shape[:2]
    feed = {side: variables[f"{side}/layer_0/ffn/linear_0/weight"].shape[0] for side in ("encoder", "decoder")}
    heads = {side: int(variables[f"{side}/num_heads"]) for side in ("encoder", "decoder")}
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "vocab_size": variables["decoder/embeddings/weight"].shape[0],
        "num_mel_bins": bins,
        "d_model": size,
        **{f"{side}_layers": layers(side) for side in feed},
        **{f"{side}_attention_heads": count for side, count in heads.items()},
        **{f"{side}_ffn_dim": width for side, width in feed.items()},
        "max_source_positions": variables["encoder/position_encodings/encodings"].shape[0],
        "max_target_positions": variables["decoder/position_encodings/encodings"].shape[0],
        "scale_embedding": bool(variables["decoder/scale_embeddings"]),
        "activation_function": "gelu",
        "decoder_start_token_id": ids[START],
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), ids[END]),
        "suppress_tokens": list(settings["suppress_ids"]),
        "begin_suppress_tokens": list(settings["suppress_ids_begin"]),
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def _generation(shape: Mapping[str, Any], ids: Mapping[str, int], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The content of generation_config.json; a model for English alone has as many tokens as GPT-2 and no language."""
    same = ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "suppress_tokens")
    multilingual = shape["vocab_size"] >= 51_865
    spoken = {
        "lang_to_id": {token: id_ for token, id_ in ids.items() if LANGUAGE.fullmatch(token)},
        "task_to_id": {"transcribe": ids[TRANSCRIBE], "translate": ids["<|translate|>"]} if multilingual else {},
    }
    return {
        **{key: shape[key] for key in (*same, "begin_suppress_tokens")},
        "is_multilingual": multilingual,
        **(spoken if multilingual else {}),
        "alignment_heads": settings.get("alignment_heads", []),
        "max_initial_timestamp_index": FIRST_TIME,
        "max_length": shape["max_target_positions"],
        "no_timestamps_token_id": ids[NO_TIMES],
        "prev_sot_token_id": ids[BEFORE],
        "return_timestamps": False,
    }


def _features(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": shape["num_mel_bins"],
        **{"sampling_rate": 16_000, "n_fft": 400, "hop_length": 160, "chunk_length": 30},
        **{"padding_value": 0.0, "padding_side": "right", "return_attention_mask": False},
    }


def _tokenizer(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tokenizer_class": "WhisperTokenizer",
        **dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), END),
        "errors": "replace",
        "model_max_length": shape["max_target_positions"],
    }
