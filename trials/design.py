"""Design of a trial list: numbers of trials by kind, and the labels they are balanced over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from voxboard.errors import UserError, unknown

Sessions = Literal["different", "any"] | float
Rounding = Literal["exact", "ceil"]


@dataclass(frozen=True)
class Design:
    """Request to `build`; a preset is one of these. Raises `UserError` for settings that contradict each other."""

    targets: int | None = 5_000
    """Target trials in all. None: as many as there are non-targets, down to whole thousands."""
    non_targets: int = 5_000
    """Non-target trials in all, the same number in every stratum."""
    targets_per_speaker: int | None = None
    """Targets of every speaker, instead of a total."""
    non_targets_per_stratum: int | None = None
    """Non-targets of every stratum, instead of a total."""
    strata: tuple[str, ...] = ("gender",)
    """Labels that the two speakers of a non-target share in one half of the strata and not in the other."""
    matched: tuple[str, ...] = ()
    """Labels that the two speakers of every non-target share."""
    smallest_group: int = 1
    """Leave out speakers who share the matched labels with fewer than this many, themselves included."""
    session: str = "session"
    """The label that tells recordings of one occasion: chapter, video."""
    target_sessions: Sessions = "different"
    """Targets prefer two sessions, take any, or are of one session in exactly this share."""
    rounding: Rounding = "exact"
    """exact: totals as asked, speaker pairs of a stratum differ by one. ceil: every speaker pair of a stratum (and
    every speaker) gets the same number, rounded up, so totals exceed what was asked (UniPool-SV's rule)."""

    def __post_init__(self) -> None:
        for name in ("targets", "non_targets", "targets_per_speaker", "non_targets_per_stratum"):
            if (getattr(self, name) or 0) < 0:
                raise UserError(f"{name} is {getattr(self, name)}.", "Ask for a number of trials.")
        asked = (self.targets, self.non_targets, self.targets_per_speaker, self.non_targets_per_stratum)
        if not any(asked):
            raise UserError("A list without trials is no list.", "Ask for targets or non-targets.")
        if isinstance(self.target_sessions, str):
            if self.target_sessions not in ("different", "any"):
                raise unknown("choice of sessions", self.target_sessions, ("different", "any", "a share such as 0.5"))
        elif not 0 <= self.target_sessions <= 1:
            raise UserError(f"{self.target_sessions} is no share of targets.", "It lies between 0 and 1.")
        if self.rounding not in ("exact", "ceil"):
            raise unknown("rounding", self.rounding, ("exact", "ceil"))
        if both := sorted({*self.strata} & {*self.matched}):
            raise UserError(f"{', '.join(both)} cannot both be matched and differ.", "Name a label once.")

    @classmethod
    def of(cls, trials: int, target_share: float = 0.5, **others: Any) -> Design:
        """A design with a total and the share of targets in it; there is at least one trial of each kind."""
        if trials < 2 or not 0 < target_share < 1:
            raise UserError(
                f"{trials} trials with a target share of {target_share} are no list.", "Ask for both kinds."
            )
        targets = min(max(round(trials * target_share), 1), trials - 1)
        return cls(targets, trials - targets, **others)

    def targets_of(self, speakers: int, non_targets: int) -> int:
        """Number of targets requested of `speakers`, for a number of non-targets."""
        if self.targets_per_speaker is not None:
            return self.targets_per_speaker * speakers
        total = non_targets // 1000 * 1000 if self.targets is None else self.targets
        return math.ceil(total / speakers) * speakers if self.rounding == "ceil" and speakers else total

    def non_targets_of(self, stratum: int, strata: int) -> int:
        """Number of non-targets requested of a stratum, before rounding for its speaker pairs."""
        if self.non_targets_per_stratum is not None:
            return self.non_targets_per_stratum
        return self.non_targets // strata + (stratum < self.non_targets % strata)

    @property
    def equal(self) -> bool:
        """True if every speaker gets the same number of targets, and nobody makes up for one who cannot."""
        return self.rounding == "ceil" or self.targets_per_speaker is not None

    def to_dict(self) -> Mapping[str, Any]:
        """JSON form, kept beside a list."""
        return asdict(self)
