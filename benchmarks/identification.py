"""Closed-set speaker identification: which of the speakers of training is it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voxboard.benchmarks.attributes import Attributes
from voxboard.limits import Positive


class Identification(Attributes):
    """Accuracy among the speakers that were trained on; a speaker whom training never met is always missed."""

    task = "identification"
    disjoint = False

    @dataclass(frozen=True)
    class Config:
        """Settings of identification."""

        classifier: Literal["auto", "head", "probe"] = "auto"
        """Who answers: the trained head, or a logistic regression on embeddings of the training split; auto takes the
        head where it was trained on speakers."""
        probe_c: Positive = 1.0
        """Inverse strength of the probe's regularisation."""

    config: Config  # type: ignore[assignment]

    @property
    def label(self) -> str:
        return "speaker"

    @property
    def name(self) -> str:
        return "identification"
