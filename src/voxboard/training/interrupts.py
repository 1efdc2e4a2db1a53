"""Ctrl-C and SIGTERM in the middle of training: the step is finished and kept before the run ends."""

from __future__ import annotations

import multiprocessing
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from voxboard import parallel

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run that was told to end, and where it stands: the text says how to go on."""

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.number = number


def again(run: Path) -> str:
    """The command that goes on with a run."""
    return f"voxboard train _ _ --resume {shlex.quote(str(run))}"


class Interrupts:
    """Remembers a signal until the loop asks for it; within `at_once`, or the second time, it raises.

    Only the main thread of a main process listens: the workers of a grid are ended by those who started them.
    """

    def __init__(self) -> None:
        self.number = 0
        self._raising = False

    @contextmanager
    def listening(self) -> Iterator[Interrupts]:
        """Listen while the block runs."""
        main = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
        usual: dict[int, Any] = {number: signal.signal(number, self._on) for number in SIGNALS} if main else {}
        try:
            yield self
        finally:
            for number, handler in usual.items():
                signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal raise `Interrupted` in the middle of the block, which is long and leaves nothing half done."""
        self._raising = True
        try:
            yield
        finally:
            self._raising = False

    def asked(self, step: int, every: int) -> bool:
        """True if training is to end after this step; several processes agree on it every so many steps."""
        if not parallel.launched():
            return bool(self.number)
        return step % every == 0 and any(parallel.gathered(bool(self.number)))

    def _on(self, number: int, frame: FrameType | None) -> None:
        again, self.number = bool(self.number), number
        if again or self._raising:
            raise Interrupted("", number)
