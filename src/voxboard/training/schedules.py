"""Learning rates as functions of the step: `factor(step)` is the share of the highest rate, steps count from 0."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TriStage:
    """Linear warm-up, a plateau, then exponential decay (SpecAugment, Park et al. 2019, section 3.2).

    `warmup`, `hold` and `decay` are shares of `total` steps, rounded down; rates are shares of the highest one.
    Steps after the decay stay at `final`. Numbers are UniPool-SV's: its decay is cut into `decay` + 2 equal ratios,
    so it ends a step or two above `final` when the shares divide the total.
    """

    total: int
    warmup: float = 0.1
    hold: float = 0.4
    decay: float = 0.5
    initial: float = 0.1
    final: float = 0.1

    def factor(self, step: int) -> float:
        """Share of the highest rate at a step."""
        rise, flat, fall = (int(share * self.total) for share in (self.warmup, self.hold, self.decay))
        if step < rise:
            return self.initial + (1.0 - self.initial) * step / max(rise - 1, 1)
        if step <= rise + flat:
            return 1.0
        if step > self.total:
            return self.final
        return float(self.final ** min((step - rise - flat) / (fall + 2), 1.0))


@dataclass(frozen=True)
class Eden:
    """Inverse square root of steps and of epochs, after a short warm-up (Zipformer, Yao et al. 2024, equation 8).

    ((b² + B²) / B²)^-¼ · ((e² + E²) / E²)^-¼ · w(b) with w rising from `start` to 1 over `warmup` steps. Without epochs
    (an endless corpus) the step's term has the exponent -½ instead: Auden's Eden2. With `steps_per_epoch` the epoch
    is a fraction that grows with every step: its Eden3.
    """

    batches: float = 7500.0
    epochs: float = 3.5
    warmup: float = 500.0
    start: float = 0.5
    steps_per_epoch: float = 0.0

    def factor(self, step: float) -> float:
        """Share of the highest rate at a step: Eden3 where `steps_per_epoch` is given, else Eden2."""
        if self.steps_per_epoch > 0:
            return self.at(step, step / self.steps_per_epoch)
        return _falling(step, self.batches, -0.5) * self._warm(step)

    def at(self, step: float, epoch: float) -> float:
        """Share of the highest rate at a step of an epoch, both counted on their own: Eden."""
        return _falling(step, self.batches, -0.25) * _falling(epoch, self.epochs, -0.25) * self._warm(step)

    def _warm(self, step: float) -> float:
        return 1.0 if step >= self.warmup else self.start + (1.0 - self.start) * step / self.warmup


def _falling(x: float, half: float, power: float) -> float:
    return float(((x * x + half * half) / (half * half)) ** power)
