"""The contract of benchmarks: items of a corpus, a network's outputs for them, and the numbers taken from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol

import numpy as np
from typing_extensions import TypeVar

from voxboard.benchmarks.values import value_of
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.records import Measured, Metric, Value

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard import records
    from voxboard.benchmarks.pairing import Pairing
    from voxboard.embedding.embed import Spent
    from voxboard.metrics.bootstrap import Interval
    from voxboard.model import Network
    from voxboard.settings import Evaluation


@dataclass(frozen=True)
class Items:
    """Items to be scored: a trial list, or the utterances or recordings of a split, on their `cuts`."""

    corpus: Corpus
    split: str
    cuts: tuple[Cut, ...]
    digest: str  # of the list as it was read, whatever was left out later

    def __len__(self) -> int:
        return len(self.cuts)

    @property
    def speakers(self) -> np.ndarray:
        """[U] the speaker of every utterance."""
        return np.array([speaker_of(cut) for cut in self.cuts])

    def first(self, count: int) -> Items:
        """A small set for a rehearsal."""
        raise NotImplementedError


@dataclass(frozen=True)
class Outputs:
    """Raw outputs of a network for items, without those that could not be read."""

    items: Items
    spent: Spent


class Fixed(Protocol):
    """Parameters fixed on the validation items before the test items are looked at: an operating point, a threshold, a
    weight.

    `error` is what validation minimises; `digest` tells which items it comes from. JSON-able by `to_dict`.
    """

    @property
    def error(self) -> float: ...

    @property
    def digest(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...

    def logged(self) -> dict[str, float]:
        """Numbers of a validation for the history of a run."""
        ...


# Whoever takes any benchmark at all writes `Benchmark`.
ItemsT = TypeVar("ItemsT", bound=Items, default=Any)
LearnedT = TypeVar("LearnedT", default=Any)
FixedT = TypeVar("FixedT", bound=Fixed, default=Any)
OutputsT = TypeVar("OutputsT", bound=Outputs, default=Any)


class Benchmark(Generic[ItemsT, LearnedT, FixedT, OutputsT]):
    """One task with its settings; a subclass has a frozen dataclass `Config` and is built as `Class(Config(...))`.

    The hops of an evaluation, in their order: `items` of the test and the validation split, `learn` from the training
    split, `run` the network, `fix` on validation what the test needs, `measure`. `metrics` says what its numbers are
    called and mean: boards, comparisons and pages of parts ask it, or the records that it is written to.
    """

    task: ClassVar[str]
    about: ClassVar[str] = ""  # what it asks, in one sentence, for the head of its section of a board
    default_head: ClassVar[str] = "aam"
    disjoint: ClassVar[bool] = True  # a speaker of the test must not be one of the training
    clustered_by: str = "speaker"  # what the intervals resample
    embeds: ClassVar[bool] = (
        False  # `run` embeds every cut of its items, so that encoders can share their backbone's pass
    )
    by_embedding: ClassVar[bool] = False  # embeddings alone give the numbers, not what a head has learned
    fixed_at_home: ClassVar[bool] = True  # by the validation items of the training corpus, else of the one tested on
    pairing: ClassVar[Pairing | None] = None  # how the differences of two systems follow from what `save` writes

    def __init__(self, config: object) -> None:
        self.config = config

    @property
    def name(self) -> str:
        """Name beside the corpus's on boards: "verification", "emotion"."""
        return self.task

    def called(self, outputs: OutputsT) -> str:
        """The name of these outputs' benchmark, where it depends on who gave them: "emotion by probe"."""
        return self.name

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All metrics, measured or not, in the order of a board's columns; the first one ranks."""
        raise NotImplementedError

    @property
    def main_metric(self) -> str:
        """The metric id that ranks."""
        return self.metrics[0].id

    @property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """Metric id → the parameters that fix what it means, as protocols have them."""
        return {metric.id: metric.parameters for metric in self.metrics}

    def metric(self, id: str) -> Metric:  # noqa: A002
        """The metric of an id. Raises `KeyError` for one that the task does not declare."""
        return {metric.id: metric for metric in self.metrics}[id]

    def values(
        self, intervals: Mapping[str, Interval], thresholds: Mapping[str, float] | None = None
    ) -> dict[str, Value]:
        """Estimates by metric id → values as records have them; `thresholds` says at which score one was taken."""
        places, metrics = thresholds or {}, {metric.id: metric for metric in self.metrics}
        return {
            name: value_of(metrics[name], interval, self.clustered_by, places.get(name))
            for name, interval in intervals.items()
        }

    def head_options(self) -> Mapping[str, Any]:
        """Options that a head needs to be trained for this task, e.g. the label that it classifies."""
        return {}

    def items(self, corpus: Corpus, split: str) -> ItemsT:
        """Return the items of a split. Raises `UserError` when the split, its labels or its list are not there."""
        raise NotImplementedError

    def has_validation(self, corpus: Corpus) -> bool:
        """True if there are validation items."""
        return "valid" in corpus.splits

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> LearnedT | None:
        """Learn from the training split what scoring needs, e.g. a cohort; None where it needs nothing."""
        return None

    def run(
        self,
        network: Network,
        items: ItemsT,
        evaluation: Evaluation,
        learned: LearnedT | None = None,
        fixed: FixedT | None = None,
        show_progress: bool = True,
    ) -> OutputsT:
        """The network's outputs for all items. `fixed` is None on the validation items."""
        raise NotImplementedError

    def fix(self, outputs: OutputsT) -> FixedT:
        """Fix parameters on validation outputs."""
        raise NotImplementedError

    def fixed_from(self, content: Mapping[str, Any]) -> FixedT:
        """The reverse of `Fixed.to_dict`."""
        raise NotImplementedError

    def reusable(self) -> bool:
        """True if parameters fixed by a run's own validations hold for these settings."""
        return True

    def measure(self, outputs: OutputsT, fixed: FixedT | None, replicates: int) -> Measured:
        """All numbers, with intervals where the items allow them. `fixed` is None without validation."""
        raise NotImplementedError

    def protocol(self, outputs: OutputsT, evaluation: Evaluation, learned: LearnedT | None) -> records.Protocol:
        """Everything that fixes the meaning of the numbers."""
        raise NotImplementedError

    def save(self, outputs: OutputsT, folder: Path, stem: str) -> None:
        """Write the raw outputs (scores, predictions, turns) into a folder, as files `<kind>-<stem>.<suffix>`."""
