"""How UniPool-SV's networks that start from waveforms are run on voxboard's: X-vector, ECAPA-TDNN and SincNet."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.parity.reference_fixture import Fixture
from voxboard import backbones, heads
from voxboard.backbones.features import HOP, normalize
from voxboard.backbones.frames import valid
from voxboard.backbones.xvector import SHRINKS
from voxboard.poolers.base import concatenated, masked_mean, masked_std
from voxboard.reference_weights import load_reference

Outputs = Mapping[str, Any]


def xvector(fixture: Fixture) -> Outputs:
    """Waveforms → MFCC, embeddings, classes, loss and trial scores; `*_masked` where the lengths count."""
    backbone = backbones.create("xvector", features="mfcc", bins=fixture.ctor["input_dim"], reference=True).eval()
    pooler = backbone.native_pooler().eval()
    head = heads.create("softmax", pooler.embedding_size, fixture.ctor["nb_class_train"], hidden=512, bias=False).eval()
    load_reference("xvector", fixture.weights, backbone=backbone, pooler=pooler, head=head)
    waveforms = fixture.inputs["waveform"]
    whole = torch.full(waveforms.shape[:1], waveforms.shape[1])
    mfcc, _ = backbone.features.extract(waveforms, whole)
    embedded = {"": pooler(backbone(waveforms, whole))}
    lengths = next((value for name, value in fixture.inputs.items() if "len" in name), None)
    if lengths is not None:
        if lengths.is_floating_point() and lengths.max() <= 1:
            lengths = lengths * waveforms.shape[1]
        embedded["_masked"] = with_lengths(backbone, pooler, mfcc, lengths.long() // HOP + 1)
    found: dict[str, Any] = {"mfcc": mfcc.mT}
    for suffix, embedding in embedded.items():
        found |= {f"embedding{suffix}": unit(embedding), f"pred{suffix}": head.predict(embedding).softmax(-1)}
        if (label := labels(fixture)) is not None:
            found[f"loss{suffix}"] = head.loss(embedding, label)
    return found | trial_scores(fixture, lambda x: unit(pooler(backbone(x[None], torch.tensor([len(x)])))))


def with_lengths(backbone: Any, pooler: Any, mfcc: Tensor, steps: Tensor) -> Tensor:
    """MFCC [B, T, F] of whole rows → embeddings of their first `steps` [B] frames.

    With lengths the reference divides by N where it divides by N - 1 without, as voxboard does throughout.
    """
    counts = steps[:, None, None]
    features = normalize(mfcc, steps, "mean-variance") * (counts / (counts - 1)).sqrt()
    frames = backbone.frames(features.mT).mT
    mask = valid(steps - SHRINKS, frames.shape[1])
    frames = frames.masked_fill(~mask[..., None], 0.0)
    mean = masked_mean(frames, mask)
    return pooler.pooler.project(concatenated(mean, masked_std(frames, mask, mean, unbiased=False)))


def ecapa(fixture: Fixture) -> Outputs:
    """Waveforms → MFCC and embeddings, in a batch and each alone, margin logits, loss and trial scores."""
    given = fixture.ctor
    backbone = backbones.create("ecapa", features="mfcc", channels=given["n_channels"], reference=True).eval()
    pooler = backbone.native_pooler().eval()
    margin = {"margin": given.get("m", 0.2), "scale": float(given.get("s", 30))}
    head = heads.create("aam", pooler.embedding_size, given["nb_class_train"], **margin).eval()
    load_reference("ecapa", fixture.weights, backbone=backbone, pooler=pooler, head=head)

    def run(waveforms: Tensor) -> dict[str, Tensor]:
        lengths = torch.full(waveforms.shape[:1], waveforms.shape[1])
        mfcc, _ = backbone.features.extract(waveforms, lengths)
        features, _ = backbone.features(waveforms, lengths)
        embedding = pooler(backbone(waveforms, lengths))
        return {"mfcc": mfcc.mT, "mfcc_l2": features.mT, "embedding": unit(embedding), "raw": embedding}

    waveforms = fixture.inputs["waveform"]
    found: dict[str, Any] = run(waveforms)
    alone = [run(row[None]) for row in waveforms]
    quietest = int(waveforms.square().mean(1).argmin())
    for name in ("mfcc", "mfcc_l2", "embedding"):
        rows = torch.cat([one[name] for one in alone])
        every = fixture.outputs.get(f"{name}_single", rows.numpy()).size == rows.numel()
        found[f"{name}_single"] = rows if every else rows[quietest]
    if (label := labels(fixture)) is not None:
        logits = head.margin_logits(found["raw"], label)[:, 0]
        for name in fixture.outputs:
            if name.startswith("aam"):
                shares = np.allclose(fixture.outputs[name].sum(-1), 1.0, atol=1e-3)
                found[name] = logits.softmax(-1) if shares else logits
                if "loss" in name:
                    found[name] = head.loss(found["raw"], label)
    return found | trial_scores(fixture, lambda x: run(x[None])["embedding"])


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
    head = heads.create("softmax", given["fc_lay"][-1], given["nb_class_train"], norm=True).eval()
    load_reference("sincnet", fixture.weights, backbone=backbone, head=head)
    windows, label = fixture.inputs["window"], fixture.inputs["label"]
    convolved: list[Tensor] = []
    hook = backbone.sincnet.register_forward_hook(lambda _, __, output: convolved.append(output))
    vectors = unit(backbone.embed(windows))
    hook.remove()
    found = {
        "filters": backbone.sincnet.conv[0].filters(),
        "cnn": torch.cat(convolved),
        "embedding": vectors,
        "log_softmax": head.predict(vectors).log_softmax(-1),
        "loss": head.loss(vectors, label),
    }
    return found | trial_scores(fixture, lambda x: backbone(x[None], torch.tensor([len(x)])).states[0, 0])


def trial_scores(fixture: Fixture, embed: Callable[[Tensor], Tensor]) -> Outputs:
    """The mean cosine, none below 0, of all vectors [W, E] that `embed` makes of the two sides of every trial."""
    names = [name for name in fixture.outputs if "score" in name]
    found = {}
    for name in names:
        pairs = trials(fixture, fixture.outputs[name].size)
        scores = [(embed(one) @ embed(other).T).clamp(0.0, 1.0).mean() for one, other in pairs]
        found[name] = torch.stack(scores)
    return found


def trials(fixture: Fixture, count: int) -> list[tuple[Tensor, Tensor]]:
    """The `count` pairs that the config words as (row0,row1[:12345]) or (name,name2), or that the inputs hold."""
    audio = {
        name: value
        for name, value in fixture.inputs.items()
        if value.is_floating_point() and value.ndim > 0 and name != "window" and "len" not in name
    } or {"window": fixture.inputs["window"]}
    rows = next((value for value in audio.values() if value.ndim == 2), None)
    sides = {name: value for name, value in audio.items() if value.squeeze().ndim == 1}
    if rows is not None:
        sides |= {f"{word}{index}": row for index, row in enumerate(rows) for word in ("row", *audio)}
    side = rf"({'|'.join(sorted(map(re.escape, sides), key=len, reverse=True))})(?:\[:(\d+)\])?"
    worded = re.findall(rf"\(\s*{side}\s*,\s*{side}\s*\)", fixture.notes)
    if worded:
        found = [(cut(sides[a], m), cut(sides[b], n)) for a, m, b, n in worded]
    elif len(audio) == 2 and len({len(value) for value in audio.values()}) == 1 and rows is not None:
        found = list(zip(*audio.values(), strict=True))  # one side each
    else:
        single = [row for value in audio.values() for row in value.reshape(-1, value.shape[-1])]
        found = list(zip(single[::2], single[1::2], strict=False))
        if len(found) != count:
            found = list(itertools.combinations(single, 2))
    assert len(found) == count, f"{count} scores of trials that the config does not tell"
    return found


def cut(waveform: Tensor, samples: str) -> Tensor:
    """The first samples of a waveform, all of them for an empty number."""
    return waveform.reshape(-1)[: int(samples) if samples else None]


def labels(fixture: Fixture) -> Tensor | None:
    """The classes [B] of the waveforms, if the inputs hold any."""
    return next((value.reshape(-1) for name, value in fixture.inputs.items() if "label" in name), None)


def unit(vectors: Tensor) -> Tensor:
    """The same directions with length 1."""
    return F.normalize(vectors, dim=-1)


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {"xvector": xvector, "ecapa": ecapa, "sincnet": sincnet}
