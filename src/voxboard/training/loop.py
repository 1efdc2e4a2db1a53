"""The one training loop: crops → encoder → head → loss, with validation, checkpoints and exact resumption."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from voxboard import progress
from voxboard.benchmarks import verification
from voxboard.data.batches import Batch, Crops, Plan, batches, by_speaker, shuffled
from voxboard.data.corpus import speaker_of
from voxboard.errors import UserError
from voxboard.model import Network, parameters
from voxboard.training import checkpoint, folder, optimisation
from voxboard.training.config import RunConfig
from voxboard.training.devices import fabric_options

if TYPE_CHECKING:
    from lhotse.cut import Cut

log = logging.getLogger("voxboard")
LOG_EVERY = 10


@dataclass
class Best:
    """The best validation so far: its step, EER, the threshold of that EER, and the scores' calibration."""

    step: int = 0
    valid_eer: float | None = None
    val_threshold: float | None = None
    calibration: dict[str, Any] | None = None  # as `scoring.calibration` keeps it


class Step(nn.Module):
    """One forward of training; a module of its own so that Fabric can wrap it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        assert network.head is not None
        self.encoder, self.head = network.encoder, network.head

    def forward(self, waveforms: Tensor, labels: Tensor) -> Tensor:
        lengths = torch.full((len(waveforms),), waveforms.shape[1], device=waveforms.device)
        return self.head.loss(self.encoder(waveforms, lengths), labels)


class Loop:
    """Trains a network into a run folder; made again on the same folder, it goes on where the last checkpoint is."""

    def __init__(self, config: RunConfig, run: Path, network: Network, train_cuts: Sequence[Cut]) -> None:
        from lightning_fabric import Fabric

        self.config, self.run, self.network = config, run, network
        self.fabric = Fabric(**fabric_options(config.general.device))
        # Before the optimiser, whose state has to lie where the weights do.
        network.to(self.fabric.device)
        self.optimizer = optimisation.optimizer(network, config.training)
        # The schedule sets the learning rate of step 0, so it is made before a checkpoint's is loaded.
        self.schedule = optimisation.schedule(self.optimizer, config.training)
        self.step, self.best, self.seconds, self.skipped = 0, Best(), 0.0, set[str]()
        if (run / "last.safetensors").is_file():
            self._restore()
        self.module, self.wrapped = self.fabric.setup(Step(network), self.optimizer)
        self.valid_digest = ""
        self.crops, self.plan = self._data(train_cuts)

    def _data(self, cuts: Sequence[Cut]) -> tuple[Crops, Plan]:
        training, general = self.config.training, self.config.general
        classes = {speaker: index for index, speaker in enumerate(folder.speakers_of(self.run))}
        rate = self.network.encoder.backbone.spec.sample_rate
        labels = [classes[speaker_of(cut)] for cut in cuts]
        # Speakers × utterances, for a head that compares the utterances of a batch.
        assert self.network.head is not None
        shape = self.network.head.batches
        crops = Crops(
            cuts,
            labels,
            samples=max(round(training.train_max_sec * rate), 1),
            sample_rate=rate,
            seed=general.seed,
            skip_bad=self.config.evaluation.skip_bad_audio,
            keep_label=shape is not None,
        )
        plan = (
            by_speaker(labels, *shape, general.seed)
            if shape
            else shuffled(len(cuts), training.batch_size, general.seed)
        )
        return crops, plan

    def fit(self, valid: verification.TrialSet | None, show_progress: bool = True) -> Best:
        """Trains to the last step. Raises `UserError` when the loss stops being a number."""
        training, general = self.config.training, self.config.general
        if valid is None and training.schedule == "plateau":
            raise UserError(
                "The plateau schedule follows the validation EER, and there are no validation trials.",
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
        stream = batches(self.crops, self.plan, self.step, total, general.workers)
        started = time.perf_counter()
        losses: list[Tensor] = []
        try:
            with progress.bar("training", total, show_progress, "steps") as advance:
                advance(self.step)
                for batch in stream:
                    losses.append(self._one(batch))
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

    def _one(self, batch: Batch) -> Tensor:
        """One optimiser step. All randomness inside it is a function of the seed and the step."""
        seed = int(np.random.SeedSequence((self.config.general.seed, self.step)).generate_state(1)[0])
        torch.manual_seed(seed)
        # transformers draws its time masks from NumPy's global stream.
        np.random.seed(seed)  # noqa: NPY002
        self.module.train()
        self.wrapped.zero_grad(set_to_none=True)
        device = self.fabric.device
        loss: Tensor = self.module(batch.waveforms.to(device), batch.labels.to(device))
        self.fabric.backward(loss)
        if (largest := self.config.training.max_norm) > 0:
            self.fabric.clip_gradients(self.module, self.wrapped, max_norm=largest, error_if_nonfinite=False)
        self.wrapped.step()
        self.schedule.after_step()
        self.step += 1
        self.skipped.update(batch.skipped)
        return loss.detach()

    def _log_loss(self, history: folder.History, losses: list[Tensor]) -> None:
        loss = float(torch.stack(losses).mean())
        losses.clear()
        if not math.isfinite(loss):
            raise UserError(
                f"The loss is {loss} at step {self.step}.",
                "Lower --max_lr; the checkpoint of the last validation is kept.",
            )
        history.add(self.step, loss=loss, lr=float(self.optimizer.param_groups[0]["lr"]))

    def _validate(self, history: folder.History, valid: verification.TrialSet | None, show_progress: bool) -> None:
        if valid is None:
            self.best, better = Best(self.step), True
        else:
            scored = verification.score(self.network, valid, self.config.evaluation, None, show_progress)
            found = verification.reference(scored)
            # Of equal ones the later wins, as in UniPool-SV.
            better = self.best.valid_eer is None or found.eer <= self.best.valid_eer
            if better:
                self.best = Best(self.step, found.eer, found.threshold, found.calibration.to_dict())
            self.schedule.after_validation(found.eer)
            history.add(self.step, valid_eer=found.eer, val_threshold=found.threshold)
            log.info("step %d: validation EER %.2f %%%s", self.step, 100 * found.eer, " (best)" if better else "")
        if better:
            checkpoint.save(self.run / "best.safetensors", self.network.state(), self._meta())
        self._save()

    def _meta(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "best": asdict(self.best),
            "seconds": self.seconds,
            "skipped": sorted(self.skipped),
            "valid_trials": self.valid_digest,
        }

    def _save(self) -> None:
        tensors, scalars = checkpoint.pack_optimizer(self.optimizer.state_dict())
        state = self.network.state() | {f"optimizer.{key}": value for key, value in tensors.items()}
        checkpoint.save(
            self.run / "last.safetensors",
            state,
            {**self._meta(), "optimizer": scalars, "schedule": self.schedule.state()},
        )

    def _restore(self) -> None:
        tensors, meta = folder.state_of(self.run, "last")
        self.network.load(tensors)
        packed = checkpoint.prefixed(tensors, "optimizer.")
        self.optimizer.load_state_dict(checkpoint.unpack_optimizer(packed, meta["optimizer"]))
        self.step, self.best = int(meta["step"]), Best(**meta["best"])
        self.seconds, self.skipped = float(meta["seconds"]), set(meta["skipped"])
        self.schedule.restore(self.step, meta.get("schedule", {}))
