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

from tests.parity.reference_fixture import Fixture
from voxboard import backbones, heads, poolers
from voxboard.backbones.base import FramesSpec, valid
from voxboard.checkpoints import load_reference
from voxboard.metrics import reference, retrieval

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
        backbone = backbones.create(f"hf:{folder}", normalize="no").eval()
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


def aam(fixture: Fixture) -> Outputs:
    """Embeddings and labels → margin logits (or their softmax over heads), loss and gradients, for every layout."""
    x, label = fixture.inputs["x"].requires_grad_(), fixture.inputs["label"]
    (weight,) = fixture.weights.values()
    layout = "multi-head-aam" if weight.ndim == 3 else "aam"
    classes = weight.shape[-1] if weight.ndim == 3 else weight.shape[0]
    if weight.ndim == 2 and weight.shape[1] != x.shape[1]:
        layout, classes = "aam-columns", weight.shape[1]
    easy = fixture.option("easy_margin", "easy", default="easy" in fixture.notes and "fallback" not in fixture.notes)
    head = heads.create(
        "aam",
        x.shape[1],
        classes,
        margin=fixture.option("m", "margin", default=0.2),
        scale=float(fixture.option("s", "scale", default=30.0)),
        easy_margin=bool(easy),
        heads=weight.shape[0] if weight.ndim == 3 else 1,
    )
    load_reference(layout, {"weight": weight}, head=head)
    with torch.enable_grad():
        loss = head.loss(x, label)
        loss.backward()
    logits = head.margin_logits(x, label)  # [B, heads, C]
    gradient = head.weight.grad
    undo = {"aam": gradient[0].T, "aam-columns": gradient[0], "multi-head-aam": gradient}
    # One class of the reference returns margin logits first, the others probabilities: their rows sum to one.
    probabilities = np.allclose(fixture.outputs["first_return"].sum(-1), 1.0, atol=1e-3)
    first = logits.softmax(-1).mean(1) if probabilities else logits[:, 0]
    return {"first_return": first, "loss": loss, "grad_x": x.grad, "grad_W": undo[layout]}


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


def number(pattern: str, text: str, default: float) -> float:
    """The number that a pattern finds in a text."""
    found = re.search(pattern, text)
    return float(found.group(1)) if found else default


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "unipool_backend": unipool_backend,
    "unipool_full": unipool_full,
    "aam_softmax": aam,
    "multihead_aam": aam,
    "eer_mindcf": eer_mindcf,
    "retrieval_metrics": retrieval_metrics,
}
