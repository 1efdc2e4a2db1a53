"""The one training loop: crops → encoder → head → loss, with validation, checkpoints and exact resumption."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from voxboard import progress
from voxboard.benchmarks.base import Benchmark, Fixed, Items
from voxboard.data.augment import Augmenter
from voxboard.data.batches import Batch, Crops, Plan, batches, by_speaker, mixed
from voxboard.data.labels import label_of
from voxboard.data.targets import Targets
from voxboard.errors import UserError
from voxboard.model import Network, parameters
from voxboard.training import averaging, checkpoint, folder, optimisation
from voxboard.training.averaging import RunningAverage
from voxboard.training.config import RunConfig
from voxboard.training.devices import fabric_options

if TYPE_CHECKING:
    from lhotse.cut import Cut

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
        self._output = network.training_output

    def forward(self, waveforms: Tensor, lengths: Tensor, labels: Mapping[str, Tensor]) -> Tensor:
        only = next(iter(labels.values())) if len(labels) == 1 else labels
        return self.head.loss(self._output(waveforms, lengths), only)


class Loop:
    """Trains a network into a run folder; made again on the same folder, it goes on where the last checkpoint is."""

    def __init__(
        self,
        config: RunConfig,
        run: Path,
        network: Network,
        train_cuts: Sequence[Cut],
        targets: Targets,
        benchmark: Benchmark,
        mixture: Mapping[str, float] | None = None,
    ) -> None:
        """`mixture` has the shares of a batch by the label `corpus`; without it all utterances are drawn alike."""
        from lightning_fabric import Fabric

        self.config, self.run, self.network, self.benchmark = config, run, network, benchmark
        self.mixture = mixture or {}
        self.fabric = Fabric(**fabric_options(config.general.device))
        # Before the optimiser, whose state has to lie where the weights do.
        network.to(self.fabric.device)
        self.optimizer = optimisation.optimizer(network, config.training)
        # The schedule sets the learning rate of step 0, so it is made before a checkpoint's is loaded.
        self.schedule = optimisation.schedule(self.optimizer, config.training)
        self.step, self.best, self.seconds, self.skipped = 0, Best(), 0.0, set[str]()
        period = config.training.average_period
        self.average = RunningAverage(network.state(), period) if period else None
        if (run / "last.safetensors").is_file():
            self._restore()
        self.module, self.wrapped = self.fabric.setup(Step(network), self.optimizer)
        self.valid_digest = ""
        self.crops, self.plan = self._data(train_cuts, targets)

    def _data(self, cuts: Sequence[Cut], targets: Targets) -> tuple[Crops, Plan]:
        training, general = self.config.training, self.config.general
        head, rate = self.network.head, self.network.encoder.backbone.spec.sample_rate
        assert head is not None
        task = next(iter(targets.targets))
        augmentation = self.config.augmentation
        crops = Crops(
            cuts,
            targets,
            samples=round(training.train_max_sec * rate),
            sample_rate=rate,
            seed=general.seed,
            skip_bad=self.config.evaluation.skip_bad_audio,
            keep=task if head.batches else "",
            augment=Augmenter(augmentation, rate) if augmentation.active else None,
        )
        if head.batches is None:
            return crops, mixed(cuts, self.mixture, training.batch_size, general.seed)
        # Classes × utterances, for a head that compares the utterances of a batch.
        classes = targets.classes(task)
        assert classes is not None
        labels = [classes.index(label_of(cut, task)) for cut in cuts]
        return crops, by_speaker(labels, *head.batches, general.seed)

    def fit(self, valid: Items | None, show_progress: bool = True) -> Best:
        """Trains to the last step. Raises `UserError` when the loss stops being a number."""
        training, general = self.config.training, self.config.general
        if valid is None and training.schedule == "plateau":
            raise UserError(
                "The plateau schedule follows the validation error, and there is nothing to validate on.",
                "Pass --valid_trials FILE, or another --schedule.",
            )
        self.valid_digest = valid.digest if valid else ""
        total = training.nb_total_step
        size = parameters(self.network.encoder)
        log.info(
            "%s: %s, %s parameters, step %d of %d",
            self.run.name,
            self.config.system.spec,
            f"{size:,}",
            self.step,
            total,
        )
        history = folder.History(self.run, self.step)
        each = training.accumulate
        stream = batches(self.crops, self.plan, each * self.step, each * total, general.workers)
        started = time.perf_counter()
        losses: list[Tensor] = []
        try:
            with progress.bar("training", total, show_progress, "steps") as advance:
                advance(self.step)
                while self.step < total and not self._stops():
                    losses.append(self._one([next(stream) for _ in range(each)]))
                    advance(1)
                    due = self.step % training.nb_steps_eval == 0 or self.step == total
                    # Also before every checkpoint, so that a resumed run writes the same lines.
                    if due or self.step % LOG_EVERY == 0:
                        self._log_loss(history, losses)
                    if due:
                        self.seconds += time.perf_counter() - started
                        self._validate(history, valid, show_progress)
                        started = time.perf_counter()
        finally:
            history.close()
        return self.best

    def _stops(self) -> bool:
        """Whether the error has not fallen for so many validations that training ends early."""
        training = self.config.training
        waited = (self.step - self.best.step) // training.nb_steps_eval
        return bool(training.early_stop) and self.best.error is not None and waited >= training.early_stop

    def _one(self, some: Sequence[Batch]) -> Tensor:
        """One optimiser step over some batches. All randomness inside it is a function of the seed and the step."""
        training, device = self.config.training, self.fabric.device
        self._freeze()
        self.module.train()
        self.wrapped.zero_grad(set_to_none=True)
        total = torch.zeros((), device=device)
        for part, batch in enumerate(some):
            self._seed(len(some) * self.step + part)
            labels = {task: label.to(device) for task, label in batch.labels.items()}
            loss: Tensor = self.module(batch.waveforms.to(device), batch.lengths.to(device), labels) / len(some)
            self.fabric.backward(loss)
            total += loss.detach()
            self.skipped.update(batch.skipped)
        if (largest := training.max_norm) > 0:
            self.fabric.clip_gradients(self.module, self.wrapped, max_norm=largest, error_if_nonfinite=False)
        self.wrapped.step()
        self.schedule.after_step()
        self.step += 1
        if self.average is not None and self.step % self.average.period == 0:
            self.average.update(self.network.state(), self.step)
        return total

    def _freeze(self) -> None:
        """Freezes the backbone in the first `frozen_share` of the steps, and for good where the run says so."""
        general, training = self.config.general, self.config.training
        until = training.frozen_share * training.nb_total_step
        self.network.encoder.frozen = general.frz_pretrain or self.step < until

    def _seed(self, number: int) -> None:
        seed = int(np.random.SeedSequence((self.config.general.seed, number)).generate_state(1)[0])
        torch.manual_seed(seed)
        # transformers draws its time masks from NumPy's global stream, Lhotse's SpecAugment from Python's too.
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)

    def _log_loss(self, history: folder.History, losses: list[Tensor]) -> None:
        loss = float(torch.stack(losses).mean())
        losses.clear()
        if not math.isfinite(loss):
            raise UserError(
                f"The loss is {loss} at step {self.step}.",
                "Lower --max_lr; the checkpoint of the last validation is kept.",
            )
        history.add(self.step, loss=loss, lr=float(self.optimizer.param_groups[0]["lr"]))

    def _validate(self, history: folder.History, valid: Items | None, show_progress: bool) -> None:
        if valid is None:
            self.best, better = Best(self.step), True
        else:
            found = self._found(valid, show_progress)
            # Of equal ones the later wins, as in UniPool-SV.
            better = self.best.error is None or found.error <= self.best.error
            if better:
                self.best = Best(self.step, found.error, found.to_dict())
            self.schedule.after_validation(found.error)
            history.add(self.step, **found.logged())
            word = self.benchmark.main_metric
            log.info("step %d: validation %s, error %.4f%s", self.step, word, found.error, " (best)" if better else "")
        if better:
            checkpoint.save(self.run / "best.safetensors", self.network.state(), self._meta())
        self._keep()
        self._save()

    def _found(self, valid: Items, show_progress: bool) -> Fixed:
        """What a validation fixes. Nothing that scores are normalised with is known yet."""
        return self.benchmark.fix(
            self.benchmark.run(self.network, valid, self.config.evaluation, show_progress=show_progress)
        )

    def _keep(self) -> None:
        """Keeps these weights beside those of the latest validations, where the run asks for it."""
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
            "skipped": sorted(self.skipped),
            "valid_items": self.valid_digest,
        }

    def _save(self) -> None:
        tensors, scalars = checkpoint.pack_optimizer(self.optimizer.state_dict())
        state = self._weights() | {f"optimizer.{key}": value for key, value in tensors.items()}
        checkpoint.save(
            self.run / "last.safetensors",
            state,
            {**self._meta(), "optimizer": scalars, "schedule": self.schedule.state()},
        )

    def _restore(self) -> None:
        tensors, meta = folder.state_of(self.run, "last")
        self.network.load(tensors)
        if self.average is not None:
            self.average.restore(checkpoint.prefixed(tensors, "average."))
        packed = checkpoint.prefixed(tensors, "optimizer.")
        self.optimizer.load_state_dict(checkpoint.unpack_optimizer(packed, meta["optimizer"]))
        self.step, self.best = int(meta["step"]), Best(**meta["best"])
        self.seconds, self.skipped = float(meta["seconds"]), set(meta["skipped"])
        self.schedule.restore(self.step, meta.get("schedule", {}))
