"""One number of a benchmark: what it is called, what it means, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from voxboard.errors import UserError

Better = Literal["lower", "higher"]
MOST_DECIMALS = 12


@dataclass(frozen=True)
class Metric:
    """A metric as its task declares it, and as records keep it for readers without the task's code."""

    id: str  # "min_dcf@p=0.01": a name, and behind the @ what tells it from others of that name
    label: str = ""  # "minDCF(0.01)"; empty = the id
    meaning: str = ""  # one sentence
    unit: str = "fraction"  # "fraction" is shown as percent; "cost", "correlation", "dB", "seconds" as they are
    better: Better = "lower"
    bounds: tuple[float | None, ...] = ()  # the least and the largest value, None for an open end; empty = any value
    decimals: int | None = None  # shown, of a fraction those of its percentage; None = by the unit
    parameters: Mapping[str, Any] = field(default_factory=dict)  # that fix its meaning; records have them in `protocol`

    @property
    def name(self) -> str:
        """The label, or the id where there is none."""
        return self.label or self.id

    @property
    def digits(self) -> int:
        """Decimals shown: where nothing is said two of a percentage, else three."""
        return (2 if self.unit == "fraction" else 3) if self.decimals is None else self.decimals

    def recorded(self) -> Metric:
        """Return what records keep: all but the parameters, which their protocol has."""
        return replace(self, parameters={})

    def admits(self, value: float) -> bool:
        """True if a value lies within the bounds."""
        low, high = self.bounds or (None, None)
        return (low is None or value >= low) and (high is None or value <= high)

    def validate(self) -> None:
        """Raise `UserError` for bounds that are no pair, and for decimals that nobody could print."""
        if len(self.bounds) not in (0, 2):
            raise UserError(f"metrics[{self.id}].bounds has {len(self.bounds)} values.", "Give the least and the most.")
        if not 0 <= self.digits <= MOST_DECIMALS:
            raise UserError(f"metrics[{self.id}].decimals is {self.decimals}.", f"Give 0 to {MOST_DECIMALS}.")
