"""An ONNX file as an encoder of utterances: a graph from waveforms to embeddings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec, probed_size
from voxboard.errors import UserError
from voxboard.limits import Count

MATRIX, PLANES = 2, 3  # axes of the waveforms that graphs take: [B, N], or [B, 1, N]


class Onnx(UtteranceEncoder):
    """The first output of a graph for waveforms [B, N] or [B, 1, N], and lengths [B] where it has a second input.

    It runs in onnxruntime on the CPU, utterances of equal length together. Raises `UserError` for a file that is none,
    or whose graph takes something else.
    """

    @dataclass(frozen=True)
    class Config:
        file: str = ""
        """The ONNX file."""
        sample_rate: Count = 16_000
        """Samples per second that the graph was made for."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self._session = _session(config.file)
        self._inputs = self._session.get_inputs()
        self._check_inputs()
        self.spec = UtteranceSpec(
            embedding_size=probed_size(_Graph(self), config.sample_rate),
            sample_rate=config.sample_rate,
            batching="equal-length",
            code_licence="",
            weights="unknown",
        )

    def embed(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        waves = waveforms.detach().cpu().float().numpy()
        feeds = {self._inputs[0].name: waves[:, None] if len(self._inputs[0].shape) == PLANES else waves}
        if len(self._inputs) > 1:
            counts = lengths.cpu().numpy()
            feeds[self._inputs[1].name] = counts if "int64" in self._inputs[1].type else counts.astype("int32")
        made: Tensor = torch.from_numpy(self._session.run(None, feeds)[0]).float()
        return made.reshape(len(made), -1).to(waveforms.device)

    def preprocessing(self) -> dict[str, Any]:
        return {
            "onnx": hashlib.sha256(Path(self.config.file).read_bytes()).hexdigest(),
            **vars(self.config),
            "file": "",
        }

    def _check_inputs(self) -> None:
        first, *others = self._inputs
        whole = first.type == "tensor(float)" and len(first.shape) in (MATRIX, PLANES)
        if not whole or len(others) > 1 or any("int" not in one.type for one in others):
            asked = ", ".join(f"{one.name} {one.type} {one.shape}" for one in self._inputs)
            raise UserError(
                f"The graph of {self.config.file} takes {asked}.",
                "It must take waveforms [B, N] of float32, and at most lengths [B] beside them.",
            )


class _Graph(torch.nn.Module):
    """The graph alone, before the size of its embeddings is known."""

    def __init__(self, encoder: Onnx) -> None:
        super().__init__()
        self._embed = encoder.embed

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        return self._embed(waveforms, lengths)


def _session(file: str) -> Any:
    if not Path(file).is_file():
        raise UserError(f"There is no file {file}.", "Name the ONNX file as onnx:PATH.")
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("ONNX files need onnxruntime.", "Run: pip install 'voxboard[onnx]'.") from error
    try:
        return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for every kind of damage
        raise UserError(f"{file} cannot be opened as ONNX: {str(error).splitlines()[0]}", "Export it again.") from error
