"""Folders in object stores, named by fsspec URL: `s3://bucket/…`, `gs://bucket/…`, `file:///folder`.

A file is there whole or not at all: object stores promise it, in a file system it is renamed into place. Hidden files
(`.name`) are nobody's: they are not listed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from voxboard.errors import UserError, unknown
from voxboard.files import write_atomically
from voxboard.records import slug

# Scheme → the package that reads it; the extra is called like the scheme.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "file": ""}
TAGS = ".tags.json"  # of a local folder: what the store had when the two were last equal
_AT_ONCE = 64  # files that are fetched together


def is_url(word: str | Path) -> bool:
    """Whether a word names a store rather than a local path."""
    return "://" in str(word)


def cache() -> Path:
    """Where lies what can be made or fetched again: `$VOXBOARD_CACHE`, or `~/.cache/voxboard`."""
    return Path(os.environ.get("VOXBOARD_CACHE") or "~/.cache/voxboard").expanduser()


def config() -> Path:
    """Where lies what the user decided: `$VOXBOARD_CONFIG`, or `voxboard` in `$XDG_CONFIG_HOME` or `~/.config`."""
    own = os.environ.get("VOXBOARD_CONFIG")
    return Path(own or f"{os.environ.get('XDG_CONFIG_HOME') or '~/.config'}/voxboard").expanduser()


def scratch(kind: str, url: str) -> Path:
    """A local folder for a URL, below the cache."""
    return cache() / kind / f"{slug(url)[-30:].strip('-')}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def folder(word: str | Path) -> Path:
    """The local folder of a word; that of a URL is a copy, brought up to date. Raises `UserError` for an empty one."""
    if not is_url(word):
        return Path(word)
    home = copied(str(word))
    if not tags(home):
        raise UserError(f"There is nothing at {word}.", "Check the URL.")
    return home


def copied(url: str, *only: str) -> Path:
    """A local folder, called like the last part of a URL, with the files there as they are now.

    `only` are beginnings of names; other files may be there from before.
    """
    store = Store(url)
    home = scratch("copies", store.url) / PurePosixPath(store.url).name
    store.copy(home, only or ("",))
    return home


class Store:
    """The files below a URL, by their names relative to it. Every method raises `UserError` for what it cannot do."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.scheme = url.partition("://")[0]
        if self.scheme not in PACKAGES:
            raise unknown("kind of URL", f"{self.scheme}://", [f"{scheme}://" for scheme in PACKAGES])

    @cached_property
    def _fs(self) -> Any:
        import fsspec

        with self._plainly():
            try:
                # Others write too: a listing from before is of no use.
                more = {"auto_mkdir": True} if self.scheme == "file" else {"use_listings_cache": False}
                return fsspec.filesystem(self.scheme, **more)
            except ImportError as error:
                package = PACKAGES[self.scheme]
                raise UserError(
                    f"{self.scheme}:// needs the package {package}.", f"Run: pip install 'voxboard[{self.scheme}]'"
                ) from error

    def _path(self, name: str) -> str:
        return str(self._fs._strip_protocol(f"{self.url}/{name}"))

    def names(self, prefix: str = "") -> dict[str, str]:
        """File → a tag that another content changes, of all files whose names begin with `prefix`.

        Raises for a name that would lead out of a folder.
        """
        above, _, start = prefix.rpartition("/")
        with self._plainly():
            more = {} if self.scheme == "file" else {"prefix": start}
            found = self._fs.find(self._path(above), detail=True, **more)
        root, names = self._path(""), {}
        for path, info in found.items():
            name = path.removeprefix(root).removeprefix("/")
            if name.startswith(prefix) and info["type"] == "file" and not name.endswith("/"):
                parts = name.split("/")
                if {"", ".", ".."}.intersection(parts) or "\\" in name or "\0" in name:
                    raise UserError(f"{self.url} holds a file with the unsafe name {name!r}.", "Remove it.")
                if not any(part.startswith(".") for part in parts):
                    names[name] = _tag(info)
        return dict(sorted(names.items()))

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none."""
        with self._plainly():
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes, only_new: bool = False) -> bool:
        """Writes a file. Returns whether it did: with `only_new`, one that is there stays, whoever was quicker."""
        with self._plainly(), suppress(FileExistsError):
            path = self._path(name)
            if self.scheme != "file":
                self._fs.pipe_file(path, data, mode="create" if only_new else "overwrite")
            else:
                temporary = _beside(path)
                self._fs.pipe_file(temporary, data)
                try:
                    (self._fs.link if only_new else self._fs.mv)(temporary, path)
                finally:
                    with suppress(FileNotFoundError):
                        self._fs.rm_file(temporary)
            return True
        return False

    def send(self, file: Path, name: str) -> None:
        """Writes a file as large as may be."""
        with self._plainly():
            path = self._path(name)
            if self.scheme != "file":
                self._fs.put_file(str(file), path)
            else:
                self._fs.put_file(str(file), temporary := _beside(path))
                self._fs.mv(temporary, path)

    def fetch(self, names: Iterable[str], root: Path) -> None:
        """Copies files to below a local folder, several at a time."""
        wanted = list(names)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            paths = {root / name: Path(_beside(str(root / name))) for name in some}
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._plainly():
                    self._fs.get([self._path(name) for name in some], [str(path) for path in paths.values()])
                for path, temporary in paths.items():
                    with temporary.open("rb") as handle:
                        os.fsync(handle.fileno())
                    temporary.replace(path)
            finally:
                for temporary in paths.values():
                    temporary.unlink(missing_ok=True)

    def remove(self, names: Iterable[str]) -> None:
        """Removes files."""
        for name in names:
            with self._plainly(), suppress(FileNotFoundError):
                self._fs.rm_file(self._path(name))

    def copy(self, root: Path, prefixes: tuple[str, ...]) -> None:
        """Makes a local folder a copy of the store as far as names begin so, fetching what is not there yet."""
        there = {name: tag for prefix in prefixes for name, tag in self.names(prefix).items()}
        here = tags(root)
        self.fetch((name for name, tag in there.items() if here.get(name) != tag or not (root / name).is_file()), root)
        others = {name: tag for name, tag in here.items() if not name.startswith(prefixes)}
        for name in here.keys() - others.keys() - there.keys():
            (root / name).unlink(missing_ok=True)
        keep_tags(root, {**others, **there})

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Clients of stores raise what they like: here it becomes one sentence."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{self.url} cannot be used: {str(error) or type(error).__name__}.",
                "Check the URL, the credentials and the network, then start again: nothing finished is lost.",
            ) from error


def tags(root: Path) -> dict[str, str]:
    """What the store had when a local folder was last equal to it; nothing where it never was."""
    file = root / TAGS
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def keep_tags(root: Path, found: Mapping[str, str]) -> None:
    """Writes down what the store has now that a local folder is equal to it."""
    write_atomically({root / TAGS: json.dumps(dict(found), indent=1).encode()})


def _tag(info: Mapping[str, Any]) -> str:
    """S3 has an ETag, Google a generation, a file system times."""
    kinds = ("ETag", "generation", "ino", "mtime", "size")
    return " ".join(str(info[kind]).strip('"') for kind in kinds if kind in info)


def _beside(path: str) -> str:
    """A hidden name in the same folder."""
    above, _, name = path.rpartition("/")
    return f"{above}/.{name[:100]}.{secrets.token_hex(6)}.tmp"
