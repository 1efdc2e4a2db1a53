"""One network in training: its optimiser, schedule, validations and checkpoints; the loop feeds it batches."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from voxboard import parallel, progress
from voxboard.backbones.frames import Frames
from voxboard.benchmarks.base import Benchmark, Fixed, Items
from voxboard.data.batches import Batch, padded
from voxboard.data.labels import MISSING
from voxboard.embedding.cache import Shared
from voxboard.errors import Diverged, UserError
from voxboard.model import Network, parameters
from voxboard.records import Value
from voxboard.shown import shown
from voxboard.tracking.history import History
from voxboard.training import averaging, checkpoint, optimization, run_folder
from voxboard.training.averaging import RunningAverage
from voxboard.training.config import RunConfig
from voxboard.training.synced import synced

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from voxboard.embedding.cache_entries import EntryStore

log = logging.getLogger("voxboard")
LOG_EVERY = 10


@dataclass
class Best:
    """The best validation so far: its step, its error, and what it fixed for the test, as `Fixed.to_dict` has it."""

    step: int = 0
    error: float | None = None
    fixed: dict[str, Any] | None = None


class Step(nn.Module):
    """One forward of training; a module of its own so that Fabric can wrap it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        assert network.head is not None
        self.encoder, self.head = network.encoder, network.head
        self._read = network.read

    def forward(
        self, waveforms: Tensor, lengths: Tensor, labels: Mapping[str, Tensor], frames: Frames | Tensor | None = None
    ) -> Tensor:
        """The loss of a batch; `frames` are the backbone's, where they are known already."""
        if frames is None:
            frames = self.encoder.heard(waveforms, lengths)
        outputs = self._read(frames)
        if self.head.reads == "embedding":
            # All of a batch that several processes share: GE2E compares them, and a mean leaves out missing labels.
            outputs, labels = parallel.rows(outputs), _of_all(labels)
        only = next(iter(labels.values())) if len(labels) == 1 else labels
        return self.head.loss(outputs, only)


def _of_all(labels: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The labels of the whole batch, where this process has a share of it."""
    if not parallel.launched():
        return labels
    parts = parallel.gathered({task: label.cpu() for task, label in labels.items()})
    return {
        task: padded([row for part in parts for row in part[task]], MISSING).to(label.device)
        for task, label in labels.items()
    }


class Trainee:
    """A network in a run folder; made again on the same folder, it goes on where the last checkpoint is."""

    def __init__(self, config: RunConfig, run: Path, network: Network, benchmark: Benchmark, fabric: Fabric) -> None:
        self.config, self.run, self.network, self.benchmark, self.fabric = config, run, network, benchmark, fabric
        # Before the optimiser, whose state has to lie where the weights do.
        network.to(fabric.device)
        if parallel.launched():
            synced(network.encoder)
            synced(network.head or nn.Identity())
        self.optimizer = optimization.optimizer(network, config.training)
        # The schedule sets the learning rate of step 0, so it is made before a checkpoint's is loaded.
        self.schedule = optimization.schedule(self.optimizer, config.training)
        self.step, self.best, self.seconds, self.skipped = 0, Best(), 0.0, set[str]()
        period = config.training.average_period
        self.saved, self.owed = False, False  # whether this step is on disk, and whether its validation is to come
        self._losses: list[Tensor] = []
        self.average = RunningAverage(network.state(), period) if period else None
        if (run / "last.safetensors").is_file():
            self._restore()
        self.module, self.wrapped = fabric.setup(Step(network), self.optimizer)
        self.valid_digest, self.standing = "", ""

    def begin(self, valid: Items | None) -> None:
        """Open the history. Raises `UserError` where the schedule needs a validation and there is none."""
        if valid is None and self.config.training.schedule == "plateau":
            raise UserError(
                "The plateau schedule follows the validation error, and there is nothing to validate on.",
                "Pass --valid_trials FILE, or another --schedule.",
            )
        self.valid_digest = valid.digest if valid else ""
        log.info(
            "%s: %s, %s parameters, step %d of %d",
            self.run.name,
            self.config.system.spec,
            f"{parameters(self.network.encoder):,}",
            self.step,
            self.config.training.nb_total_step,
        )
        self.history = History.of(self.run, self.config.to_dict(), self.config.general.trackers, self.step)

    def summary(self) -> dict[str, float]:
        """Summary of training for the history."""
        best = {} if self.best.error is None else {"best_error": self.best.error}
        return {"best_step": self.best.step, "seconds": self.seconds, **best}

    @property
    def done(self) -> bool:
        """True if it has had its last step."""
        return self.step >= self.config.training.nb_total_step or self._stops()

    @property
    def due(self) -> bool:
        """True if the step that it has just had ends with a validation."""
        training = self.config.training
        return self.step % training.nb_steps_eval == 0 or self.step == training.nb_total_step

    def _stops(self) -> bool:
        """True if the error has not fallen for so many validations that training ends early."""
        training = self.config.training
        waited = (self.step - self.best.step) // training.nb_steps_eval
        return bool(training.early_stop) and self.best.error is not None and waited >= training.early_stop

    def take(self, some: Sequence[Batch], frames: Sequence[Frames | Tensor | None]) -> None:
        """One optimiser step over batches on the device. All randomness inside it is a function of the seed and step.

        `frames` are the frozen backbone's for every batch, or None where this network computes its own.
        """
        training = self.config.training
        self._freeze()
        self.module.train()
        self.wrapped.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.fabric.device)
        for part, (batch, cached) in enumerate(zip(some, frames, strict=True)):
            self._seed(len(some) * self.step + part)
            with self._gradients_later(part + 1 < len(some)):
                loss: Tensor = self.module(batch.waveforms, batch.lengths, batch.labels, cached) / len(some)
                self.fabric.backward(loss)
            total += loss.detach()
            self.skipped.update(batch.skipped)
        if (largest := training.max_norm) > 0:
            self.fabric.clip_gradients(self.module, self.wrapped, max_norm=largest, error_if_nonfinite=False)
        self.wrapped.step()
        self.schedule.after_step()
        self.step += 1
        self.saved = False
        if self.average is not None and self.step % self.average.period == 0:
            self.average.update(self.network.state(), self.step)
        self._losses.append(total)
        # Also before every checkpoint, so that a resumed run writes the same lines.
        if self.due or self.step % LOG_EVERY == 0:
            self._log_loss()

    def _freeze(self) -> None:
        """Freeze the backbone in the first `frozen_share` of the steps, and for good where the run says so."""
        general, training = self.config.general, self.config.training
        until = training.frozen_share * training.nb_total_step
        self.network.encoder.frozen = general.frz_pretrain or self.step < until

    def _gradients_later(self, later: bool) -> AbstractContextManager[None]:
        """Context in which processes exchange the gradients of several batches at once."""
        if not (later and parallel.launched()):
            return nullcontext()
        return self.fabric.no_backward_sync(self.module)

    def _seed(self, number: int) -> None:
        place = (parallel.rank(),) if parallel.rank() else ()  # each process drops out other units
        seed = int(np.random.SeedSequence((self.config.general.seed, number, *place)).generate_state(1)[0])
        torch.manual_seed(seed)
        # transformers draws its time masks from NumPy's global stream, Lhotse's SpecAugment from Python's too.
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)

    def _log_loss(self) -> None:
        loss = float(cast("Tensor", self.fabric.all_reduce(torch.stack(self._losses).mean(), reduce_op="mean")))
        self._losses.clear()
        if not math.isfinite(loss):
            raise Diverged(
                f"The loss is {loss} at step {self.step}.",
                "Lower --max_lr; the checkpoint of the last validation is kept.",
            )
        rate = float(self.optimizer.param_groups[0]["lr"])
        self.standing = f"loss {loss:.4g}, lr {rate:.3g}"
        self.history.add(self.step, loss=loss, lr=rate)

    def validate(
        self,
        valid: Items | None,
        show_progress: bool,
        store: EntryStore | None = None,
        measuring: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Validate and saves; `kept` has embeddings that were computed for several trainees at once.

        What takes long is done inside `measuring`: nothing of the trainee changes there.
        """
        if valid is None:
            self.best, better = Best(self.step), True
        else:
            with measuring(), progress.part("validation"):
                fixed = self._found(valid, show_progress, store)
            # Of equal ones the later wins, as in UniPool-SV.
            better = self.best.error is None or fixed.error <= self.best.error
            if better:
                self.best = Best(self.step, fixed.error, fixed.to_dict())
            self.schedule.after_validation(fixed.error)
            self.history.add(self.step, **fixed.logged())
            word = self.benchmark.main_metric
            error = self._error(fixed.error)
            log.info("step %d: validation %s, error %s%s", self.step, word, error, " (best)" if better else "")
        if better:
            checkpoint.save(self.run / "best.safetensors", self.network.state(), self._meta())
        self.owed = False
        self._keep()
        self.save()

    def _error(self, error: float) -> str:
        """A validation error as the main metric is shown, in its unit."""
        metric = self.benchmark.metric(self.benchmark.main_metric)
        return shown(metric, Value(error, metric.better, metric.unit, reason="-"))

    def _found(self, valid: Items, show_progress: bool, store: EntryStore | None) -> Fixed:
        """Validate, and return the parameters fixed. Scores are not normalised: no cohort is there yet."""
        # The weights are others every time: what is computed with them would only fill a cache.
        evaluation = replace(self.config.evaluation, cache=None)
        if store is not None:
            evaluation = Shared.of(evaluation, store)
        return self.benchmark.fix(self.benchmark.run(self.network, valid, evaluation, show_progress=show_progress))

    def _keep(self) -> None:
        """Keep these weights beside those of the latest validations, where the run asks for it."""
        wanted = self.config.training.keep_checkpoints
        if not wanted:
            return
        checkpoint.save(self.run / f"checkpoint-{self.step}.safetensors", self._weights(), self._meta())
        for _, path in sorted(averaging.checkpoints(self.run).items())[:-wanted]:
            for stale in (path, path.with_suffix(".json")):
                stale.unlink(missing_ok=True)

    def _weights(self) -> dict[str, Tensor]:
        average = self.average.exact() if self.average else {}
        return self.network.state() | {f"average.{key}": value for key, value in average.items()}

    def _meta(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "best": asdict(self.best),
            "seconds": self.seconds,
            "skipped": sorted(set().union(*parallel.gathered(self.skipped))),
            "valid_items": self.valid_digest,
            "backbone": self.network.built_on,  # what checkpoints leave out
        }

    def save(self) -> None:
        """Write all that training needs to go on from this step."""
        tensors, scalars = checkpoint.pack_optimizer(self.optimizer.state_dict())
        state = self._weights() | {f"optimizer.{key}": value for key, value in tensors.items()}
        checkpoint.save(
            self.run / "last.safetensors",
            state,
            {
                **self._meta(),
                "optimizer": scalars,
                "schedule": self.schedule.state(),
                "owed": self.owed,
                "losses": [float(loss) for loss in self._losses],  # since the last line of the history
            },
        )
        self.saved = True

    def _restore(self) -> None:
        tensors, meta = run_folder.state_of(self.run, "last")
        run_folder.check_backbone(self.run, self.network, meta)
        self.network.load(tensors)
        if self.average is not None:
            self.average.restore(checkpoint.prefixed(tensors, "average."))
        packed = checkpoint.prefixed(tensors, "optimizer.")
        with run_folder.as_written(self.run / "last.safetensors"):
            self.optimizer.load_state_dict(checkpoint.unpack_optimizer(packed, meta["optimizer"]))
            self.step, self.best = meta["step"], Best(**meta["best"])
            self.seconds, self.skipped = meta["seconds"], set(meta["skipped"])
            self.schedule.restore(self.step, meta.get("schedule", {}))
            self.owed = bool(meta.get("owed"))
            self._losses = [torch.tensor(loss, device=self.fabric.device) for loss in meta.get("losses", [])]
        self.saved = True
