"""Networks of the transformers family: the known checkpoints, random weights, published weights.

The architecture of known checkpoints is written down here, so that random weights need no network connection.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from voxboard.backbones import hf_files
from voxboard.errors import UserError, first_line, printable, unknown
from voxboard.weights import folder, hub, unreachable

if TYPE_CHECKING:
    from voxboard.backbones.ssl_config import SSLConfig

log = logging.getLogger("voxboard")

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


def from_scratch(config: SSLConfig) -> Any:
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
    except UNFIT as error:
        raise UserError(f"Such a network cannot be built: {first_line(error)}", "Change its sizes.") from error


def pretrained(config: SSLConfig) -> Any:
    """The published weights, in float32. Raises `UserError` when they are not there or do not fit."""
    refuse_sizes({name: getattr(config, name) for name in ("layers", "size", "heads", "ffn", "conv_size")})
    return load(config.cfg, masked_as_told(read_config(config.cfg), config))


def masked_as_told(shape: Any, config: SSLConfig) -> Any:
    """The config of a network that masks nothing in training, where the user says so."""
    if not config.augment:
        shape.apply_spec_augment, shape.mask_time_prob, shape.mask_feature_prob = False, 0.0, 0.0
    return shape


def load(cfg: str, shape: Any, families: Mapping[str, tuple[str, str]] = FAMILIES) -> Any:
    """A network of `shape` with the weights of a hub id or local folder; `families` has its class. Raises the same."""
    import transformers

    family = getattr(transformers, families[shape.model_type][1])
    where = folder(cfg)
    hf_files.refuse_adapters(where, hub())
    hf_files.refuse_elsewhere(where)
    try:
        model, report = family.from_pretrained(
            where,
            config=shape,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are said below
            weights_only=True,
            **hub(),
        )
    except OSError as error:
        raise unreachable(cfg, "weights") from error
    except (SafetensorError, UnpicklingError, *UNFIT) as error:
        raise UserError(f"The weights in {cfg} cannot be loaded: {first_line(error)}", "Fetch them again.") from error
    _refuse_misfits(cfg, shape.model_type, model, report)
    broken = next((name for name, value in model.named_parameters() if not bool(torch.isfinite(value).all())), "")
    if broken:
        raise UserError(f"The weights in {cfg} hold values that are no numbers, in {broken}.", "Fetch them again.")
    return model


def _refuse_misfits(cfg: str, family: str, model: Any, report: Mapping[str, Any]) -> None:
    """Raise `UserError` for weights of another shape, for those that are missing, and those that have no place."""
    wrong = sorted(report["mismatched_keys"])
    if wrong:
        name, inside, wanted = wrong[0]
        raise UserError(
            f"{len(wrong)} of the weights in {cfg} have another shape than config.json says, e.g. {printable(name)}: "
            f"{list(inside)}, not {list(wanted)}.",
            "Fetch config.json and the weights again, from one place.",
        )
    homeless = sorted(filter(_homeless(model), report["unexpected_keys"]))
    if any(".lora_" in name or ".base_layer." in name for name in homeless):
        raise UserError(
            f"The weights in {cfg} hold an adapter (LoRA) that is not merged, e.g. {printable(homeless[0])}.",
            "Merge it into the model first (peft: merge_and_unload, save_pretrained).",
        )
    absent = sorted(key for key in report["missing_keys"] if not key.endswith("masked_spec_embed"))
    if absent:
        raise UserError(
            f"The weights in {cfg} lack {len(absent)} of the network's, e.g. {absent[0]}.",
            f"They may belong to another family than {family}.",
        )
    if homeless:
        raise UserError(
            f"The weights in {cfg} hold {len(homeless)} that config.json has no layers for, e.g. "
            f"{printable(homeless[0])}.",
            "Correct config.json (num_hidden_layers, say); to use fewer layers on purpose, say depth=N.",
        )


def _homeless(model: Any) -> Callable[[str], bool]:
    """True if a weight that found no place belongs inside the network, not to a head that is left away on purpose."""
    base = getattr(model, model.base_model_prefix, model)
    inside = {name for name, _ in base.named_children()}

    def homeless(key: str) -> bool:
        path = key.removeprefix("module.").removeprefix(f"{model.base_model_prefix}.").split(".")
        return path[0] in inside and len(path) > 2 and path[-1] != "num_batches_tracked"

    return homeless


def refuse_sizes(sizes: Mapping[str, int]) -> None:
    """Raise `UserError` for sizes that are given for published weights."""
    if any(sizes.values()):
        *names, last = sizes
        raise UserError(
            "A pretrained network keeps its sizes.",
            f"Drop {', '.join(names)} and {last}, or add use_pretrain=False for random weights.",
        )


def architecture(cfg: str) -> Any:
    """The transformers config of a known name (without network), a local folder or a hub id."""
    import transformers

    if cfg in KNOWN and not Path(cfg).is_dir():
        checkpoint = KNOWN[cfg]
        return getattr(transformers, FAMILIES[checkpoint.family][0])(**checkpoint.architecture)
    return read_config(cfg)


def read_config(cfg: str, families: Mapping[str, tuple[str, str]] = FAMILIES) -> Any:
    """The transformers config of a local folder or a hub id. Raises `UserError` for another family of models.

    Read here rather than by `AutoConfig`, which may ask whether a folder's own code shall run.
    """
    import transformers

    content = _content(cfg, "config.json")
    family = content.get("model_type")
    if not isinstance(family, str) or family not in families:
        hf_files.refuse_code(content, cfg)
        named = f"a {printable(str(family))} model" if family else "a model of no named family (model_type)"
        raise UserError(f"{cfg} is {named}.", f"These can be used: {', '.join(families)}.")
    if content.get("quantization_config"):
        raise UserError(f"The weights of {cfg} are quantized.", "Pass the model in full precision.")
    own = {key: value for key, value in content.items() if key not in hf_files.ASIDE}
    hf_files.refuse_giants(own, cfg)
    try:
        return getattr(transformers, families[family][0]).from_dict(own)
    except Exception as error:  # whatever values of the wrong type do in there
        reason = printable(" ".join(str(error).split()))[:200]
        raise UserError(
            f"The config.json of {cfg} describes no {family} network: {reason}", "Fetch it again."
        ) from error


def _content(cfg: str, name: str) -> dict[str, Any]:
    """The object in a file that must be there."""
    try:
        content = hf_files.content(folder(cfg), name, hub())
    except (OSError, ValueError) as error:
        raise unreachable(cfg, name) from error
    if content is None:
        if Path(folder(cfg)).is_dir():
            hf_files.refuse_adapters(folder(cfg), hub())
        raise unreachable(cfg, name)
    return content


def wants_normalized(config: SSLConfig) -> bool:
    """True if this network was trained on zero-mean, unit-variance audio, unless the user decides it.

    Raises `UserError` for published weights about which nothing says so.
    """
    if config.normalize not in ("auto", "yes", "no"):
        raise unknown("value of normalize", str(config.normalize), ("auto", "yes", "no"))
    if config.normalize != "auto":
        return config.normalize == "yes"
    if config.cfg in KNOWN and not Path(config.cfg).is_dir():
        return KNOWN[config.cfg].normalize
    settings = _preprocessor(config.cfg)
    if settings is None and config.use_pretrain:
        raise UserError(
            f"{config.cfg} has no preprocessor_config.json, so nothing tells whether its audio was normalized.",
            "Say normalize=yes or normalize=no (--backbone_normalize yes; base models of WavLM want no, other "
            "published ones yes), or put the file there.",
        )
    return settings is not None and _do_normalize(config, settings)


def _do_normalize(config: SSLConfig, settings: Mapping[str, Any]) -> bool:
    """Value in a feature extractor's settings, else transformers' own default."""
    normalize, rate = settings.get("do_normalize", True), settings.get("sampling_rate", 16_000)
    if not isinstance(normalize, bool):
        raise UserError(
            f"do_normalize in the preprocessor_config.json of {config.cfg} is neither true nor false.", "Correct it."
        )
    if config.use_pretrain and rate != 16_000:
        raise UserError(
            f"{config.cfg} was trained on audio of {printable(str(rate))} Hz (preprocessor_config.json).",
            "voxboard gives this family 16,000 Hz: take another model.",
        )
    return normalize


def _preprocessor(cfg: str) -> dict[str, Any] | None:
    """The settings of a checkpoint's feature extractor; None where it brings none."""
    try:
        alone = hf_files.content(folder(cfg), "preprocessor_config.json", hub())
        whole = hf_files.content(folder(cfg), "processor_config.json", hub()) if alone is None else None
    except (OSError, ValueError):
        return None
    if alone is not None:
        return alone
    part = (whole or {}).get("feature_extractor")
    return part if isinstance(part, dict) else None


# What transformers raises for sizes that fit no network.
UNFIT = (RuntimeError, ValueError, TypeError, ZeroDivisionError, KeyError, AttributeError, IndexError, MemoryError)
