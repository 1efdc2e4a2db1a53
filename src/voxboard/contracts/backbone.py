"""Contract of backbones."""

from __future__ import annotations

import math

import torch

from voxboard.backbones.base import Backbone
from voxboard.contracts.catalogue import OPTIONS
from voxboard.contracts.checks import Broken, Check, Measurement, Skipped, Subject
from voxboard.contracts.export import same_as_exported
from voxboard.contracts.inputs import audio, settle
from voxboard.contracts.measures import TOLERANCE, copy_state, difference, require_finite, require_finite_gradients

LENGTHS = (20_000, 12_345, 1_600, 300)
MASKS = "Implement encode, not forward, and waveforms are zero past each length; else mask them first."
FLOORS = "Floor what goes into logarithms, divisions and roots, and mask before a product, not after."


def shapes(subject: Subject[Backbone]) -> Measurement:
    """States, lengths, hop and parameters are what the spec says; the input is left as it was."""
    backbone = subject.build(0).eval()
    spec, (waveforms, lengths) = backbone.spec, audio(24_000, 16_000)
    before = waveforms.clone()
    with torch.no_grad():
        frames = backbone(waveforms, lengths)
    steps = int(frames.lengths.max())
    expected = (2, spec.frames.layers, steps, spec.frames.size)
    if tuple(frames.states.shape) != expected:
        raise Broken(
            f"States are {tuple(frames.states.shape)} where the spec and the lengths say {expected}.",
            "States are [B, L, T, D], and the longest utterance has T frames.",
        )
    if frames.states.dtype != torch.float32 or frames.lengths.dtype != torch.int64:
        raise Broken(f"States are {frames.states.dtype} and lengths {frames.lengths.dtype}.", "Give float32 and int64.")
    if frames.hop != spec.frames.hop:
        raise Broken(f"Frames say a hop of {frames.hop} s, the spec {spec.frames.hop} s.", "Pass spec.frames.hop on.")
    if math.isinf(spec.frames.hop):
        if steps != 1:
            raise Broken(f"An utterance has {steps} frames under an infinite hop.", "Give it one, or a hop in seconds.")
        return Measurement(steps, f"{expected[1:]} for an utterance")
    extra = float(frames.lengths[0] - frames.lengths[1]) * spec.frames.hop
    if abs(extra - 8_000 / spec.sample_rate) > spec.frames.hop * (1 + 1e-6):
        raise Broken(
            f"8000 more samples give {extra:g} s more frames instead of {8_000 / spec.sample_rate:g} s.",
            "Count the frames of each utterance from its own length, and check hop and sample_rate.",
        )
    if not torch.equal(waveforms.nan_to_num(), before.nan_to_num()):
        raise Broken("It changes the waveforms that it is given.", "Work on a copy.")
    return Measurement(steps, f"{expected[1:]} for 1.5 s")


def parameters(subject: Subject[Backbone]) -> Measurement:
    """`spec.parameters` counts the weights, frozen ones included."""
    backbone = subject.build(0)
    count = sum(weight.numel() for weight in backbone.parameters())
    if backbone.spec.parameters != count:
        raise Broken(
            f"The spec says {backbone.spec.parameters:,} parameters, there are {count:,}.",
            "Set it to sum(p.numel() for p in self.parameters()).",
            count,
        )
    return Measurement(count, f"{count:,}")


def cpu(subject: Subject[Backbone]) -> Measurement:
    """It is built and runs on a CPU: no other device is needed."""
    backbone = subject.build(0).eval()
    with torch.no_grad():
        frames = backbone(*audio(8_000))
    places = {value.device.type for value in [*backbone.state_dict().values(), frames.states, frames.lengths]}
    if places != {"cpu"}:
        raise Broken(f"Weights or frames are on {', '.join(sorted(places))}.", "Leave devices to the caller's .to().")
    return Measurement(None, "weights and frames on the CPU")


def batch_mates(subject: Subject[Backbone]) -> Measurement:
    """An utterance's frames alone are those in a padded batch, or in a batch of its length where so declared."""
    backbone = settle(subject.build(0))
    exact = backbone.spec.batching == "exact"
    lengths = LENGTHS if exact else (12_345,) * 3
    waveforms, counts = audio(*lengths)
    worst = 0.0
    with torch.no_grad():
        together = backbone(waveforms, counts)
        for row, length in enumerate(lengths):
            alone = backbone(waveforms[row : row + 1, :length], counts[row : row + 1])
            steps, counted = alone.states.shape[2], (int(alone.lengths[0]), int(together.lengths[row]))
            if counted[0] != counted[1]:
                raise Broken(
                    f"{length} samples give {counted[0]} frames alone, {counted[1]} in a batch.",
                    "Count frames from each utterance's own length.",
                )
            require_finite(alone.states, f"Frames of {length} samples alone", FLOORS)
            require_finite(together.states[row, :, :steps], f"Frames of {length} samples beside longer ones", MASKS)
            worst = max(worst, distance := difference(together.states[row, :, :steps], alone.states[0]))
            if distance > TOLERANCE:
                mates = "longer ones, which pad it" if exact else "others of its length"
                raise Broken(
                    f"The frames of {length} samples differ by {distance:.2g} beside {mates} (limit {TOLERANCE:g}).",
                    "Zero or mask what lies past each length before anything looks across time"
                    + (', or declare batching="equal-length".' if exact else "."),
                    distance,
                )
    return Measurement(worst, f"{worst:.1e} apart, {backbone.spec.batching} (limit {TOLERANCE:g})")


def silence(subject: Subject[Backbone]) -> Measurement:
    """Silence, and input of 1 sample, 0.1 s and 0.5 s, give finite frames and finite gradients in training."""
    reached = 0
    for samples in (1, 1_600, 8_000):
        backbone = subject.build(0).train()
        waveforms, lengths = audio(8_000, samples)
        waveforms[1] = 0.0
        frames = backbone(waveforms, lengths)
        valid = frames.states.transpose(1, 2)[frames.mask]
        what = f"of a batch with {samples} samples of silence"
        require_finite(valid, f"Frames {what}", FLOORS)
        if backbone.spec.parameters:
            reached = require_finite_gradients(backbone, valid.square().mean(), what, FLOORS)
    return Measurement(reached, f"{reached} weight tensors reached")


def short(subject: Subject[Backbone]) -> Measurement:
    """A batch of 0.1 s alone, with sound in it, gives finite frames and finite gradients in training."""
    backbone = subject.build(0).train()
    frames = backbone(*audio(1_600, 1_600))
    valid = frames.states.transpose(1, 2)[frames.mask]
    require_finite(valid, "Frames of 0.1 s", FLOORS)
    if int(frames.lengths.min()) < 1:
        raise Broken("0.1 s of audio gives no frame.", "Set spec.min_samples to the receptive field.")
    if backbone.spec.parameters:
        require_finite_gradients(backbone, valid.square().mean(), "of 0.1 s", FLOORS)
    return Measurement(int(frames.lengths[0]), f"{int(frames.lengths[0])} frames of 0.1 s")


def seed(subject: Subject[Backbone]) -> Measurement:
    """One seed gives the same weights and the same frames, another seed other weights."""
    first, again, other = (subject.build(number).eval() for number in (1, 1, 2))
    draws = "Draw all weights from torch's global stream, in __init__."
    if first.fingerprint() != again.fingerprint():
        raise Broken("Two of the same seed have different weights.", draws)
    if first.spec.parameters and other.fingerprint() == first.fingerprint() and not _pretrained(first):
        raise Broken("Two of different seeds have the same weights.", draws)
    with torch.no_grad():
        inputs = audio(8_000)
        if not torch.equal(first(*inputs).states, again(*inputs).states):
            raise Broken("Two of the same weights give different frames.", "Draw nothing at random in evaluation mode.")
    return Measurement(None, first.fingerprint()[:12])


def saved(subject: Subject[Backbone]) -> Measurement:
    """Weights that went through safetensors give the same network and the same frames, bit for bit."""
    first, other = (subject.build(number).eval() for number in (1, 2))
    size = copy_state(first, other)
    with torch.no_grad():
        inputs = audio(8_000)
        same = torch.equal(other(*inputs).states, first(*inputs).states)
    if not same or other.fingerprint() != first.fingerprint():
        raise Broken(
            "Loaded weights give other frames than the saved ones.", "Register all that is drawn or learned as buffers."
        )
    return Measurement(size, f"{size:,} bytes")


def own_pooling(subject: Subject[Backbone]) -> Measurement:
    """The pooling that it was published with, if any, makes embeddings of its frames."""
    backbone = subject.build(0).eval()
    pooler = backbone.native_pooler()
    if (pooler is None) != (backbone.spec.frames.native is None):
        raise Broken("native_pooler() and spec.frames.native disagree.", "Give both, or none.")
    if pooler is None:
        raise Skipped("was published without one")
    with torch.no_grad():
        embeddings = pooler.eval()(backbone(*audio(8_000, 16_000)))
    if tuple(embeddings.shape) != (2, pooler.embedding_size):
        raise Broken(
            f"Embeddings are {tuple(embeddings.shape)} instead of (2, {pooler.embedding_size}).",
            "Name a registered pooler and options that fit the frames.",
        )
    return Measurement(pooler.embedding_size, f"embeddings of {pooler.embedding_size}")


def export(subject: Subject[Backbone]) -> Measurement:
    """The exported program gives the same frames, for other lengths and other batch sizes than its example's."""
    backbone = settle(subject.build(0))
    return same_as_exported(backbone, audio(24_000, 16_000, 9_000), [audio(33_333, 20_001), audio(15_900)])


def _pretrained(backbone: Backbone) -> bool:
    return backbone.spec.weights == "pretrained" or not (backbone.spec.weights_licence or "none").startswith("none")


CHECKS: tuple[Check[Backbone], ...] = (
    OPTIONS,
    Check("shapes", "frames have the sizes that the spec says, of each utterance's own length", shapes),
    Check("parameters", "the spec counts the weights", parameters),
    Check("cpu", "a CPU is all that it needs", cpu),
    Check("batch mates", "an utterance's frames do not depend on those beside it", batch_mates),
    Check("silence", "silence and single samples train without NaN", silence),
    Check("0.1 s", "a tenth of a second gives finite frames and gradients", short),
    Check("seed", "one seed gives one network", seed),
    Check("saved weights", "weights go through safetensors unchanged", saved),
    Check("own pooling", "its published pooling fits its frames", own_pooling),
    Check("export", "the exported program gives the same numbers", export),
)
