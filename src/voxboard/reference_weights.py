"""Weights of the reference systems, by their own key names, into voxboard's modules.

    weights = read_weights("model_best.pt")
    load_reference("unipool", weights, backbone=backbone, pooler=pooler, head=head)

Nothing is unpickled except tensors and arrays: opening a checkpoint never executes code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from voxboard.errors import UserError, unknown


@dataclass(frozen=True)
class Rule:
    """Keys that start with `prefix` belong to a `part`, under `target` instead, after `change`."""

    prefix: str
    part: str
    target: str = ""
    change: Callable[[Tensor], Tensor] = lambda tensor: tensor


def classes_first(weight: Tensor) -> Tensor:
    """One direction per row [C, E] → one head [1, E, C]."""
    return weight.T[None]


def classes_last(weight: Tensor) -> Tensor:
    """One direction per column [E, C] → one head [1, E, C]."""
    return weight[None]


def by_biased_deviation(weight: Tensor) -> Tensor:
    """A layer norm's weights [E] for the unbiased deviation → those for torch's, which is biased and smaller."""
    size = len(weight)
    return weight * ((size - 1) / size) ** 0.5


def matrix(tensor: Tensor) -> Tensor:
    """A convolution over one frame [out, in, 1] → a linear map [out, in]; a bias as it is."""
    return tensor.flatten(1) if tensor.ndim == 3 else tensor


def torchaudio_wav2vec2(name: str) -> tuple[Rule, ...]:
    """torchaudio's wav2vec 2.0 under `name` → transformers', whose modules have the same names in other places."""
    return (
        Rule(f"{name}.feature_extractor.", "backbone", "model.feature_extractor."),
        Rule(f"{name}.encoder.feature_projection.", "backbone", "model.feature_projection."),
        Rule(f"{name}.encoder.transformer.", "backbone", "model.encoder."),
    )


# Of all prefixes that match a key the longest counts; a rule without a part names keys that nothing here needs.
LAYOUTS: dict[str, tuple[Rule, ...]] = {
    "unipool": (
        Rule("backbone.", "backbone", "model."),
        Rule("encoder.", "pooler"),
        Rule("aam_softmax.", "head"),
        Rule("span_mask_kernel", ""),
    ),
    "ecapa": (
        Rule("speaker_encoder.", "backbone"),
        Rule("speaker_encoder.torchfbank.", ""),
        Rule("speaker_encoder.attention.", "pooler", "attention."),
        Rule("speaker_encoder.bn5.", "pooler", "norm."),
        Rule("speaker_encoder.fc6.", "pooler", "project."),
        Rule("speaker_encoder.bn6.", "pooler", "out_norm."),
        Rule("aamsoftmax_loss.", "head", "", classes_first),
    ),
    "xvector": (
        Rule("feature_extraction.", ""),
        Rule("speaker_encoder.", "backbone"),
        Rule("speaker_encoder.segment6.", "pooler", "project."),
        Rule("speaker_encoder.bn6.", "head", "hidden.1."),
        Rule("speaker_encoder.segment7.", "head", "hidden.2."),
        Rule("speaker_encoder.bn7.", "head", "hidden.4."),
        Rule("loss_head.fc.", "head", "output."),
    ),
    "sincnet": (
        Rule("sincnet.", "backbone", "sincnet."),
        Rule("sincnet.bn.", ""),
        Rule("dnn1.", "backbone", "dnn1."),
        Rule("dnn1.ln.", ""),
        Rule("dnn2.", ""),
        Rule("dnn2.ln0.gamma", "head", "norm.weight", by_biased_deviation),
        Rule("dnn2.ln0.beta", "head", "norm.bias"),
        Rule("dnn2.wx.0.", "head", "output."),
    ),
    "zipformer": (Rule("", "backbone"),),
    "frontend": (Rule("", "backbone"),),
    "campplus": (Rule("", "backbone"), Rule("xvector.dense.", "pooler", "dense."), Rule("projection.", "")),
    "speaker-resnet": (
        Rule("", "backbone"),
        Rule("seg_1.", "pooler", "seg_1."),
        Rule("seg_2.", "pooler", "seg_2."),
        Rule("seg_bn_1.", "pooler", "seg_bn_1."),
        Rule("projection.", ""),
    ),
    "redimnet": (
        Rule("backbone.", "backbone", "backbone."),
        Rule("pool.", "pooler", "pool_layers."),
        Rule("bn.", "pooler", "bn."),
        Rule("linear.", "pooler", "linear."),
        Rule("bn2.", "pooler", "bn2."),
        Rule("spec.", ""),
        Rule("cls_head.", ""),
    ),
    "resemblyzer": (Rule("", "backbone"), Rule("similarity_", "")),
    "mhfa": (Rule("", "pooler"),),
    "double-mha": (
        Rule("front_end.", "backbone"),
        Rule("front_end.fc.", ""),
        Rule("poolingLayer.", "pooler", "pooler."),
        Rule("fc1.", "pooler", "fc1."),
        Rule("fc2.", "pooler", "fc2."),
        Rule("b1.", ""),
        Rule("b2.", "pooler", "b2."),
        Rule("b3.", ""),
        Rule("preLayer.", "head", "linear."),
        Rule("predictionLayer.W", "head", "weight", classes_last),
    ),
    "speechbrain-ecapa": (
        Rule("", "backbone", "network."),
        Rule("asp.tdnn.conv.conv.", "pooler", "attention.0."),
        Rule("asp.tdnn.norm.norm.", "pooler", "attention.2."),
        Rule("asp.conv.conv.", "pooler", "attention.4."),
        Rule("asp_bn.norm.", "pooler", "norm."),
        Rule("fc.conv.", "pooler", "project.", matrix),
    ),
    "speechbrain-xvector": (Rule("", "backbone", "network."), Rule("blocks.16.w.", "pooler", "project.")),
    "speechbrain-encoder": (Rule("", "backbone", "network."),),
    "aam": (Rule("", "head", "", classes_first),),
    "aam-columns": (Rule("", "head", "", classes_last),),
    "multi-head-aam": (Rule("", "head"),),
    "am": (Rule("W", "head", "weight", classes_last),),
    "ge2e": (Rule("similarity_", "head", "similarity_"), Rule("", "")),
    "explorewv2": (
        *torchaudio_wav2vec2("w2v_encoder"),
        Rule("masked_spec_embed", ""),  # for the extractor's features, where voxboard masks the projected ones
        Rule("amsoftmax_loss.W", "head", "weight", classes_last),
    ),
    "finetunewv2": (
        *torchaudio_wav2vec2("w2v_model"),
        Rule("masked_spec_embed", "backbone", "model.masked_spec_embed"),
        Rule("training_head.", "head", "output."),
        Rule("training_head.fc.", "head", "output."),
        Rule("training_head.fc_weights", "head", "weight", classes_first),
    ),
    "ge2e-wavlm": (
        Rule("wavlm.", "backbone", "model."),
        Rule("layer_weights", "pooler", "layer_weights"),
        Rule("projector.", "pooler", "projector."),
        Rule("tdnn.", "pooler", "tdnn."),
        Rule("feature_extractor.", "pooler", "feature_extractor."),
        Rule("classifier.", ""),
        Rule("objective.", ""),
        Rule("similarity_", "head", "similarity_"),
    ),
    "whisper-intensity": (
        Rule("model.encoder.", "backbone", "encoder."),
        Rule("model.decoder.", "head", "decoder.network."),
        Rule("proj_out.", ""),  # the token embeddings once more
        Rule("intensity_head.", "head", "intensity."),
    ),
    "auden-voice": (
        Rule("encoder.", "backbone"),
        Rule("classifier_id.1.", "head", "parts.speaker.output."),
        Rule("classifier_emotion.1.", "head", "parts.emotion.output."),
        Rule("classifier_gender.1.", "head", "parts.gender.output."),
        Rule("classifier_age.1.", "head", "parts.age_group.output."),
    ),
}
# torch renamed the parts of a weight-normed convolution.
RENAMED = {
    ".conv.weight_g": ".conv.parametrizations.weight.original0",
    ".conv.weight_v": ".conv.parametrizations.weight.original1",
}
# What only training uses: a checkpoint of a reference need not have it.
OPTIONAL = ("num_batches_tracked", "centroids", "masked_spec_embed")
WRAPPERS = ("model_state", "model_state_dict", "state_dict", "model")


def load_reference(layout: str, weights: Mapping[str, Any], **parts: nn.Module | None) -> None:
    """Load a reference's weights into `backbone=`, `pooler=` and `head=`; a part that is not given is left out.

    `weights` maps the reference's key names to tensors or arrays. Strict: raises `UserError` that lists the keys which
    are missing, unexpected or of another shape; then nothing has been changed. What only training uses may be absent.
    """
    if layout not in LAYOUTS:
        raise unknown("checkpoint layout", layout, LAYOUTS)
    modules = {name: _unwrapped(module) for name, module in parts.items() if module is not None}
    states: dict[str, dict[str, Tensor]] = {name: {} for name in modules}
    unexpected = []
    for key, value in weights.items():
        rule = _rule(layout, key.removeprefix("module."))
        if rule is None:
            unexpected.append(key)
        elif rule.part in modules:
            name = _renamed(rule.target + key.removeprefix("module.").removeprefix(rule.prefix))
            if not _left_out(modules[rule.part], name):
                states[rule.part][name] = rule.change(torch.as_tensor(value))
    problems = [f"unexpected {key}" for key in unexpected]
    for name, module in modules.items():
        problems += [f"{problem} ({name})" for problem in _misfits(module, states[name])]
    if problems:
        shown = ", ".join(problems[:8]) + (", …" if len(problems) > 8 else "")
        raise UserError(
            f"The weights do not fit the {layout} layout: {len(problems)} problems: {shown}.",
            "Build the parts with the sizes that the checkpoint was trained with.",
        )
    for name, module in modules.items():
        module.load_state_dict(states[name], strict=False)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a .npz, .safetensors or torch file, by name.

    A training checkpoint's model is found under `model_state`, `state_dict` or `model`. Raises `UserError` for a file
    that is not there, is damaged, or would have to execute code to open.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path}.", "Pass the checkpoint's path.")
    try:
        content = _READERS.get(path.suffix, _read_torch)(path)
    except UnpicklingError as error:
        raise UserError(
            f"{path} is damaged, or holds more than tensors and would have to execute code to open.",
            "Where you trust it, save its state dict alone, as .safetensors.",
        ) from error
    except Exception as error:  # every format has its own errors for a damaged file
        reason = str(error).strip().split("\n", 1)[0]
        raise UserError(f"Cannot read {path} as weights: {reason}", "Fetch it again.") from error
    for name in WRAPPERS:
        if isinstance(content.get(name), Mapping):
            content = content[name]
    return {key: torch.as_tensor(value) for key, value in content.items()}


def _rule(layout: str, key: str) -> Rule | None:
    matching = [rule for rule in LAYOUTS[layout] if key.startswith(rule.prefix)]
    return max(matching, key=lambda rule: len(rule.prefix), default=None)


def _unwrapped(module: nn.Module) -> nn.Module:
    """`native` is a shell around the pooler that has the weights."""
    inner = getattr(module, "pooler", None)
    return inner if isinstance(inner, nn.Module) and getattr(module, "shell", False) else module


def _left_out(module: nn.Module, name: str) -> bool:
    """True if the module declares that it leaves out this weight on purpose."""
    leaves_out = getattr(module, "leaves_out", None)
    return leaves_out is not None and bool(leaves_out(name))


def _renamed(name: str) -> str:
    for old, new in RENAMED.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _misfits(module: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Describe the entries of `state` that do not fit the module."""
    wanted = module.state_dict()
    problems = [f"missing {key}" for key in wanted if key not in state and not key.endswith(OPTIONAL)]
    for key, value in state.items():
        if key not in wanted:
            problems.append(f"unexpected {key}")
        elif value.shape != wanted[key].shape:
            problems.append(f"{key} is {list(value.shape)}, not {list(wanted[key].shape)}")
    return problems


def _read_npz(path: Path) -> dict[str, Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as content:
        return {key: torch.from_numpy(content[key]) for key in content.files}


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(path))


def _read_torch(path: Path) -> dict[str, Any]:
    import numpy as np

    # UniPool-SV's checkpoints also hold error rates and the state of numpy's random generator: arrays are data.
    build = [np._core.multiarray._reconstruct, np._core.multiarray.scalar]  # type: ignore[attr-defined]
    arrays: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd")]
    older = [(function, f"numpy.core.multiarray.{function.__name__}") for function in build]
    with torch.serialization.safe_globals([*build, *arrays, *older]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise TypeError("it holds no mapping of names to tensors.")
    return dict(content)


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {".npz": _read_npz, ".safetensors": _read_safetensors}
