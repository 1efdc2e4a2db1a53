"""A workspace at a URL, in which machines without a common disk work: each has a copy in a scratch folder.

records/<cell id>/   that the record is here is all that says the cell is done; it comes after the run and the outputs
runs/<cell id>/      a run that is done, but for what going on would need; of one under way, that too, now and then
outputs/<digest>/    raw outputs
board/               the board of all records
lease/               who is at work
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from voxboard.errors import UserError
from voxboard.grids import lease
from voxboard.grids.workspace import Workspace
from voxboard.records import Record, outputs
from voxboard.storage import Store, is_url, keep_tags, scratch, tags
from voxboard.training.search import CANDIDATES

PUSH_SECONDS = 300.0  # between the checkpoints of a run under way that are sent, and nine times what sending one takes
_SENDING = threading.Lock()
_AHEAD = "last"  # the checkpoint to go on from: `last.safetensors`, and `last.json` for people


@dataclass(frozen=True)
class RemoteWorkspace(Workspace):
    """The local copy of a grid at a URL. On another machine, where it is unpickled, the copy lies elsewhere."""

    url: str

    @classmethod
    def of(cls, url: str) -> RemoteWorkspace:
        """The workspace at a URL, with its copy below the cache folder."""
        url = Store(url).url
        return cls(scratch("grids", url), url)

    def __reduce__(self) -> Any:
        return RemoteWorkspace.of, (self.url,)

    def __str__(self) -> str:
        return self.url

    @cached_property
    def store(self) -> Store:
        return Store(self.url)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with super().locked(), lease.held(self.store):
            self.pull()
            yield

    def pull(self) -> None:
        """Make the records here those of the store. No worker may be filing one on this machine."""
        self._pull("records/")

    def _pull(self, prefix: str) -> None:
        """Make the files below a prefix those of the store; a file under a name never changes."""
        there, here = self.store.names(prefix), self._here(prefix)
        self.store.fetch(there.keys() - here, self.root)
        for name in here - there.keys():
            (self.root / name).unlink()

    def _here(self, prefix: str) -> set[str]:
        above, _, start = prefix.rpartition("/")
        files = (path for top in (self.root / above).glob(f"{start}*") for path in [top, *top.rglob("*")])
        names = (path.relative_to(self.root) for path in files if path.is_file())
        return {name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)}

    def keep(self, cell: str, record: Record) -> Record:
        """File the record here, then at the URL after all that belongs to it, unless another machine was quicker."""
        prefix = f"records/{cell.partition('-')[0]}-"
        with _SENDING:
            self._pull(prefix)
            if (filed := self.record(cell)) is not None and self._done(cell):
                return filed
            record = super().keep(cell, record)
            if (self.runs / cell).is_dir():
                self._send_run(cell, done=record.status == "ok")
            self._send_outputs(record)
            here, there = self._here(prefix), self.store.names(prefix)
            for name in sorted(here - there.keys()):
                self.store.send(self.root / name, name)
            self.store.remove(there.keys() - here)
        return record

    def set_aside(self, cell: str, run: bool) -> None:
        for folder in ("runs", "records") if run else ("records",):
            self.store.remove(self.store.names(f"{folder}/{cell}/"))
        super().set_aside(cell, run)

    def _send_outputs(self, record: Record) -> None:
        digest = record.provenance.digests.get(outputs.NAME, "")
        if folder := outputs.find(digest, [self.outputs]):
            for file in sorted(folder.iterdir()):
                self.store.send(file, file.relative_to(self.root).as_posix())

    def fetch(self, file: Path) -> None:
        name = file.relative_to(self.root).as_posix()
        file.unlink(missing_ok=True)
        self.store.fetch([name] if name in self.store.names(name) else [], self.root)

    def publish(self, *files: Path) -> None:
        """Send files to the store, except those that are the same there."""
        for file in files:
            name, data = file.relative_to(self.root).as_posix(), file.read_bytes()
            if self.store.read(name) != data:
                self.store.write(name, data)

    def post(self, name: str, text: str) -> None:
        self.store.write(name, text.encode())

    def posted(self, name: str) -> str | None:
        text = self.store.read(name)
        return None if text is None else text.decode()

    @contextmanager
    def at_hand(self, cells: Sequence[str], bases: Iterable[str] = ()) -> Iterator[None]:
        """Send the checkpoints of the cells' runs meanwhile, so that another machine can go on with them."""
        bases = set(bases)
        for cell in (*cells, *bases):
            self._pull(f"records/{cell.partition('-')[0]}-")
            if cell in bases or not self._done(cell):
                self._fetch_run(cell)
        ended = threading.Event()
        thread = threading.Thread(target=self._keep_sending, args=(cells, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _keep_sending(self, cells: Sequence[str], ended: threading.Event) -> None:
        sent, pause = {cell: self._age(cell) for cell in cells}, PUSH_SECONDS
        while not ended.wait(pause):
            started = time.monotonic()
            for cell in cells:
                # The store may be out of reach for a while, and files may just be moved.
                with _SENDING, suppress(UserError, OSError):
                    if (age := self._age(cell)) != sent[cell] and not self._done(cell):
                        self._send_run(cell, done=False)
                        sent[cell] = age
            pause = max(PUSH_SECONDS, 9 * (time.monotonic() - started))

    def _done(self, cell: str) -> bool:
        filed = self.record(cell)
        return filed is not None and filed.status == "ok"

    def _age(self, cell: str) -> float:
        """Time of the last checkpoint of a run, in seconds since 1970; 0 without one."""
        return max((path.stat().st_mtime for path in (self.runs / cell).rglob(f"{_AHEAD}.*")), default=0.0)

    def _send_run(self, cell: str, done: bool) -> None:
        """Send a run folder as it is now; of one that is done, what nobody needs to go on from is left out."""
        below = f"runs/{cell}/"
        with TemporaryDirectory(prefix=".", dir=self.root) as name:
            still = Path(name)
            files = sorted(_snapshot(self.runs / cell, still), key=_is_ahead)
            wanted = [file for file in files if not (done and (_is_ahead(file) or file.parts[0] == CANDIDATES))]
            # Files that are newer than the checkpoint to go on from do no harm, older ones would.
            for file in wanted:
                self.store.send(still / file, below + file.as_posix())
        self.store.remove(self.store.names(below).keys() - {below + file.as_posix() for file in wanted})
        keep_tags(self.runs / cell, self.store.names(below))

    def _fetch_run(self, cell: str) -> None:
        """Fetch the run as it was last sent, unless that was from here: then the local one may be further."""
        import fcntl

        self.runs.mkdir(parents=True, exist_ok=True)
        with (self.runs / f".{cell}.lock").open("a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            run, there = self.runs / cell, self.store.names(f"runs/{cell}/")
            if not there and tags(run):  # removed since it was sent: set aside
                shutil.rmtree(run)
            if not there or there == tags(run):
                return
            with TemporaryDirectory(prefix=".", dir=self.root) as name:
                fresh = Path(name)
                self.store.fetch(there, fresh)
                keep_tags(fresh / "runs" / cell, there)
                shutil.rmtree(run, ignore_errors=True)
                (fresh / "runs" / cell).rename(run)


def workspace_at(word: str) -> Workspace:
    """Return the workspace that a word names: a folder, or the URL of one that machines share."""
    return RemoteWorkspace.of(word) if is_url(word) else Workspace(Path(word))


def _is_ahead(file: PurePosixPath) -> bool:
    return file.stem == _AHEAD


def _snapshot(run: Path, still: Path) -> list[PurePosixPath]:
    """A copy of a run folder that may be under way, its last checkpoints first; returns the names of the files.

    Checkpoints are replaced, never changed, so that links do for them.
    """
    names = [PurePosixPath(path.relative_to(run).as_posix()) for path in run.rglob("*") if path.is_file()]
    names = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    for name in sorted(names, key=lambda name: not _is_ahead(name)):
        target = still / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (os.link if name.suffix == ".safetensors" else shutil.copyfile)(run / name, target)
    return names
