"""Files of tensors, as published, to one file of safetensors: nothing but tensors is read, so no code is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voxboard.published.kept import WEIGHTS


def tensors(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Return the one file of weights that was published, as safetensors with the same names of tensors.

    Raises `UserError` for a file that is damaged or would have to execute code to open.
    """
    from safetensors.torch import save

    from voxboard.reference_weights import read_weights

    (file,) = files.values()
    return {WEIGHTS: save({name: tensor.contiguous() for name, tensor in read_weights(file).items()})}
