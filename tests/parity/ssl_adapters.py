"""How the references on wav2vec 2.0 and WavLM are run on voxboard's transformers family."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.parity.reference_fixture import Fixture
from voxboard import backbones, heads, poolers
from voxboard.backbones.frames import Frames
from voxboard.backbones.ssl import frame_counts
from voxboard.backbones.ssl_pairs import PairScore
from voxboard.reference_weights import load_reference

Outputs = Mapping[str, Any]


def built(shape: Mapping[str, Any], **options: Any) -> Any:
    """The backbone of a transformers config, in evaluation mode."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(shape, file)
        return backbones.create(f"hf:{folder}", **{"use_pretrain": False, "normalize": "no", **options}).eval()


def from_torchaudio(given: Mapping[str, Any], **options: Any) -> Any:
    """The backbone that torchaudio's `wav2vec2_model` builds from these arguments."""
    sizes, kernels, strides = zip(*given["extractor_conv_layer_config"], strict=True)
    shape = {
        "model_type": "wav2vec2",
        "feat_extract_norm": {"group_norm": "group", "layer_norm": "layer"}[given["extractor_mode"]],
        "conv_dim": sizes,
        "conv_kernel": kernels,
        "conv_stride": strides,
        "conv_bias": given["extractor_conv_bias"],
        "hidden_size": given["encoder_embed_dim"],
        "num_conv_pos_embeddings": given["encoder_pos_conv_kernel"],
        "num_conv_pos_embedding_groups": given["encoder_pos_conv_groups"],
        "num_hidden_layers": given["encoder_num_layers"],
        "num_attention_heads": given["encoder_num_heads"],
        "intermediate_size": given["encoder_ff_interm_features"],
        "do_stable_layer_norm": given["encoder_layer_norm_first"],
    }
    return built(shape, augment=False, **options)


def nearest(runs: list[dict[str, Any]], wanted: Outputs) -> dict[str, Any]:
    """Of several readings of a config that leaves something open, the one whose outputs lie nearest."""

    def distance(run: Mapping[str, Any]) -> float:
        total = 0.0
        for name, value in wanted.items():
            one, other = torch.as_tensor(run[name]).squeeze(), torch.as_tensor(value).squeeze()
            total += float((one - other).abs().mean()) if one.shape == other.shape else torch.inf
        return total

    return min(runs, key=distance)


def whole(audio: Tensor) -> tuple[Tensor, Tensor]:
    """Waveforms [B, N] of which every sample counts, and their lengths."""
    return audio, torch.full(audio.shape[:1], audio.shape[1])


def explorewv2(fixture: Fixture) -> Outputs:
    """Waveforms → one layer's frames, their mean; with lengths, what training makes of them; trial scores."""
    layer = fixture.ctor["num_layers"]
    backbone = from_torchaudio(fixture.config["torchaudio_wav2vec2_model_args"])
    pooler = poolers.create("mean", backbone.spec.frames, layer=layer)
    head = heads.create("am", fixture.ctor["embed_size"], fixture.ctor["nb_class_train"]).eval()
    load_reference("explorewv2", fixture.weights, backbone=backbone, head=head)

    def embed(audio: Tensor) -> Tensor:
        return F.normalize(pooler(backbone(*whole(audio))), dim=-1)

    audio = fixture.inputs["waveform"]
    found: dict[str, Any] = {"frames": backbone(*whole(audio)).states[:, layer], "embedding": embed(audio)}
    wanted = {name: value for name, value in fixture.outputs.items() if name.startswith("masked")}
    if wanted:
        # No word says whether the reference masks its attention too.
        runs = [masked_run(fixture, name, backbone, pooler, head, wanted) for name in ("mean", "attention", "all")]
        found |= nearest(runs, wanted)
    return found | scores(fixture, embed)


def masked_run(fixture: Fixture, where: str, backbone: Any, pooler: Any, head: Any, wanted: Outputs) -> dict[str, Any]:
    """What the training branch gives when padding is masked in the mean only, in the attention too, or everywhere."""
    audio = fixture.inputs["waveform"]
    lengths = next(value for name, value in fixture.inputs.items() if "len" in name)
    lengths = (lengths * audio.shape[1]).round().long() if lengths.is_floating_point() else lengths.long()
    steps = frame_counts(lengths, backbone.kernels)
    hidden, every = backbone.projected(audio, lengths if where == "all" else whole(audio)[1])
    states = backbone.states(hidden, every if where == "mean" else steps)
    mean = pooler(Frames(states, steps, 0.02))
    label = fixture.inputs.get("label", torch.zeros(len(audio), dtype=torch.long))
    values = {
        "loss": head.loss(mean, label),
        "pred": head.cosines(mean)[:, 0].clamp(-1.0, 1.0),
        "embedding": F.normalize(mean, dim=-1),
        "frames": states[:, pooler.layer],
        "mean": mean,
    }
    return {name: values[kind_of(name, wanted[name].shape, head, mean)] for name in wanted}


def kind_of(name: str, shape: tuple[int, ...], head: Any, mean: Tensor) -> str:
    """Which value an output of the training branch is, by its name and its shape."""
    if len(shape) == 0 or shape == (1,) or re.search("loss|second", name):
        return "loss"
    if len(shape) == 3 or "frames" in name:
        return "frames"
    if re.search("pred|cos|first|logit", name) or shape[-1] != mean.shape[-1]:
        return "pred"
    return "mean" if re.search("mean|pool", name) and "embed" not in name else "embedding"


def finetunewv2(fixture: Fixture) -> Outputs:
    """Waveforms → projected features, the token's embedding, the training branch's prediction and loss, scores."""
    given = fixture.ctor
    backbone = from_torchaudio(fixture.config["torchaudio_wav2vec2_model_args"], cls_token=True)
    weights, bias = head_named(fixture.weights)
    audio = fixture.inputs["waveform"]
    found: dict[str, Any] = {}
    if given["variant"] == "BCE":
        pairs = PairScore(given["embed_size"], bias)
        load_reference("finetunewv2", weights, backbone=backbone, head=pairs)
        found |= pair_outputs(fixture, lambda one, other: pairs(backbone, whole(one), whole(other)))
    else:
        options: dict[str, Any] = {"AAM": {"margin": 0.2, "scale": 30.0}, "CE": {"bias": bias}}[given["variant"]]
        kind = {"AAM": "aam", "CE": "softmax"}[given["variant"]]
        head = heads.create(kind, given["embed_size"], given["nb_class_train"], **options).eval()
        load_reference("finetunewv2", weights, backbone=backbone, head=head)
        pooler = poolers.create("token", backbone.spec.frames)

        def embed(audio: Tensor) -> Tensor:
            return F.normalize(pooler(backbone(*whole(audio))), dim=-1)

        token, label = pooler(backbone(*whole(audio))), fixture.inputs["label"]
        found |= {"embedding": embed(audio), **trained(head, token, label), **scores(fixture, embed)}
    for name in fixture.outputs:
        if name.startswith("projected_features"):
            other = fixture.inputs.get("waveform" + name.removeprefix("projected_features"), audio)
            found[name] = backbone.projected(*whole(other))[0]
    return found


def head_named(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """The weights with a linear head's by one name, whatever it was called; and whether that head has a bias."""
    found, bias = {}, False
    for key, value in weights.items():
        inside = key.startswith("w2v_model.") or key.endswith(("fc_weights", "masked_spec_embed"))
        kind = "weight" if value.ndim > 1 else "bias"
        bias = bias or (not inside and kind == "bias")
        found[key if inside else f"training_head.{kind}"] = value
    return found, bias


def trained(head: Any, token: Tensor, label: Tensor) -> dict[str, Any]:
    logits = head.margin_logits(token, label)[:, 0] if hasattr(head, "margin_logits") else head.predict(token)
    return {"train_pred": logits.softmax(-1), "train_loss": head.loss(token, label)}


def scores(fixture: Fixture, embed: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """Trial scores: cosines, clamped to [0, 1]."""
    return trial_scores(fixture, lambda one, other: (embed(one) * embed(other)).sum(-1).clamp(0.0, 1.0))


def trial_scores(fixture: Fixture, score: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Any]:
    """The score of each trial. No word names the trials: whole rows and shortened ones meet, the nearest score counts.

    Variant a is known by its number: its first row against the first 7000 samples of it.
    """
    wanted = {name: torch.as_tensor(value).flatten() for name, value in fixture.outputs.items() if "trial" in name}
    if not wanted:
        return {}
    audio = fixture.inputs["waveform"]
    ends = {audio.shape[1], 7_000, audio.shape[1] - 2_000}
    for name, value in fixture.inputs.items():
        if "len" in name and not value.is_floating_point():
            ends |= set(value.tolist())
    sides = [row[None, :end] for row in audio for end in sorted(ends) if 400 <= end <= audio.shape[1]]
    every = torch.stack([score(one, other).reshape(()) for one in sides for other in sides if one is not other])
    return {name: every[(every[None] - value[:, None]).abs().argmin(1)] for name, value in wanted.items()}


def pair_outputs(fixture: Fixture, score: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Any]:
    """The training branch's scores and binary cross entropy, and the scores of trials, of the pair model."""
    wanted = {name: value for name, value in fixture.outputs.items() if name.startswith("train_")}
    runs = []
    for one, other, label in pairings(fixture):
        found = score(one, other)
        loss = F.binary_cross_entropy(found, label.to(found))
        runs.append({name: loss if "loss" in name else found for name in wanted})
    return {**nearest(runs, wanted), **trial_scores(fixture, score)}


def pairings(fixture: Fixture) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Both sides of the pairs [P, N] and whether they match [P], in every way that the inputs can be read."""
    audio = [value for value in fixture.inputs.values() if value.is_floating_point() and value.ndim > 1]
    label = next((value for name, value in fixture.inputs.items() if "label" in name), torch.ones(1)).flatten()
    first = audio[0]
    ways: list[tuple[Any, Any]] = [(slice(None), slice(None))]
    if len(audio) == 1 and first.ndim == 2:
        rows = torch.arange(len(first))
        half = len(first) // 2
        ways += [(rows, rows.roll(-1)), (rows[:half], rows[half:]), (rows[::2], rows[1::2])] if half else []
        joined = [(first[a], first[b], a, b) for a, b in ways]
    elif first.ndim == 3:
        joined = [(first[:, 0], first[:, 1], *ways[0]), (first[0], first[1], *ways[0])]
    else:
        joined = [(first, audio[1], *ways[0])]
    found = []
    for one, other, a, b in joined:
        if len(one) != len(other):
            continue
        if len(label) == len(one) and bool(((label == 0) | (label == 1)).all()):
            found.append((one, other, label))
        if len(label) == len(first) and first.ndim == 2:
            found.append((one, other, label[a] == label[b]))
    return found


def ge2e_wavlm(fixture: Fixture) -> Outputs:
    """Waveforms of one length → hidden states and embeddings of WavLM and its x-vector head, in a batch and alone."""
    shape = fixture.config["wavlm_config"]
    backbone = built({**shape, "architectures": ["WavLMForXVector"]})
    pooler = backbone.native_pooler().eval()
    load_reference("ge2e-wavlm", fixture.weights, backbone=backbone, pooler=pooler)
    normal = fixture.config["feature_extractor"]["do_normalize"]

    def preprocess(block: Tensor) -> Tensor:
        """The reference's statistics run over the whole block."""
        centered = block - block.mean()
        return centered / (centered.square().mean() + 1e-7).sqrt() if normal else block

    def embed(block: Tensor) -> Tensor:
        return pooler(backbone(*whole(preprocess(block))))

    def unit(x: Tensor) -> Tensor:
        return x / (x.norm(dim=-1, keepdim=True) + 1e-5)

    audio = fixture.inputs["wav"]
    raw = embed(audio)
    found = {
        "preprocessed": preprocess(audio),
        "embedding_raw": raw,
        "embedding": unit(raw),
        "embedding_one_by_one": unit(torch.cat([embed(row[None]) for row in audio])),
    }
    if "classifier.weight" in fixture.weights:
        found["logits"] = F.linear(raw, fixture.weights["classifier.weight"], fixture.weights["classifier.bias"])
    backbone.final_norm = False
    states = backbone(*whole(preprocess(audio))).states
    return found | {f"hidden_{layer}": states[:, layer] for layer in range(states.shape[1])}


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "explorewv2": explorewv2,
    "finetunewv2": finetunewv2,
    "ge2e_wavlm": ge2e_wavlm,
}
