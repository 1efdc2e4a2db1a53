"""Folders in object stores, named by fsspec URL: `s3://bucket/…`, `gs://bucket/…`, `file:///folder`.

A file is there whole or not at all: object stores promise it, in a file system it is renamed into place. Hidden files
(`.name`) are nobody's: they are not listed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from voxboard.errors import UserError, printable, unknown
from voxboard.files import read_json, sweep, temporary_name, write_atomically
from voxboard.records import slug

log = logging.getLogger("voxboard")

# Scheme → the package that reads it; the extra is called like the scheme.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "file": ""}
TAGS = ".tags.json"  # of a local folder: what the store had when the two were last equal
_AT_ONCE = 64  # files that are fetched together


class Wanted(Protocol):
    """Choice of the files of a store that are copied."""

    def by_name(self, name: str, size: int) -> bool:
        """True if a file is to be fetched; `size` in bytes."""
        ...

    def by_content(self, name: str, file: Path) -> bool:
        """True if a file that was fetched stays."""
        ...


def is_url(word: str | Path) -> bool:
    """True if a word names a store rather than a local path."""
    return "://" in str(word)


def cache() -> Path:
    """Folder of what can be made or fetched again: `$VOXBOARD_CACHE`, or `~/.cache/voxboard`."""
    return Path(os.environ.get("VOXBOARD_CACHE") or "~/.cache/voxboard").expanduser()


def config() -> Path:
    """Folder of the user's decisions: `$VOXBOARD_CONFIG`, or `voxboard` in `$XDG_CONFIG_HOME` or `~/.config`."""
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


def copied(url: str, *only: str, wanted: Wanted | None = None, most: int | None = None) -> Path:
    """A local folder, called like the last part of a URL, with the files there as they are now.

    `only` are beginnings of names; other files may be there from before. Raises `UserError` for more files than `most`.
    """
    store = Store(url)
    home = scratch("copies", store.url) / (PurePosixPath(store.url).name.lstrip(".") or "store")
    store.copy(home, only or ("",), wanted, most)
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
        return {name: _tag(info) for name, info in self._listed(prefix).items()}

    def _listed(self, prefix: str) -> dict[str, Mapping[str, Any]]:
        """List files like `names`, with all that the store tells of each."""
        above, _, start = prefix.rpartition("/")
        with self._plainly():
            more = {} if self.scheme == "file" else {"prefix": start}
            listing = self._fs.find(self._path(above), detail=True, **more)
        root, names = self._path(""), {}
        for path, info in listing.items():
            name = path.removeprefix(root).removeprefix("/")
            if name.startswith(prefix) and info["type"] == "file" and not name.endswith("/"):
                if not is_safe(name):
                    raise UserError(f"{self.url} holds a file with the unsafe name {printable(name)!r}.", "Remove it.")
                if not any(part.startswith(".") for part in name.split("/")):
                    names[name] = info
        return dict(sorted(names.items()))

    def read(self, name: str) -> bytes | None:
        """Read a file; None if there is none."""
        with self._plainly():
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes, only_new: bool = False) -> bool:
        """Write a file. Returns whether it did: with `only_new`, one that is there stays, whoever was quicker."""
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
        """Write a file as large as may be."""
        with self._plainly():
            path = self._path(name)
            if self.scheme != "file":
                self._fs.put_file(str(file), path)
            else:
                self._fs.put_file(str(file), temporary := _beside(path))
                self._fs.mv(temporary, path)

    def fetch(self, names: Iterable[str], root: Path, wanted: Wanted | None = None) -> None:
        """Copy files to below a local folder, several at a time; of those whose content is not wanted none stays."""
        every = list(names)
        for start in range(0, len(every), _AT_ONCE):
            some = every[start : start + _AT_ONCE]
            paths = {place(root, name): Path(_beside(str(place(root, name)))) for name in some}
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._plainly():
                    self._fs.get([self._path(name) for name in some], [str(path) for path in paths.values()])
                for name, (path, temporary) in zip(some, paths.items(), strict=True):
                    if wanted is not None and not wanted.by_content(name, temporary):
                        path.unlink(missing_ok=True)
                        continue
                    with temporary.open("rb") as handle:
                        os.fsync(handle.fileno())
                    temporary.replace(path)
            finally:
                for temporary in paths.values():
                    temporary.unlink(missing_ok=True)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            with self._plainly(), suppress(FileNotFoundError):
                self._fs.rm_file(self._path(name))

    def copy(
        self, root: Path, prefixes: tuple[str, ...], wanted: Wanted | None = None, most: int | None = None
    ) -> None:
        """Make a local folder a copy of the store as far as names begin so, fetching what is not there yet."""
        listed = {name: info for prefix in prefixes for name, info in self._listed(prefix).items()}
        if wanted is not None:
            listed = {name: info for name, info in listed.items() if wanted.by_name(name, int(info.get("size") or 0))}
        if most is not None and len(listed) > most:
            raise UserError(f"{self.url} has {len(listed):,} files, more than {most:,}.", "Name a folder in it.")
        there = {name: _tag(info) for name, info in listed.items()}
        here = tags(root)
        self.fetch(
            [name for name, tag in there.items() if here.get(name) != tag or not (root / name).is_file()], root, wanted
        )
        there = {name: tag for name, tag in there.items() if (root / name).is_file()}
        others = {name: tag for name, tag in here.items() if not name.startswith(prefixes)}
        for name in here.keys() - others.keys() - there.keys():
            place(root, name).unlink(missing_ok=True)
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


def is_safe(name: str) -> bool:
    """True if a file of a store stays below any folder that it is copied to."""
    return not {"", ".", ".."}.intersection(name.split("/")) and not any(letter in name for letter in "\\\0")


def place(root: Path, name: str) -> Path:
    """Return the path of a file of a store in a local folder. Raises `UserError` if a link there leads elsewhere."""
    path = root / name
    if not is_safe(name) or not path.parent.resolve().is_relative_to(root.resolve()):
        raise UserError(f"The copy {root} has a link that leads out of it at {printable(name)!r}.", "Delete the copy.")
    return path


def tags(root: Path) -> dict[str, str]:
    """Return the files of the store when a local folder was last equal to it; nothing if it never was.

    An index that names places outside the folder, or is none, counts as not there: all is fetched again.
    """
    file = root / TAGS
    if not file.is_file():
        return {}
    try:
        content = read_json(file)
    except UserError:
        content = None
    rows = content.items() if isinstance(content, dict) else [("", None)]
    if not all(is_safe(name) and isinstance(tag, str) for name, tag in rows):
        log.warning("%s is no index of a copy, and is not used.", file)
        return {}
    return dict(rows)


def keep_tags(root: Path, files: Mapping[str, str]) -> None:
    """Write down what the store has now that a local folder is equal to it."""
    write_atomically({root / TAGS: json.dumps(dict(files), indent=1).encode()})


def _tag(info: Mapping[str, Any]) -> str:
    """S3 has an ETag, Google a generation, a file system times."""
    kinds = ("ETag", "generation", "ino", "mtime", "size")
    return " ".join(str(info[kind]).strip('"') for kind in kinds if kind in info)


def _beside(path: str) -> str:
    """A hidden name in the same folder of a file system, where what killed writers left is swept away."""
    sweep(Path(path).parent)
    return str(temporary_name(Path(path)))
