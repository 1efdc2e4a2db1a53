"""Errors that end a command: an exit code and one sentence on stderr, the traceback only with `--debug`."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from voxboard.code_digest import of_a_library
from voxboard.errors import UserError, printable
from voxboard.registry import is_users
from voxboard.screen import print

DEBUG, ENVIRONMENT = "--debug", "VOXBOARD_DEBUG"
MISTAKE, FAULT = 2, 1  # exit codes: of the user or the machine, and of voxboard
ADVICE = "Finished work is kept."
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""

    number = signal.SIGTERM


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the block by `Terminated`, so that what is open is closed and said."""
    usual = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or usual is not signal.SIG_DFL:
        yield
        return
    home = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != home:  # a forked worker has inherited this
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


def explain(error: BaseException, debug: bool) -> int:
    """Say on stderr what ended the command. Returns the exit code."""
    if debug and not isinstance(error, BrokenPipeError):
        traceback.print_exception(error)
    code, text = _explained(error)
    try:
        if text:
            print(f"voxboard: {text}", file=sys.stderr, flush=True)
    except OSError:  # nobody can be told
        _let_go(sys.stderr)
    if isinstance(error, OSError) and _stdout_is_broken():
        _let_go(sys.stdout)
    return code


def flush() -> None:
    """Write out what was printed, while an error of that can still be told."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _explained(error: BaseException) -> tuple[int, str]:
    if isinstance(error, UserError):
        return MISTAKE, str(error)
    if isinstance(error, KeyboardInterrupt):
        code = 128 + int(getattr(error, "number", signal.SIGINT))
        return code, str(error) or "interrupted; finished work is kept."
    if isinstance(error, BrokenPipeError):  # `voxboard list | head`
        return 0, ""
    sentence = _of_the_machine(error)
    if sentence:
        return MISTAKE, f"{printable(sentence)} {ADVICE}"
    name, line = type(error).__name__, _first_line(error)
    what = f"{name}{': ' if line else ''}{line}"
    if where := _in_users_code(error):
        return (
            MISTAKE,
            f"{printable(where)} failed ({what}). {ADVICE} Run it again with {DEBUG} to see how it came there.",
        )
    return FAULT, (
        f"this is a fault of voxboard, not yours ({what}). {ADVICE} "
        f"Run it again with {DEBUG} to see where it happened, and please report that."
    )


def _in_users_code(error: BaseException) -> str:
    """Return file and line where code of the user's, or a library that it called, has failed; empty for other code."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if is_users(file):
            return f"{file}, line {line},"
        if not of_a_library(Path(file)):
            return ""
    return ""


def _of_the_machine(error: BaseException) -> str:
    """Lack of the machine or its installation behind an error; empty for any other error."""
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _MEMORY):
        return "There is not enough memory. Lower --batch_size, --train_max_sec or --max_seconds, or free some."
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("voxboard"):
        return f"The package {error.name} is not installed. Install it; voxboard doctor tells what else is missing."
    if isinstance(error, RecursionError):
        return "An input is nested too deeply to be read. Look at the files that the command names."
    if isinstance(error, UnicodeDecodeError):
        return (
            f"A text file is not {error.encoding.upper()} (byte {error.object[error.start]:#04x} at {error.start}). "
            f"Convert it; {DEBUG} shows which one was read."
        )
    return ""


def _of_the_system(error: OSError) -> str:
    reason = error.strerror or _first_line(error) or type(error).__name__
    if isinstance(error, (ConnectionError, TimeoutError)):
        return f"A connection failed: {reason}. Try again, or use local files."
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF):
        return f"The output cannot be written: {reason}."
    return f"{reason}: {error.filename}." if error.filename else f"{reason}."


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return printable(lines[0][:200]).rstrip(".") if lines else ""


def _stdout_is_broken() -> bool:
    try:
        flush()
    except (OSError, ValueError):
        return True
    return False


def _let_go(stream: TextIO) -> None:
    """Point a broken stream nowhere, so that the interpreter has nothing to complain of at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
