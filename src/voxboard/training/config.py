"""The settings of a run: what is said on the command line, what a system's card says, and what a run folder keeps."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from voxboard import benchmarks, limits, systems, tracking
from voxboard.data.augmentation import Augmentation
from voxboard.errors import UserError, unknown
from voxboard.limits import Count, CountOrZero, Limit, NotNegative, Positive, Seed, Share, SizeOrZero, Within
from voxboard.metrics.normalizers import NAMES
from voxboard.parts import Part
from voxboard.settings import Evaluation, flags
from voxboard.systems import System

OptimizerName = Literal["adam", "adamw", "sgd", "rmsprop", "scaled-adam"]
ScheduleName = Literal["constant", "one-cycle", "cyclic", "tri-stage", "eden", "plateau"]
SHORTEST = 0.05  # seconds of a training crop: two frames of the usual windows


@dataclass(frozen=True)
class Training:
    """Hyperparameters of training. Defaults are UniPool-SV's; a named system's card gives its own."""

    batch_size: Annotated[int, Limit(1, 65_536)] = 128
    """Utterances per step, of all processes together where torchrun started several."""
    nb_total_step: Count = 10_000
    """Steps of training."""
    nb_steps_eval: Count = 1_000
    """Steps between two validations."""
    accumulate: Annotated[int, Limit(1, 65_536)] = 1
    """Batches whose gradients are averaged into one step."""
    train_max_sec: Annotated[float, Limit(0, 3_600)] = 3.0
    """Seconds of every training crop; a shorter utterance is repeated to that length. 0 takes whole utterances."""
    label_maps: Path | None = None
    """Folder with id2label_<task>.json files that fix classes and their order (default: those of the training set)."""
    vocabulary: str = "characters"
    """Tokens of a head that writes text: characters or bpe:SIZE of the training texts, or wav2vec2, its letters."""
    text_normalizer: str = "basic"
    """What is done to training texts before they become tokens: none, basic, basic-marks, whisper-en."""
    optimizer: OptimizerName = "adam"
    """Optimiser. scaled-adam takes relative steps: its usual max_lr is 0.045, with the eden schedule."""
    schedule: ScheduleName = "one-cycle"
    """Learning-rate schedule: constant; one cycle; cyclic (triangular2); tri-stage (warm-up, plateau, exponential
    decay); eden; plateau (drops when the validation error has stopped falling)."""
    max_lr: Positive = 0.003
    """Highest learning rate (the learning rate, when it is constant)."""
    base_lr: NotNegative = 1e-8
    """Lowest learning rate of the cyclic and the plateau schedule."""
    pct_start: Share = 0.1
    """Share of the steps in which one-cycle and tri-stage warm up."""
    anneal_strategy: Literal["cos", "linear"] = "cos"
    """How one-cycle falls."""
    cycles: Count = 4
    """Cycles of the cyclic schedule."""
    pct_hold: Share = 0.4
    """Share of the steps that tri-stage holds the highest learning rate; it decays in the rest."""
    initial_lr: NotNegative = 5e-6
    """First learning rate of tri-stage."""
    final_lr: NotNegative = 5e-6
    """Last learning rate of tri-stage."""
    eden_batches: Positive = 7500.0
    """Steps after which eden's learning rate falls."""
    eden_epochs: Positive = 3.5
    """Epochs after which eden's learning rate falls, where eden_epoch_steps is given."""
    eden_epoch_steps: NotNegative = 0.0
    """Steps that eden counts as an epoch (its third form); 0 leaves epochs out (its second form)."""
    eden_warmup: NotNegative = 500.0
    """Steps in which eden rises from half its learning rate."""
    plateau_factor: Within = 0.6
    """What the plateau schedule multiplies the learning rate by."""
    plateau_patience: CountOrZero = 3
    """Validations without a lower error that the plateau schedule waits for; one more and it acts."""
    early_stop: CountOrZero = 0
    """Validations without a lower error after which training ends; 0 goes on to the last step."""
    frozen_share: Share = 0.0
    """Share of the steps in which the backbone stays frozen; 1 is --frz_pretrain."""
    average_period: CountOrZero = 0
    """Steps between the weights that a running average of them takes in (icefall 200); 0 keeps none."""
    keep_checkpoints: CountOrZero = 0
    """Validations whose weights are kept in checkpoint-STEP.safetensors, the latest; 0 keeps the best and last only."""
    weight_decay: NotNegative = 0.0
    """Weight decay of the encoder."""
    head_weight_decay: NotNegative = 0.0
    """Weight decay of the head."""
    grad_clip: NotNegative = 5.0
    """Largest norm of the gradient; 0 turns clipping off. scaled-adam clips by clipping_scale instead."""
    clipping_scale: NotNegative = 2.0
    """Largest gradient that scaled-adam takes, in multiples of the median of the last steps; 0 turns clipping off."""

    def __post_init__(self) -> None:
        if self.label_maps is not None:  # a word, as a card or a run's file has it
            object.__setattr__(self, "label_maps", Path(self.label_maps))
        limits.check(self)
        self._require(not 0 < self.train_max_sec < SHORTEST, "train_max_sec", f"Give 0, or {SHORTEST} and more.")
        self._check_texts()
        if self.schedule == "cyclic":
            advice = f"Give a number up to --max_lr, which is {self.max_lr}."
            self._require(self.base_lr <= self.max_lr, "base_lr", advice)
        if self.schedule == "tri-stage":
            self._check_tri_stage()
        if self.optimizer == "scaled-adam" and max(self.weight_decay, self.head_weight_decay) > 0:
            raise UserError("scaled-adam has no weight decay.", "Pass --weight_decay 0 --head_weight_decay 0.")

    def _check_texts(self) -> None:
        """Refuse words for texts that nothing answers to, whether or not a head will ask."""
        if self.text_normalizer not in NAMES:
            raise unknown("value of text_normalizer", self.text_normalizer, NAMES)
        fits = re.fullmatch(r"characters|wav2vec2|bpe:[1-9]\d{0,6}|whisper:.+", self.vocabulary)
        self._require(fits is not None, "vocabulary", "Ask for characters, bpe:500, wav2vec2 or whisper:NAME.")

    def _check_tri_stage(self) -> None:
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
class General:
    """Settings of carrying out a run."""

    seed: Seed = 42
    """The one seed of all random streams."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    workers: Annotated[int, Limit(0, 1_024)] = 4
    """Processes that read audio; 0 reads in the main process."""
    steps_save: CountOrZero = 0
    """Steps between two checkpoints besides those of the validations; 0 saves at validations and interruptions."""
    frz_pretrain: bool = False
    """Freeze the backbone."""
    embedding_layer: SizeOrZero = 192
    """Size of the embedding layer (norm, linear map, norm) behind every pooler on a frozen backbone, but for that of a
    named system; 0: none."""
    quickrun: bool = False
    """A rehearsal: at most 3 rounds of 101 steps, on 101 trials."""
    skiptest: bool = False
    """Do not score the test list."""
    description: Annotated[str, Limit(0)] = "Untitled"
    """A few words that the run folder and the log carry."""
    runs: Path = Path("results/runs")
    """Where run folders are made."""
    records: Path = Path("results/records")
    """Where records are written."""
    audio_root: Path | None = None
    """Folder that a bare manifest's paths must lie in (default: the manifest's own)."""
    trackers: tuple[str, ...] = ()
    """Where the numbers of training go beside the run folder: neptune, comet, wandb, mlflow."""

    def __post_init__(self) -> None:
        limits.check(self)
        tracking.check_names(self.trackers)


@dataclass(frozen=True)
class RunConfig:
    """The resolved configuration of a run: `config.json` in its folder."""

    data: str  # a corpus, a card, or a folder
    benchmark: Part  # what the run is validated and tested by
    system: System
    general: General
    training: Training
    evaluation: Evaluation
    augmentation: Augmentation = field(default_factory=Augmentation)

    def to_dict(self) -> dict[str, Any]:
        content = asdict(self)
        return {key: _plain(value) for key, value in content.items()}

    @classmethod
    def of(
        cls,
        data: str,
        benchmark: Part,
        system: System,
        general: General,
        training: Training,
        evaluation: Evaluation,
        augmentation: Augmentation | None = None,
    ) -> RunConfig:
        """Return the configuration of a new run: with the embedding layer where the backbone is frozen."""
        if general.frz_pretrain:
            system = system.probing(general.embedding_layer)
        config = cls(data, benchmark, system, general, training, evaluation, augmentation or Augmentation())
        return config.quick() if general.quickrun else config

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RunConfig:
        return cls(
            data=content["data"],
            benchmark=Part(**content["benchmark"]),
            system=System.from_dict(content["system"]),
            general=_typed(General, {"embedding_layer": 0, **content["general"]}),  # older runs have none
            training=_typed(Training, content["training"]),
            evaluation=_typed(Evaluation, content["evaluation"]),
            augmentation=_typed(Augmentation, content["augmentation"]),
        )

    @property
    def corpus(self) -> str:
        """The name or folder of the corpus that DATA means."""
        return benchmarks.card(self.data).corpus

    def command(self) -> list[str]:
        """The words after `voxboard` that give this run again: everything that differs from the defaults."""
        card = systems.parse(self.system.name)
        words = ["train", self.data, self.system.name, *task_flags(self.data, self.benchmark)]
        pairs: list[tuple[Any, Any]] = [
            (self.general, General()),
            (self.training, training_of(card)),
            (self.evaluation, Evaluation()),
            (self.augmentation, Augmentation()),
        ]
        for section, default in pairs:
            words += flags(asdict(section), asdict(default))
        return words + part_flags(self.system)

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
    names = {f.name for f in fields(Training)}
    for key in system.training:
        if key in {f.name for f in fields(General)}:
            raise UserError(f"{key} is no hyperparameter: [training] cannot set it.", f"Pass it as a flag: --{key}.")
        if key not in names:
            raise unknown(f"training setting of {system.name}", key, names)
    return Training(**system.training)


def task_flags(data: str, benchmark: Part) -> list[str]:
    """The flags that make the benchmark out of what DATA alone gives: `--task`, and settings that were changed."""
    card = benchmarks.card(data)
    words = [] if benchmark.name == card.task else ["--task", benchmark.name]
    return words + flags(benchmark.options, card.options if benchmark.name == card.task else {})


def part_flags(system: System) -> list[str]:
    """The flags that make the system out of the one that its name alone gives."""
    card = systems.parse(system.name)
    if system.pooler.name == systems.PROBE != card.pooler.name:  # which training puts there by itself
        system = replace(system, pooler=Part.parse(system.pooler.options["pooler"]))
    usual = {kind: {**card.fixed(kind), **part.options} for kind, part in card.parts()}
    return [word for kind, part in system.parts() for word in flags(part.options, usual[kind], f"{kind}.")]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _typed(kind: type, content: dict[str, Any]) -> Any:
    """A dataclass from JSON, which knows neither paths nor tuples."""
    types = {f.name: str(f.type) for f in fields(kind)}
    made = {}
    for key, value in content.items():
        if value is not None and "Path" in types[key]:
            made[key] = tuple(map(Path, value)) if isinstance(value, list) else Path(value)
        else:
            made[key] = tuple(value) if isinstance(value, list) else value
    return kind(**made)
