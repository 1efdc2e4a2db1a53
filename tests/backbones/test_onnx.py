"""ONNX files as encoders: waveforms or filter banks in, told by the graph, its metadata or the options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from voxboard import backbones
from voxboard.backbones.features import KaldiFbank, normalize
from voxboard.errors import UserError

onnx = pytest.importorskip("onnx")
FLOAT, INT = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
BINS = 24


def graph(path: Path, shape: list[Any], metadata: dict[str, str] | None = None, lengths: bool = False) -> str:
    """A file whose embedding is the mean over the second axis, with ten weights that it does not use."""
    make = onnx.helper
    size = shape[-1] if len(shape) == 3 else 1
    flat = ["ReduceMean", ["x"], ["embedding"]]
    axes = [1] if len(shape) == 3 and shape[1] != 1 else [len(shape) - 1]
    nodes = [make.make_node(*flat, axes=axes, keepdims=int(len(shape) == 2))]
    inputs = [make.make_tensor_value_info("x", FLOAT, shape)]
    inputs += [make.make_tensor_value_info("lengths", INT, ["B"])] if lengths else []
    unused = make.make_tensor("weights", FLOAT, [2, 5], [0.5] * 10)
    outputs = [make.make_tensor_value_info("embedding", FLOAT, [shape[0], size if axes == [1] else 1])]
    made = make.make_graph(nodes, "means", inputs, outputs, [unused])
    model = make.make_model(made, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return f"onnx:{path}"


def waves(count: int = 2, samples: int = 8000) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(count, samples, generator=generator), torch.full((count,), samples)


def means(wave: torch.Tensor, lengths: torch.Tensor, mean_norm: bool = True, **options: Any) -> torch.Tensor:
    features, frames = KaldiFbank(BINS, **options)(wave, lengths)
    features = normalize(features, frames, "mean") if mean_norm else features
    return features.mean(1)


@pytest.mark.parametrize(
    ("metadata", "options"),
    [
        ({"framework": "wespeaker"}, {"scale": 32768.0, "window": "hamming"}),
        ({"framework": "wespeaker", "normalize_samples": "1"}, {"scale": 1.0, "window": "hamming"}),
        ({"framework": "3d-speaker"}, {"scale": 1.0, "window": "povey"}),
    ],
)
def test_metadata_tells_the_filter_bank(tmp_path: Path, metadata: dict[str, str], options: dict[str, Any]) -> None:
    encoder = backbones.create(graph(tmp_path / "m.onnx", ["B", "T", BINS], metadata), mean_norm=False).eval()
    assert torch.allclose(encoder(*waves()), means(*waves(), mean_norm=False, **options), atol=1e-4)
    assert encoder.spec.parameters == 10


def test_options_tell_it_where_metadata_does_not(tmp_path: Path) -> None:
    word = graph(tmp_path / "m.onnx", ["B", "T", BINS])
    with pytest.raises(UserError, match="how they are computed"):
        backbones.create(word)
    encoder = backbones.create(word, window="povey", scale=32768.0, mean_norm=False).eval()
    assert torch.allclose(encoder(*waves()), means(*waves(), mean_norm=False, scale=32768.0), atol=1e-4)


@pytest.mark.parametrize("shape", [["B", "N"], ["B", 1, "N"], [1, "N"]])
def test_waveforms_of_any_form_are_taken(tmp_path: Path, shape: list[Any]) -> None:
    encoder = backbones.create(graph(tmp_path / "m.onnx", shape)).eval()
    wave, lengths = waves(3)
    assert torch.allclose(encoder(wave, lengths)[:, 0], wave.mean(1), atol=1e-6)


def test_a_graph_of_fixed_length_gets_pieces(tmp_path: Path) -> None:
    encoder = backbones.create(graph(tmp_path / "m.onnx", ["B", 3000])).eval()
    wave, lengths = waves()
    filled = torch.cat([wave, wave[:, :1000]], 1)
    assert torch.allclose(encoder(wave, lengths)[:, 0], filled.mean(1), atol=1e-6)


def test_lengths_go_to_a_second_input(tmp_path: Path) -> None:
    encoder = backbones.create(graph(tmp_path / "m.onnx", ["B", "N"], lengths=True)).eval()
    wave, lengths = waves()
    assert torch.allclose(encoder(wave, lengths)[:, 0], wave.mean(1), atol=1e-6)
