"""What every benchmark is: items of a corpus, what a network makes of them, and the numbers of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from voxboard.data.corpus import Corpus, speaker_of
from voxboard.metrics.bootstrap import Interval

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard import records
    from voxboard.embedding.embed import Spent
    from voxboard.model import Network
    from voxboard.settings import Evaluation

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Items:
    """What is scored, one by one: a trial list, or the utterances or recordings of a split, on their `cuts`."""

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
    """What a network made of items, those that could not be read left out, before any number is taken."""

    items: Items
    spent: Spent


class Fixed(Protocol):
    """What the validation items fix before the test items are looked at: an operating point, a threshold, a weight.

    `error` is what validation minimises; `digest` tells which items it comes from. JSON-able by `to_dict`.
    """

    @property
    def error(self) -> float: ...

    @property
    def digest(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...

    def logged(self) -> dict[str, float]:
        """What the history of a run keeps of a validation."""
        ...


@dataclass(frozen=True)
class Portion:
    """A part of the items with numbers of its own, or a reason why it has none."""

    name: str  # "gender=female"
    label: str  # what divides the speakers or items; empty for what the two sides of a trial share
    count: int
    values: Mapping[str, Interval] = field(default_factory=dict)
    targets: int | None = None  # trials with label 1
    reason: str = ""


@dataclass(frozen=True)
class Spread:
    """How far the best and the worst portion under one label are apart."""

    label: str
    metric: str
    worst: str
    best: str
    value: Interval


@dataclass(frozen=True)
class Measured:
    """The numbers of some outputs: of all items, per portion, and between portions."""

    values: Mapping[str, Interval]  # metric id → value
    portions: Sequence[Portion] = ()
    gaps: Sequence[Spread] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)  # where a value was taken, if at one finite score
    curves: Mapping[str, Any] | None = None  # fields of `records.Curves`
    confusion: Mapping[str, Any] | None = None  # fields of `records.Confusion`
    absent: Mapping[str, str] = field(default_factory=dict)  # metric id → why it has no value


class Benchmark:
    """One task with its settings; a subclass has a frozen dataclass `Config` and is built as `Class(Config(...))`.

    The hops of an evaluation, in their order: `items` of the test and the validation split, `learn` from the training
    split, `run` the network, `fix` on validation what the test needs, `measure`.
    """

    task: ClassVar[str]
    default_head: ClassVar[str] = "aam"
    disjoint: ClassVar[bool] = True  # a speaker of the test must not be one of the training
    clustered_by: ClassVar[str] = "speaker"  # what the intervals resample
    embeds: ClassVar[bool] = (
        False  # `run` embeds every cut of its items, so that encoders can share their backbone's pass
    )
    fixed_at_home: ClassVar[bool] = True  # by the validation items of the training corpus, else of the one tested on

    def __init__(self, config: Any) -> None:
        self.config = config

    @property
    def name(self) -> str:
        """What boards call it beside the corpus's name: "verification", "emotion"."""
        return self.task

    def called(self, outputs: Any) -> str:
        """The name of these outputs' benchmark, where it depends on who gave them: "emotion by probe"."""
        return self.name

    @property
    def main_metric(self) -> str:
        """The metric id that ranks."""
        raise NotImplementedError

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """Metric id → the parameters that fix what it means; all of the card's, measured or not."""
        raise NotImplementedError

    def unit(self, metric: str) -> tuple[str, Better]:
        """The unit of a metric as records name it, and whether lower or higher is better."""
        raise NotImplementedError

    def head_options(self) -> Mapping[str, Any]:
        """Options that a head needs to be trained for this task, e.g. the label that it classifies."""
        return {}

    def items(self, corpus: Corpus, split: str) -> Items:
        """What is scored. Raises `UserError` when the split, its labels or its list are not there."""
        raise NotImplementedError

    def has_validation(self, corpus: Corpus) -> bool:
        """Whether there are items that may fix something before the test."""
        return "valid" in corpus.splits

    def learn(
        self, network: Network, home: Corpus | None, evaluation: Evaluation, seed: int, show_progress: bool = True
    ) -> Any:
        """What scoring needs to know of the training split, e.g. a cohort; None where it needs nothing."""
        return None

    def run(
        self,
        network: Network,
        items: Any,
        evaluation: Evaluation,
        learned: Any = None,
        fixed: Any = None,
        show_progress: bool = True,
    ) -> Outputs:
        """The network's outputs for all items. `fixed` is None on the validation items."""
        raise NotImplementedError

    def fix(self, outputs: Any) -> Fixed:
        """What these validation outputs fix."""
        raise NotImplementedError

    def fixed_from(self, content: Mapping[str, Any]) -> Fixed:
        """The reverse of `Fixed.to_dict`."""
        raise NotImplementedError

    def reusable(self) -> bool:
        """Whether what a run's own validations fixed holds for these settings."""
        return True

    def measure(self, outputs: Any, fixed: Any, replicates: int) -> Measured:
        """All numbers, with intervals where the items allow them. `fixed` is None without validation."""
        raise NotImplementedError

    def protocol(self, outputs: Any, evaluation: Evaluation, learned: Any) -> records.Protocol:
        """Everything that fixes the meaning of the numbers."""
        raise NotImplementedError

    def save(self, outputs: Any, folder: Path, stem: str) -> None:
        """Writes the raw outputs (scores, predictions, turns) into a folder, as files `<kind>-<stem>.<suffix>`."""
