"""SpeechBrain's hub checkpoints: where their weights are, and the sizes that these have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from voxboard.errors import UserError
from voxboard.reference_weights import read_weights
from voxboard.weights import folder, hub

Weights = Mapping[str, Tensor]
FILE = "embedding_model.ckpt"


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network; `scale`, `squeeze` and `bottleneck` are 0 for the x-vector, which has none of them."""

    channels: int
    frame_size: int
    embedding: int
    bins: int
    scale: int = 0
    squeeze: int = 0
    bottleneck: int = 0


KNOWN = {
    "speechbrain/spkrec-ecapa-voxceleb": Sizes(1024, 3072, 192, 80, scale=8, squeeze=128, bottleneck=128),
    "speechbrain/spkrec-xvect-voxceleb": Sizes(512, 1500, 512, 24),
}
TRAINED_ON = ("VoxCeleb1 dev", "VoxCeleb2 dev")


def fetch(cfg: str) -> Weights:
    """The weights in a local folder or on the hub. Raises `UserError` when they are not there or hold code."""
    local = Path(folder(cfg))
    if local.is_dir() or cfg.startswith(("/", ".", "~")):
        return read_weights(local / FILE)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return read_weights(hf_hub_download(cfg, FILE, local_files_only="local_files_only" in hub()))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise UserError(
            f"Cannot fetch {FILE} of {cfg}: no network, or no such model on the hub.",
            f"Pass a folder with {FILE} instead: --backbone_cfg /path/to/folder (or speechbrain:/path/to/folder).",
        ) from error


def sizes_of(weights: Weights, cfg: str) -> Sizes:
    """The sizes that the weights' shapes tell. Raises `UserError` for a network of another kind."""

    def out(key: str) -> int:
        return weights[f"{key}.weight"].shape[0]

    try:
        if "mfa.conv.conv.weight" in weights:
            groups = sum(
                bool(re.fullmatch(r"blocks\.1\.res2net_block\.blocks\.\d+\.conv\.conv\.bias", k)) for k in weights
            )
            return Sizes(
                out("blocks.0.conv.conv"),
                out("mfa.conv.conv"),
                out("fc.conv"),
                weights["blocks.0.conv.conv.weight"].shape[1],
                scale=groups + 1,
                squeeze=out("blocks.1.se_block.conv1.conv"),
                bottleneck=out("asp.tdnn.conv.conv"),
            )
        first = weights["blocks.0.conv.weight"]
        return Sizes(first.shape[0], out("blocks.12.conv"), out("blocks.16.w"), first.shape[1])
    except KeyError as error:
        raise UserError(
            f"The weights in {cfg} are neither SpeechBrain's ECAPA-TDNN nor its x-vector: there is no {error.args[0]}.",
            "Pass a checkpoint of one of these.",
        ) from error
