"""The contract of heads: embeddings and labels to a loss, embeddings to a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from voxboard.backbones.frames import Frames
from voxboard.data import labels

MISSING = labels.MISSING  # an utterance without this label trains nothing
Kind = Literal["classes", "values", "tokens", "vectors", "texts"]


@dataclass(frozen=True)
class Labelled:
    """Options of every head of one label."""

    label: str = "speaker"
    """What is learned: speaker, or another label of the utterances (gender, emotion, age_group, …)."""


class Head(nn.Module):
    """Trains an encoder; verification leaves it behind. Built as `Class(size, n_classes, config)`.

    `reads` is "embedding" for a head of embeddings [B, E], and "frames" for one of a sequence [B, 1, T, D], which is
    what the pooler pools (`Pooler.sequence`); `size` is E or D.

    `targets` is what labels are: "classes" (indices [B]), "values" (numbers [B] or [B, n]; `n_classes` is n),
    "tokens" (indices [B, U], padded with `MISSING`; `n_classes` is the size of the vocabulary), "vectors" (what a
    sentence encoder makes of each of an utterance's texts [B, K, D], NaN where there is none; `n_classes` is D and the
    `Config` has a `sentence_encoder`), or "texts" (code points [B, U], padded with `MISSING`).

    `batches` is None for shuffled utterances, or (N, M) where a batch has to be N classes × M utterances each: then
    every class of a batch is in it as often as the others and at least twice, in any order.

    `exports` tells how `predict` becomes a program without its Python code: "torch.export", "torchscript" (tested).

    `trained` heads come with weights of their own: they are there without any training, built with `n_classes` None.

    `heads` is into how many equal pieces an embedding is cut before it is normalized and compared.

    What a head can do besides is told by the protocols below, which are checked like all else: `Writes`, `Decodes`,
    `ScoresTokens`, `Answers`, `Projects`, `PredictsTasks`.

    `label` names the supervision ("speaker", "gender", …) where the `Config` has no `label` of its own. A head of
    several tasks says so in `needs`, its main one first; then `n_classes` and labels are mappings from task.
    """

    label: str = "speaker"
    reads: str = "embedding"
    targets: Kind = "classes"
    batches: tuple[int, int] | None = None
    exports: tuple[str, ...] = ()
    trained: bool = False
    heads: int = 1

    @classmethod
    def needs(cls, config: Any) -> Mapping[str, Kind]:
        """The labels that a head of such a `Config` is trained with, and what they are."""
        return {getattr(config, "label", cls.label): cls.targets}

    @classmethod
    def wants(cls, config: Any) -> tuple[int, int] | None:
        """The `batches` of a head of such a `Config`."""
        return None

    def loss(self, embeddings: Any, labels: Any) -> Tensor:
        """Embeddings [B, E], or the `Frames` of a sequence, and their labels → scalar loss.

        `labels` is a tensor for a head of one task, and a mapping from task to tensor for one of several.
        Utterances whose label is `MISSING` (NaN among values) are skipped, where the head can do without.
        """
        raise NotImplementedError

    def predict(self, embeddings: Any) -> Tensor:
        """Class scores [B, C] without any margin, larger is likelier; or values [B, n]; or token scores [B, T, C]."""
        raise NotImplementedError


@runtime_checkable
class Writes(Protocol):
    """A head that writes texts itself, with a vocabulary of its own."""

    def texts(self, frames: Frames, language: str = "", beam: int = 1) -> list[str]:
        """Return one text for each utterance of `frames` [B, 1, T, D]."""


@runtime_checkable
class Decodes(Protocol):
    """A head that finds the tokens of the vocabulary it was trained with itself."""

    def written(self, frames: Frames, prompt: Sequence[int] = ()) -> list[list[int]]:
        """Return the tokens of each utterance of `frames` [B, 1, T, D], without those of the prompt."""


@runtime_checkable
class ScoresTokens(Protocol):
    """A head whose scores a decoder makes texts of."""

    def rows(self, frames: Frames) -> list[Tensor]:
        """Return log-probabilities [at most T, C] for each utterance of `frames` [B, 1, T, D], on the CPU."""


@runtime_checkable
class Answers(Protocol):
    """A head that answers questions about a voice."""

    def answer(self, embeddings: Frames, question: str = "", most: int = 32) -> list[str]:
        """Return one answer of at most so many tokens for each utterance of `embeddings` [B, 1, T, D]."""


@runtime_checkable
class Projects(Protocol):
    """A head in whose space, that of `predict`, embeddings and vectors of texts are compared."""

    def project_texts(self, vectors: Tensor) -> Tensor:
        """Return vectors of texts [B, D] in the common space [B, S], of unit length."""


@runtime_checkable
class PredictsTasks(Protocol):
    """A head of several tasks, which it predicts at once."""

    def predict_tasks(self, embeddings: Tensor) -> Mapping[str, Tensor]:
        """Return the class scores [B, C] of every task that has classes; its main one's are those of `predict`."""
