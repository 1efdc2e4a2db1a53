"""Whisper that also tells how loud a speech is: its decoder's text, and a number from the mean of its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from voxboard.backbones.frames import Frames
from voxboard.errors import UserError
from voxboard.heads.base import MISSING, Head, Kind
from voxboard.heads.regression import masked_error
from voxboard.heads.whisper_decoder import DecoderOptions, WhisperDecoder
from voxboard.limits import Dropout, NotNegative
from voxboard.poolers.base import masked_mean

TEXT = "text"


class WhisperIntensity(Head):
    """Cross entropy of the transcript + λ · squared error of a value, over the frames of Whisper's encoder.

    The value is read off the frames' mean: layer norm, linear, GELU, linear, in dB without squashing. Labels are
    {label: values [B] or [B, n], "text": tokens [B, U]}; what is not known (NaN, `MISSING`) trains nothing.

    After speech2text-intensity-regression's multi-task Whisper. There the token that ends a text is never trained (it
    is taken for padding), and padding to 30 s counts in the mean; `reference` does the same.
    """

    reads = "frames"
    targets = "values"
    exports = ("torch.export",)

    @dataclass(frozen=True)
    class Config(DecoderOptions):
        """Options of `whisper-intensity`."""

        label: str = "rms_dbfs"
        """The value that is learned beside the text: rms_dbfs, lufs, or a number of the utterances."""
        weight: NotNegative = 1.0
        """λ, what the squared error (dB²) counts beside the cross entropy (nats per token)."""
        dropout: Dropout = 0.1
        """Share of the mean frame's values that is dropped in training, before the first linear map."""
        reference: bool = False
        """Do not train the end of texts, and let all frames count; the backbone needs whole=True to give those of
        the padding."""

    def __init__(self, size: int, n_classes: Mapping[str, int], config: Config) -> None:
        super().__init__()
        self.config = config
        self.decoder = WhisperDecoder(size, n_classes[TEXT], config, masked=not config.reference)
        self.intensity = nn.Sequential(
            nn.LayerNorm(size),
            nn.Dropout(config.dropout),
            nn.Linear(size, size),
            nn.GELU(),
            nn.Linear(size, n_classes[config.label]),
        )

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, Kind]:
        if config.label == TEXT:
            raise UserError("A text is no value.", "Name rms_dbfs or lufs.")
        return {config.label: "values", TEXT: "tokens"}

    def loss(self, embeddings: Frames, labels: Mapping[str, Tensor]) -> Tensor:
        tokens = labels[TEXT]
        tokens = self._unended(tokens) if self.config.reference else self.decoder.ended(tokens)
        error = self.value_loss(embeddings, labels[self.config.label])
        return self.decoder.loss(embeddings, tokens) + self.config.weight * error

    def value_loss(self, embeddings: Frames, values: Tensor) -> Tensor:
        """The mean squared error in dB² of values [B, n], or [B] where n = 1."""
        return masked_error(self.predict(embeddings).float(), values, torch.square)

    def predict(self, embeddings: Frames) -> Tensor:
        """`Frames` of a sequence [B, 1, T, D] → values [B, n] in dB."""
        predicted: Tensor = self.intensity(self.pooled(embeddings))
        return predicted

    def written(self, frames: Frames, prompt: Sequence[int] = ()) -> list[list[int]]:
        """`Frames` [B, 1, T, D] → the tokens of B texts, by greedy search."""
        return self.decoder.greedy(frames, prompt)

    def pooled(self, frames: Frames) -> Tensor:
        """The mean of the frames [B, D]: of those within the length, or of all that there are."""
        x = frames.states[:, 0]
        if self.config.reference:
            return x.mean(1)
        return masked_mean(x.masked_fill(~frames.mask[..., None], 0.0), frames.mask)

    def _unended(self, tokens: Tensor) -> Tensor:
        """The tokens without those that end a text: Whisper pads with the same one, which the reference ignores."""
        return tokens.masked_fill(tokens == self.decoder.pad, MISSING)
