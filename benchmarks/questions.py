"""Questions about a voice, answered by a chat model that hears the encoder's frames: emotion, gender, age group …

The head `question-answer` is trained for it; the chat model stays as it is, so that what it knows of a voice comes
from the encoder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voxboard import progress, records
from voxboard.benchmarks.attributes import clusters_of_mean, mean_recall
from voxboard.benchmarks.utterances import (
    LEAST_SPEAKERS,
    Measure,
    UtteranceBenchmark,
    UtteranceOutputs,
    Utterances,
    Validated,
    groups,
    utterances,
    write_rows,
)
from voxboard.data import audio
from voxboard.data.corpus import Corpus
from voxboard.data.labels import ORDERS, ordered
from voxboard.embedding.embed import Spent, padded, peak_memory_mib
from voxboard.errors import BadAudio, UserError
from voxboard.heads.question_answer import QUESTION, QuestionAnswer
from voxboard.limits import Size
from voxboard.metrics import bootstrap, normalizers
from voxboard.records import Group, Measured, Value
from voxboard.records.standard_metrics import metrics

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.model import Network
    from voxboard.settings import Evaluation

NORMALISER = "basic"
MAIN_METRIC = "accuracy@exact"
METRICS: Mapping[str, Mapping[str, Any]] = {
    MAIN_METRIC: {"normaliser": NORMALISER},
    "balanced_accuracy@exact": {"normaliser": NORMALISER, "mean": "of recalls over the classes in the truth"},
}
ANSWERS: Mapping[str, tuple[str, ...]] = {"gender": ("female", "male"), "age_group": ORDERS[0]}


@dataclass(frozen=True, eq=False)
class Answered(UtteranceOutputs):
    """Answers of the chat model [U], and the question."""

    answers: tuple[str, ...]
    lm: str

    @property
    def truth(self) -> np.ndarray:
        """[U] the names of the true classes."""
        return np.array([str(label) for label in self.items.labels])

    @property
    def right(self) -> np.ndarray:
        """[U] whether the answer is the name of the class, normalised, and nothing else."""
        plain = normalizers.get(NORMALISER)
        pairs = zip(self.answers, self.truth.tolist(), strict=True)
        return np.array([plain(answer).split() == plain(label).split() for answer, label in pairs])


class Questions(UtteranceBenchmark[Utterances, None, Answered]):
    """Accuracy of a chat model's answers, by exact match, overall and for every class."""

    task = "questions"
    metrics = metrics(METRICS)
    default_head = "question-answer"
    beyond = "truncate"

    @dataclass(frozen=True)
    class Config:
        """Settings of questions."""

        label: str = "gender"
        """What is asked for: gender, age_group, emotion, accent, or any other label of the utterances."""
        question: str = ""
        """What is asked (default: What is the <label> of the speaker?, and the answers to choose from)."""
        answers: tuple[str, ...] = ()
        """Answers that the question names; those of gender and age_group are known."""
        lm: str = QuestionAnswer.Config.lm
        """Chat model of transformers that answers: a hub id or a local folder."""
        max_tokens: Size = 32
        """Tokens after which an answer ends."""

    config: Config

    @property
    def name(self) -> str:
        return f"{self.label} questions"

    @property
    def question(self) -> str:
        """Question put to the chat model."""
        if self.config.question:
            return self.config.question
        asked = QUESTION.format(label=self.label.replace("_", " "))
        answers = self.config.answers or ANSWERS.get(self.label, ())
        return f"{asked} Answer with one of: {', '.join(answers)}." if answers else asked

    @property
    def label(self) -> str:
        return self.config.label

    def items(self, corpus: Corpus, split: str) -> Utterances:
        return utterances(corpus, split, self.label)

    def head_options(self) -> Mapping[str, Any]:
        return {"label": self.label, "question": self.question, "lm": self.config.lm}

    def run(
        self,
        network: Network,
        items: Utterances,
        evaluation: Evaluation,
        learned: None = None,
        fixed: Validated | None = None,
        show_progress: bool = True,
    ) -> Answered:
        """Utterances one by one, so that no answer depends on others. Raises `UserError` for a head that is mute."""
        head = network.head
        if not isinstance(head, QuestionAnswer):
            raise UserError(
                "A question needs a projector that was trained into a chat model.",
                "Train with the head question-answer, then evaluate that run.",
            )
        started = time.perf_counter()
        answers: dict[str, str] = {}
        network.encoder.eval()
        head.eval()
        with progress.bar("asking", len(items), show_progress, "utterances") as advance:
            for cut in items.cuts:
                try:
                    answers[cut.id] = self._asked(network, head, cut, evaluation.max_seconds)
                except BadAudio:
                    if not evaluation.skip_bad_audio:
                        raise
                advance(1)
        if not answers:
            raise UserError("No utterance could be read.", "Check the audio of the corpus.")
        skipped = tuple(sorted(cut.id for cut in items.cuts if cut.id not in answers))
        items = items.without(set(skipped))
        spent = Spent(
            utterances=len(items),
            audio_seconds=sum(cut.duration for cut in items.cuts),
            wall_seconds=time.perf_counter() - started,
            peak_mib=peak_memory_mib(),
            skipped=skipped,
        )
        return Answered(items, spent, tuple(answers[cut.id] for cut in items.cuts), _named(head.config.lm))

    def _asked(self, network: Network, head: QuestionAnswer, cut: Cut, max_seconds: float) -> str:
        import torch

        rate = network.encoder.backbone.spec.sample_rate
        wave = audio.load(cut, rate)[: int(max_seconds * rate)]
        with torch.no_grad():
            frames = network.training_output(*padded([wave], next(head.parameters()).device))
        return head.answer(frames, self.question, self.config.max_tokens)[0]

    def fix(self, outputs: Answered) -> Validated:
        return Validated(1.0 - float(outputs.right.mean()), outputs.items.digest)

    def measure(self, outputs: Answered, fixed: Validated | None, replicates: int) -> Measured:
        truth, right, speakers = outputs.truth, outputs.right, outputs.items.speakers
        classes = ordered(truth.tolist())

        def values(inside: np.ndarray) -> dict[str, Value]:
            true = truth[inside, None] == np.array(classes)
            options: dict[str, Any] = {"clusters": speakers[inside], "replicates": replicates}
            share = clusters_of_mean(true, speakers[inside])
            hit = true & right[inside, None]
            return self.values(
                {
                    MAIN_METRIC: bootstrap.ratio(right[inside], **options),
                    "balanced_accuracy@exact": bootstrap.sums(mean_recall, hit, true, **options, share=share),
                }
            )

        own = [self._group(name, truth == name, values, speakers) for name in classes]
        everyone = np.ones(len(truth), dtype=bool)
        return Measured(values(everyone), (*own, *groups(outputs.items, values, self.label)))

    def _group(self, name: str, inside: np.ndarray, values: Measure, speakers: np.ndarray) -> Group:
        """The accuracy of a class; one of few speakers has no interval worth the name, and no number."""
        group, count = f"{self.label}={name}", int(inside.sum())
        if len(set(speakers[inside].tolist())) < LEAST_SPEAKERS:
            return Group(group, count, reason=f"fewer than {LEAST_SPEAKERS} speakers", label=self.label)
        return Group(group, count, values={MAIN_METRIC: values(inside)[MAIN_METRIC]}, label=self.label)

    def protocol(self, outputs: Answered, evaluation: Evaluation, learned: None) -> records.Protocol:
        return self.described(
            outputs,
            evaluation,
            {
                "label": self.label,
                "question": self.question,
                "chat model": outputs.lm,
                "decoding": f"greedy, at most {self.config.max_tokens} tokens",
                "normaliser version": normalizers.version(NORMALISER),
            },
        )

    def save(self, outputs: Answered, folder: Path, stem: str) -> None:
        """`answers-<stem>.jsonl`: id, truth, answer, and whether it is right."""
        rows = zip(outputs.items.cuts, outputs.truth, outputs.answers, outputs.right, strict=True)
        write_rows(
            folder / f"answers-{stem}.jsonl",
            (
                {"id": cut.id, "truth": str(label), "answer": answer, "right": bool(right)}
                for cut, label, answer, right in rows
            ),
        )


def _named(lm: str) -> str:
    """A hub id as it is, a folder by its name."""
    return Path(lm).name if Path(lm).expanduser().is_dir() else lm
