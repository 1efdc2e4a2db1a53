"""How heads and losses of the references are run on voxboard's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.parity import zipformer_adapters
from tests.parity.reference_fixture import Fixture, number
from voxboard import backbones, heads
from voxboard.backbones.frames import valid
from voxboard.backbones.zipformer import Zipformer
from voxboard.backbones.zipformer_checkpoints import sizes
from voxboard.data.labels import Classes
from voxboard.data.targets import AUDEN
from voxboard.heads import losses
from voxboard.heads.base import MISSING
from voxboard.metrics import reference
from voxboard.reference_weights import load_reference

Outputs = Mapping[str, Any]


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


def auden_voice_heads(fixture: Fixture) -> Outputs:
    """Log-mel and labels → frames, logits, losses, top-k and embedding of the multi-task model."""
    ours = {theirs: task for task, theirs in AUDEN.items()}
    maps = {ours.get(task, task): Classes(names) for task, names in fixture.config["id2label"].items()}
    tags, stated = fixture.config["tags"], fixture.config["task_weights"]
    given = {ours.get(task, task): value for task, value in tags.items()}
    stated_sizes = sizes(Zipformer.Config(), fixture.config["encoder_config"])
    backbone = backbones.create("zipformer", **stated_sizes, reference=True).eval()
    head = heads.create(
        "multi-task",
        backbone.spec.frames.size,
        {task: len(classes) for task, classes in maps.items()},
        tasks=tuple(maps),
        weights=tuple(stated.values()),
        reduction="sum",
    ).eval()
    load_reference("auden-voice", fixture.weights, backbone=backbone, head=head)
    layers, steps = backbone.frames(fixture.inputs["x"], fixture.inputs["x_lens"])
    frames = layers[:, -1]
    embeddings = torch.where(valid(steps, frames.shape[1])[..., None], frames, 0.0).sum(1) / steps[:, None]
    labels = {task: torch.tensor([as_labelled(maps[task], tag) for tag in given[task]]) for task in maps}
    found: dict[str, Any] = {
        "encoder_out": zipformer_adapters.where_valid(fixture, "encoder_out", frames, steps),
        "encoder_out_lens": steps,
        "total_weighted_loss": head.loss(embeddings, labels),
        "utt_embedding_masked_mean": embeddings,
        "utt_embedding_l2": F.normalize(embeddings, dim=-1),
    }
    losses_of, logits_of = head.losses(embeddings, labels), head.predict_tasks(embeddings)
    for task, logits in logits_of.items():
        name, label = AUDEN.get(task, task), labels[task]
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


def as_labelled(classes: Classes, tag: str | None) -> int:
    """The class index of a tag; where voxboard takes an unknown name for a missing one, the reference takes class 0."""
    index = classes.index(tag)
    return 0 if index == MISSING and tag not in (None, "", "None", "Null") else index


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "aam_softmax": aam,
    "multihead_aam": aam,
    "am_softmax_dmha": am,
    "am_softmax_explore": am,
    "ge2e_softmax": ge2e_softmax,
    "ge2e_contrast": ge2e_contrast,
    "ge2e_eer": ge2e_eer,
    "ordinal_losses": ordinal_losses,
    "auden_voice_heads": auden_voice_heads,
}
