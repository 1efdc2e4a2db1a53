"""How each component of the references is run on voxboard's parts.

An adapter takes a fixture and returns every output that the fixture stores. It assumes nothing about a variant:
sizes, seeds, masks and optional outputs come from the fixture.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.parity import (
    embedding_adapters,
    encoder_adapters,
    head_adapters,
    intensity_adapters,
    network_adapters,
    pyannet_adapters,
    ssl_adapters,
    training_adapters,
    zipformer_adapters,
)
from tests.parity.reference_fixture import Fixture, number
from voxboard import backbones, heads, poolers
from voxboard.backbones.features import LogMel, normalize
from voxboard.backbones.frames import Frames, FramesSpec, valid
from voxboard.metrics import reference, retrieval
from voxboard.reference_weights import load_reference

Outputs = Mapping[str, Any]


def unipool_backend(fixture: Fixture) -> Outputs:
    """Hidden states [L, B, T, D] → every stage of UniPool: without a mask, with one, with one that is all true."""
    states = fixture.inputs["hidden_states"].transpose(0, 1)  # [B, L, T, D]
    spec = FramesSpec(states.shape[1], states.shape[3], input_layer=True)
    options = {name: fixture.ctor[name] for name in ("n_layers", "conv_dim", "n_blocks", "pool_dim")}
    ours = poolers.create("unipool", spec, **options).eval()
    published = poolers.create("unipool", spec, **options, reference=True).eval()
    for pooler in (ours, published):
        load_reference("unipool", fixture.weights, pooler=pooler)
    runs = {
        "unmasked": lambda: stages(ours, states, None),
        "masked": lambda: stages(published, states, given_mask(fixture, states)),
        "all true": lambda: stages(published, states, torch.ones(states.shape[0], states.shape[2], dtype=torch.bool)),
    }
    done = {run: compute() for run, compute in runs.items() if run in map(masking, fixture.outputs)}
    pieces = fixture.option("num_loss_heads", default=1)
    found = {}
    for name in fixture.outputs:
        stage = next(stage for stage in ("d3net", "l_pool", "t_pool", "embedding") if stage in name)
        value = done[masking(name)]["t_pool" if stage == "embedding" else stage]
        found[name] = per_head(value, pieces) if stage == "embedding" else value
    return found


def stages(pooler: Any, states: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
    """What UniPool's three stages return for layers [B, L, T, D]."""
    d3net = pooler.d3net(states[:, pooler.used], mask)
    l_pool = pooler.l_pool(d3net)
    return {"d3net": d3net, "l_pool": l_pool, "t_pool": pooler.t_pool(l_pool, mask)}


def masking(output: str) -> str:
    """Which mask an output's name speaks of: d3net, masked_d3net, alltrue_t_pool, …"""
    rest = re.sub(r"d3net|l_pool|t_pool|embedding", "", output.lower())
    if re.search(r"all|true|full|ones", rest):
        return "all true"
    return "masked" if "mask" in rest and not re.search(r"un_?mask|no_?mask", rest) else "unmasked"


def given_mask(fixture: Fixture, states: Tensor) -> Tensor:
    """The mask [B, T] of valid frames that the inputs hold, or that their lengths mean."""
    steps = states.shape[2]
    for name, value in fixture.inputs.items():
        if "mask" in name and not re.search(r"all|true|full|ones", name):
            mask = value.bool().reshape(states.shape[0], steps)
            return mask if bool(mask[:, 0].all()) else ~mask  # every utterance has a first frame
    lengths = next(value for name, value in fixture.inputs.items() if "len" in name)
    counts = (lengths * steps).round() if lengths.is_floating_point() else lengths
    return valid(counts.long(), steps)


def per_head(embedding: Tensor, pieces: int) -> Tensor:
    """[B, E] → [B, heads, E / heads], each of unit length."""
    return F.normalize(embedding.unflatten(-1, (pieces, -1)), dim=-1)


def unipool_full(fixture: Fixture) -> Outputs:
    """Waveforms → hidden states, embeddings, trial score and loss of the whole system."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(fixture.config["hf_config"], file)
        backbone = backbones.create(f"hf:{folder}", use_pretrain=False, normalize="no").eval()
    options = {name: fixture.ctor[name] for name in ("n_layers", "conv_dim", "n_blocks", "pool_dim")}
    pooler = poolers.create("unipool", backbone.spec.frames, **options).eval()
    pieces = fixture.option("num_loss_heads", default=1)
    margin = {"margin": fixture.option("m", default=0.2), "scale": fixture.option("s", default=30.0)}
    head = heads.create("aam", pooler.embedding_size, fixture.ctor["nb_class_train"], heads=pieces, **margin)
    load_reference("unipool", fixture.weights, backbone=backbone, pooler=pooler, head=head)

    found: dict[str, Any] = {}
    embedded: dict[str, Tensor] = {}
    for name, waveforms in fixture.inputs.items():
        if name.startswith("waveform"):
            suffix = name.removeprefix("waveform")
            frames = backbone(waveforms, torch.full(waveforms.shape[:1], waveforms.shape[1]))
            embedded[suffix] = pooler(frames)
            found[f"hidden_states{suffix}"] = frames.states.transpose(0, 1)
            found[f"embedding{suffix}"] = per_head(embedded[suffix], pieces)
    stated = re.search(r"label (\d+)", fixture.notes)
    label = fixture.inputs.get("label", torch.tensor([int(stated.group(1)) if stated else 0]))
    label = label.reshape(-1).expand(len(embedded[""]))
    found["pred"] = head.margin_logits(embedded[""], label).softmax(-1).mean(1)
    found["loss"] = head.loss(embedded[""], label)
    if "2" in embedded:
        cosines = (found["embedding"] * found["embedding2"]).sum(-1)  # [B, heads]
        found["score"] = cosines.clamp(0.0, 1.0).mean(-1)
    return found


def eer_mindcf(fixture: Fixture) -> Outputs:
    """Scores and labels → a row per case, in the order of the config's columns.

    The reference rejects a score that equals its threshold where voxboard accepts it, so its thresholds and its FAR
    and FRR are those of `voxboard.metrics.reference`; EER and minDCF are checked against `detection` in tests/metrics.
    """
    found = {}
    for case in fixture.outputs:
        scores, labels = (fixture.inputs[f"{case}__{kind}"].numpy() for kind in ("score", "label"))
        row: list[float] = []
        threshold = math.nan
        for column in fixture.config["columns"]:
            if "threshold" in column.lower() and "grid" not in column.lower():
                row.append(threshold)
            else:
                value, threshold = measure(column, scores, labels)
                row.append(value)
        found[case] = np.array(row)
    return found


def measure(column: str, scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The value that a column's title asks for, and its threshold."""
    text = column.lower().replace("c_", "c")
    if "grid" in text:
        value = reference.double_mha_eer(scores, labels)
        return (-999.0 if math.isnan(value) else value), math.nan
    if text.startswith(("far", "frr")):
        rates = reference.unipool_far_frr(scores, labels, number(r"at (-?[\d.]+)", text, math.nan))
        return rates[text.startswith("frr")], math.nan
    if "mindcf" in text:
        both = number(r"cmiss\s*=\s*cfa\s*=\s*([\d.]+)", text, 1.0)
        cost = {
            "c_miss": number(r"cmiss\s*=\s*([\d.]+)", text, both),
            "c_fa": number(r"cfa\s*=\s*([\d.]+)", text, both),
        }
        prior = number(r"\bp(?:_target)?\s*=\s*([\d.]+)", text, 0.01)
        return reference.unipool_min_dcf(scores, labels, prior, **cost)
    if "eer" in text:
        return reference.unipool_eer(scores, labels)
    raise KeyError(f"no metric for the column {column!r}")


def retrieval_metrics(fixture: Fixture) -> Outputs:
    """Embeddings of audio [A, D] and of its captions [A · R, D] → the reference's numbers in %, and corrected mAP."""
    audio, text = (F.normalize(fixture.inputs[name], dim=-1) for name in ("audio", "text"))
    captions = fixture.config["captions_per_audio"]
    many, own = audio @ text.T, torch.arange(len(audio))
    one = many[:, ::captions]
    tasks = {
        "a2t": (one, own),
        "t2a": (one.T, own),
        "multi_a2t": (many, own.repeat_interleave(captions) == own[:, None]),
        "multi_t2a": (many.T, own.repeat_interleave(captions)),
    }
    found: dict[str, Any] = {}
    for name, (similarities, relevant) in tasks.items():
        ranks = retrieval.ranks(similarities, relevant)
        row = 100 * np.array(retrieval.recall_at_k(similarities, relevant, [1, 5, 10]))
        average = retrieval.map_at_k(similarities, relevant, 10, reference=True)
        found[name] = [*row, np.quantile(ranks, 0.5, method="lower"), ranks.mean(), 100 * average]
        found[f"{name}_map10_corrected"] = 100 * retrieval.map_at_k(similarities, relevant, 10)
    return found


def attention_pooling(fixture: Fixture) -> Outputs:
    """Frames [B, T, D] → their weighted mean, and the weights."""
    return pooled(fixture, "attention", lambda pooler, x, mask: {"alignment": pooler.weights(x, mask)})


def mha_pooling(fixture: Fixture) -> Outputs:
    """Frames [B, T, D] → one context per head side by side, and every head's weights."""
    return pooled(fixture, "mha", lambda pooler, x, mask: {"alignment": pooler.weights(x, mask)})


def dmha_pooling(fixture: Fixture) -> Outputs:
    """Frames [B, T, D] → double multi-head attention, its contexts, and the weights of frames and of heads."""
    return pooled(fixture, "double-mha", double_attention)


def double_attention(pooler: Any, x: Tensor, mask: Tensor) -> Outputs:
    contexts = pooler.utteranceAttention.contexts(x, mask)
    every = torch.ones(contexts.shape[:2], dtype=torch.bool)
    return {
        "heads_context": contexts.flatten(1),
        "alignment": pooler.utteranceAttention.weights(x, mask),
        "head_alignment": pooler.headsAttention.weights(contexts, every),
    }


def pooled(fixture: Fixture, name: str, inside: Callable[[Any, Tensor, Tensor], Outputs]) -> Outputs:
    """What a pooler of Double-MHA gives for frames [B, T, D], and what is `inside` it."""
    x = fixture.inputs["x"]
    heads = {"heads": fixture.ctor["heads_number"]} if "heads_number" in fixture.ctor else {}
    pooler = poolers.create(name, (1, x.shape[2]), reference=True, **heads).eval()
    pooler.load_state_dict(fixture.weights)
    mask = torch.ones(x.shape[:2], dtype=torch.bool)
    return {"output": pooler(Frames(x[:, None], mask.sum(1), 0.01)), **inside(pooler, x, mask)}


def dmha_logmel(fixture: Fixture) -> Outputs:
    """Waveform → log-mel [bins, T], and [T, bins] minus its mean."""
    waveforms = fixture.inputs["waveform"].reshape(1, -1)
    bins = fixture.config["params"]["n_mels"]
    features, frames = LogMel(bins)(waveforms, torch.tensor([waveforms.shape[1]]))
    return {"logmel": features[0].T, "cmn": normalize(features, frames, "mean")[0]}


def vgg_frontend(fixture: Fixture) -> Outputs:
    """Features → frames."""
    backbone = dmha_backbone(fixture.option("class", "front_end"), fixture.ctor)
    load_reference("frontend", fixture.weights, backbone=backbone)
    x = fixture.inputs["x"]
    return {"output": backbone.frames(x, torch.full(x.shape[:1], x.shape[1]))[0]}


def dmha_backbone(kind: str, given: Mapping[str, Any]) -> Any:
    """The front-end that the double multi-head family calls VGG4L, VGG3L or resnet."""
    name, options = {"VGG4L": ("vgg", {}), "VGG3L": ("vgg3l", {}), "resnet": ("resnet", {"reference": True})}[kind]
    return backbones.create(name, channels=given["kernel_size"], bins=given.get("feature_size", 80), **options).eval()


def dmha_model(fixture: Fixture) -> Outputs:
    """Features → frames, pooled vector, embedding, cosines, margin logits and loss of the whole system."""
    given = fixture.ctor
    options = f"heads={given['heads_number']}, reference=True"
    inner = {
        "Attention": "attention(reference=True)",
        "MHA": f"mha({options})",
        "DoubleMHA": f"double-mha({options})",
    }[given["pooling_method"]]
    backbone = dmha_backbone(given["front_end"], given)
    size = given["embedding_size"]
    pooler = poolers.create("mlp", backbone.spec.frames, pooler=inner, size=size).eval()
    margin = {"margin": given["marginFactor"], "scale": given["scalingFactor"]}
    annealing = 1000.0 if given["annealing"] else 0.0
    head = heads.create("am", size, given["num_spkrs"], **margin, annealing=annealing, linear=True).eval()
    load_reference("double-mha", fixture.weights, backbone=backbone, pooler=pooler, head=head)
    head.num_batches_tracked.fill_(fixture.config["step"])
    x, label = fixture.inputs["x"], fixture.inputs["label"]
    states, steps = backbone.frames(x, torch.full(x.shape[:1], x.shape[1]))
    frames = Frames(states[:, None], steps, backbone.spec.frames.hop)
    embedding = pooler(frames)
    return {
        "frontend": states,
        "pooled": pooler.pooler(frames),
        "embedding": embedding,
        "costh": head.cosines(embedding)[:, 0],
        "margin_logits": head.margin_logits(embedding, label)[:, 0],
        "ce_loss": head.loss(embedding, label),
    }


# Outputs whose definition no facts page gives; everything else that a fixture stores is compared.
UNDOCUMENTED = {"ordinal_losses": {"ordinal_modified"}}


def ge2e_ecapa(fixture: Fixture) -> Outputs:
    """Waveforms of one length → SpeechBrain's log-mel, with its mean and without, and embeddings, raw and scaled."""
    given = fixture.config["ecapa_args"]
    backbone = backbones.create(
        "speechbrain-ecapa",
        bins=given["input_size"],
        channels=given["channels"][0],
        frame_size=given["channels"][-1],
        scale=given.get("res2net_scale", 8),
        squeeze=given.get("se_channels", 128),
        bottleneck=given.get("attention_channels", 128),
        embedding=given.get("lin_neurons", 192),
    ).eval()
    pooler = backbone.native_pooler().eval()
    load_reference("speechbrain-ecapa", fixture.weights, backbone=backbone, pooler=pooler)
    waveforms = fixture.inputs["wav"]
    lengths = torch.full(waveforms.shape[:1], waveforms.shape[1])
    features, steps = backbone.features(waveforms, lengths)
    embeddings = pooler(backbone(waveforms, lengths))
    return {
        "fbank": features,
        "fbank_norm": normalize(features, steps, "mean"),
        "embedding_raw": embeddings,
        "embedding": embeddings / (embeddings.norm(dim=-1, keepdim=True) + 1e-5),
    }


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "unipool_backend": unipool_backend,
    "unipool_full": unipool_full,
    "eer_mindcf": eer_mindcf,
    "retrieval_metrics": retrieval_metrics,
    "ge2e_ecapa": ge2e_ecapa,
    "attention_pooling": attention_pooling,
    "mha_pooling": mha_pooling,
    "dmha_pooling": dmha_pooling,
    "dmha_logmel": dmha_logmel,
    "vgg_frontend": vgg_frontend,
    "dmha_model": dmha_model,
    "dmha_resnet": dmha_model,
    **embedding_adapters.ADAPTERS,
    **head_adapters.ADAPTERS,
    **intensity_adapters.ADAPTERS,
    **ssl_adapters.ADAPTERS,
    **network_adapters.ADAPTERS,
    **encoder_adapters.ADAPTERS,
    **pyannet_adapters.ADAPTERS,
    **training_adapters.ADAPTERS,
    **zipformer_adapters.ADAPTERS,
}
