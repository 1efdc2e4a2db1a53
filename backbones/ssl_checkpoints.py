"""Networks of the transformers family: the known checkpoints, random weights, published weights.

The architecture of known checkpoints is written down here, so that random weights need no network connection.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError

from voxboard.errors import UserError, unknown

if TYPE_CHECKING:
    from voxboard.backbones.ssl import SSL

FAMILIES = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model"),
    "hubert": ("HubertConfig", "HubertModel"),
    "wavlm": ("WavLMConfig", "WavLMModel"),
    "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioModel"),
}

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
LIBRISPEECH = ("LibriSpeech 960 h",)
LIBRI_LIGHT = ("Libri-Light 60,000 h",)
XVECTOR = {"architectures": ["WavLMForXVector"], "use_weighted_layer_sum": True}
VOXCELEB1 = "VoxCeleb1 dev"
WAVLM_94K = ("Libri-Light 60,000 h", "GigaSpeech 10,000 h", "VoxPopuli 24,000 h")


@dataclass(frozen=True)
class Checkpoint:
    """`architecture` holds what differs from transformers' defaults; `normalize`: trained on unit-variance audio."""

    family: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    normalize: bool = True
    licence: str = "Apache-2.0"
    trained_on: tuple[str, ...] = LIBRISPEECH


KNOWN = {
    "facebook/wav2vec2-base": Checkpoint("wav2vec2"),
    "facebook/wav2vec2-large": Checkpoint("wav2vec2", LARGE),
    "facebook/wav2vec2-large-lv60": Checkpoint(
        "wav2vec2", {**LARGE, **STABLE, "conv_bias": True}, trained_on=LIBRI_LIGHT
    ),
    "facebook/wav2vec2-large-xlsr-53": Checkpoint(
        "wav2vec2",
        {**LARGE, **STABLE, "conv_bias": True},
        trained_on=("Multilingual LibriSpeech", "Common Voice", "BABEL"),
    ),
    "facebook/hubert-base-ls960": Checkpoint("hubert"),
    "facebook/hubert-large-ll60k": Checkpoint("hubert", {**LARGE, **STABLE, "conv_bias": True}, trained_on=LIBRI_LIGHT),
    "microsoft/wavlm-base": Checkpoint("wavlm", normalize=False, licence="CC-BY-SA-3.0"),
    "microsoft/wavlm-base-plus": Checkpoint("wavlm", normalize=False, licence="CC-BY-SA-3.0", trained_on=WAVLM_94K),
    "microsoft/wavlm-base-sv": Checkpoint(
        "wavlm", XVECTOR, normalize=False, licence="CC-BY-SA-3.0", trained_on=(*LIBRISPEECH, VOXCELEB1)
    ),
    "microsoft/wavlm-base-plus-sv": Checkpoint(
        "wavlm", XVECTOR, normalize=False, licence="CC-BY-SA-3.0", trained_on=(*WAVLM_94K, VOXCELEB1)
    ),
    "microsoft/wavlm-large": Checkpoint("wavlm", {**LARGE, **STABLE}, licence="CC-BY-SA-3.0", trained_on=WAVLM_94K),
    "facebook/data2vec-audio-base": Checkpoint("data2vec-audio"),
    "facebook/data2vec-audio-large": Checkpoint("data2vec-audio", LARGE, trained_on=LIBRI_LIGHT),
}


def from_scratch(config: SSL.Config) -> Any:
    """A network with random weights; needs no network connection for a known name or a local folder."""
    import transformers

    shape = architecture(config.cfg)
    sizes = {
        "num_hidden_layers": config.layers,
        "hidden_size": config.size,
        "num_attention_heads": config.heads,
        "intermediate_size": config.ffn,
        "conv_dim": [config.conv_size] * len(shape.conv_dim) if config.conv_size else None,
    }
    for name, value in sizes.items():
        if value:
            setattr(shape, name, value)
    if config.size:
        shape.num_conv_pos_embedding_groups = math.gcd(shape.num_conv_pos_embedding_groups, config.size)
    try:
        return getattr(transformers, FAMILIES[shape.model_type][1])(masked_as_told(shape, config))
    except ValueError as error:
        raise UserError(f"Such a network cannot be built: {first_line(error)}", "Change its sizes.") from error


def pretrained(config: SSL.Config) -> Any:
    """The published weights, in float32. Raises `UserError` when they are not there or do not fit."""
    if any((config.layers, config.size, config.heads, config.ffn, config.conv_size)):
        raise UserError("A pretrained network keeps its sizes.", "Drop layers, size, heads, ffn and conv_size.")
    return load(config.cfg, masked_as_told(read_config(config.cfg), config))


def masked_as_told(shape: Any, config: SSL.Config) -> Any:
    """The config of a network that masks nothing in training, where the user says so."""
    if not config.augment:
        shape.apply_spec_augment, shape.mask_time_prob, shape.mask_feature_prob = False, 0.0, 0.0
    return shape


def load(cfg: str, shape: Any, families: Mapping[str, tuple[str, str]] = FAMILIES) -> Any:
    """A network of `shape` with the weights of a hub id or local folder; `families` has its class. Raises the same."""
    import transformers

    family = getattr(transformers, families[shape.model_type][1])
    try:
        model, report = family.from_pretrained(
            folder(cfg), config=shape, dtype=torch.float32, output_loading_info=True, **hub()
        )
    except OSError as error:
        raise unreachable(cfg, "weights") from error
    except (RuntimeError, ValueError, SafetensorError, UnpicklingError) as error:
        raise UserError(f"The weights in {cfg} cannot be loaded: {first_line(error)}", "Fetch them again.") from error
    absent = sorted(key for key in report["missing_keys"] if not key.endswith("masked_spec_embed"))
    if absent:
        raise UserError(
            f"The weights in {cfg} lack {len(absent)} of the network's, e.g. {absent[0]}.",
            f"They may belong to another family than {shape.model_type}.",
        )
    return model


def architecture(cfg: str) -> Any:
    """The transformers config of a known name (without network), a local folder or a hub id."""
    import transformers

    if cfg in KNOWN and not Path(cfg).is_dir():
        known = KNOWN[cfg]
        return getattr(transformers, FAMILIES[known.family][0])(**known.architecture)
    return read_config(cfg)


def read_config(cfg: str, families: Mapping[str, tuple[str, str]] = FAMILIES) -> Any:
    """The transformers config of a local folder or a hub id. Raises `UserError` for another family of models."""
    import transformers

    try:
        shape = transformers.AutoConfig.from_pretrained(folder(cfg), **hub())
    except (OSError, ValueError) as error:
        raise unreachable(cfg, "config.json") from error
    if shape.model_type not in families:
        raise UserError(f"{cfg} is a {shape.model_type} model.", f"These can be used: {', '.join(families)}.")
    return shape


def wants_normalised(config: SSL.Config) -> bool:
    """Whether this network was trained on zero-mean, unit-variance audio, unless the user decides it."""
    if config.normalize not in ("auto", "yes", "no"):
        raise unknown("value of normalize", str(config.normalize), ("auto", "yes", "no"))
    if config.normalize != "auto":
        return config.normalize == "yes"
    if config.cfg in KNOWN and not Path(config.cfg).is_dir():
        return KNOWN[config.cfg].normalize
    import transformers

    try:
        settings, _ = transformers.Wav2Vec2FeatureExtractor.get_feature_extractor_dict(folder(config.cfg), **hub())
    except OSError:
        return False  # raw audio where the checkpoint says nothing
    return bool(settings.get("do_normalize", False))


def folder(cfg: str) -> str:
    """A hub id as it is, a path with its home folder written out."""
    return str(Path(cfg).expanduser()) if cfg.startswith("~") else cfg


def hub() -> dict[str, bool]:
    """What to tell transformers about the hub: without a name server, look into the cache and do not retry."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return {}  # the proxy resolves names
    host = urlparse(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return {"local_files_only": True}
    return {}


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def unreachable(cfg: str, what: str) -> UserError:
    """The error for a folder that is not there, or a hub that cannot be reached."""
    if Path(folder(cfg)).is_dir():
        return UserError(f"The folder {cfg} has no usable {what}.", "It needs config.json and model.safetensors.")
    if cfg.startswith(("/", ".", "~")):
        return UserError(f"There is no folder {cfg}.", "Pass a hub id or a folder with config.json.")
    return UserError(
        f"Cannot fetch the {what} of {cfg}: no network, or no such model on the hub.",
        "Pass a local folder instead: --backbone_cfg /path/to/folder (or hf:/path/to/folder).",
    )
