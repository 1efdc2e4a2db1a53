"""Systems in records: their parts, and how they were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voxboard import ledger
from voxboard.errors import UserError
from voxboard.records.codec import decode, encode


@dataclass(frozen=True)
class Part:
    """A backbone, a pooler or a head as it was built."""

    name: str  # the registered name: "wavlm-base-plus", "double-mha", "aam"
    options: Mapping[str, Any] = field(default_factory=dict)  # its resolved options, JSON values


@dataclass(frozen=True)
class Candidate:
    """One value that was tried."""

    value: float
    error: float | None = None  # of its best validation
    reason: str = ""  # why there is none: it was retired


@dataclass(frozen=True)
class Search:
    """Values of one hyperparameter, each trained with the same budget; validation chose one."""

    setting: str  # "max_lr"
    steps: int  # of each candidate: its budget
    candidates: tuple[Candidate, ...]  # in the order in which equal ones win
    chosen: float | None = None  # None where none was left


@dataclass(frozen=True)
class Training:
    """Training of a system. Only what changes its weights: no workers, device or description."""

    corpus: str  # "Voices", "LibriSpeech"; "unknown" where nobody said
    digest: str = ""  # sha256 of the training manifest
    licence: str = ""  # of the training corpus; empty = unknown
    steps: int | None = None  # optimiser steps
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)  # resolved: max_lr, batch_size, crop …
    search: Mapping[str, Any] = field(default_factory=dict)  # what was tried to choose them, and its budget: a Search

    @property
    def tried(self) -> Search | None:
        """`search` where it is a `Search`. Raises `UserError` that names the field."""
        return decode(Search, self.search, "system.training.search") if "candidates" in self.search else None


@dataclass(frozen=True)
class Exposure:
    """Exposure of a system's weights to what a benchmark tests, by the names of `ledger`."""

    relation: str  # one of `ledger.WORST_FIRST`
    reason: str = ""
    seen: tuple[str, ...] = ()  # "LibriSpeech/train-clean-100", "VoxCeleb1/dev"; empty: nothing, or nothing is known
    tested: tuple[str, ...] = ()

    @property
    def contaminated(self) -> bool:
        """True if the weights have heard the test's utterances or speakers."""
        return self.relation in ledger.CONTAMINATED

    @property
    def clean(self) -> bool:
        """True if they are known to have heard none of them."""
        return self.relation in ledger.CLEAN


# How the weights came to be before any training here; empty in records of schema 3 and before.
Weights = Literal["", "none", "random", "pretrained", "pretrained backbone", "unknown"]


@dataclass(frozen=True)
class System:
    """Backbone + pooler + head, with weights."""

    name: str  # a named system ("UniPool"), or the spec again
    spec: str  # "wavlm-base-plus+double-mha+aam"
    backbone: Part | None = None  # None where it is not known (imported scores)
    pooler: Part | None = None
    head: Part | None = None
    training: Training | None = None  # None = not trained by voxboard: its weights are as `weights` says
    pretrained: bool = False  # the backbone started from published weights
    pretrained_on: tuple[str, ...] = ()  # the corpora that those weights have seen
    frozen: bool = False  # the backbone was not trained further
    code_licence: str = ""  # empty = unknown
    weights_licence: str = ""  # empty = unknown
    weights: Weights = ""

    @property
    def trained(self) -> bool:
        """True if voxboard trained it; else it is an untrained baseline or has weights of others."""
        return self.training is not None

    @property
    def corpus(self) -> str:
        """The corpus that voxboard trained it on, empty without training."""
        return self.training.corpus if self.training else ""

    @property
    def start(self) -> Weights:
        """Origin of the weights before any training here; for older records by their other fields."""
        if self.weights:
            return self.weights
        licence = self.weights_licence
        if self.pretrained or not (licence or "none").startswith("none"):
            return "pretrained"
        if self.backbone and ".py:" in self.backbone.name:
            return "unknown"
        return "none" if licence == "none (no weights)" else "random"

    @property
    def origin(self) -> str:
        """In a few words where the weights come from: the corpus of the training, "pretrained", "untrained"."""
        return self.corpus or _ORIGINS[self.start]

    @property
    def trained_on(self) -> str:
        """The same with the corpora that weights of others have seen, or that these are unknown."""
        if self.training or not self.start.startswith("pretrained"):
            return self.origin
        return f"{self.origin}: {', '.join(self.pretrained_on) or 'unknown data'}"

    @property
    def training_licence(self) -> str:
        """The licence of the training data, empty where it is unknown, "none" where there was no training."""
        if self.training:
            return self.training.licence
        return "none" if self.start in ("none", "random") else ""

    def identity(self) -> dict[str, Any]:
        """Content that makes it another system: everything except licences and the corpora behind the weights.

        What validation finds is no other system: the best step of a run that says how many it had, and which of the
        candidates was chosen where several were tried.
        """
        content: dict[str, Any] = encode(self, sparse=True)
        for label in ("code_licence", "weights_licence", "pretrained_on", "weights"):
            content.pop(label, None)
        if self.start.startswith("pretrained"):
            content["pretrained"] = True
        training = content.get("training", {})
        training.pop("licence", None)
        if "nb_total_step" in training.get("hyperparameters", {}):
            training.pop("steps", None)
        if self.training and (tried := self.training.tried):
            for key in ("search", "steps"):
                training.pop(key, None)
            values = [candidate.value for candidate in tried.candidates]
            training["hyperparameters"] = {**training.get("hyperparameters", {}), tried.setting: values}
        return content

    def validate(self) -> None:
        """Raise `UserError` for an unnamed system or part."""
        for where, text in (("name", self.name), ("spec", self.spec)):
            if not text.strip():
                raise UserError(f"system.{where} is empty.", "Name the system.")
        for where in ("backbone", "pooler", "head"):
            part: Part | None = getattr(self, where)
            if part and not part.name.strip():
                raise UserError(f"system.{where}.name is empty.", f"Name the {where}, or leave it null.")
        if self.training and not self.training.corpus.strip():
            raise UserError("system.training.corpus is empty.", 'Name the corpus, or say "unknown".')
        if self.training and (tried := self.training.tried) and not tried.candidates:
            raise UserError("system.training.search has no candidates.", "Leave it empty where nothing was tried.")


_ORIGINS: Mapping[Weights, str] = {
    "none": "untrained",
    "random": "untrained",
    "pretrained": "pretrained",
    "pretrained backbone": "pretrained backbone, new pooler",
    "unknown": "unknown weights",
}
