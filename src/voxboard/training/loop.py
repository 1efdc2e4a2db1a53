"""The one training loop: crops → backbone → trainees, each with its pooler, head, optimiser and checkpoints.

A run has one trainee. A bank has many on one frozen backbone: it runs once per batch for all of them, and every trainee
ends with the bits that it would have alone, because its randomness is a function of its seed and step.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voxboard import parallel, progress
from voxboard.backbones.frames import Frames
from voxboard.benchmarks.base import Items
from voxboard.data.augment import Augmenter
from voxboard.data.batches import Batch, Crops, Plan, batches, by_speaker, mixed
from voxboard.data.labels import label_of
from voxboard.data.targets import Targets
from voxboard.embedding.cache import together
from voxboard.errors import Diverged, UserError
from voxboard.tracking.history import close
from voxboard.training.interrupts import Interrupted, Interrupts, again
from voxboard.training.trainee import LOG_EVERY, Trainee

if TYPE_CHECKING:
    from lhotse.cut import Cut

log = logging.getLogger("voxboard")


class Loop:
    """Feeds the same batches to its trainees, which share corpus, crops, batching and seed: those of the first."""

    def __init__(
        self,
        trainees: Sequence[Trainee],
        cuts: Sequence[Cut],
        targets: Targets,
        mixture: Mapping[str, float] | None = None,
    ) -> None:
        """`mixture` has the shares of a batch by the label `corpus`; without it all utterances are drawn alike."""
        self.trainees = list(trainees)
        self.bank = len(self.trainees) > 1
        self.retired: dict[Trainee, str] = {}
        self.interrupts = Interrupts()
        config, network = trainees[0].config, trainees[0].network
        training, general = config.training, config.general
        head, rate = network.head, network.encoder.backbone.spec.sample_rate
        assert head is not None
        task = next(iter(targets.targets))
        self.crops = Crops(
            cuts,
            targets,
            samples=round(training.train_max_sec * rate),
            sample_rate=rate,
            seed=general.seed,
            skip_bad=config.evaluation.skip_bad_audio,
            keep=task if head.batches else "",
            augment=Augmenter(config.augmentation, rate) if config.augmentation.active else None,
        )
        self.plan = self._plan(cuts, targets, task, mixture or {})
        if len(self.plan(0)) % parallel.world():
            raise UserError(
                f"A batch of {len(self.plan(0))} cannot be shared by {parallel.world()} processes.",
                "Pass a --batch_size that is a multiple of their number.",
            )

    def _plan(self, cuts: Sequence[Cut], targets: Targets, task: str, mixture: Mapping[str, float]) -> Plan:
        config, head = self.trainees[0].config, self.trainees[0].network.head
        assert head is not None
        if head.batches is None:
            return mixed(cuts, mixture, config.training.batch_size, config.general.seed)
        # Classes × utterances, for a head that compares the utterances of a batch.
        classes = targets.classes(task)
        assert classes is not None
        labels = [classes.index(label_of(cut, task)) for cut in cuts]
        return by_speaker(labels, *head.batches, config.general.seed)

    def fit(self, valid: Items | None, show_progress: bool = True) -> dict[Trainee, str]:
        """Train to the last step. Returns the trainees that had to be retired, and why: their loss is no number.

        Raises `UserError` for that of a trainee that is alone.
        """
        config = self.trainees[0].config
        training, each = config.training, config.training.accumulate
        for trainee in self.trainees:
            trainee.begin(valid)
        step, total = min(trainee.step for trainee in self.trainees), training.nb_total_step
        stream = batches(self.crops, self.plan, each * step, each * total, config.general.workers)
        try:
            with self.interrupts.listening(), progress.bar("training", total, show_progress, "steps") as advance:
                advance(step)
                self._validate(step, valid, show_progress, owed=True)
                while active := [trainee for trainee in self.trainees if not trainee.done]:
                    self._one(stream, [trainee for trainee in active if trainee.step == step])
                    step += 1
                    advance(1, self._standing)
                    self._validate(step, valid, show_progress)
                    self._keep(step)
            for trainee in self.trainees:
                trainee.history.summary(trainee.summary())
        except RuntimeError as error:
            if not self.interrupts.number:
                raise
            raise Interrupted("", self.interrupts.number) from error  # the signal has ended a reading process first
        finally:
            close(trainee.history for trainee in [*self.trainees, *self.retired])
        return self.retired

    def _standing(self) -> str:
        """Loss and learning rate, for the progress: those of the first trainee, last logged."""
        return self.trainees[0].standing if self.trainees else ""

    def _keep(self, step: int) -> None:
        """Keep what training needs to go on, every so many steps and where it is told to end."""
        every = self.trainees[0].config.general.steps_save if self.trainees else 0
        asked = self.interrupts.asked(step, LOG_EVERY)
        if asked or (every and step % every == 0):
            self._save_all([trainee for trainee in self.trainees if trainee.step == step])
        if asked and self.trainees:
            raise self._interrupted()

    def _save_all(self, trainees: Sequence[Trainee]) -> None:
        for trainee in trainees:
            if not trainee.saved:
                trainee.save()

    def _interrupted(self) -> Interrupted:
        """Error for runs that were told to end."""
        first, number = self.trainees[0], self.interrupts.number or signal.SIGINT
        how = "The same command goes on." if self.bank else f"Go on with: {again(first.run)}"
        return Interrupted(f"interrupted; {first.run} is kept up to step {first.step}. {how}", number)

    def _one(self, stream: Iterator[Batch], takers: Sequence[Trainee]) -> None:
        """One step of every trainee that is so far; the time of what is done for all is shared among them."""
        started = time.perf_counter()
        first = self.trainees[0]
        some = [next(stream).to(first.fabric.device) for _ in range(first.config.training.accumulate)]
        frames = list(self._shared(some, takers))
        shared = (time.perf_counter() - started) / max(len(takers), 1)
        for trainee in takers:
            started = time.perf_counter()
            try:
                trainee.take(some, frames)
            except Diverged as error:
                self._retire(trainee, error)
            trainee.seconds += time.perf_counter() - started + shared

    def _shared(self, some: Sequence[Batch], takers: Sequence[Trainee]) -> Iterator[Frames | Tensor | None]:
        """The frames of every batch, once for all; None where a trainee is alone, whose backbone may learn."""
        if not self.bank or not takers:
            yield from [None] * len(some)
            return
        backbone = takers[0].network.encoder.backbone
        with torch.no_grad():
            for batch in some:
                yield backbone(batch.waveforms, batch.lengths)

    def _validate(self, step: int, valid: Items | None, show_progress: bool, owed: bool = False) -> None:
        """Validate the trainees whose step asks for it; with `owed` those that an interrupt kept from it."""
        due = [trainee for trainee in self.trainees if trainee.step == step and trainee.due]
        due = [trainee for trainee in due if trainee.owed or not owed]
        if not due:
            return
        for trainee in due:
            trainee.owed = True
        try:
            self._validated(due, valid, show_progress)
        except Interrupted:
            if not parallel.launched():  # else the others do not know
                self._save_all(due)
            raise self._interrupted() from None

    def _validated(self, due: Sequence[Trainee], valid: Items | None, show_progress: bool) -> None:
        store = None
        if valid is not None and len(due) > 1 and due[0].benchmark.embeds:
            evaluation = due[0].config.evaluation
            encoders = [trainee.network.encoder for trainee in due]
            with self.interrupts.at_once():
                store = together(encoders, valid.cuts, evaluation, show_progress)
        for trainee in due:
            try:
                trainee.validate(valid, show_progress, store, self.interrupts.at_once)
            except Diverged as error:
                self._retire(trainee, error)

    def _retire(self, trainee: Trainee, error: Diverged) -> None:
        """Go on without a trainee whose training has failed. Raises for one that is alone."""
        if not self.bank:
            raise error
        log.warning("%s is retired: %s", trainee.run.name, error)
        self.trainees.remove(trainee)
        self.retired[trainee] = str(error)
