"""How each component of the references is run on voxboard's parts.

An adapter takes a fixture and returns every output that the fixture stores. It assumes nothing about a variant:
sizes, seeds, masks and optional outputs come from the fixture.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.parity import zipformer_adapters
from tests.parity.reference_fixture import Fixture
from voxboard import backbones, heads, poolers
from voxboard.backbones.base import Frames, FramesSpec, valid
from voxboard.backbones.features import LogMel, normalise
from voxboard.backbones.zipformer import Zipformer
from voxboard.backbones.zipformer_checkpoints import sizes
from voxboard.checkpoints import load_reference
from voxboard.heads import losses
from voxboard.heads.base import MISSING
from voxboard.heads.labels import Labels
from voxboard.metrics import reference, retrieval
from voxboard.training.averaging import RunningAverage, average_until_step
from voxboard.training.scaled_adam import ScaledAdam
from voxboard.training.schedules import Eden, TriStage

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


def number(pattern: str, text: str, default: float) -> float:
    """The number that a pattern finds in a text."""
    found = re.search(pattern, text)
    return float(found.group(1)) if found else default


def sincnet(fixture: Fixture) -> Outputs:
    """Windows → filters, convolutions, embedding and classifier; two utterances → their trial score."""
    given = fixture.ctor
    backbone = backbones.create(
        "sincnet",
        window_ms=given["cw_len"],
        windows=given["nb_eval_samples"],
        shift_ms=given["cw_shift"],
        filters=tuple(given["cnn_N_filt"]),
        kernels=tuple(given["cnn_len_filt"]),
        pools=tuple(given["cnn_max_pool_len"]),
        dense=tuple(given["fc_lay"]),
        conv_activations=tuple(given["cnn_act"]),
        dense_activations=tuple(given["fc_act"]),
    ).eval()
    size = given["fc_lay"][-1]
    head = heads.create("softmax", size, given["nb_class_train"], norm=True).eval()
    load_reference("sincnet", fixture.weights, backbone=backbone, head=head)
    windows, label = fixture.inputs["window"], fixture.inputs["label"]
    filters = backbone.sincnet.filters()
    frames = backbone(windows, torch.full(windows.shape[:1], windows.shape[1])).states[:, 0, 0]
    logits = head.predict(frames)
    found = {
        "filters": filters,
        "cnn": backbone.sincnet(windows, filters),
        "embedding": frames,
        "log_softmax": logits.log_softmax(-1),
        "loss": head.loss(frames, label),
    }
    scores = []
    for pair in trials(fixture):
        one, other = (backbone(x[None], torch.tensor([len(x)])).states[0, 0] for x in pair)
        scores.append((one @ other.T).clamp(0.0, 1.0).mean())
    return found | {name: torch.stack(scores) for name in fixture.outputs if "score" in name}


def trials(fixture: Fixture) -> list[list[Tensor]]:
    """The pairs of utterances that the config words as (row0,row1[:12345]), or else the inputs that come in pairs."""
    audio = {name: value for name, value in fixture.inputs.items() if name not in ("window", "label", "lengths")}
    side = r"row(\d+)(?:\[:(\d+)\])?"
    (rows, *_) = (value for value in (*audio.values(), fixture.inputs["window"]) if value.ndim == 2)
    pairs = re.findall(rf"\({side}, ?{side}\)", fixture.notes)
    if pairs:
        return [[rows[int(a), : int(m or 1e9)], rows[int(b), : int(n or 1e9)]] for a, m, b, n in pairs]
    single = [row for value in audio.values() for row in value.reshape(-1, value.shape[-1])]
    return [list(pair) for pair in zip(single[::2], single[1::2], strict=False)]


def dmha_logmel(fixture: Fixture) -> Outputs:
    """Waveform → log-mel [bins, T], and [T, bins] minus its mean."""
    waveforms = fixture.inputs["waveform"].reshape(1, -1)
    bins = fixture.config["params"]["n_mels"]
    features, frames = LogMel(bins)(waveforms, torch.tensor([waveforms.shape[1]]))
    return {"logmel": features[0].T, "cmn": normalise(features, frames, "mean")[0]}


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


def lr_tristage(fixture: Fixture) -> Outputs:
    """Steps → shares of the base rate."""
    given = fixture.ctor
    stages = TriStage(
        given["max_steps"],
        *(given[name] for name in ("warmup", "constant", "decay")),
        initial=given["initial_lr"] / given["base_lr"],
        final=given["final_lr"] / given["base_lr"],
    )
    return {"factor": [stages.factor(int(step)) for step in fixture.inputs["step"]]}


def eden_schedule(fixture: Fixture) -> Outputs:
    """Steps and epochs → learning rates of the three forms of Eden."""
    given = fixture.config
    options = {
        "batches": given["lr_batches"],
        "epochs": given["lr_epochs"],
        "warmup": given["warmup_batches"],
        "start": given["warmup_start"],
    }
    endless, counted = Eden(**options), Eden(**options, steps_per_epoch=given["steps_per_epoch"])
    steps, epochs = fixture.inputs["batches"].tolist(), fixture.inputs["epochs"].tolist()
    return {
        "eden": given["base_lr"] * np.array([[endless.at(step, epoch) for epoch in epochs] for step in steps]),
        "eden2": given["base_lr"] * np.array([endless.factor(step) for step in steps]),
        "eden3": given["base_lr"] * np.array([counted.factor(step) for step in steps]),
    }


def scaled_adam(fixture: Fixture) -> Outputs:
    """Weights and the gradient of every step → the weights after every step."""
    weights = {name: torch.nn.Parameter(value.clone()) for name, value in fixture.weights.items()}
    known = inspect.signature(ScaledAdam).parameters
    optimizer = ScaledAdam(weights.values(), **{key: v for key, v in fixture.config.items() if key in known})
    paths: dict[str, list[Tensor]] = {name: [] for name in weights}
    for step in range(fixture.config["steps"]):
        for name, weight in weights.items():
            weight.grad = fixture.inputs[f"grad.{name}"][step].reshape(weight.shape).clone()
        optimizer.step()
        for name, weight in weights.items():
            paths[name].append(weight.detach().clone())
    return {f"traj.{name}": torch.stack(path) for name, path in paths.items()}


def checkpoint_average(fixture: Fixture) -> Outputs:
    """Weights and their change in every step → stored weights, running averages, and the average over files."""
    given = fixture.config
    weights = {name: value.clone() for name, value in fixture.weights.items()}
    running = RunningAverage(weights, given["average_period"])
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for step in range(1, max(given["saved_at"]) + 1):
            for name, change in fixture.inputs.items():
                weights[name.removeprefix("delta.")] += change[step - 1]
            running.update(weights, step)
            if step in given["saved_at"]:
                model = {name: value.clone() for name, value in weights.items()}
                stored = {"model": model, "model_avg": running.state(), "batch_idx_train": step}
                torch.save(stored, f"{folder}/checkpoint-{step}.pt")
                found |= {f"{kind}@{step}.{k}": v for kind in ("model", "model_avg") for k, v in stored[kind].items()}
        average = average_until_step(Path(folder), given["iter"], given["avg"])
    return found | {f"averaged.{name}": value for name, value in average.items()}


def am(fixture: Fixture) -> Outputs:
    """Embeddings and labels → cosines, margin logits, loss and gradients of both AM-softmax variants."""
    x, label = fixture.inputs["x"].requires_grad_(), fixture.inputs["label"]
    (weight,) = fixture.weights.values()
    head = heads.create(
        "am",
        *weight.shape,
        margin=fixture.option("m", "margin", default=0.4),
        scale=float(fixture.option("s", "scale", default=30.0)),
        annealing=1000.0 if fixture.option("annealing", default=False) else 0.0,
    ).eval()
    load_reference("am", fixture.weights, head=head)
    head.num_batches_tracked.fill_(fixture.config.get("step", 0))
    with torch.enable_grad():
        loss = head.loss(x, label)
        loss.backward()
    cosines = head.cosines(x)[:, 0]
    return {
        "costh": cosines,
        "first_return": cosines.clamp(-1.0, 1.0),
        "logits": head.margin_logits(x, label)[:, 0],
        "loss": loss,
        "grad_x": x.grad,
        "grad_W": head.weight.grad[0],
        "annealed_factor": head.annealed_factor,
    }


def ge2e(fixture: Fixture, embeddings: Tensor, **options: Any) -> dict[str, Any]:
    """Speaker-major embeddings [N, M, D] → similarities, loss and gradients, none of them slowed."""
    x = embeddings.clone().requires_grad_()
    init = {"init_w": fixture.config["init_w"], "init_b": fixture.config["init_b"]}
    head = heads.create("ge2e", x.shape[2], len(x), normalize=False, gradient_scale=1.0, **init, **options).eval()
    labels = torch.arange(len(x)).repeat_interleave(x.shape[1])
    with torch.enable_grad():
        loss = head.loss(x.flatten(0, 1), labels)
        loss.backward()
    grads = {"grad_w": head.similarity_weight.grad, "grad_b": head.similarity_bias.grad, "grad_embeddings": x.grad}
    return {"similarity": head.similarities(x), "loss": loss, **grads}


def ge2e_softmax(fixture: Fixture) -> Outputs:
    """Embeddings → similarities, loss, EER, gradients; and the gradients that a toy encoder is trained with."""
    speakers, each = fixture.config["speakers_per_batch"], fixture.config["utterances_per_speaker"]
    embeddings = fixture.inputs["embeddings"]
    found = ge2e(fixture, embeddings.unflatten(0, (speakers, each)))
    found["grad_embeddings"] = found["grad_embeddings"].flatten(0, 1)
    labels = torch.arange(speakers).repeat_interleave(each)
    found["eer"], _ = reference.ge2e_eer(found["similarity"].flatten(), F.one_hot(labels, speakers).flatten())
    for kind, scale in (("raw", 1.0), ("post", 0.01)):
        head = heads.create("ge2e", embeddings.shape[1], speakers, gradient_scale=scale)
        weights = {name.removeprefix("toy."): value for name, value in fixture.weights.items()}
        load_reference("ge2e", weights, head=head)
        encoder = torch.nn.Linear(*reversed(weights["lin.weight"].shape))
        encoder.load_state_dict({name: weights[f"lin.{name}"] for name in ("weight", "bias")})
        with torch.enable_grad():
            loss = found["toy_loss"] = head.loss(encoder(fixture.inputs["toy_x"]), labels)
            # The pre-clip factor belongs to the loss that is clipped, not to the raw gradients.
            (loss * (1.0 if kind == "raw" else fixture.config["toy_pre_clip_grad_multiplier"])).backward()
        if kind == "post":
            torch.nn.utils.clip_grad_norm_([*encoder.parameters(), *head.parameters()], 3.0)
        for name, weight in [*head.named_parameters(), *encoder.named_parameters(prefix="lin")]:
            found[f"toy_grad_{kind}.{name}"] = weight.grad
    return found


def ge2e_contrast(fixture: Fixture) -> Outputs:
    """Embeddings [N, M, D] → the summed loss and gradients of both forms, as a public implementation clamps them."""
    found = {}
    for form in ("contrast", "softmax"):
        options = {"form": form, "reduction": "sum", "clamp": True, "eps": 0.0}
        values = ge2e(fixture, fixture.inputs["embeddings"], **options)
        found |= {f"{form}_{'loss_sum' if name == 'loss' else name}": value for name, value in values.items()}
    return found


def ge2e_eer(fixture: Fixture) -> Outputs:
    """Scores and labels → EER and cutoff."""
    eer, cutoff = reference.ge2e_eer(fixture.inputs["scores"], fixture.inputs["labels"])
    return {"eer": eer, "cutoff": cutoff}


def ordinal_losses(fixture: Fixture) -> Outputs:
    """Predictions [B, C] and classes → the age fork's losses; the modified ordinal one is documented nowhere."""
    predictions, label = fixture.inputs["predictions"], fixture.inputs["label"]
    stated = number(r"gamma\s*=\s*([\d.]+)", fixture.config["source"], 2.0)
    return {
        "ordinal": losses.cumulative(predictions, label),
        "focal": losses.focal(predictions, label, stated, reference=True),
    }


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


def auden_voice_heads(fixture: Fixture) -> Outputs:
    """Log-mel and labels → frames, logits, losses, top-k and embedding of the multi-task model."""
    maps = {"speaker" if task == "id" else task: Labels(names) for task, names in fixture.config["id2label"].items()}
    tags, stated = fixture.config["tags"], fixture.config["task_weights"]
    given = {"speaker" if task == "id" else task: value for task, value in tags.items()}
    stated_sizes = sizes(Zipformer.Config(), fixture.config["encoder_config"])
    backbone = backbones.create("zipformer", **stated_sizes, reference=True).eval()
    head = heads.create(
        "multi-task",
        backbone.spec.frames.size,
        len(maps["speaker"]),
        tasks=tuple(maps),
        classes=tuple(map(len, list(maps.values())[1:])),
        weights=tuple(stated.values()),
        reduction="sum",
    ).eval()
    load_reference("auden-voice", fixture.weights, backbone=backbone, head=head)
    layers, steps = backbone.frames(fixture.inputs["x"], fixture.inputs["x_lens"])
    frames = layers[:, -1]
    embeddings = torch.where(valid(steps, frames.shape[1])[..., None], frames, 0.0).sum(1) / steps[:, None]
    labels = torch.tensor([[maps[task].index(tag) for tag in given[task]] for task in maps]).T
    found: dict[str, Any] = {
        "encoder_out": zipformer_adapters.where_valid(fixture, "encoder_out", frames, steps),
        "encoder_out_lens": steps,
        "total_weighted_loss": head.loss(embeddings, labels),
        "utt_embedding_masked_mean": embeddings,
        "utt_embedding_l2": F.normalize(embeddings, dim=-1),
    }
    losses_of, logits_of = head.losses(embeddings, labels), head.predict_tasks(embeddings)
    for column, (task, logits) in enumerate(logits_of.items()):
        name, label = "id" if task == "speaker" else task, labels[:, column]
        found |= {f"logits_{name}": logits, f"loss_{name}": losses_of[task]}
        ranked = logits.argsort(-1, descending=True)
        for k in (1, 5):
            hits = (ranked[:, :k] == label[:, None]).any(1)[label != MISSING].float()
            found[f"top{k}_acc_{name}"] = hits.mean() if len(hits) else 0.0
        count = min(fixture.config["generate_topk"], logits.shape[1])
        found[f"topk_logits_{name}"] = logits.topk(count).values
        found[f"topk_probs_{name}"] = logits.softmax(-1).topk(count).values
        names = [[maps[task].names[index] for index in row] for row in ranked[:, :count].tolist()]
        assert names == fixture.config["generate_labels"][name]
    return found


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
        "fbank_norm": normalise(features, steps, "mean"),
        "embedding_raw": embeddings,
        "embedding": embeddings / (embeddings.norm(dim=-1, keepdim=True) + 1e-5),
    }


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "unipool_backend": unipool_backend,
    "unipool_full": unipool_full,
    "aam_softmax": aam,
    "multihead_aam": aam,
    "eer_mindcf": eer_mindcf,
    "retrieval_metrics": retrieval_metrics,
    "am_softmax_dmha": am,
    "am_softmax_explore": am,
    "ge2e_ecapa": ge2e_ecapa,
    "ge2e_softmax": ge2e_softmax,
    "ge2e_contrast": ge2e_contrast,
    "ge2e_eer": ge2e_eer,
    "ordinal_losses": ordinal_losses,
    "auden_voice_heads": auden_voice_heads,
    "attention_pooling": attention_pooling,
    "mha_pooling": mha_pooling,
    "dmha_pooling": dmha_pooling,
    "sincnet": sincnet,
    "dmha_logmel": dmha_logmel,
    "vgg_frontend": vgg_frontend,
    "dmha_model": dmha_model,
    "dmha_resnet": dmha_model,
    "lr_tristage": lr_tristage,
    "eden_schedule": eden_schedule,
    "scaled_adam": scaled_adam,
    "checkpoint_average": checkpoint_average,
    **zipformer_adapters.ADAPTERS,
}
