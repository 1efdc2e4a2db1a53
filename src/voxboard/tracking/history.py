"""The history of a run: what its trackers keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from voxboard import parallel
from voxboard.tracking.base import Tracker
from voxboard.tracking.local import JsonLines, TensorBoard
from voxboard.tracking.outside import Outside


class History:
    """Trackers that get the same."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = trackers

    @classmethod
    def of(cls, run: Path, config: Mapping[str, Any], names: Sequence[str] = (), resumed_at: int = 0) -> History:
        """The history of a run folder, kept by the named trackers too; `resumed_at` is the step that it goes on from.

        A tracker outside gets a resumed run as a run of its own, since none can forget what came after a checkpoint.
        Of several processes the first keeps it.
        """
        if not parallel.first():
            return cls([])
        outside = [Outside(name, run, resumed_at) for name in names]
        history = cls([JsonLines(run, resumed_at), TensorBoard(run, resumed_at), *outside])
        title = f"{run.name} from step {resumed_at}" if resumed_at else run.name
        for tracker in history.trackers:
            tracker.start(title, config)
        return history

    def add(self, step: int, **values: float) -> None:
        """Keep values of a step; keys such as `loss` or `valid_eer`."""
        for tracker in self.trackers:
            tracker.log(step, values)

    def summary(self, values: Mapping[str, float]) -> None:
        """Keep values of the whole run."""
        for tracker in self.trackers:
            tracker.summary(values)


def close(histories: Iterable[History]) -> None:
    """Close the trackers of all at the same time, so that many slow ones take no longer than one."""
    trackers = [tracker for history in histories for tracker in history.trackers]
    with ThreadPoolExecutor(max(len(trackers), 1)) as pool:
        for closed in [pool.submit(tracker.close) for tracker in trackers]:
            closed.result()
