"""Training targets: the labels that a head needs, as the tensors that its loss takes.

Learned from the training cuts once, kept as JSON in the run's folder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from voxboard.data.labels import MISSING, SIGNALS, Classes, absent, label_of, ordered, texts_of
from voxboard.errors import UserError
from voxboard.files import read_json_object

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.data.vocabulary import Vocabulary

log = logging.getLogger("voxboard")
AUDEN = {"speaker": "id", "age_group": "age"}  # what Auden's files call a task of ours


class Target(Protocol):
    """One label of an utterance as a head's loss takes it; `size` is what the head's last layer needs to know."""

    @property
    def size(self) -> int: ...

    def known(self, cut: Cut) -> bool:
        """True if the utterance has the label."""
        ...

    def of(self, cut: Cut, wave: np.ndarray, rate: int) -> np.ndarray:
        """The label: a scalar, [U], or [K, D]. `wave` [N] is what the network will hear, at `rate` Hz."""
        ...

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ClassTarget:
    """The index of a class, `MISSING` where there is none."""

    task: str
    classes: Classes

    @property
    def size(self) -> int:
        return len(self.classes)

    def known(self, cut: Cut) -> bool:
        return self.classes.index(label_of(cut, self.task)) != MISSING

    def of(self, cut: Cut, wave: np.ndarray, rate: int) -> np.ndarray:
        return np.array(self.classes.index(label_of(cut, self.task)))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "classes", "names": list(self.classes.names)}


@dataclass(frozen=True)
class ValueTarget:
    """A number, NaN where there is none: measured on the waveform (`SIGNALS`), or written in the manifest."""

    task: str
    size: int = 1

    def known(self, cut: Cut) -> bool:
        return self.task in SIGNALS or not absent(label_of(cut, self.task))

    def of(self, cut: Cut, wave: np.ndarray, rate: int) -> np.ndarray:
        if self.task in SIGNALS:
            from voxboard.data import loudness

            return np.array(getattr(loudness, self.task)(wave, rate), dtype=np.float32)
        value = label_of(cut, self.task)
        try:
            return np.array(np.nan if absent(value) else float(value), dtype=np.float32)
        except ValueError as error:
            raise UserError(f"The {self.task} of {cut.id} is {value!r}, not a number.", "Correct the table.") from error

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "values"}


@dataclass(frozen=True)
class TokenTarget:
    """The transcript as token indices [U]; `MISSING` where there is none, the blank where it is empty."""

    task: str
    vocabulary: Vocabulary

    @property
    def size(self) -> int:
        return len(self.vocabulary)

    def known(self, cut: Cut) -> bool:
        return label_of(cut, self.task) is not None

    def of(self, cut: Cut, wave: np.ndarray, rate: int) -> np.ndarray:
        text = label_of(cut, self.task)
        return self.vocabulary.labels([text])[0].numpy() if text is not None else np.array([MISSING])

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "tokens", "vocabulary": self.vocabulary.to_dict()}


@dataclass(frozen=True)
class VectorTarget:
    """Sentence embeddings of an utterance's texts [K, D]; NaN past the last, up to the most K."""

    task: str
    encoder: str
    texts: tuple[str, ...]  # of the training utterances
    most: int
    size: int

    @classmethod
    def learn(cls, task: str, encoder: str, cuts: Sequence[Cut]) -> VectorTarget:
        """Raise `UserError` where the sentence encoder cannot be loaded."""
        from voxboard.data import sentences

        captions = [texts_of(cut, task) for cut in cuts]
        texts = tuple(sorted({text for some in captions for text in some}))
        return cls(task, encoder, texts, max(map(len, captions), default=0), sentences.load(encoder).size)

    @cached_property
    def _vectors(self) -> dict[str, np.ndarray]:
        from voxboard.data import sentences

        return dict(zip(self.texts, sentences.vectors(self.encoder, self.texts), strict=True))

    def known(self, cut: Cut) -> bool:
        # Asked before training begins, so that the processes that read audio find the vectors made.
        return any(text in self._vectors for text in texts_of(cut, self.task))

    def of(self, cut: Cut, wave: np.ndarray, rate: int) -> np.ndarray:
        rows = [self._vectors[text] for text in texts_of(cut, self.task) if text in self._vectors]
        vectors = np.full((self.most, self.size), np.nan, dtype=np.float32)
        vectors[: len(rows)] = rows or np.nan
        return vectors

    def to_dict(self) -> dict[str, Any]:
        rest = {"texts": list(self.texts), "most": self.most, "size": self.size}
        return {"kind": "vectors", "encoder": self.encoder, **rest}


@dataclass(frozen=True)
class TextTarget:
    """A text as code points [U], for a head that has tokens of its own; `MISSING` alone where there is none."""

    task: str
    size: int = 1

    def known(self, cut: Cut) -> bool:
        return label_of(cut, self.task) is not None

    def of(self, cut: Cut, wave: np.ndarray, rate: int) -> np.ndarray:
        text = label_of(cut, self.task)
        return np.array([MISSING] if text is None else [ord(letter) for letter in str(text)], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "texts"}


class Targets:
    """The targets of all tasks of a head, by task."""

    def __init__(self, of: Mapping[str, Target]) -> None:
        self.targets = dict(of)

    @property
    def sizes(self) -> int | dict[str, int]:
        """Sizes that a head is built with: that of its one task, or one per task."""
        sizes = {task: target.size for task, target in self.targets.items()}
        return next(iter(sizes.values())) if len(sizes) == 1 else sizes

    def classes(self, task: str) -> Classes | None:
        """The classes of a task; None for one that is not of classes."""
        target = self.targets.get(task)
        return target.classes if isinstance(target, ClassTarget) else None

    def known(self, cut: Cut) -> bool:
        """True if the utterance has any target."""
        return any(target.known(cut) for target in self.targets.values())

    def of(self, cut: Cut, wave: np.ndarray, rate: int) -> dict[str, np.ndarray]:
        """Task → label."""
        return {task: target.of(cut, wave, rate) for task, target in self.targets.items()}

    def to_dict(self) -> dict[str, Any]:
        return {task: target.to_dict() for task, target in self.targets.items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Targets:
        return cls({task: _restored(task, stored) for task, stored in content.items()})


def learn(
    needs: Mapping[str, str],
    cuts: Sequence[Cut],
    tokens: Callable[[Sequence[str]], Vocabulary],
    label_maps: Path | None = None,
    sentence_encoder: str = "",
) -> Targets:
    """The targets of `needs` (task → kind) that the training cuts teach; `tokens` makes a vocabulary of their texts.

    `sentence_encoder` names what makes vectors of texts, for a head that needs them.
    `label_maps` is a folder whose `id2label_<task>.json` fix the classes of a task and their order (Auden's files).
    Raises `UserError` where no utterance has any of the labels; one of several tasks may be without.
    """
    learned: dict[str, Target] = {}
    for task, kind in needs.items():
        if kind == "vectors":
            learned[task] = VectorTarget.learn(task, sentence_encoder, cuts)
        else:
            learned[task] = _learned(task, kind, cuts, tokens, label_maps)
    targets = Targets(learned)
    missing = [task for task, target in targets.targets.items() if not any(target.known(cut) for cut in cuts)]
    if len(missing) == len(needs):
        raise UserError(
            f"No training utterance has a label {' or '.join(missing)}.",
            "Name another with --label, or prepare the corpus with a table that has it.",
        )
    if missing:
        log.warning("No training utterance has a label %s: it trains nothing.", " or ".join(missing))
    return targets


def _learned(
    task: str,
    kind: str,
    cuts: Sequence[Cut],
    tokens: Callable[[Sequence[str]], Vocabulary],
    label_maps: Path | None,
) -> Target:
    if kind == "values":
        return ValueTarget(task)
    if kind == "texts":
        return TextTarget(task)
    labels = [str(label) for label in (label_of(cut, task) for cut in cuts) if label is not None]
    if kind == "classes" and (names := _mapped(label_maps, task)) is not None:
        mapped = ClassTarget(task, Classes(names))
        _tell_unmapped(mapped, labels)
        return mapped
    return TokenTarget(task, tokens(labels)) if kind == "tokens" else ClassTarget(task, Classes(ordered(labels)))


def _mapped(folder: Path | None, task: str) -> dict[str, str] | None:
    """The content of `id2label_<task>.json`, under our name of the task or Auden's."""
    names = (f"id2label_{name}.json" for name in (task, AUDEN.get(task, task)))
    file = next((folder / name for name in names if (folder / name).is_file()), None) if folder else None
    return None if file is None else read_map(file)


def read_map(file: Path) -> dict[str, str]:
    """The content of an `id2label` file, index → name. Raises `UserError` for one that is no such map."""
    shape = 'Write {"0": "female", "1": "male"}.'
    try:
        content = read_json_object(file)
    except UserError as error:
        raise UserError(error.problem, shape) from error
    if not all(key.isdecimal() and isinstance(content[key], str) for key in content):
        raise UserError(f"{file} does not map indices to names.", shape)
    return content


def _tell_unmapped(target: ClassTarget, labels: Sequence[str]) -> None:
    """Warn of labels that the map does not have; they are not taken for another class."""
    lost = [label for label in labels if target.classes.index(label) == MISSING]
    if lost:
        kinds = ", ".join(ordered(lost)[:3])
        message = "The label map of %s does not have %s: %d training utterances do not train it."
        log.warning(message, target.task, kinds, len(lost))


def _restored(task: str, stored: Mapping[str, Any]) -> Target:
    if stored["kind"] == "classes":
        return ClassTarget(task, Classes(stored["names"]))
    if stored["kind"] == "values":
        return ValueTarget(task)
    if stored["kind"] == "texts":
        return TextTarget(task)
    if stored["kind"] == "vectors":
        return VectorTarget(task, stored["encoder"], tuple(stored["texts"]), stored["most"], stored["size"])
    from voxboard.data import tokens

    return TokenTarget(task, tokens.from_dict(stored["vocabulary"]))
