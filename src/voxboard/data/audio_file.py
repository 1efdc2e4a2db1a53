"""Opening audio files, so that whatever is wrong with one is said in a sentence that names it."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.errors import BadAudio, printable

if TYPE_CHECKING:
    import soundfile


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A file opened by soundfile; what goes wrong while it is open is a `BadAudio` that names the file."""
    import soundfile

    with readable(path):
        try:
            file = soundfile.SoundFile(path)
        except soundfile.LibsndfileError as error:
            raise bad(path, f"is not audio that can be read ({_reason(error)})") from error
        try:
            with file:
                yield file
        except soundfile.LibsndfileError as error:
            raise bad(path, f"is truncated or damaged ({_reason(error)})") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say what is plainly wrong with a file (missing, empty, a pipe) before any other explanation of a failure."""
    if is_special(path):
        raise bad(path, "is no regular file but a pipe, socket or device", "Take it away, or pass --skip_bad_audio.")
    try:
        yield
    except (BadAudio, OSError) as error:
        try:
            empty = path.stat().st_size == 0
            path.open("rb").close()
        except FileNotFoundError:
            raise bad(path, "is not there", "Check its name and --audio_root, or prepare the corpus again.") from error
        except OSError as cause:
            raise bad(path, f"cannot be opened ({cause.strerror})") from error
        if empty:
            raise bad(path, "is empty (0 bytes)") from error
        if isinstance(error, BadAudio):
            raise
        raise bad(path, f"cannot be read ({error.strerror})") from error


def is_special(path: Path) -> bool:
    """True if reading a path could wait for ever or never end: a pipe, a socket, a device."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_announced(path: Path, log: str) -> None:
    """Raise `BadAudio` when a WAV header announces clearly more data than the file has, from libsndfile's log."""
    match = re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if match is None:
        return
    announced, there = int(match[1]), int(match[2])
    # Writers that stream announce the largest number there is.
    if announced < 0x7FFF0000 and there < 0.99 * announced:
        raise bad(path, f"is truncated: its header announces {announced} bytes of samples, {there} are there")


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).strip(" .").removeprefix("Error : ")


def bad(path: Path, what: str, advice: str = "Replace the file, or pass --skip_bad_audio.") -> BadAudio:
    """Return the error of a file, to be raised."""
    return BadAudio(f"{printable(str(path))} {what}.", advice)
