"""Transcription: word and character error rates of what a head writes, against the utterances' texts.

A CTC head is decoded here, by the best path or a beam with an n-gram model; a head that writes texts itself is asked.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxboard import records
from voxboard.benchmarks.utterances import (
    UtteranceBenchmark,
    UtteranceOutputs,
    Utterances,
    Validated,
    groups,
    utterances,
    write_rows,
)
from voxboard.data.corpus import Corpus
from voxboard.data.targets import TokenTarget
from voxboard.decoding.options import Decoder, Decoding
from voxboard.embedding.embed import compute
from voxboard.errors import UserError
from voxboard.heads.base import Decodes, ScoresTokens, Writes
from voxboard.metrics import bootstrap, normalizers, text
from voxboard.metrics.nist_text import Rules
from voxboard.records import Measured, Metric, Value
from voxboard.records.standard_metrics import metrics

if TYPE_CHECKING:
    from torch import Tensor

    from voxboard.model import Network
    from voxboard.settings import Evaluation

log = logging.getLogger("voxboard")


@dataclass(frozen=True)
class Transcribed(UtteranceOutputs):
    """Transcripts of the utterances [U]."""

    texts: tuple[str, ...]

    @property
    def references(self) -> dict[str, str]:
        """Utterance → its text as the corpus has it."""
        return dict(zip((cut.id for cut in self.items.cuts), self.items.labels, strict=True))

    @property
    def hypotheses(self) -> dict[str, str]:
        """Utterance → what was written."""
        return dict(zip((cut.id for cut in self.items.cuts), self.texts, strict=True))


@dataclass(frozen=True)
class Writer:
    """Decoder of a network's sequences: `pieces` of a batch, and the text of one utterance's pieces.

    An utterance is one piece; one that is too long for a batch is several, one per chunk.
    """

    pieces: Callable[[Any], Sequence[Any]]
    text: Callable[[list[Any]], str]


class Transcription(UtteranceBenchmark[Utterances, None, Transcribed]):
    """Word error rate, its kinds of errors, and the character error rate, with intervals over speakers."""

    task = "transcription"
    default_head = "ctc"
    beyond = "chunks after each other"

    @dataclass(frozen=True)
    class Config(Decoding):
        """Settings of transcription."""

        normalizer: str = "basic"
        """What is done to references and hypotheses before they are compared: none, basic, basic-marks, whisper-en."""
        language: str = ""
        """Language that a head which writes texts itself is told (en, de, …); without, it finds it out."""

        def __post_init__(self) -> None:
            super().__post_init__()
            normalizers.get(self.normalizer)

    config: Config
    rules = Rules()  # of comparing words; transcripts that others wrote may need more than equality

    @property
    def label(self) -> str:
        return "text"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        words, characters = ({"errors over": unit} for unit in ("words", "characters"))
        kinds = ("wer", "substitutions", "insertions", "deletions")
        return metrics({**{self._named(kind): words for kind in kinds}, self._named("cer"): characters})

    def _named(self, kind: str) -> str:
        return f"{kind}@{self.config.normalizer}"

    def items(self, corpus: Corpus, split: str) -> Utterances:
        return utterances(corpus, split, self.label)

    def run(
        self,
        network: Network,
        items: Utterances,
        evaluation: Evaluation,
        learned: None = None,
        fixed: Validated | None = None,
        show_progress: bool = True,
    ) -> Transcribed:
        writer = self._writer(network)
        assert network.head is not None
        network.head.eval()

        def pieces(waveforms: Tensor, lengths: Tensor) -> Sequence[Any]:
            return writer.pieces(network.encoder.sequence(waveforms, lengths))

        computed = compute(
            network.encoder,
            items.cuts,
            pieces,
            writer.text,
            max_seconds=evaluation.max_seconds,
            skip_bad_audio=evaluation.skip_bad_audio,
            show_progress=show_progress,
            doing="transcribing",
        )
        return Transcribed(items.without(set(computed.spent.skipped)), computed.spent, tuple(computed.of.values()))

    def _writer(self, network: Network) -> Writer:
        """Raise `UserError` for a network whose head writes nothing, and for settings that its kind does not know."""
        head: object = network.head
        if isinstance(head, Writes):
            if self.config.lm:
                raise UserError("A language model is for CTC: this head writes its texts itself.", "Leave --lm out.")
            beam = max(self.config.beam, 1)
            return Writer(lambda frames: head.texts(frames, self.config.language, beam), _spaced)
        target = network.targets.targets.get("text") if network.targets else None
        if isinstance(target, TokenTarget) and isinstance(head, Decodes):
            words = target.vocabulary
            return Writer(lambda frames: [words.decode(row) for row in head.written(frames, words.beginning)], _spaced)
        if not isinstance(target, TokenTarget) or not isinstance(head, ScoresTokens):
            raise UserError(
                "This network writes no text.",
                "Train it with a head that does: voxboard train DATA backbone+frames+ctc --task transcription.",
            )
        if self.config.language:
            raise UserError("A CTC head knows its training's language only.", "Leave --language out.")
        decoder = Decoder(target.vocabulary, self.config)
        return Writer(head.rows, decoder.text)

    def fix(self, outputs: Transcribed) -> Validated:
        value = text.wer(outputs.references, outputs.hypotheses, self.config.normalizer)
        return Validated(value, outputs.items.digest)

    def measure(self, outputs: Transcribed, fixed: Validated | None, replicates: int) -> Measured:
        """Raise `UserError` where no reference holds a word."""
        self._warn(outputs)
        words, letters = self._report(outputs, "word"), self._report(outputs, "character")
        if not words.words.any():
            raise UserError("No reference holds a word, so there is no rate.", "Choose another split or --normalizer.")
        speakers = outputs.items.speakers

        def values(inside: np.ndarray) -> dict[str, Value]:
            options: dict[str, Any] = {"clusters": speakers[inside], "replicates": replicates, "scale": "log"}
            if not words.words[inside].any():
                return {}
            parts = {kind: getattr(words, kind) for kind in ("substitutions", "insertions", "deletions")}
            estimates = {
                self._named(kind): bootstrap.ratio(errors[inside], words.words[inside], **options)
                for kind, errors in {"wer": words.errors, **parts}.items()
            }
            estimates[self._named("cer")] = bootstrap.ratio(letters.errors[inside], letters.words[inside], **options)
            return self.values(estimates)

        return Measured(values(np.ones(len(speakers), dtype=bool)), groups(outputs.items, values))

    def protocol(self, outputs: Transcribed, evaluation: Evaluation, learned: None) -> records.Protocol:
        return self.described(
            outputs,
            evaluation,
            {
                "normaliser": normalizers.version(self.config.normalizer),
                **self._search(),
            },
        )

    def _search(self) -> dict[str, Any]:
        """Settings of the search for a text beside the network's own scores; empty for greedy decoding.

        The vocabulary is the system's own affair: it stands with the hyperparameters of its training.
        """
        options: dict[str, Any] = {}
        if self.config.beam:
            options["beam"] = {"width": self.config.beam, "floor": self.config.floor}
        if self.config.lm:
            weights = {"weight": self.config.lm_weight, "word bonus": self.config.word_bonus}
            options["language model"] = {"digest": _digest(self.config.lm), **weights}
        return options | ({"language": self.config.language} if self.config.language else {})

    def save(self, outputs: Transcribed, folder: Path, stem: str) -> None:
        """`texts-<stem>.jsonl`: id, reference and hypothesis as they were compared, words, and errors by kind."""
        rows = self._report(outputs, "word").rows()
        write_rows(folder / f"texts-{stem}.jsonl", (row._asdict() for row in rows))

    def _report(self, outputs: Transcribed, unit: text.Unit) -> text.TextReport:
        """Raise `UserError` for texts that the rules cannot read."""
        try:
            return text.score(outputs.references, outputs.hypotheses, self.config.normalizer, unit, self.rules)
        except ValueError as error:
            raise UserError(f"These texts cannot be scored: {error}.", "Repair the text.") from error

    def _warn(self, outputs: Transcribed) -> None:
        texts = (*outputs.references.values(), *outputs.hypotheses.values())
        if sentence := normalizers.marks_lost(self.config.normalizer, texts):
            log.warning("%s", sentence)


def _spaced(texts: list[str]) -> str:
    return " ".join(part for part in texts if part)


@lru_cache(maxsize=4)
def _digest(path: str) -> str:
    """12 hexadecimal digits of a file's sha256."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
