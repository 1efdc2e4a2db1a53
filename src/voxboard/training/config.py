"""The settings of a run: what is said on the command line, what a system's card says, and what a run folder keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from voxboard import systems
from voxboard.errors import UserError, unknown
from voxboard.systems import System

OptimizerName = Literal["adam", "adamw", "sgd", "rmsprop", "scaled-adam"]
ScheduleName = Literal["constant", "one-cycle", "cyclic", "tri-stage", "eden", "plateau"]
_POSITIVE = ("eden_batches", "eden_epochs", "plateau_factor")


@dataclass(frozen=True)
class Training:
    """How a system is trained. Defaults are UniPool-SV's; a named system's card gives its own."""

    batch_size: int = 128
    """Utterances per step."""
    nb_total_step: int = 10_000
    """Steps of training."""
    nb_steps_eval: int = 1_000
    """Steps between two validations."""
    train_max_sec: float = 3.0
    """Seconds of every training crop; a shorter utterance is repeated to that length."""
    optimizer: OptimizerName = "adam"
    """Optimiser. scaled-adam takes relative steps: its usual max_lr is 0.045, with the eden schedule."""
    schedule: ScheduleName = "one-cycle"
    """Learning-rate schedule: constant; one cycle with cosine annealing; cyclic (triangular2); tri-stage (warm-up,
    plateau, exponential decay); eden; plateau (drops when the validation EER has stopped falling)."""
    max_lr: float = 0.003
    """Highest learning rate (the learning rate, when it is constant)."""
    base_lr: float = 1e-8
    """Lowest learning rate of the cyclic and the plateau schedule."""
    pct_start: float = 0.1
    """Share of the steps in which one-cycle and tri-stage warm up."""
    cycles: int = 4
    """Cycles of the cyclic schedule."""
    pct_hold: float = 0.4
    """Share of the steps that tri-stage holds the highest learning rate; it decays in the rest."""
    initial_lr: float = 5e-6
    """First learning rate of tri-stage."""
    final_lr: float = 5e-6
    """Last learning rate of tri-stage."""
    eden_batches: float = 7500.0
    """Steps after which eden's learning rate falls."""
    eden_epochs: float = 3.5
    """Epochs after which eden's learning rate falls, where eden_epoch_steps is given."""
    eden_epoch_steps: float = 0.0
    """Steps that eden counts as an epoch (its third form); 0 leaves epochs out (its second form)."""
    eden_warmup: float = 500.0
    """Steps in which eden rises from half its learning rate."""
    plateau_factor: float = 0.6
    """What the plateau schedule multiplies the learning rate by."""
    plateau_patience: int = 3
    """Validations without a lower EER that the plateau schedule waits for; one more and it acts."""
    weight_decay: float = 0.0
    """Weight decay of the encoder."""
    head_weight_decay: float = 0.0
    """Weight decay of the head."""
    grad_clip: float = 5.0
    """Largest norm of the gradient; 0 turns clipping off. scaled-adam clips by clipping_scale instead."""
    clipping_scale: float = 2.0
    """Largest gradient that scaled-adam takes, in multiples of the median of the last steps; 0 turns clipping off."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "nb_total_step", "nb_steps_eval", "train_max_sec", "max_lr", *_POSITIVE):
            self._require(getattr(self, name) > 0, name, "Give a number above 0.")
        for name in ("eden_epoch_steps", "eden_warmup", "plateau_patience", "clipping_scale"):
            self._require(getattr(self, name) >= 0, name, "Give 0 or a number above it.")
        # A card's words have been read by no parser.
        for name, kind in (("optimizer", OptimizerName), ("schedule", ScheduleName)):
            if getattr(self, name) not in get_args(kind):
                raise unknown(name, getattr(self, name), get_args(kind))
        self._require(self.plateau_factor < 1, "plateau_factor", "Give a number between 0 and 1.")
        if self.schedule == "tri-stage":
            self._check_tri_stage()
        if self.optimizer == "scaled-adam" and max(self.weight_decay, self.head_weight_decay) > 0:
            raise UserError("scaled-adam has no weight decay.", "Pass --weight_decay 0 --head_weight_decay 0.")

    def _check_tri_stage(self) -> None:
        for name in ("pct_start", "pct_hold"):
            self._require(0 <= getattr(self, name) <= 1, name, "Give a share between 0 and 1.")
        if self.pct_start + self.pct_hold > 1 + 1e-9:
            raise UserError(
                f"--pct_start {self.pct_start} and --pct_hold {self.pct_hold} are more than all steps.",
                "Give shares whose sum is at most 1.",
            )
        for name in ("initial_lr", "final_lr"):
            advice = f"Give a number above 0 and at most --max_lr, which is {self.max_lr}."
            self._require(0 < getattr(self, name) <= self.max_lr, name, advice)

    def _require(self, fulfilled: bool, name: str, advice: str) -> None:
        if not fulfilled:
            raise UserError(f"--{name} is {getattr(self, name)}.", advice)

    @property
    def max_norm(self) -> float:
        """The norm that the loop clips gradients at, 0 where it leaves them alone."""
        return 0.0 if self.optimizer == "scaled-adam" else self.grad_clip


@dataclass(frozen=True)
class Evaluation:
    """How utterances become embeddings and trials become numbers."""

    valid_trials: Path | None = None
    """Trial list for validation (default: the corpus's own, else one built from its validation speakers)."""
    test_trials: Path | None = None
    """Trial list for the test (default: the corpus's own, else one built from its test speakers)."""
    max_seconds: float = 120.0
    """A longer utterance is embedded in equal chunks of at most this length, whose embeddings are averaged."""
    clamp_scores: bool = False
    """Clamp cosines to [0, 1] as UniPool-SV does (ties all negative scores)."""
    score_norm: Literal["none", "z-norm", "t-norm", "s-norm", "as-norm"] = "none"
    """Score normalisation against a cohort of training speakers."""
    top_k: int = 300
    """Cohort speakers, those most alike, that as-norm takes its statistics over."""
    cohort_speakers: int = 0
    """Training speakers in the cohort, drawn by the seed; 0 takes all."""
    cohort_utterances: int = 10
    """Utterances that are averaged into one cohort speaker, the first by name."""
    skip_bad_audio: bool = False
    """Leave out files that cannot be read instead of stopping; they are counted in the record."""
    replicates: int = 1_000
    """Bootstrap replicates behind the 95 % intervals."""


@dataclass(frozen=True)
class General:
    """How a run is carried out."""

    seed: int = 42
    """The one seed of all random streams."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    workers: int = 4
    """Processes that read audio; 0 reads in the main process."""
    frz_pretrain: bool = False
    """Freeze the backbone."""
    quickrun: bool = False
    """A rehearsal: at most 3 rounds of 101 steps, on 101 trials."""
    skiptest: bool = False
    """Do not score the test list."""
    description: str = "Untitled"
    """A few words that the run folder and the log carry."""
    runs: Path = Path("results/runs")
    """Where run folders are made."""
    records: Path = Path("results/records")
    """Where records are written."""
    audio_root: Path | None = None
    """Folder that a bare manifest's paths must lie in (default: the manifest's own)."""


@dataclass(frozen=True)
class RunConfig:
    """The resolved configuration of a run: `config.json` in its folder."""

    data: str
    system: System
    general: General
    training: Training
    evaluation: Evaluation

    def to_dict(self) -> dict[str, Any]:
        content = asdict(self)
        return {key: _plain(value) for key, value in content.items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RunConfig:
        return cls(
            data=content["data"],
            system=System.from_dict(content["system"]),
            general=_typed(General, content["general"]),
            training=_typed(Training, content["training"]),
            evaluation=_typed(Evaluation, content["evaluation"]),
        )

    def command(self) -> list[str]:
        """The words after `voxboard` that give this run again: everything that differs from the defaults."""
        card = systems.parse(self.system.name)
        words = ["train", self.data, self.system.name]
        pairs: list[tuple[Any, Any]] = [
            (self.general, General()),
            (self.training, training_of(card)),
            (self.evaluation, Evaluation()),
        ]
        for section, default in pairs:
            words += flags(asdict(section), asdict(default))
        words += part_flags(self.system)
        return words

    def quick(self) -> RunConfig:
        """The rehearsal that `--quickrun` asks for."""
        per_round = min(101, self.training.nb_steps_eval)
        training = replace(
            self.training,
            nb_steps_eval=per_round,
            nb_total_step=min(3 * per_round, self.training.nb_total_step),
        )
        return replace(self, training=training)


def training_of(system: System) -> Training:
    """The hyperparameters of a system: its card over the defaults. Raises `UserError` for an unknown key."""
    known = {f.name for f in fields(Training)}
    for key in system.training:
        if key not in known:
            raise unknown(f"training setting of {system.name}", key, known)
    return Training(**system.training)


def part_flags(system: System) -> list[str]:
    """The flags that make the system out of the one that its name alone gives."""
    card = systems.parse(system.name)
    return [
        word for kind, part in system.parts() for word in flags(part.options, getattr(card, kind).options, f"{kind}.")
    ]


def flags(values: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = "") -> list[str]:
    """`--key value` for every value that is not the default."""
    words = []
    for key, value in values.items():
        if key in defaults and value == defaults[key]:
            continue
        if isinstance(value, bool):
            words.append(f"--{prefix}{'' if value else 'no_'}{key}")
        elif isinstance(value, (list, tuple)):
            words += [f"--{prefix}{key}", *map(str, value)]
        else:
            words += [f"--{prefix}{key}", str(value)]
    return words


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _typed(kind: type, content: dict[str, Any]) -> Any:
    paths = {f.name for f in fields(kind) if "Path" in str(f.type)}
    return kind(**{key: Path(value) if key in paths and value is not None else value for key, value in content.items()})
