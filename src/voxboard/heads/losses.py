"""Classification losses with weights per class; an utterance whose label is `MISSING` counts in none of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from voxboard.errors import UserError
from voxboard.heads.base import MISSING

# Keeps (1 - p) ** gamma differentiable where p rounds to one.
TINY = 1e-12


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Logits [B, C] and classes [B] → cross entropy, averaged by the weights [C] of the classes; 0 without labels."""
    return _mean(F.cross_entropy(logits.float(), labels, ignore_index=MISSING, reduction="none"), labels, weights)


def focal(
    logits: Tensor, labels: Tensor, gamma: float = 2.0, weights: Tensor | None = None, reference: bool = False
) -> Tensor:
    """Cross entropy times (1 − p)^γ, p the true class's probability (Lin et al., Focal Loss, ICCV 2017, equation 4).

    `reference` has the age fork's number, which takes the factor of the batch's mean instead of each utterance's.
    """
    losses = F.cross_entropy(logits.float(), labels, ignore_index=MISSING, reduction="none")
    if reference:
        losses = _mean(losses, labels, weights)
        return (1.0 - (-losses).exp()) ** gamma * losses
    return _mean((-torch.expm1(-losses)).clamp(min=TINY) ** gamma * losses, labels, weights)


def cumulative(predictions: Tensor, labels: Tensor, weights: Tensor | None = None, reference: bool = False) -> Tensor:
    """Squared error of P(class ≥ j) [B, C] against ones up to the true class (Cheng et al., IJCNN 2008), summed over j.

    `weights` [C] are those of the utterances' classes; `reference` has the age fork's number, which weighs every
    entry with `weights[0]` where its target is 0 and with `weights[1]` where it is 1.
    """
    target = (torch.arange(predictions.shape[1], device=labels.device) <= labels[:, None]).long()
    errors = (predictions.float() - target).square()
    if reference and weights is not None:
        return _mean((weights[target] * errors).sum(1), labels, None)
    return _mean(errors.sum(1), labels, weights)


def distance(probabilities: Tensor, labels: Tensor, reference: bool = False) -> Tensor:
    """Probabilities [B, C] → Σ_j (p_j · (|y − j| + 1) − [j = y])²: the farther from the truth, the dearer.

    `reference` has the age fork's number, whose |y − j + 1| leaves the class above the truth without a cost.
    """
    classes = torch.arange(probabilities.shape[1], device=labels.device)
    steps = labels[:, None] - classes
    cost = (steps + 1).abs() if reference else steps.abs() + 1
    return _mean((probabilities.float() * cost - (steps == 0).float()).square().sum(1), labels, None)


def class_weights(values: Sequence[float], n_classes: int) -> Tensor | None:
    """The option `class_weights` as a tensor [C], None when it is empty. Raises `UserError` for another number."""
    if not values:
        return None
    if len(values) != n_classes:
        raise UserError(
            f"There are {len(values)} class weights for {n_classes} classes.", "Give one per class, in order."
        )
    return torch.tensor(values, dtype=torch.float32)


def _mean(losses: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of losses [B] over utterances with a label, weighted by class."""
    labelled = labels != MISSING
    share = labelled.float() if weights is None else labelled * weights[labels.clamp(min=0)]
    return torch.where(labelled, share * losses, 0.0).sum() / share.sum().clamp(min=TINY)
