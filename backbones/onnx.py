"""An ONNX file as an encoder of utterances: a graph from waveforms, or from filter banks, to embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from voxboard.backbones.features import WINDOW, KaldiFbank, KaldiWindow, normalize
from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec, probed_size
from voxboard.errors import UserError
from voxboard.limits import Count, NotNegative

MATRIX, PLANES = 2, 3  # axes of the waveforms that graphs take: [B, N], or [B, 1, N]; of features [B, T, bins]
FULL_SCALE = 32768.0
# What toolkits train on, by the name that sherpa-onnx's metadata gives them. Its own runtime computes other features.
FRAMEWORKS: dict[str, tuple[float, KaldiWindow]] = {"wespeaker": (FULL_SCALE, "hamming"), "3d-speaker": (1.0, "povey")}


class Onnx(UtteranceEncoder):
    """The first output of a graph for waveforms [B, N] or [B, 1, N], or for Kaldi filter banks [B, T, bins].

    A second input gets the lengths [B], in samples or frames. The file's metadata tells how a filter bank is computed
    (`framework`, `normalize_samples`, as sherpa-onnx and WeSpeaker write them), or the options do. The graph runs in
    onnxruntime on the CPU, utterances of equal length together; one of fixed length gets an utterance in pieces, the
    last one filled up by repetition, and the mean counts. Raises `UserError` for a file that is none, or whose graph
    takes something else.
    """

    @dataclass(frozen=True)
    class Config:
        """Options of `onnx`."""

        file: str = ""
        """The ONNX file."""
        sample_rate: Count = 16_000
        """Samples per second that the graph was made for."""
        features: Literal["auto", "wave", "fbank"] = "auto"
        """What the graph takes: auto tells it by its input, fbank asks for a Kaldi filter bank."""
        window: Literal["auto", "povey", "hamming"] = "auto"
        """Window of the filter bank; auto: by the file's metadata."""
        scale: NotNegative = 0.0
        """What a full-scale sample counts as in the filter bank: 32768 or 1; 0: by the file's metadata."""
        mean_norm: bool = True
        """Subtract the utterance's mean from the filter bank."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self._session = _session(config.file)
        self._inputs = self._session.get_inputs()
        self._check_inputs()
        self.fbank = self._front_end() if self._takes_features() else None
        axis = self._inputs[0].shape[-1 if self.fbank is None else 1]
        self.fixed = axis if isinstance(axis, int) else 0  # samples, or frames
        first = self._inputs[0].shape[0]
        self.batch = first if isinstance(first, int) else 0
        self.spec = UtteranceSpec(
            embedding_size=probed_size(_Graph(self), config.sample_rate),
            sample_rate=config.sample_rate,
            min_samples=WINDOW,
            parameters=_parameters(config.file),
            batching="equal-length",
            code_licence="",
            weights="unknown",
        )

    def embed(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        given, counts = waveforms.detach().cpu().float(), lengths.cpu()
        if self.fbank is not None:
            features, counts = self.fbank(given, counts)
            given = normalize(features, counts, "mean") if self.config.mean_norm else features
        pieces, counts = self._pieces(given, counts)
        parts = [self._run(rows, some) for rows, some in self._batches(pieces, counts)]
        made = torch.cat(parts).reshape(len(waveforms), -1, parts[0].shape[-1]).mean(1)
        return made.to(waveforms.device)

    def _pieces(self, given: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, N, …] as they are, or for a graph of fixed length in pieces [B · P, fixed, …]."""
        if not self.fixed or given.shape[1] == self.fixed:
            return given, counts
        pieces = -(-given.shape[1] // self.fixed)
        places = torch.arange(pieces * self.fixed) % given.shape[1]
        cut = given[:, places].reshape(-1, self.fixed, *given.shape[2:])
        return cut, torch.full((len(cut),), self.fixed)

    def _batches(self, given: Tensor, counts: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        size = self.batch or len(given)
        for start in range(0, len(given), size):
            rows, some = given[start : start + size], counts[start : start + size]
            missing = size - len(rows)
            yield (torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])]), some) if missing else (rows, some)

    def _run(self, rows: Tensor, counts: Tensor) -> Tensor:
        planes = self.fbank is None and len(self._inputs[0].shape) == PLANES
        feeds = {self._inputs[0].name: (rows[:, None] if planes else rows).numpy()}
        if len(self._inputs) > 1:
            lengths = counts.numpy()
            feeds[self._inputs[1].name] = lengths if "int64" in self._inputs[1].type else lengths.astype("int32")
        made = torch.from_numpy(self._session.run(None, feeds)[0]).float()
        return made.reshape(len(rows), -1)[: len(counts)]

    def preprocessing(self) -> dict[str, Any]:
        digest = hashlib.sha256(Path(self.config.file).read_bytes()).hexdigest()
        return {"onnx": digest, **asdict(self.config), "file": ""}

    def _takes_features(self) -> bool:
        """True if the graph takes filter banks: it is asked to, or the last of three axes is a number of bins."""
        shape = self._inputs[0].shape
        if self.config.features != "auto":
            return self.config.features == "fbank"
        return len(shape) == PLANES and isinstance(shape[-1], int) and 1 < shape[-1] <= 512 and shape[1] != 1

    def _front_end(self) -> KaldiFbank:
        """The filter bank that the metadata or the options describe. Raises `UserError` where neither do."""
        metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        known = FRAMEWORKS.get(metadata.get("framework", ""))
        scale, window = known or (0.0, "auto")
        if "normalize_samples" in metadata:
            scale = 1.0 if metadata["normalize_samples"] == "1" else FULL_SCALE
        scale = self.config.scale or scale
        window = window if self.config.window == "auto" else self.config.window
        bins = self._inputs[0].shape[-1]
        if not scale or window == "auto" or not isinstance(bins, int):
            raise UserError(
                f"{self.config.file} takes features, and does not say how they are computed.",
                f"Say it: onnx:{self.config.file}(features=fbank, window=povey, scale=1), or hamming and 32768.",
            )
        return KaldiFbank(bins, scale=scale, window="hamming" if window == "hamming" else "povey")

    def _check_inputs(self) -> None:
        first, *others = self._inputs
        whole = first.type == "tensor(float)" and len(first.shape) in (MATRIX, PLANES)
        if not whole or len(others) > 1 or any("int" not in one.type for one in others):
            asked = ", ".join(f"{one.name} {one.type} {one.shape}" for one in self._inputs)
            raise UserError(
                f"The graph of {self.config.file} takes {asked}.",
                "It must take waveforms [B, N] or filter banks [B, T, bins] of float32, and at most lengths [B].",
            )


class _Graph(torch.nn.Module):
    """The graph alone, before the size of its embeddings is known."""

    def __init__(self, encoder: Onnx) -> None:
        super().__init__()
        self._embed = encoder.embed

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        return self._embed(waveforms, lengths)


def _parameters(file: str) -> int:
    """Number of the file's weights, 0 where the package that reads them is not installed."""
    try:
        import onnx
    except ImportError:
        return 0
    graph = onnx.load(file, load_external_data=False).graph
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16}
    return sum(_size(tensor.dims) for tensor in graph.initializer if tensor.data_type in floats)


def _size(dims: Any) -> int:
    size = 1
    for one in dims:
        size *= int(one)
    return size


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
