"""The process of a tracker: `python -m voxboard.tracking.process NAME FOLDER STEP`.

Reads one JSON line [method, arguments] after another and answers each with a line: "" or what went wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from voxboard import tracking
from voxboard.tracking.base import Tracker

LAST_SECONDS = 30.0  # for a client's last writes when the run is gone
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def main() -> None:
    """Serve until the run closes the tracker, the tracker fails, or the run is gone."""
    name, folder, resumed_at = sys.argv[1:]
    requests, answers = _own_pipes()
    os.nice(10)  # the cores are the run's
    serve(lambda: tracking.REGISTRY.resolve(name)[0](Path(folder), int(resumed_at)), requests, answers)


def serve(make: Callable[[], Tracker], requests: TextIO, answers: TextIO) -> None:
    """Make the tracker and does what the lines ask for, then close it, within a limit."""
    tracker, problem = None, ""
    try:
        tracker = make()
        methods: dict[str, Callable[..., None]] = {
            "start": tracker.start,
            "log": tracker.log,
            "summary": tracker.summary,
        }
        for line in requests:
            method, arguments = json.loads(line)
            if method == "close":
                break
            methods[method](*arguments)
            _answer("", answers)
    except (Exception, SystemExit) as error:
        problem = said(error, os.environ)
        _answer(problem, answers)
    _end_within(LAST_SECONDS)
    try:
        if tracker is not None:
            tracker.close()
    except (Exception, SystemExit) as error:
        problem = problem or said(error, os.environ)
    _answer(problem, answers)


def _answer(problem: str, answers: TextIO) -> None:
    with contextlib.suppress(OSError):  # a run that was killed reads no more
        print(json.dumps(problem), file=answers, flush=True)


def _end_within(seconds: float) -> None:
    """Ends this process in any case: a client may wait for a network for hours, in `close` or in its exit hooks."""
    ending = threading.Timer(seconds, os._exit, (1,))
    ending.daemon = True
    ending.start()


def said(error: BaseException, environment: Mapping[str, str]) -> str:
    """The first line of an error, without logins in addresses and without the values of secret variables."""
    text = next(iter(str(error).splitlines()), "")
    for key, value in environment.items():
        if _SECRET.search(key) and value:
            text = text.replace(value, "…")
    return f"{type(error).__name__}: {_LOGIN.sub('…', text)}"[:300]


def _own_pipes() -> tuple[TextIO, TextIO]:
    """The pipes to the run. What a client prints goes nowhere, and what it asks for is not there."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "r+b") as nothing:
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
    return requests, answers


if __name__ == "__main__":
    main()
