"""The decoder of a Whisper checkpoint, which writes texts itself: nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from voxboard import weights
from voxboard.backbones import ssl_checkpoints
from voxboard.backbones.frames import Frames
from voxboard.errors import UserError, first_line
from voxboard.heads.base import Head
from voxboard.limits import SizeOrZero

START = "<|startoftranscript|>"
FAMILIES = {"whisper": ("WhisperConfig", "WhisperForConditionalGeneration")}


class WhisperTexts(Head):
    """Whisper's frames to texts by transformers' `generate`: greedy or beam, no timestamps, task "transcribe".

    The backbone is the same checkpoint's encoder with `whole=True`, so that the decoder sees windows as it was trained
    on them; the texts of an utterance's windows are joined by spaces. Raises `UserError` where it is to be trained, and
    for a checkpoint that is not there or has another size.
    """

    label = "text"
    reads = "frames"
    targets = "tokens"
    trained = True

    @dataclass(frozen=True)
    class Config:
        """Options of `whisper:`."""

        cfg: str = "openai/whisper-base"
        """Hub id, or a local folder with config.json, weights and tokenizer."""
        max_new_tokens: SizeOrZero = 0
        """Longest text of a window in tokens; 0 is all that the checkpoint has positions for."""

    def __init__(self, size: int, n_classes: Any, config: Config) -> None:
        super().__init__()
        if n_classes is not None:
            raise UserError("A checkpoint's own decoder is not trained.", "Evaluate it: voxboard eval DATA MODEL.")
        shape = ssl_checkpoints.read_config(config.cfg, FAMILIES)
        if shape.d_model != size:
            raise UserError(
                f"The decoder of {config.cfg} reads frames of size {shape.d_model}, the backbone gives {size}.",
                "Give backbone and head the same cfg.",
            )
        self.config = config
        self.tokenizer = _tokenizer(config.cfg, shape.decoder_start_token_id)
        self.model: Any = ssl_checkpoints.load(config.cfg, shape, FAMILIES).eval()
        self.model.model.encoder.layers = nn.ModuleList()  # the backbone encodes
        self.window: int = shape.max_source_positions  # frames

    def texts(self, frames: Frames, language: str = "", beam: int = 1) -> list[str]:
        """`Frames` [B, 1, T, D] of whole windows → B texts.

        `language` ("en", "german") is for multilingual checkpoints, which find it out per window without. Raises
        `UserError` for frames that are not whole windows, and for a language that the checkpoint does not know.
        """
        if frames.states.shape[2] % self.window or bool((frames.lengths % self.window).any()):
            raise UserError(
                f"Whisper's decoder reads windows of {self.window} frames, the backbone gives other numbers.",
                "Write whisper(cfg=CFG, use_pretrain=True, whole=True) for the backbone.",
            )
        windows = frames.states[:, 0].reshape(
            len(frames.states), -1, self.window, frames.states.shape[-1]
        )  # [B, W, T, D]
        counts = (frames.lengths // self.window).tolist()
        written = iter(
            self._written(torch.cat([row[:count] for row, count in zip(windows, counts, strict=True)]), language, beam)
        )
        return [" ".join(filter(None, islice(written, count))) for count in counts]

    def _written(self, windows: Tensor, language: str, beam: int) -> list[str]:
        """[W, T, D] → W texts."""
        from transformers.modeling_outputs import BaseModelOutput

        options = {"task": "transcribe", "language": language or None} if self._multilingual() else {}
        if language and not options:
            raise UserError(f"{self.config.cfg} knows English only.", "Leave --language out.")
        longest = {"max_new_tokens": self.config.max_new_tokens} if self.config.max_new_tokens else {}
        try:
            tokens = self.model.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=windows),
                return_timestamps=False,
                do_sample=False,
                num_beams=beam,
                **options,
                **longest,
            )
        except ValueError as error:
            reason = first_line(error)
            raise UserError(f"{self.config.cfg} cannot transcribe so: {reason}", "Change --language.") from error
        return [text.strip() for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    def _multilingual(self) -> bool:
        return bool(getattr(self.model.generation_config, "is_multilingual", False))


def _tokenizer(cfg: str, start: int) -> Any:
    """The checkpoint's tokenizer; `start` is the token that begins its texts."""
    import transformers

    kind: Any = transformers.WhisperTokenizer
    try:
        tokenizer = kind.from_pretrained(weights.folder(cfg), trust_remote_code=False, **weights.hub())
    except Exception as error:  # tokenizers has no other, transformers many
        raise weights.unreachable(cfg, "tokenizer") from error
    # transformers makes an empty one where the files are not there.
    if tokenizer.convert_ids_to_tokens(start) != START:
        raise UserError(f"{cfg} has no tokenizer of Whisper's.", "Fetch its tokenizer.json (or vocab.json) too.")
    return tokenizer
