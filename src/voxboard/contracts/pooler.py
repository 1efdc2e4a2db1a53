"""Contract of poolers, over frames of one layer and of several."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from voxboard.backbones.frames import Frames
from voxboard.contracts.catalogue import OPTIONS
from voxboard.contracts.checks import Broken, Check, Measurement, Skipped, Subject
from voxboard.contracts.export import same_as_exported
from voxboard.contracts.inputs import frames, settle
from voxboard.contracts.measures import TOLERANCE, copy_state, difference, require_finite
from voxboard.errors import UserError
from voxboard.poolers.base import Pooler

LENGTHS = (40, 23, 2, 1)
FILLS = (0.0, 1e30, float("inf"), float("nan"))
MASK = "Choose valid frames with frames.mask and masked_fill or where: NaN times zero is still NaN."


def shape(subject: Subject[Pooler]) -> Measurement:
    """One finite embedding of `embedding_size` per utterance, of a single frame too."""
    pooler = settle(subject.build(0))
    with torch.no_grad():
        embeddings = pooler(frames(pooler.spec, 30, 12, 1))
    if tuple(embeddings.shape) != (3, pooler.embedding_size):
        raise Broken(
            f"Embeddings are {tuple(embeddings.shape)} instead of (3, {pooler.embedding_size}).",
            "Give [B, E], and set embedding_size to E in __init__.",
        )
    require_finite(embeddings, "Embeddings of 30, 12 and 1 frames", "A deviation needs a floor, a count at least 1.")
    return Measurement(pooler.embedding_size, f"embeddings of {pooler.embedding_size}")


def padding(subject: Subject[Pooler]) -> Measurement:
    """An embedding alone is that in a padded batch, whatever the padding holds: zeros, huge numbers, infinity, NaN."""
    pooler = settle(subject.build(0))
    worst = 0.0
    for fill in FILLS:
        batch = frames(pooler.spec, *LENGTHS, padding=fill)
        with torch.no_grad():
            together = pooler(batch)
            for row, length in enumerate(LENGTHS):
                alone = Frames(batch.states[row : row + 1, :, :length], torch.tensor([length]), batch.hop)
                worst = max(worst, distance := difference(together[row : row + 1], pooler(alone)))
                if distance > TOLERANCE:
                    raise Broken(
                        f"Padding with {fill:g} changes the embedding of {length} frames by {distance:.2g} "
                        f"(limit {TOLERANCE:g}).",
                        MASK,
                        distance,
                    )
    return Measurement(worst, f"{worst:.1e} apart (limit {TOLERANCE:g})")


def gradients(subject: Subject[Pooler]) -> Measurement:
    """Finite in training, also for silence, constant frames and a single frame, beside padding of zeros and NaN."""
    reached = 0
    for fill in (0.0, float("nan")):
        pooler = settle(subject.build(0)).train()
        batch = frames(pooler.spec, 20, 20, 20, 1, padding=fill)
        batch.states[1], batch.states[2] = 0.0, 1.0
        states = batch.states.requires_grad_()
        what = f"of silence, constant frames and one frame, padded with {fill:g},"
        advice = "Floor variances before the root. " + MASK
        loss = pooler(batch).square().sum()
        require_finite(loss, f"The loss {what}", advice)
        loss.backward()
        if states.grad is None:
            raise Broken("The frames get no gradient.", "Do not detach them.")
        require_finite(states.grad, f"The gradient of the frames {what}", advice)
        for name, weight in pooler.named_parameters():
            if weight.grad is not None:
                require_finite(weight.grad, f"The gradient of {name} {what}", advice)
                reached += 1
    return Measurement(reached // 2, f"{reached // 2} weight tensors reached")


def learning(subject: Subject[Pooler]) -> Measurement:
    """The frames and every weight get a gradient."""
    pooler = settle(subject.build(0))
    batch = frames(pooler.spec, 20, 15)
    batch.states.requires_grad_()
    pooler(batch).square().sum().backward()
    if batch.states.grad is None:
        raise Broken("The frames get no gradient, so no backbone can learn.", "Do not detach them.")
    idle = [name for name, weight in pooler.named_parameters() if weight.grad is None]
    if idle:
        raise Broken(f"{idle[0]} gets no gradient.", "Leave out weights that these options do not use.", len(idle))
    count = sum(weight.numel() for weight in pooler.parameters())
    return Measurement(count, f"{count:,} weights")


def sequence(subject: Subject[Pooler]) -> Measurement:
    """Check the sequence for heads that read frames: [B, 1, T, D] with zeros on padding, or a `UserError`."""
    pooler = settle(subject.build(0))
    batch = frames(pooler.spec, 9, 6, 1, padding=float("nan"))
    try:
        with torch.no_grad():
            pooled = pooler.sequence(batch)
    except UserError as reason:
        raise Skipped("has no sequence") from reason
    expected = (3, 1, 9, pooler.spec.size)
    if tuple(pooled.states.shape) != expected:
        raise Broken(f"Its sequence is {tuple(pooled.states.shape)} instead of {expected}.", "Give [B, 1, T, D].")
    if not torch.equal(pooled.lengths, batch.lengths) or pooled.hop != batch.hop:
        raise Broken("Its sequence has other lengths or another hop.", "Use dataclasses.replace(frames, states=…).")
    past = pooled.states.transpose(1, 2)[~pooled.mask]
    if not bool((past == 0).all()):
        raise Broken("Its sequence is not zero on padding.", MASK)
    require_finite(pooled.states, "Its sequence", MASK)
    return Measurement(pooler.spec.size, f"frames of {pooler.spec.size}, zeros on padding")


def seed(subject: Subject[Pooler]) -> Measurement:
    """One seed gives the same embeddings."""
    first, again = (settle(subject.build(number)) for number in (1, 1))
    batch = frames(first.spec, 9, 6)
    with torch.no_grad():
        if not torch.equal(again(batch), first(batch)):
            raise Broken(
                "Two of the same seed give different embeddings.",
                "Draw weights from torch's global stream in __init__, and nothing in evaluation mode.",
            )
    return Measurement(None, "equal, bit for bit")


def saved(subject: Subject[Pooler]) -> Measurement:
    """Weights that went through safetensors give the same embeddings, bit for bit."""
    first, other = (settle(subject.build(number)) for number in (1, 2))
    size = copy_state(first, other)
    batch = frames(first.spec, 9, 6)
    with torch.no_grad():
        if not torch.equal(other(batch), first(batch)):
            raise Broken(
                "Loaded weights give other embeddings than the saved ones.",
                "Register all that is drawn or learned as parameters or buffers.",
            )
    return Measurement(size, f"{size:,} bytes")


def export(subject: Subject[Pooler]) -> Measurement:
    """The exported program gives the same embeddings, for other lengths and batch sizes than its example's."""
    pooler = settle(subject.build(0))

    def inputs(*lengths: int, fill: float = 0.0) -> Sequence[torch.Tensor]:
        batch = frames(pooler.spec, *lengths, padding=fill)
        return batch.states, batch.lengths

    return same_as_exported(pooler, inputs(30, 12, 5), [inputs(41, 3, fill=float("nan")), inputs(16), inputs(2, 1, 5)])


CHECKS: tuple[Check[Pooler], ...] = (
    OPTIONS,
    Check("shape", "one embedding of the announced size per utterance", shape),
    Check("padding", "padding changes no embedding, whatever it holds", padding),
    Check("gradients", "silence, constant frames and one frame train without NaN", gradients),
    Check("learning", "frames and all weights get a gradient", learning),
    Check("sequence", "what it pools, for heads that read frames", sequence),
    Check("seed", "one seed gives one pooler", seed),
    Check("saved weights", "weights go through safetensors unchanged", saved),
    Check("export", "the exported program gives the same numbers", export),
)
