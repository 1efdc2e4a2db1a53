"""Training batches, every one a function of the seed and the step alone.

Lhotse's samplers carry a state that runs ahead of training by what the workers have prefetched. Here nothing is
carried: step t of seed s is the same batch in any process, with any number of workers, after any interruption, which
makes a resumed run equal to an uninterrupted one bit for bit.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

from voxboard import parallel
from voxboard.data import audio
from voxboard.data.labels import MISSING, label_of
from voxboard.errors import BadAudio, UserError

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.data.augment import Augmenter
    from voxboard.data.augment import Drawn as Changes
    from voxboard.data.targets import Targets

Plan = Callable[[int], Sequence[int]]
SECONDS_LEFT = 20  # to a reading process that is told to end
CYCLE = 10_000  # draws within which the shares of a mixture are exact
Item = tuple[int, int, int]  # step, place in the batch, index of the cut
Drawn = tuple[np.ndarray, dict[str, np.ndarray], tuple[str, ...]]  # waveform [N], labels, files that were replaced


@dataclass(frozen=True)
class Batch:
    """`waveforms` [B, N] float32, zeros past each of `lengths` [B]; `labels`: task → tensor of B rows.

    `skipped` names files that were replaced.
    """

    waveforms: Tensor
    lengths: Tensor
    labels: Mapping[str, Tensor]
    skipped: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        labels = {task: label.to(device) for task, label in self.labels.items()}
        return Batch(self.waveforms.to(device), self.lengths.to(device), labels, self.skipped)


def shuffled(count: int, batch_size: int, seed: int) -> Plan:
    """The plan that goes through all utterances in a new order every epoch, without a gap between epochs."""

    @lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(count)

    def plan(step: int) -> list[int]:
        places = range(step * batch_size, (step + 1) * batch_size)
        return [int(order(place // count)[place % count]) for place in places]

    return plan


def muxed(kinds: Sequence[int], shares: Sequence[float], batch_size: int, seed: int) -> Plan:
    """The plan that draws of several kinds of utterances in given proportions, every kind shuffled by itself.

    `kinds` [U] are indices into `shares`, whose sum need not be 1. Of every `CYCLE` draws each kind has its share to
    the nearest whole number, at least one, in a random order; within a kind an epoch goes once through all.
    """
    own = [np.flatnonzero(np.asarray(kinds) == kind) for kind in range(len(shares))]
    quotas = _quotas(np.where([len(some) > 0 for some in own], shares, 0.0))

    @lru_cache(maxsize=2)
    def cycle(number: int) -> tuple[np.ndarray, np.ndarray]:
        order = np.random.default_rng((seed, number, 5)).permutation(np.repeat(np.arange(len(quotas)), quotas))
        turns = np.empty_like(order)
        for kind, quota in enumerate(quotas):
            turns[order == kind] = np.arange(number * quota, (number + 1) * quota)
        return order, turns

    @lru_cache(maxsize=2 * len(own))
    def shuffle(kind: int, epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch, kind, 6)).permutation(own[kind])

    def draw(place: int) -> int:
        order, turns = cycle(place // CYCLE)
        kind, turn = int(order[place % CYCLE]), int(turns[place % CYCLE])
        return int(shuffle(kind, turn // len(own[kind]))[turn % len(own[kind])])

    def plan(step: int) -> list[int]:
        return [draw(place) for place in range(step * batch_size, (step + 1) * batch_size)]

    return plan


def _quotas(shares: np.ndarray) -> np.ndarray:
    """Shares [K] → whole numbers [K] whose sum is `CYCLE`, at least 1 for each that is not 0."""
    exact = shares / shares.sum() * CYCLE
    whole = np.where(shares > 0, np.maximum(np.floor(exact), 1), 0).astype(int)
    order = np.argsort(whole - exact, kind="stable")  # whoever lost most in rounding comes first
    left = CYCLE - whole.sum()
    whole[order[:left] if left >= 0 else np.argmax(whole)] += 1 if left >= 0 else left
    return whole


def mixed(cuts: Sequence[Cut], mixture: Mapping[str, float], batch_size: int, seed: int) -> Plan:
    """`shuffled`, or for a mixture of corpora `muxed` by their label `corpus`."""
    if not mixture:
        return shuffled(len(cuts), batch_size, seed)
    names = list(mixture)
    kinds = [names.index(str(label_of(cut, "corpus"))) for cut in cuts]
    return muxed(kinds, list(mixture.values()), batch_size, seed)


def by_speaker(labels: Sequence[int], speakers: int, utterances: int, seed: int) -> Plan:
    """The plan of batches of `speakers` × `utterances`, speaker-major, as GE2E wants them (Wan et al. 2018, section 2).

    An epoch goes once through the speakers in a new order; those left over from whole batches sit it out. From epoch
    to epoch a speaker gives other utterances until too few are left for a batch, then they are drawn anew; one with
    fewer than `utterances` gives them more than once. Raises `UserError` when there are too few speakers.
    """
    own: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        own.setdefault(label, []).append(index)
    pool = sorted(own)
    if len(pool) < speakers:
        raise UserError(
            f"A batch of {speakers} speakers × {utterances} utterances cannot be made: there are {len(pool)} speakers.",
            f"Ask for at most {len(pool)} speakers per batch.",
        )
    per_epoch = len(pool) // speakers

    @lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch, 2)).permutation(pool)

    def draw(speaker: int, epoch: int) -> list[int]:
        indices = own[speaker]
        visits = max(len(indices) // utterances, 1)
        shuffle = np.random.default_rng((seed, epoch // visits, speaker, 3)).permutation(indices)
        start = epoch % visits * utterances
        return [int(index) for index in np.resize(shuffle, max(len(shuffle), utterances))[start : start + utterances]]

    def plan(step: int) -> list[int]:
        epoch, place = divmod(step, per_epoch)
        chosen = order(epoch)[place * speakers : (place + 1) * speakers]
        return [index for speaker in chosen for index in draw(int(speaker), epoch)]

    return plan


class Steps(Sampler[list[Item]]):
    """The batches of steps `start` … `stop` − 1 of a plan: of each the part of this process, if there are several.

    An utterance keeps its place in the whole batch, and so its crop.
    """

    def __init__(self, plan: Plan, start: int, stop: int) -> None:
        self.plan, self.start, self.stop = plan, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[list[Item]]:
        for step in range(self.start, self.stop):
            whole = [(step, place, index) for place, index in enumerate(self.plan(step))]
            size = len(whole) // parallel.world()
            yield whole[parallel.rank() * size : (parallel.rank() + 1) * size]


class Crops(Dataset[Any]):
    """Random crops of `samples`, an utterance that is shorter repeated; whole utterances where `samples` is 0.

    With `skip_bad` any other utterance stands in for one that cannot be read, with `keep` one of the same class of
    that task.
    """

    def __init__(
        self,
        cuts: Sequence[Cut],
        targets: Targets,
        samples: int,
        sample_rate: int,
        seed: int,
        skip_bad: bool,
        keep: str = "",
        augment: Augmenter | None = None,
    ) -> None:
        self.cuts, self.targets = cuts, targets
        self.samples, self.sample_rate = samples, sample_rate
        self.seed, self.skip_bad, self.keep, self.augment = seed, skip_bad, keep, augment

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, item: Item) -> Drawn | BadAudio:
        step, place, index = item
        random = np.random.default_rng((self.seed, step, place, 1))
        skipped: list[str] = []
        # An exception that crosses a worker's border loses its type, so the error travels as a value.
        while True:
            cut = self.cuts[index]
            changes = self._changes(cut, step, place)
            try:
                wave = self._crop(cut, changes.needed if changes else self._samples(cut), random)
            except BadAudio as error:
                skipped.append(cut.id)
                if not self.skip_bad or len(skipped) > 100:
                    return error
                index = self._stand_in(cut, random)
                continue
            try:
                heard = self.augment.apply(wave, changes) if self.augment and changes else wave
            except BadAudio as error:  # a file of noise, for which no utterance stands in
                return error
            return heard, self.targets.of(cut, heard, self.sample_rate), tuple(skipped)

    def _samples(self, cut: Cut) -> int:
        return self.samples or audio.num_samples(cut, self.sample_rate)

    def _changes(self, cut: Cut, step: int, place: int) -> Changes | None:
        """Draw the changes of augmentation, from a stream of its own: crops are the same with it and without."""
        if self.augment is None:
            return None
        random = np.random.default_rng((self.seed, step, place, 4))
        return (self.augment.plan if self.samples else self.augment.plan_whole)(random, self._samples(cut))

    def _stand_in(self, bad: Cut, random: np.random.Generator) -> int:
        if not self.keep:
            return int(random.integers(len(self.cuts)))
        wanted = label_of(bad, self.keep)
        return int(random.choice([n for n, other in enumerate(self.cuts) if label_of(other, self.keep) == wanted]))

    def _crop(self, cut: Cut, samples: int, random: np.random.Generator) -> np.ndarray:
        total = audio.num_samples(cut, self.sample_rate)
        start = int(random.integers(max(total - samples, 0) + 1))
        wave = audio.window(cut, start, min(samples, total), self.sample_rate)
        return wave if len(wave) == samples else np.pad(wave, (0, samples - len(wave)), mode="wrap")


def _collate(items: list[Drawn | BadAudio]) -> Batch | BadAudio:
    good = []
    for item in items:
        if isinstance(item, BadAudio):
            return item
        good.append(item)
    waves, labels, skipped = zip(*good, strict=True)
    return Batch(
        padded([torch.from_numpy(wave) for wave in waves], 0.0),
        torch.tensor([len(wave) for wave in waves]),
        {task: padded([torch.from_numpy(one[task]) for one in labels], MISSING) for task in labels[0]},
        tuple(name for some in skipped for name in some),
    )


def padded(rows: Sequence[Tensor], value: float) -> Tensor:
    """Rows [n] of unlike lengths, or scalars → one tensor [B, longest], or [B]."""
    return pad_sequence(list(rows), batch_first=True, padding_value=value) if rows[0].ndim else torch.stack(list(rows))


def reading_processes(workers: int) -> int:
    """Number of reading processes: as many as asked for, at most one per core."""
    return min(workers, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _outlive_signals(worker: int) -> None:
    """A signal to all processes, as from a terminal or a scheduler: the main one says what becomes of the run.

    It has time to finish its step, for which it may need another batch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(SECONDS_LEFT))


def batches(dataset: Crops, plan: Plan, start: int, stop: int, workers: int) -> Iterator[Batch]:
    """The batches of steps `start` … `stop` − 1. Raises `BadAudio` for a file that cannot be read."""
    workers = reading_processes(workers)
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=Steps(plan, start, stop),
        num_workers=workers,
        worker_init_fn=_outlive_signals,
        collate_fn=_collate,
        prefetch_factor=4 if workers else None,
        # Its own generator: the loader must not draw from the stream that the training step uses.
        generator=torch.Generator().manual_seed(0),
    )
    for batch in loader:
        if isinstance(batch, UserError):
            raise batch
        yield batch
