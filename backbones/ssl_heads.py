"""The x-vector heads that some checkpoints of the transformers family bring: their sizes and their weights."""

from __future__ import annotations

from typing import Any

from torch import nn

from voxboard.backbones.ssl_checkpoints import load
from voxboard.reference_weights import load_reference

FAMILIES = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2ForXVector"),
    "wavlm": ("WavLMConfig", "WavLMForXVector"),
    "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioForXVector"),
}


def native_head(shape: Any) -> tuple[str, dict[str, Any]] | None:
    """The pooler that a transformers config was published with, and its options; None for a network without head."""
    if not any(name.endswith("ForXVector") for name in shape.architectures or ()):
        return None
    return "xvector-head", {
        "weighted": bool(shape.use_weighted_layer_sum),
        "channels": tuple(shape.tdnn_dim),
        "kernels": tuple(shape.tdnn_kernel),
        "dilations": tuple(shape.tdnn_dilation),
        "embedding": shape.xvector_output_dim,
    }


def load_head(cfg: str, shape: Any, pooler: nn.Module) -> None:
    """Fill the pooler from a checkpoint. Raises `UserError` where the checkpoint lacks some of its weights."""
    model = load(cfg, shape, FAMILIES)
    network = f"{model.base_model_prefix}."
    weights = {key: value for key, value in model.state_dict().items() if not key.startswith(network)}
    load_reference("ge2e-wavlm", weights, pooler=pooler)
