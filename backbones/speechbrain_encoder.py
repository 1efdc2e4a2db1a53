"""Any encoder of SpeechBrain's by its own class: ResNet, ECAPA-TDNN, x-vector, and whatever else `lobes.models` has.

Nothing of the network is written again, and so nothing of it is masked: only utterances of equal length share a call.
`speechbrain-ecapa` and `speechbrain-xvector` are the same networks with masked layers, exact in padded batches too.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec, of_equal_length
from voxboard.backbones.features import HOP, normalize
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.s3prl_guard import guarded
from voxboard.backbones.speechbrain_checkpoints import TRAINED_ON, fetch
from voxboard.backbones.speechbrain_layers import DecibelFbank
from voxboard.errors import UserError, printable, unknown
from voxboard.limits import Size
from voxboard.reference_weights import load_reference

PACKAGE = "speechbrain.lobes.models"
PUBLISHED = "speechbrain/spkrec-resnet-voxceleb"  # ResNet at its defaults
LONGEST_SHORTEST = 100  # frames: what needs more is no encoder of utterances
PROBED = (97, 193)  # frames of features, 96 apart: divisible by the usual strides
SIZES = ("input_size", "in_channels")  # what SpeechBrain's classes call the number of mel bins


class SpeechBrainEncoder(Backbone):
    """Frames [B, 1, T, D], or one frame [B, 1, 1, E] per utterance where the class pools by itself.

    Log-mel in dB less its mean over the utterance goes to the class, as in SpeechBrain's recipes for speakers; its
    embedding is that of `EncoderClassifier.encode_batch` on one utterance (Ravanelli et al., arXiv 2106.04624).
    In training the whole batch is one call, so that batch statistics count padded frames too.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `speechbrain`."""

        encoder: str = f"{PACKAGE}.ResNet:ResNet"
        """The class, speechbrain.lobes.models.<module>:<class>; of features it makes [B, T, D] or [B, E]."""
        options: str = ""
        """What the class is built with, as a JSON object; empty: its defaults."""
        bins: Size = 80
        """Mel bins; the class gets their number as its input_size or in_channels."""
        cfg: str = PUBLISHED
        """Hub id, or a local folder with embedding_model.ckpt, that use_pretrain loads."""
        use_pretrain: bool = False
        """Load the published weights; without it the network starts from random weights."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.features = DecibelFbank(config.bins)
        self.network = build(config)
        shortest, (size, hop) = _shortest(self.network, config.bins), _sizes(self.network, config.bins)
        self.spec = BackboneSpec(
            FramesSpec(1, size, hop, native=("mean", {}) if math.isinf(hop) else None),
            min_samples=(shortest - 1) * HOP,
            parameters=sum(p.numel() for p in self.parameters()),
            batching="equal-length",
            code_licence="Apache-2.0",
            weights="random",
            weights_licence=RANDOM,
            source=config.encoder,
        )
        if config.use_pretrain:
            load_reference("speechbrain-encoder", fetch(config.cfg), backbone=self)
            published = config.cfg == PUBLISHED
            licence = "Apache-2.0" if published else "see the checkpoint's card"
            heard = TRAINED_ON if published else ()
            source = f"{config.encoder}, {config.cfg}"
            self.spec = replace(
                self.spec, weights="pretrained", weights_licence=licence, trained_on=heard, source=source
            )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        features, steps = self.features(waveforms, lengths)
        features = normalize(features, steps, "mean")  # [B, T, bins]
        if self.training:
            states = _states(self.network, features)
            counts = (steps * states.shape[1] / features.shape[1]).ceil().long()
            return Frames(states[:, None], counts, self.spec.frames.hop)
        alike = dict(of_equal_length(steps))
        parts = {count: _states(self.network, features[rows, :count]) for count, rows in alike.items()}
        longest = max(part.shape[1] for part in parts.values())
        states = features.new_zeros(len(features), longest, self.spec.frames.size)
        counts = torch.zeros_like(steps)
        for count, rows in alike.items():
            states[rows, : parts[count].shape[1]] = parts[count]
            counts[rows] = parts[count].shape[1]
        return Frames(states[:, None], counts, self.spec.frames.hop)

    def preprocessing(self) -> dict[str, Any]:
        return {"features": "decibel", "bins": self.config.bins, "encoder": self.config.encoder}


def build(config: SpeechBrainEncoder.Config) -> nn.Module:
    """Return the network with random weights. Raises `UserError` for a class or options that SpeechBrain has not."""
    made, options = encoder_class(config.encoder), _options(config.options)
    accepted = inspect.signature(made).parameters
    for name in options:
        if name not in accepted:
            raise unknown(f"option of {config.encoder}", name, accepted)
    size = next(({name: config.bins} for name in SIZES if name in accepted and name not in options), {})
    try:
        with guarded():
            network = made(**{**size, **options})
    except UserError:
        raise
    except Exception as error:  # whatever the class does with options that do not fit
        raise UserError(f"{config.encoder} cannot be built: {_reason(error)}.", "Check its options.") from error
    for module in network.modules():
        if hasattr(module, "_get_gauss_noise"):  # of its statistics pooling: an embedding is a function of its input
            vars(module)["_get_gauss_noise"] = torch.zeros
    return network


def encoder_class(name: str) -> type[nn.Module]:
    """Return the class of `speechbrain.lobes.models` that a name means. Raises `UserError` for any other code."""
    if re.fullmatch(rf"{re.escape(PACKAGE)}(\.[A-Za-z]\w*)+:[A-Za-z]\w*", name) is None:
        raise UserError(f"{printable(name)} is no encoder of SpeechBrain's.", f"Write {PACKAGE}.ResNet:ResNet.")
    path, _, attribute = name.partition(":")
    try:
        with _undisturbed():
            made = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"SpeechBrain's {name} cannot be imported: {_reason(error)}.", "Use another class.") from error
    if not (isinstance(made, type) and issubclass(made, nn.Module) and made.__module__.startswith(f"{PACKAGE}.")):
        raise UserError(f"{name} is no network of SpeechBrain's.", f"Name a class that {path} defines.")
    return made


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Import SpeechBrain without its settings of torch, and without the stand-ins that it leaves among the modules.

    It would allow TF32 for every network of this process. A stand-in raises when anything looks at it.
    """
    before = os.environ.get("SB_DISABLE_QUIRKS")
    os.environ["SB_DISABLE_QUIRKS"] = "allow_tf32,disable_jit_profiling"
    try:
        yield
        from speechbrain.utils.importutils import LazyModule
    finally:
        os.environ.pop("SB_DISABLE_QUIRKS")
        if before is not None:
            os.environ["SB_DISABLE_QUIRKS"] = before
    for name, module in list(sys.modules.items()):
        if isinstance(module, LazyModule):
            del sys.modules[name]


def _options(text: str) -> Mapping[str, Any]:
    """Return the options. Raises `UserError` for what is no JSON object, or names a file or an address."""
    try:
        options = json.loads(text) if text else {}
    except ValueError as error:
        raise UserError(f"The options of the encoder are no JSON: {error}.", 'Write {"lin_neurons": 256}.') from error
    if not isinstance(options, dict):
        raise UserError("The options of the encoder are no JSON object.", 'Write {"lin_neurons": 256}.')
    for name, value in options.items():
        if isinstance(value, str) and re.fullmatch(r"[\w-]+", value) is None:
            raise UserError(f"The option {name} is {printable(value)!r}.", "Options of an encoder name no files.")
    return options


def _states(network: nn.Module, features: Tensor) -> Tensor:
    """[B, T, bins] → [B, T′, D], where T′ = 1 for a class that pools."""
    states = network(features)
    if not isinstance(states, Tensor) or states.ndim not in (2, 3):
        shape = tuple(states.shape) if isinstance(states, Tensor) else type(states).__name__
        raise UserError(f"{type(network).__name__} makes {shape} of features.", "An encoder makes [B, E] or [B, T, D].")
    return states if states.ndim == 3 else states[:, None]


def _shortest(network: nn.Module, bins: int) -> int:
    """Return the fewest frames of features that the network takes. Raises `UserError` where 100 are too few."""
    for frames in range(1, LONGEST_SHORTEST):
        try:
            _probe(network, frames, bins)
        except (RuntimeError, ValueError) as error:
            reason = _reason(error)
        else:
            return frames
    raise UserError(f"{type(network).__name__} takes no features of {bins} bins: {reason}.", "Check bins and options.")


def _sizes(network: nn.Module, bins: int) -> tuple[int, float]:
    """Return the size of a frame and the seconds between two, infinite where an utterance has only one."""
    short, long = (_probe(network, frames, bins) for frames in PROBED)
    more = long.shape[1] - short.shape[1]
    return long.shape[2], HOP / 16_000 * (PROBED[1] - PROBED[0]) / more if more else math.inf


@torch.no_grad()
def _probe(network: nn.Module, frames: int, bins: int) -> Tensor:
    training = network.training
    states = _states(network.eval(), torch.zeros(1, frames, bins))
    network.train(training)
    return states


def _reason(error: Exception) -> str:
    return printable(next(iter(str(error).strip().splitlines()), type(error).__name__)).rstrip(".")
