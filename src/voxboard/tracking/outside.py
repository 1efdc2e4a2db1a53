"""A tracker in a process of its own, which can neither stop, slow, nor change the run.

Clients draw from Python's global random stream (Neptune 1.14 and Comet 3.58 do when they start), install exit hooks
that wait for a network, and end the process when they like. None of that reaches the process that trains: it only
puts lines into a bounded queue, and a thread hands them over one by one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("voxboard")
CAPACITY = 10_000  # lines that wait for a slow tracker
CLOSE_SECONDS = 30.0  # that a tracker has to write what is left
_MODULE = "voxboard.tracking.process"
Message = tuple[str, tuple[Any, ...]]  # a method of the tracker and its arguments


class Outside:
    """A tracker by its name. What goes wrong in it is one warning, after which the run goes on without it."""

    def __init__(
        self,
        name: str,
        folder: Path,
        resumed_at: int = 0,
        capacity: int = CAPACITY,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        self.name, self.folder, self.resumed_at = name, folder, resumed_at
        self.close_seconds = close_seconds
        self.lines, self.kept = 0, 0
        self._queue: queue.Queue[Message] = queue.Queue(capacity)
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._lost, self._late = threading.Event(), threading.Event()

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Start the process without waiting for it."""
        paths = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-P", "-m", _MODULE, self.name, str(self.folder.resolve()), str(self.resumed_at)]
        try:
            # A session of its own: Ctrl-C is for the run, which then closes its trackers.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": paths},
                start_new_session=True,
            )
        except OSError as error:
            self._lose(str(error))
            return
        self._thread = threading.Thread(
            target=self._hand_over, args=(("start", (name, dict(config))),), name=f"tracker {self.name}", daemon=True
        )
        self._thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Queues the values; drops them when the queue is full."""
        if self._lost.is_set():
            return
        self.lines += 1
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(("log", (step, dict(values))))

    def summary(self, values: Mapping[str, float]) -> None:
        """Queues the values, in place of the oldest lines when the queue is full."""
        self._insist(("summary", (dict(values),)))

    def close(self) -> None:
        """Wait for the tracker as long as it may take, then end its process."""
        if self._thread is None:
            return
        end = time.monotonic() + self.close_seconds
        self._insist(("close", ()))
        self._thread.join(self.close_seconds)
        if self._thread.is_alive():
            self._late.set()
            self._kill()
            self._thread.join(1.0)
        self._reap(max(end - time.monotonic(), 0.1))
        if self._late.is_set():
            log.warning("The tracker %s did not finish within %g seconds.", self.name, self.close_seconds)
        if self.kept < self.lines and not self._lost.is_set():
            lost = self.lines - self.kept
            log.warning("The tracker %s was too slow: %d of %d lines are lost.", self.name, lost, self.lines)

    def _insist(self, message: Message) -> None:
        while not self._lost.is_set():
            try:
                self._queue.put_nowait(message)
                return
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._queue.get_nowait()

    def _hand_over(self, message: Message) -> None:
        """The thread: one message to the process, one answer from it, until it is closed or fails."""
        while True:
            problem = self._ask(message)
            if problem:
                if not self._late.is_set():
                    self._lose(problem)
                return
            if message[0] == "close":
                return
            self.kept += message[0] == "log"
            message = self._queue.get()

    def _ask(self, message: Message) -> str:
        """Error of the tracker's process, empty if there was none."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            return str(json.loads(self._process.stdout.readline() or '"its process ended"'))
        except (OSError, TypeError, ValueError) as error:
            return str(error)

    def _lose(self, problem: str) -> None:
        self._lost.set()
        log.warning("The tracker %s failed, and the run goes on without it: %s", self.name, problem)

    def _reap(self, seconds: float) -> None:
        """Leave no process behind, whatever hooks the client has for its end."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _kill(self) -> None:
        """End the process and those that it has started."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
