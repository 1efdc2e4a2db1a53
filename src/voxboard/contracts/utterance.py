"""Contract of encoders of utterances."""

from __future__ import annotations

import torch
from torch import Tensor

from voxboard.backbones.utterance import UtteranceEncoder
from voxboard.contracts.catalogue import OPTIONS
from voxboard.contracts.checks import Broken, Check, Measurement, Subject
from voxboard.contracts.export import same_as_exported
from voxboard.contracts.inputs import audio, settle
from voxboard.contracts.measures import TOLERANCE, copy_state, difference, require_finite, require_finite_gradients

LENGTHS = (20_000, 12_345, 1_600, 300)
SHORT = (1, 1_600, 8_000)  # samples
FLOORS = "Floor what goes into logarithms, divisions and roots, and mask before a product, not after."
PADDING = "Mask what lies past each length before anything looks across time"


def shapes(subject: Subject[UtteranceEncoder]) -> Measurement:
    """Embeddings are float32 [B, E] of the size that the spec says; the input is left as it was."""
    encoder = subject.build(0).eval()
    waveforms, lengths = audio(24_000, 16_000)
    before = waveforms.clone(), lengths.clone()
    embeddings = _embedded(encoder, waveforms, lengths)
    expected = (2, encoder.spec.embedding_size)
    if tuple(embeddings.shape) != expected:
        raise Broken(f"Embeddings are {tuple(embeddings.shape)} instead of {expected}.", "Give [B, embedding_size].")
    if embeddings.dtype != torch.float32:
        raise Broken(f"Embeddings are {embeddings.dtype}.", "Give float32.")
    require_finite(embeddings, "Embeddings", FLOORS)
    if not torch.equal(waveforms.nan_to_num(), before[0].nan_to_num()) or not torch.equal(lengths, before[1]):
        raise Broken("It changes the waveforms or lengths that it is given.", "Work on a copy.")
    return Measurement(expected[1], f"embeddings of {expected[1]}")


def parameters(subject: Subject[UtteranceEncoder]) -> Measurement:
    """`spec.parameters` counts the weights, frozen ones included."""
    encoder = subject.build(0)
    count = sum(weight.numel() for weight in encoder.parameters())
    if encoder.spec.parameters != count:
        raise Broken(
            f"The spec says {encoder.spec.parameters:,} parameters, there are {count:,}.",
            "Set it to sum(p.numel() for p in self.parameters()).",
            count,
        )
    return Measurement(count, f"{count:,}")


def batch_mates(subject: Subject[UtteranceEncoder]) -> Measurement:
    """An embedding alone is that in a padded batch, or in a batch of its length where so declared."""
    encoder = settle(subject.build(0))
    exact = encoder.spec.batching == "exact"
    lengths = LENGTHS if exact else (12_345,) * 3
    waveforms, counts = audio(*lengths)
    together = _embedded(encoder, waveforms, counts)
    require_finite(together, "Embeddings of a padded batch" if exact else "Embeddings of a batch", FLOORS)
    mates = "longer ones, which pad it" if exact else "others of its length"
    advice = f"{PADDING}, or declare batching='equal-length'." if exact else "Let no utterance look at another."
    worst = 0.0
    for row, length in enumerate(lengths):
        alone = _embedded(encoder, waveforms[row : row + 1, :length], counts[row : row + 1])
        apart = difference(together[row], alone[0])
        worst = max(worst, apart)
        if apart > TOLERANCE:
            raise Broken(
                f"The embedding of {length} samples differs by {apart:.2g} beside {mates} (limit {TOLERANCE:g}).",
                advice,
                apart,
            )
    return Measurement(worst, f"{worst:.1e} apart, {encoder.spec.batching} (limit {TOLERANCE:g})")


def short(subject: Subject[UtteranceEncoder]) -> Measurement:
    """Sound of 1 sample, 0.1 s and 0.5 s gives finite embeddings."""
    encoder = subject.build(0).eval()
    for samples in SHORT:
        require_finite(_embedded(encoder, *audio(samples)), f"The embedding of {samples} samples", FLOORS)
    return Measurement(None, f"finite for {', '.join(map(str, SHORT))} samples")


def silence(subject: Subject[UtteranceEncoder]) -> Measurement:
    """Silence gives finite embeddings, and finite gradients where the weights are trained."""
    reached = 0
    for samples in SHORT:
        encoder = subject.build(0)
        what = f"of {samples} samples of silence"
        silent = torch.zeros(1, samples), torch.tensor([samples])
        require_finite(_embedded(encoder.eval(), *silent), f"The embedding {what}", FLOORS)
        waveforms, lengths = audio(8_000, samples)
        waveforms[1] = 0.0
        embeddings = encoder.train()(waveforms, lengths)
        require_finite(embeddings, f"Embeddings of a batch {what}", FLOORS)
        if any(weight.requires_grad for weight in encoder.parameters()):
            reached = require_finite_gradients(encoder, embeddings.square().mean(), what, FLOORS)
    return Measurement(reached, f"{reached} weight tensors reached")


def seed(subject: Subject[UtteranceEncoder]) -> Measurement:
    """One seed gives the same weights and the same embeddings."""
    first, again = (subject.build(1).eval() for _ in range(2))
    if first.fingerprint() != again.fingerprint():
        raise Broken(
            "Two of the same seed have different weights.", "Draw all weights from torch's global stream, in __init__."
        )
    if not torch.equal(_embedded(first, *audio(8_000)), _embedded(again, *audio(8_000))):
        raise Broken("Two of the same weights give different embeddings.", "Draw nothing at random in evaluation mode.")
    return Measurement(None, first.fingerprint()[:12])


def saved(subject: Subject[UtteranceEncoder]) -> Measurement:
    """Weights that went through safetensors give the same embeddings, bit for bit."""
    first, other = (subject.build(number).eval() for number in (1, 2))
    size = copy_state(first, other)
    if not torch.equal(_embedded(other, *audio(8_000)), _embedded(first, *audio(8_000))):
        raise Broken(
            "Loaded weights give other embeddings than the saved ones.",
            "Register all that is drawn or learned as parameters or buffers.",
        )
    return Measurement(size, f"{size:,} bytes")


def export(subject: Subject[UtteranceEncoder]) -> Measurement:
    """The exported program gives the same embeddings, for other lengths and batch sizes than its example's."""
    encoder = settle(subject.build(0))
    return same_as_exported(encoder, audio(24_000, 16_000, 9_000), [audio(33_333, 20_001), audio(15_900)])


def _embedded(encoder: UtteranceEncoder, waveforms: Tensor, lengths: Tensor) -> Tensor:
    with torch.no_grad():
        embeddings: Tensor = encoder(waveforms, lengths)
    return embeddings


CHECKS: tuple[Check[UtteranceEncoder], ...] = (
    OPTIONS,
    Check("shapes", "one embedding of the size that the spec says per utterance", shapes),
    Check("parameters", "the spec counts the weights", parameters),
    Check("batch mates", "an utterance's embedding does not depend on those beside it", batch_mates),
    Check("short", "single samples and a tenth of a second give finite embeddings", short),
    Check("silence", "silence embeds and trains without NaN", silence),
    Check("seed", "one seed gives one network", seed),
    Check("saved weights", "weights go through safetensors unchanged", saved),
    Check("export", "the exported program gives the same numbers", export),
)
