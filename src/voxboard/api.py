"""The entrance for Python: load encoders, evaluate, train, embed, compare, score, and build boards.

>>> import voxboard as vb
>>> encoder = vb.load("fbank+statistics")
>>> record = vb.evaluate(encoder, "Voices")
>>> vb.board("results/records")

Settings are those of the command line, under the same names; an unknown one is an error that names the nearest. What
a record needs to be made again is in it, as if the command had been typed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from voxboard import benchmarks, systems, trust
from voxboard.errors import UserError, unknown
from voxboard.parts import Part
from voxboard.records import Record
from voxboard.settings import Eval, Evaluation, Weights, filled, flags
from voxboard.systems import System

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from voxboard.boards import Board
    from voxboard.comparison import Comparison
    from voxboard.evaluation.encoder import Encoder
    from voxboard.training.config import RunConfig

    Model = str | Path | System | Encoder | nn.Module | Callable[[Tensor, Tensor], Tensor]

__all__ = ["Run", "board", "compare", "configure", "embed", "evaluate", "load", "measure", "resume", "score", "train"]

RUNS = Path("results/runs")


@dataclass(frozen=True)
class Run:
    """A training run: its folder, and the record of its test, if it was tested."""

    path: Path
    record: Record | None = None

    def _repr_html_(self) -> str:
        return self.record._repr_html_() if self.record else repr(self)


def load(
    model: Model,
    *,
    name: str = "",
    sample_rate: int = 16_000,
    seed: int = 42,
    device: str = "auto",
    runs: Path = RUNS,
    trust_code: bool = False,
) -> Encoder:
    """Return an encoder: audio files to embeddings, and whatever a benchmark asks of it.

    `model` is a named system ("ECAPA-TDNN"), a spec ("wavlm-base-plus+mean"), the folder of a run or its name below
    `runs`, `file.py:Class`, an `.onnx` file, a Hugging Face folder, or a torch module or any callable that maps
    waveforms [B, N] in [-1, 1] at `sample_rate` and lengths [B] to embeddings [B, E]. `name` is what boards call a
    module or callable; `seed` is that of random weights.

    Raises `UserError` for a model that is not there, or that gives no embeddings without a pooler.

    >>> vb.load("ecapa+statistics").embed(["a.wav", "b.flac"]).shape
    (2, 3072)
    """
    from voxboard.devices import device_of
    from voxboard.evaluation import encoder

    if isinstance(model, encoder.Encoder):
        return model
    with _trusted(model, trust_code):
        made = _loaded(model, name, sample_rate, seed, Path(runs))
    made.network.to(device_of(device))
    return made


def _loaded(model: Any, name: str, sample_rate: int, seed: int, runs: Path) -> Encoder:
    from voxboard.evaluation.encoder import untrained

    if not isinstance(model, str | Path | System):
        from voxboard.evaluation.encoder import wrapped

        return wrapped(model, name, sample_rate)
    run = run_of(model, runs)
    if run is not None:
        from voxboard.training.trained import opened

        return opened(run)
    return untrained(system_of(model), seed)


def run_of(model: Model, runs: Path = RUNS) -> Path | None:
    """Return the folder of the run that a model is or names, a path or a name below `runs`; None where it is none."""
    from voxboard.evaluation.encoder import Encoder
    from voxboard.training import run_folder

    if isinstance(model, Encoder):
        return model.run
    if not isinstance(model, str | Path):
        return None
    return next((folder for folder in (Path(model), runs / model) if run_folder.is_run(folder)), None)


def system_of(model: str | Path | System) -> System:
    """Return the system that a word names; a file or folder of weights is opened by what opens its kind.

    Raises `UserError` for an unknown name, with the nearest match.
    """
    if isinstance(model, System):
        return systems.check(model)
    word = str(model)
    place = Path(word).expanduser()
    if place.suffix == ".onnx":
        word = f"onnx:{word}+native"
    elif (place / "config.json").is_file():  # not of a run: `run_of` comes first
        word = f"hf:{word}+mean"
    return systems.check(systems.parse(word))


@overload
def evaluate(model: Model, data: str = "_", *, task: str | Part = "", **settings: Any) -> Record: ...
@overload
def evaluate(model: Model, data: Sequence[str], *, task: str | Part = "", **settings: Any) -> list[Record]: ...
def evaluate(
    model: Model, data: str | Sequence[str] = "_", *, task: str | Part = "", **settings: Any
) -> Record | list[Record]:
    """Evaluate an encoder on a benchmark, or on each of several, and return its record.

    `data` is a corpus, a card or a prepared folder (`voxboard list corpora`, `voxboard list benchmarks`); of a run `_`
    is what it was trained on. `task` is what is measured (default: what the card, the run, or verification says), a
    `Part` with the settings of its own. `settings` are those of `voxboard eval`: `split`, `device`, `replicates`,
    `max_seconds`, `records` …, and those of the task. The record is saved in `records`, its raw outputs beside it.

    Raises `UserError` for an unknown name or setting, and for what cannot be evaluated, with what to do about it.

    >>> record = vb.evaluate("fbank+statistics", "Voices", replicates=200)
    >>> round(record.values["eer@interpolated"].value, 4)
    0.2756
    """
    if not isinstance(data, str):
        return [evaluate(model, one, task=task, **settings) for one in data]
    with _trusted(model, settings.get("trust_code", False)):
        return _evaluate(model, data, task, settings)


def _evaluate(model: Any, data: str, task: str | Part, settings: Mapping[str, Any]) -> Record:
    from voxboard.training import run_folder

    general = {key: value for key, value in settings.items() if key in _names(Eval(), Evaluation(), Weights())}
    options, evaluation, weights = filled((Eval(), Evaluation(), Weights()), general)
    own = {key: value for key, value in settings.items() if key not in general}
    run = run_of(model, options.runs)
    given: Part | None
    if run is None or task or data in benchmarks.cards():
        given = _task(data, task, own)
    else:
        given = _task(data, run_folder.config_of(run).benchmark.name, own) if own else None
    words = None if run is None else ["eval", data, "_", "--eval_path", str(run)]
    if words is not None:
        words += _said(given, options, evaluation, weights)
    return measure(model, data, given, options, evaluation, weights, words)


def measure(
    model: Model,
    data: str,
    task: Part | None,
    options: Eval,
    evaluation: Evaluation,
    weights: Weights,
    words: Sequence[str] | None = None,
    progress: bool = True,
) -> Record:
    """Evaluate as `evaluate` does, by settings that are whole: what flags and grids call.

    `task` is None for that of a run, `words` the command that makes the record of a run again (default: what was
    typed).
    """
    from voxboard.training import run as runs
    from voxboard.training.config import part_flags, task_flags

    run = run_of(model, options.runs)
    if run is not None:
        return runs.evaluate_run(data, task, str(run), options, evaluation, weights, words)
    if data == "_":
        raise UserError("`_` stands for what a run was trained with.", "Name the corpus or card to evaluate on.")
    task = task or _task(data, "", {})
    if isinstance(model, str | Path | System):
        return runs.evaluate_untrained(data, task, system_of(model), options, evaluation, progress)
    encoder = load(model, seed=options.seed, device=options.device)
    command = ["eval", data, encoder.system.name, "--seed", str(encoder.seed), *task_flags(data, task)]
    # An object of a Python program has a name of its own, which no command line knows.
    command += [] if encoder.foreign else part_flags(encoder.system)
    return runs.evaluate_encoder(encoder, data, task, options, evaluation, command, progress)


def _said(task: Part | None, options: Eval, evaluation: Evaluation, weights: Weights) -> list[str]:
    """The flags of an evaluation of a run that differ from their defaults."""
    words = flags({"split": options.split}, asdict(Eval()))
    for section in (evaluation, weights):
        words += flags(asdict(section), asdict(type(section)()))
    return [*words, *(["--task", task.name, *flags(task.options, {})] if task else [])]


def _task(data: str, task: str | Part, own: Mapping[str, Any]) -> Part:
    """The task that is asked for, with settings of its own; the card of `data` gives the rest."""
    if isinstance(task, Part):
        card = task
    else:
        default = benchmarks.card(data, task)
        card = Part(default.task, default.options)
    allowed = benchmarks.REGISTRY.option_names(card.name)
    for name in own:
        if name not in allowed:
            raise unknown("setting", name, [*_names(Eval(), Evaluation(), Weights()), *allowed])
    return Part(card.name, {**card.options, **own})


def configure(data: str, model: str | System, *, task: str | Part = "", **settings: Any) -> RunConfig:
    """Return the configuration of a run, as `train` takes it, without training anything.

    `settings` are those of `voxboard train`: `max_lr`, `nb_total_step`, `batch_size`, `frz_pretrain`, `seed` …, and
    those of the task. Raises `UserError` for an unknown one, with the nearest match.
    """
    from voxboard.data.augmentation import Augmentation
    from voxboard.training.config import General, RunConfig, Training, training_of

    sections = (General(), Training(), Evaluation(), Augmentation())
    own = {key: value for key, value in settings.items() if key in _options_of(data, task)}
    benchmark = _task(data, task, own)
    system = benchmarks.fitted(systems.parse(model) if isinstance(model, str) else model, benchmark)
    rest = {key: value for key, value in settings.items() if key not in own}
    general, training, evaluation, augmentation = filled((sections[0], training_of(system), *sections[2:]), rest)
    config = RunConfig(data, benchmark, system, general, training, evaluation, augmentation)
    return config.quick() if general.quickrun else config


def _options_of(data: str, task: str | Part) -> frozenset[str]:
    return benchmarks.REGISTRY.option_names(task.name if isinstance(task, Part) else benchmarks.card(data, task).task)


def train(
    data: str | RunConfig, model: str | System = "", *, task: str | Part = "", progress: bool = True, **settings: Any
) -> Run:
    """Train a system on a corpus, validate it on the way, test its best weights, and return the run.

    `data` and `model` are those of `voxboard train`, `settings` its flags; or `data` is what `configure` returns.
    A run that was interrupted goes on with `voxboard.api.resume`. Raises `UserError` as `configure` does.

    >>> run = vb.train("Voices", "ECAPA-TDNN", nb_total_step=200, nb_steps_eval=100)
    >>> vb.load(run.path).embed(["a.wav"])
    """
    from voxboard.training import run

    with _trusted(model, settings.pop("trust_code", False), *map(str, settings.values())):
        config = configure(data, model, task=task, **settings) if isinstance(data, str) else data
        return Run(*run.train(config, progress))


def resume(run: str | Path, *, trust_code: bool = False, progress: bool = True) -> Run:
    """Go on with a run that was interrupted, from its last checkpoint; the result is an uninterrupted run's."""
    from voxboard.training import run as runs

    with _trusted("", trust_code):
        return Run(*runs.resume(str(run), progress))


def embed(
    model: Model,
    audio: Sequence[str | Path],
    *,
    max_seconds: float = Evaluation.max_seconds,
    device: str = "auto",
    progress: bool = False,
) -> np.ndarray:
    """Embed audio files: [U, E] float32, rows of unit length, so that dot products are cosines, in the files' order.

    Files are read in any format and rate that libsndfile knows, and M4A; a longer one than `max_seconds` is embedded
    in equal pieces, whose embeddings are averaged. Datasets have `voxboard embed`. Raises `UserError` for a file that
    is not there or cannot be read.

    >>> a, b = vb.embed("ecapa+statistics", ["a.wav", "b.wav"])
    >>> float(a @ b)
    """
    return load(model, device=device).embed(audio, max_seconds=max_seconds, progress=progress)


def compare(a: Record | str | Path, b: Record | str | Path, **settings: Any) -> Comparison:
    """Compare B with A, metric by metric: difference, interval, p corrected for all of them, verdict.

    Both are records, files or folders of records, runs, score files, or git revisions of the records. `settings` are
    those of `voxboard compare`: `metrics`, `main_only`, `level` … The result prints itself, has `.rows` and
    `.frame()`, and is a table in a notebook. Raises `UserError` where the two share nothing.

    >>> vb.compare("results/records/a.json", "results/records/b.json").frame()
    """
    from voxboard.comparison.compare import Settings
    from voxboard.comparison.compare import compare as compared
    from voxboard.comparison.sides import of_record, side
    from voxboard.remote_results import local

    (chosen,) = filled((Settings(),), settings)
    before, after = (
        of_record(one) if isinstance(one, Record) else side(local(str(one)), chosen.records) for one in (a, b)
    )
    return compared(before, after, chosen)


def score(**settings: Any) -> Record:
    """Measure what another toolkit computed, save the record, which boards mark as imported, and return it.

    `settings` are those of `voxboard score`: `scores` and `trials`, `rttm` and `reference`, or `hypotheses` and
    `references`, with `corpus`, `system`, `speakers` … Raises `UserError` for files that cannot be read as such.

    >>> vb.score(scores="scores.txt", trials="list.txt", corpus="Vox1", system="TitaNet")
    """
    from voxboard import records
    from voxboard.imported.score import Score, record_of

    (chosen,) = filled((Score(),), settings)
    record = record_of(chosen, ["score", *flags(asdict(chosen), asdict(Score()))])
    records.save(record, chosen.records)
    return record


def board(records: str | Path | Sequence[Record] = "results/records", out: str | Path | None = None) -> Board:
    """Arrange records to a board: a folder of them, its URL, or the records themselves.

    With `out` its pages and tables are written there too. The board is a table in a notebook, and has `.frame()`.
    Raises `UserError` where there is no record.

    >>> vb.board("results/records").frame()
    """
    from voxboard import boards
    from voxboard.records import Filed
    from voxboard.remote_results import records as copied

    if isinstance(records, str | Path):
        folder = copied(str(records))
        return boards.build(folder, out) if out is not None else boards.read(folder)
    made = boards.arrange([Filed(f"{record.id}.json", record) for record in records])
    if out is not None:
        boards.write(made, out)
    return made


@contextlib.contextmanager
def _trusted(model: Any, everything: bool, *words: str) -> Iterator[None]:
    """Run what these words name of the user's code, and nothing that data names; `everything` is `--trust_code`."""
    named = str(model) if isinstance(model, str | Path) else ""
    system = model if isinstance(model, System) else getattr(model, "system", None)
    if isinstance(system, System) and getattr(model, "run", None) is None:
        named = system.spec  # this program has named it, or has loaded what did
    with trust.command((named, *words, *(["--trust_code"] if everything else []))):
        yield


def _names(*sections: Any) -> frozenset[str]:
    return frozenset(f.name for section in sections for f in fields(section))
