"""Any upstream of S3PRL by its hub name, imported alone.

`s3prl.hub` and `s3prl.nn` import all upstreams at once, which torchaudio without its input and output refuses.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voxboard.backbones.base import Backbone, BackboneSpec, of_equal_length
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.s3prl_guard import admit, guarded
from voxboard.errors import UserError, unknown

SHORTEST = 1_600  # samples: the baseline's mean-variance normalisation needs several frames
SLACK = 4  # layers of one rate may differ by a few frames at the end; S3PRL tolerates as many


class S3prl(Backbone):
    """An upstream's hidden states as they come [B, L, T, D] (Yang et al., SUPERB, Interspeech 2021).

    Only utterances of equal length share a call, so nothing depends on batch mates. Layers of another rate are brought
    to the finest by repeating frames; narrower layers are filled up with zeros.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `s3prl:<upstream>`."""

        upstream: str = "fbank"
        """A name of S3PRL's hub: fbank, wavlm_base, hubert_local …; most fetch their weights from the network."""
        ckpt: str = ""
        """A local checkpoint for the upstreams that end in _local or _custom: /path/to/file.pt."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.upstream: Any = build(config)
        states, rate = self._probe()
        hooks = getattr(self.upstream, "hooks", [])
        weighted = any(True for _ in self.parameters())  # S3PRL always loads them
        self.spec = BackboneSpec(
            FramesSpec(
                states.shape[1],
                states.shape[3],
                rate / 16_000,
                # S3PRL's transformers hand over the input of every layer, and the output of the last.
                input_layer=bool(hooks) and hooks[0].module_path.endswith("layers[0]"),
            ),
            min_samples=SHORTEST,
            parameters=sum(p.numel() for p in self.parameters()),
            code_licence="Apache-2.0",
            weights="pretrained" if weighted else "none",
            weights_licence="see the upstream's card" if weighted else "none (no weights)",
            source=f"s3prl {version('s3prl')}: {config.upstream}",
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        rows: dict[int, Tensor] = {}
        for length, same in of_equal_length(lengths):
            states = stacked(self.upstream([waveforms[row, :length] for row in same])["hidden_states"])
            rows.update(zip(same, states, strict=True))
        steps = torch.tensor([rows[row].shape[1] for row in range(len(lengths))], device=waveforms.device)
        padded = [_padded(rows[row], 1, int(steps.max())) for row in range(len(lengths))]
        return Frames(torch.stack(padded), steps, self.spec.frames.hop)

    def preprocessing(self) -> dict[str, Any]:
        return {"upstream": self.config.upstream, "s3prl": version("s3prl")}

    @torch.no_grad()
    def _probe(self) -> tuple[Tensor, int]:
        """The states of one second [1, L, T, D], and how many samples a frame stands for."""
        training = self.upstream.training
        second = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
        try:
            hidden = self.upstream.eval()([second])["hidden_states"]
        except KeyError as error:
            raise UserError(f"S3PRL's {self.config.upstream} returns no hidden states.", "Use another one.") from error
        self.upstream.train(training)
        states = stacked(hidden)
        rate = int(getattr(self.upstream, "get_downsample_rates", lambda _: 0)("hidden_states"))
        trusted = abs(rate * states.shape[2] - 16_000) <= (SLACK + 1) * rate  # else it is another layer's
        return states, rate if rate and trusted else round(16_000 / states.shape[2])


def stacked(hidden: Sequence[Tensor]) -> Tensor:
    """Layers [B, Tₗ, Dₗ] → [B, L, T, D] at the finest rate and the largest width."""
    finest = max(layer.shape[1] for layer in hidden)
    steps = min(layer.shape[1] for layer in hidden if finest - layer.shape[1] <= SLACK)
    width = max(layer.shape[2] for layer in hidden)
    aligned = []
    for layer in hidden:
        frames = layer.shape[1]
        at = torch.arange(steps, device=layer.device)
        if finest - frames > SLACK:  # a slower layer: the frame that was there at the time
            at = at * frames // steps
        aligned.append(_padded(layer[:, at], -1, width))
    return torch.stack(aligned, 1)


def build(config: S3prl.Config) -> Any:
    """The upstream of this name. Raises `UserError` for one that is unknown, cannot be imported or cannot be built."""
    modules = catalogue()
    if config.upstream not in modules:
        raise unknown("S3PRL upstream", config.upstream, modules)
    module = modules[config.upstream]
    admit(module)
    try:
        hub = importlib.import_module(f"s3prl.upstream.{module}.hubconf")
    except Exception as error:  # whatever an upstream does while it is imported
        raise UserError(
            f"S3PRL's upstream {module} cannot be imported with torchaudio {version('torchaudio')}: {_reason(error)}.",
            "Use another upstream.",
        ) from error
    options = {"ckpt": str(harmless(Path(config.ckpt).expanduser()))} if config.ckpt else {}
    try:
        with guarded():
            return getattr(hub, config.upstream)(**options)
    except UserError:
        raise
    except Exception as error:  # no network, no such file, a package that only this upstream needs
        raise UserError(
            f"S3PRL's upstream {config.upstream} cannot be built: {_reason(error)}.",
            'Weights come from the network, or from a file for the upstreams in _local: ckpt="/path/to/file.pt".',
        ) from error


def harmless(path: Path) -> Path:
    """The path itself. Raises `UserError` for a checkpoint that holds more than tensors and plain values.

    Some upstreams catch what `guarded` raises and try another way, so it is said here first.
    """
    try:
        with guarded():
            torch.load(path, map_location="meta")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check ckpt.") from error
    except UserError:
        raise
    except Exception as error:  # whatever damaged bytes make torch's unpickler stumble over
        raise UserError(f"{path} is damaged, or no checkpoint: {_reason(error)}.", "Fetch it again.") from error
    return path


@cache
def catalogue() -> dict[str, str]:
    """Every name of S3PRL's hub and the module that has it, found without importing any."""
    package = importlib.util.find_spec("s3prl")
    if package is None or not package.submodule_search_locations:
        raise UserError("S3PRL is not installed.", "pip install s3prl")
    names: dict[str, str] = {}
    for file in sorted(Path(package.submodule_search_locations[0]).glob("upstream/*/hubconf.py")):
        for name in re.findall(r"^def ([a-z]\w*)\(", file.read_text(), re.MULTILINE):
            module = file.parent.name
            if name not in names or name.startswith(module):  # some names are defined twice
                names[name] = module
    return names


def _padded(x: Tensor, dim: int, size: int) -> Tensor:
    """`x` with zeros at the end of one dimension, up to `size`."""
    shape = list(x.shape)
    shape[dim] = size - shape[dim]
    return torch.cat([x, x.new_zeros(shape)], dim) if shape[dim] else x


def _reason(error: Exception) -> str:
    lines = str(error).strip().split("\n")
    return lines[0].rstrip(".") or type(error).__name__
