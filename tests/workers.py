"""A test process that vanishes takes one test with it, not the rest of the run.

With `--dist loadfile`, pytest-xdist 3.8 puts all files of a process that has died back into its queue: those that are
done as well, for which the next process waits for ever, and the test that it died of, which kills the next one, too.
"""

from __future__ import annotations

import resource
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class Files(LoadFileScheduling):
    """Whole files go to a process; what one leaves undone goes to another, but for the test that it died of."""

    @property
    def collection_is_completed(self) -> bool:
        # A process that stands in for another one collects while the others are at work.
        return self.collection is not None or super().collection_is_completed

    def remove_node(self, node: WorkerController) -> str | None:
        """Return the test that a process died of, if any."""
        self.registered_collections.pop(node, None)
        files = self.assigned_work.pop(node)
        left = [(file, test) for file, tests in files.items() for test, done in tests.items() if not done]
        for file, test in left[1:]:
            self.workqueue.setdefault(file, {})[test] = False
        for other in self.nodes:
            self._reschedule(other)
        return left[0][1] if left else None

    def _reschedule(self, node: WorkerController) -> None:
        # One that is still collecting cannot be given anything; and none begins a test before it has the next one, too.
        while node in self.registered_collections and not node.shutting_down and self._idle(node):
            super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        with suppress(OSError):  # it has just died: in a moment it is removed, and what it was given goes to another
            super()._assign_work_unit(node)

    def _idle(self, node: WorkerController) -> bool:
        return self._pending_of(self.assigned_work[node]) <= 2


class Diary:
    """What became of the test processes: how much memory they took, and which signal ended those that vanished."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._peaks: list[float] = []
        self._ended: list[str] = []

    def pytest_sessionfinish(self) -> None:
        """Leave the peak of this process for the one that started it."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        self._peaks.append(getattr(node, "workeroutput", {}).get("peak", 0.0))
        if error == "Not properly terminated":
            self._ended.append(f"{node.gateway.id} vanished: {_end(node.gateway._io.popen.wait(10))}; {_free()}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if any(self._peaks):
            terminalreporter.write_line(f"memory of a test process: at most {max(self._peaks):.1f} GiB")
        for line in self._ended:
            terminalreporter.write_line(line)


def _end(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _free() -> str:
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").is_file() else []
    free = [int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable")]
    return "".join(f"{size:.1f} GiB of memory were free then" for size in free)
