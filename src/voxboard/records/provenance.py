"""Provenance of a number: code, environment, machine, inputs, and the command that makes it again."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from voxboard.errors import UserError
from voxboard.records.portable import portable_command

# What can change a number, from reading audio to computing a metric.
PACKAGES = (
    *(
        "voxboard",
        "torch",
        "torchaudio",
        "transformers",
        "speechbrain",
        "s3prl",
        "lightning-fabric",
        "safetensors",
    ),
    *("lhotse", "soundfile", "espeakng-loader", "numpy", "scipy", "scikit-learn", "pandas"),
    *("pyannote.metrics", "rapidfuzz", "pyloudnorm"),
)
MEASURING = ("scipy", "scikit-learn", "pandas", "pyannote.metrics", "rapidfuzz")  # no weights come out of these
_CODE = ("src", "backbones", "poolers", "benchmarks", "trials", "pyproject.toml", "uv.lock")


@dataclass(frozen=True)
class Provenance:
    """The facts that reproduce a record, without secrets or paths of the machine; empty = unknown."""

    command: str  # the shell command that reproduces the record
    seed: int
    created: str  # UTC, "2026-11-20T23:51:00Z"
    run: str = ""  # name of the run folder that holds scores and checkpoints
    git_revision: str = ""  # of voxboard's own source tree
    git_dirty: bool | None = None  # code differs from that revision; None = not a checkout
    lock_digest: str = ""  # sha256 of uv.lock
    packages: Mapping[str, str] = field(default_factory=dict)  # distribution → version
    python: str = ""
    platform: str = ""  # operating system and C library
    cpu: str = ""  # model name
    device: str = "cpu"  # "cpu", "cuda (NVIDIA H200)", "mps"
    threads: int | None = None  # of torch on the CPU
    precision: str = "float32"
    batching: str = ""  # "exact, 32 at a time", "equal length", "one by one"
    digests: Mapping[str, str] = field(default_factory=dict)  # sha256 of weights, trials, audio, scores, …
    skipped: Mapping[str, int] = field(default_factory=dict)  # reason → utterances left out

    def validate(self) -> None:
        """Raise `UserError` for a date that is not UTC as written above, or a negative count."""
        try:
            datetime.strptime(self.created, "%Y-%m-%dT%H:%M:%SZ")
        except ValueError as error:
            raise UserError(f"provenance.created is {self.created!r}.", "Write UTC as 2026-11-20T23:51:00Z.") from error
        for reason, count in self.skipped.items():
            if count < 0:
                raise UserError(f"provenance.skipped.{reason} is {count}.")


def collect(
    *,
    seed: int,
    arguments: Sequence[str] | None = None,
    device: str = "cpu",
    batching: str = "",
    precision: str = "float32",
    run: str = "",
    digests: Mapping[str, str] | None = None,
    skipped: Mapping[str, int] | None = None,
    created: datetime | None = None,
) -> Provenance:
    """Gather what this process knows about itself; everything that it cannot find out stays empty.

    `arguments` is what the user typed after the program's name (default `sys.argv[1:]`); `portable_command`
    says what becomes of paths and secrets in it. `created` is now unless given.
    """
    root = source_root()
    revision, dirty = git_facts(root)
    moment = (created or datetime.now(UTC)).astimezone(UTC)
    return Provenance(
        command=portable_command(sys.argv[1:] if arguments is None else arguments),
        seed=seed,
        created=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        run=run,
        git_revision=revision,
        git_dirty=dirty,
        lock_digest=_file_digest(root / "uv.lock") if root else "",
        packages=package_versions(),
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu(),
        device=_device(device),
        threads=_threads(),
        precision=precision,
        batching=batching,
        digests=dict(digests or {}),
        skipped=dict(skipped or {}),
    )


def source_root() -> Path | None:
    """The source tree that this code runs from; None for an installed wheel."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() and (root / "src" / "voxboard").is_dir() else None


def git_facts(root: Path | None) -> tuple[str, bool | None]:
    """Revision of a checkout of voxboard and whether its code differs from it; ("", None) outside one.

    Only the folders that hold code count: a new record or board must not mark the code as changed.
    """
    # A copy of the code inside someone else's repository must not borrow that repository's revision.
    if root is None or not _said(root, "ls-files", "pyproject.toml"):
        return "", None
    revision = _said(root, "rev-parse", "HEAD")
    if not revision:
        return "", None
    changes = _said(root, "status", "--porcelain", "--", *(path for path in _CODE if (root / path).exists()))
    return revision, None if changes is None else bool(changes)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number, read without importing them."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _said(root: Path, *arguments: str) -> str | None:
    """Output of a git command, without the blanks around it."""
    output = git(*arguments, root=root)
    return None if output is None else output.decode().strip()


def git(*arguments: str, root: Path = Path(), given: bytes = b"", seconds: float = 20.0) -> bytes | None:
    """Output of a git command in a folder; None when it fails, takes longer, or there is no git."""
    # Inside a git hook GIT_DIR points elsewhere; fsmonitor would start a program that the repository names.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(root), *arguments],
            input=given,
            capture_output=True,
            timeout=seconds,
            check=True,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _torch() -> Any:
    """torch if the process already uses it: provenance alone is no reason to wait for its import."""
    return sys.modules.get("torch")


def _threads() -> int | None:
    return int(_torch().get_num_threads()) if _torch() else os.cpu_count()


def _device(name: str) -> str:
    if name.startswith("cuda") and _torch() and _torch().cuda.is_available():
        return f"cuda ({_torch().cuda.get_device_name(name)})"
    return name
