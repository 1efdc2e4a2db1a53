"""Raw outputs of evaluations, kept beside the folder of records under a digest of what they hold.

    results/records/…/<record>.json               names the digest
    results/outputs/<digest>/scores-….txt.gz      what a benchmark saves of its outputs
    results/outputs/<digest>/about-….json.gz      whose the utterances are, and what validation had fixed

Equal outputs are one folder, others never replace it: last month's evaluation can still be compared in pairs. Files
are gzipped without a date, so that their bytes are reproducible too. Folders may be deleted at any time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger("voxboard")

NAME = "outputs"  # of the folder, and of the digest in a record's provenance
_BLOCK = 2**20


def beside(records: Path) -> Path:
    """Folder of the raw outputs of a folder of records."""
    return records.parent / NAME


def keep(
    save: Callable[[Path, str], None],
    stem: str,
    about: Mapping[str, Any],
    home: Path,
    limit_mb: float,
    run: Path | None = None,
) -> str:
    """Keep what `save(folder, stem)` writes, with `about` as JSON beside it, and copy it into a run's folder.

    Returns the digest; empty where nothing was kept, because it is larger than `limit_mb` or the disk refused: a
    record is worth more than its raw outputs, so that the log says it and nothing is raised.
    """
    if limit_mb <= 0:
        return ""
    try:
        _make(home)
        with tempfile.TemporaryDirectory(prefix=".", dir=home) as name:
            plain, packed = Path(name, "plain"), Path(name, "kept")
            plain.mkdir()
            packed.mkdir()
            save(plain, stem)
            (plain / f"about-{stem}.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
            digest = _packed(plain, packed)
            size = sum(file.stat().st_size for file in packed.iterdir()) / 1e6
            if size > limit_mb:
                log.info("The raw outputs have %.0f MB and are left out: --outputs_mb is %g.", size, limit_mb)
                return ""
            for file in plain.iterdir() if run else ():
                shutil.copyfile(file, Path(str(run), file.name))
            _place(packed, folder(home, digest))
    except OSError as error:
        log.warning("The raw outputs are not kept: %s.", error.strerror or error)
        return ""
    return digest


def folder(home: Path, digest: str) -> Path:
    """The folder of outputs with a digest."""
    return home / digest[:16]


def find(digest: str, homes: Iterable[Path]) -> Path | None:
    """The folder of outputs with a digest, below the first of `homes` that has it."""
    if not digest.isalnum():
        return None
    return next((place for home in homes if (place := folder(home, digest)).is_dir()), None)


def move(digest: str, source: Path, target: Path) -> None:
    """Move the outputs with a digest from one home to another, unless they are there."""
    if find(digest, [source]) is not None:
        _make(target)
        _place(folder(source, digest), folder(target, digest))


def _make(home: Path) -> None:
    """Make the folder, which git is told to leave out: it grows, and can be made again."""
    if not home.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitignore").write_text("*\n")


def _place(source: Path, target: Path) -> None:
    """Rename a folder; where another process was quicker, that one's is the same."""
    with suppress(FileNotFoundError, FileExistsError):
        try:
            os.rename(source, target)
        except OSError:
            if not target.is_dir():
                raise


def _packed(plain: Path, destination: Path) -> str:
    """Gzip all files of a folder into another. Returns the digest of their names and contents."""
    whole = hashlib.sha256()
    for file in sorted(plain.iterdir()):
        name = file.name.removesuffix(".gz")
        content = hashlib.sha256()
        opener: Any = gzip.open if file.name.endswith(".gz") else open
        with (
            opener(file, "rb") as source,
            (destination / f"{name}.gz").open("wb") as target,
            gzip.GzipFile("", "wb", compresslevel=3, fileobj=target, mtime=0) as packed,
        ):
            while block := source.read(_BLOCK):
                content.update(block)
                packed.write(block)
        whole.update(f"{name}\t{content.hexdigest()}\n".encode())
    return whole.hexdigest()
