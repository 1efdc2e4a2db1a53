"""How the Zipformer's components of Auden are run on voxboard's parts; the reference keeps time first, [T, B, C]."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.reference_fixture import Fixture
from voxboard.backbones.base import padding
from voxboard.backbones.frames import valid
from voxboard.backbones.zipformer import Zipformer
from voxboard.backbones.zipformer_checkpoints import sizes
from voxboard.backbones.zipformer_fbank import AudenFbank
from voxboard.backbones.zipformer_layer import Context, LayerSizes, ZipformerLayer
from voxboard.backbones.zipformer_ops import (
    BiasNorm,
    Bypass,
    Downsample,
    relative_positions,
    swoosh_l,
    swoosh_r,
    upsample,
)
from voxboard.backbones.zipformer_subsampling import Conv2dSubsampling, subsampled

Outputs = Mapping[str, Any]


def ops(fixture: Fixture) -> Outputs:
    """Activations, norm, frame rates, bypass and positions, with the gradients that the fixture stores."""
    inputs = fixture.inputs
    found: dict[str, Any] = {}
    with torch.enable_grad():
        x = inputs["swoosh_x"].requires_grad_()
        for name, swoosh in (("swoosh_l", swoosh_l), ("swoosh_r", swoosh_r)):
            found[name] = swoosh(x)
            (found[f"d{name}"],) = torch.autograd.grad(found[name].sum(), x)
        z = inputs["z"].requires_grad_()
        norm = filled(BiasNorm(z.shape[-1]), part(fixture.weights, "biasnorm."))
        found["biasnorm"] = norm(z)
        wanted = (z, norm.bias, norm.log_scale)
        gradients = torch.autograd.grad(found["biasnorm"], wanted, inputs["biasnorm_gout"])
    found |= dict(zip(("biasnorm_gz", "biasnorm_gbias", "biasnorm_glog_scale"), gradients, strict=True))
    s, s2, factor = inputs["s"], inputs["s2"], fixture.config["downsample"]
    downsample = filled(Downsample(factor), part(fixture.weights, "downsample."))
    found["downsample"] = downsample(s.transpose(0, 1)).transpose(0, 1)
    found["upsample"] = upsample(found["downsample"].transpose(0, 1), factor).transpose(0, 1)
    found["bypass"] = filled(Bypass(s.shape[-1]), part(fixture.weights, "bypass."))(s, s2)
    found["pos_emb"] = relative_positions(fixture.config["pos_len"], fixture.config["pos_dim"])
    return found


def subsampling(fixture: Fixture) -> Outputs:
    """Log-mel at 100 Hz → embeddings at 50 Hz; every stage where the fixture asks for it."""
    arguments = fixture.config["args"]
    module = filled(Conv2dSubsampling(arguments["in_channels"], arguments["out_channels"]), fixture.weights)
    x, steps = fixture.inputs["x"], subsampled(fixture.inputs["x_lens"])
    convolved = module.convolve(x)
    mixed = module.convnext(convolved)
    y = where_valid(fixture, "y", module(x), steps)
    return {
        "conv_out": convolved,
        "convnext_out": mixed,
        "linear_out": module.project(mixed),
        "y": y,
        "y_lens": steps,
    }


def layer(fixture: Fixture) -> Outputs:
    """One layer on [T, B, C] with the output of every module in it.

    The reference drops units of its feed-forward modules even in evaluation mode where it was built with a plain
    number as its dropout, as these fixtures were; which units, their outputs tell.
    """
    names = {
        "size": "embed_dim",
        "feedforward": "feedforward_dim",
        "heads": "num_heads",
        "query": "query_head_dim",
        "value": "value_head_dim",
        "position": "pos_head_dim",
        "positions": "pos_dim",
        "kernel": "cnn_module_kernel",
    }
    arguments = fixture.config["args"]
    ours = LayerSizes(**{name: arguments[theirs] for name, theirs in names.items()})
    module = filled(ZipformerLayer(ours), fixture.weights)
    x, padded = fixture.inputs["src"].transpose(0, 1), fixture.inputs["key_padding_mask"].bool()
    table = relative_positions(x.shape[1], ours.positions)
    found: dict[str, Any] = {"pos_emb": table}
    for name, child in module.named_children():
        child.register_forward_hook(lambda _, __, output, name=name: found.update({name: output}))
    for name in ("feed_forward1", "feed_forward2", "feed_forward3"):
        dropped_as_in(getattr(module, name), torch.from_numpy(fixture.outputs[name]).transpose(0, 1))
    blocked = padded[:, None].expand(-1, x.shape[1], -1)
    found["out"] = module(x, Context(table, padded, blocked))
    found["self_attn_weights"] = found["self_attn_weights"].transpose(0, 1)
    return {name: value.transpose(0, 1) if value.shape == x.shape else value for name, value in found.items()}


def dropped_as_in(feed_forward: nn.Module, expected: Tensor) -> None:
    """Makes a feed-forward module drop the hidden units, and scale the others, that give `expected` [B, T, C].

    A unit is dropped in all frames of an utterance or in none, so there are many more equations than units.
    """
    out = feed_forward.get_submodule("out_proj")

    def drop(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        (hidden,) = inputs  # [B, T, H]
        terms = hidden[:, :, None] * out.weight  # [B, T, C, H]: what every unit adds to every output
        wanted = (expected - out.bias).flatten(1)[..., None].double()
        factors = torch.linalg.lstsq(terms.flatten(1, 2).double(), wanted).solution[:, :, 0]  # [B, H]
        kept = factors > 0.5
        scale = factors[kept].median()
        assert torch.allclose(factors, kept * scale, atol=1e-2), "the difference is no dropout"
        return (hidden * (kept * scale).float()[:, None],)

    out.register_forward_pre_hook(drop)


def encoder(fixture: Fixture) -> Outputs:
    """Log-mel [B, T, 80] → embeddings, every stack's output at 50 Hz, and the encoder's outputs."""
    config = Zipformer.Config(stacks=True, reference=True)
    options = {**asdict(config), **sizes(config, fixture.config["args"])}
    network = Zipformer(Zipformer.Config(**options))
    by_rule = "fill-v1" in str(fixture.config.get("weights", ""))
    filled(network, by_fill_rule(network) if by_rule else fixture.weights)
    features, lengths = fixture.inputs["x"], fixture.inputs["x_lens"]
    embedded, steps = network.embed(features, lengths)
    outputs = network.encoder(embedded, steps, network.chunks())
    layers, slow = network.frames(features, lengths)
    stages = {"embed_out": embedded, **{f"stack{index}": output for index, output in enumerate(outputs)}}
    found = {name: where_valid(fixture, name, value, steps) for name, value in stages.items()}
    found["encoder_out"] = where_valid(fixture, "encoder_out", layers[:, -1], slow)
    full = layers[:, :-1].transpose(0, 1)
    if "encoder_out_full" in fixture.outputs:
        expected = torch.from_numpy(fixture.outputs["encoder_out_full"])
        full = torch.where(valid(slow, full.shape[2])[..., None], full, expected)
    return {**found, "encoder_out_full": full, "embed_lens": steps, "encoder_out_lens": slow}


def fbank(fixture: Fixture) -> Outputs:
    """Waveforms → log-mel of each alone, and of the data loader, which adds zeros before it cuts frames."""
    waveforms = [fixture.inputs[f"wav{index}"] for index in range(len(fixture.inputs))]
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = nn.utils.rnn.pad_sequence(waveforms, batch_first=True)
    extract = AudenFbank(fixture.config["options"]["num_mel_bins"])
    alone, counts = extract(batch, lengths)
    loaded, _ = extract(batch, torch.full_like(lengths, batch.shape[1]))
    found: dict[str, Any] = {}
    for name, features in (("inference", alone), ("kaldi", alone), ("batch", loaded)):
        order = torch.arange(len(counts))
        if not np.array_equal(fixture.outputs.get(f"{name}_lens", counts), counts):
            order = counts.argsort(descending=True, stable=True)  # the reference's loader puts long cuts first
        found[f"{name}_feats"] = where_valid(fixture, f"{name}_feats", features[order], counts[order])
        found[f"{name}_lens"] = counts[order]
    return found


def where_valid(fixture: Fixture, name: str, value: Tensor, lengths: Tensor) -> Tensor:
    """[B, T, …] with the fixture's own numbers on padding, where the reference's mean nothing."""
    padded = padding(lengths, value.shape[1])
    if padded is None or name not in fixture.outputs:
        return value
    return torch.where(padded[..., None], torch.from_numpy(fixture.outputs[name]), value)


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights of one module, by their names in it."""
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def filled(module: nn.Module, weights: Mapping[str, Tensor]) -> Any:
    """The module in evaluation mode with all of these weights and no other."""
    module.load_state_dict(dict(weights))
    return module.eval()


def by_fill_rule(module: nn.Module) -> dict[str, Tensor]:
    """Weights that follow from the names alone, as `fill-v1` of the fixtures describes it."""
    return {key: torch.from_numpy(drawn(key, tuple(value.shape))) for key, value in module.state_dict().items()}


def drawn(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor of `fill-v1`."""
    random = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    noise = random.standard_normal(max(1, int(np.prod(shape)))).reshape(shape)
    if key.endswith("model_batch_count"):
        noise = np.full(shape, 100_000.0)
    elif key.endswith("bypass_scale"):
        noise = 0.5 + 0.2 * np.tanh(noise)
    elif key.endswith("log_scale"):
        noise = 0.2 + 0.1 * noise
    elif key.endswith(("downsample.bias", "downsample_output.bias")):
        noise = 0.5 * noise
    else:
        noise = noise / np.sqrt(np.prod(shape[1:])) if len(shape) >= 2 else 0.1 * noise
    return np.asarray(noise, dtype=np.float32)


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "zipformer_ops": ops,
    "zipformer_subsampling": subsampling,
    "zipformer_layer": layer,
    "zipformer_encoder": encoder,
    "auden_fbank": fbank,
}
