"""Cells with several learning rates: all candidates are trained, validation chooses, and the chosen one is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voxboard.errors import UserError
from voxboard.training import search
from voxboard.training.config import RunConfig
from voxboard.training.run import train_bank
from voxboard.training.start import Outcome, bank_key


@dataclass(frozen=True)
class Tuned:
    """A run whose learning rate is to be chosen, and its configuration with every candidate."""

    run: Path
    configs: tuple[RunConfig, ...]

    @property
    def chosen(self) -> RunConfig:
        """The configuration with the rate that validation chose."""
        tried = search.of(self.run)
        assert tried is not None
        return next(config for config in self.configs if config.training.max_lr == tried.chosen)


def tune(tuned: Sequence[Tuned]) -> list[Outcome]:
    """Train what is not trained yet, choose, and test the chosen runs. Several must have one bank key.

    A candidate that fails is retired; a run fails when none of its candidates is left.
    """
    waiting = [one for one in tuned if search.of(one.run) is None]
    reasons = _trained(waiting) if waiting else {}
    failed: dict[Path, str] = {}
    for one in waiting:
        if reason := search.choose(one.run, one.configs, reasons):
            failed[one.run] = reason
    well = [one for one in tuned if one.run not in failed]
    for one in well:
        search.settle(one.run)
    # Nothing is left to train in them.
    tested = train_bank([one.chosen for one in well], [one.run for one in well], False) if well else []
    outcomes = {outcome.run: outcome for outcome in tested}
    return [outcomes[one.run] if one.run in outcomes else Outcome(one.run, reason=failed[one.run]) for one in tuned]


def _trained(tuned: Sequence[Tuned]) -> dict[Path, str]:
    """Train all candidates, those on a frozen backbone together. Returns folder → why it was retired, or nothing."""
    configs = {search.place(one.run, config.training.max_lr): config for one in tuned for config in one.configs}
    configs = {run: replace(c, general=replace(c.general, skiptest=True)) for run, c in configs.items()}
    if bank_key(tuned[0].configs[0]):
        try:
            return {each.run: each.reason for each in train_bank(list(configs.values()), list(configs), False)}
        except Exception:
            if len(tuned) > 1:  # which is tried again one by one
                raise
    return {run: _alone(config, run) for run, config in configs.items()}


def reason_of(error: Exception) -> str:
    """Text of an error in records."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _alone(config: RunConfig, run: Path) -> str:
    """Train one candidate. Returns why it is retired, or nothing. Raises what is the machine's fault."""
    import torch

    try:
        return train_bank([config], [run], False)[0].reason
    except (OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        # A full disk, say: the other candidates would get a chance that this one did not have.
        if isinstance(error.__cause__, OSError):
            raise
        return reason_of(error)
