"""The folder of a grid, which holds all that was finished, whole, under the id of its cell.

records/<cell id>/   the record of a cell; that it is there is all that says the cell is done
runs/<cell id>/      the run folder of a cell that is trained
outdated/            records and runs that `--strict` has replaced; nothing reads them
outputs/<digest>/    raw outputs, which records name by their digest
staging/             records and outputs on their way; what an interruption left here is taken over by the next start
board/               the board of all records
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from voxboard import records
from voxboard.errors import UserError
from voxboard.records import Record, outputs
from voxboard.records.portable import portable_command
from voxboard.remote_results import Json
from voxboard.storage import copied, is_url
from voxboard.training import run_folder
from voxboard.training.config import General

LOCK, WORKERS = ".lock", ".workers"
PATIENCE = 60.0  # seconds that the workers of a killed start get to notice it


@dataclass(frozen=True)
class Workspace:
    """The folder of a grid's records and runs."""

    root: Path

    @classmethod
    def seen(cls, word: str) -> Workspace:
        """Return the workspace at a folder or URL as it is now, only to be read: without lock, and without news."""
        if not is_url(word):
            return cls(Path(word))
        return cls(copied(word, "records/", wanted=Json()))

    def __str__(self) -> str:
        return str(self.root)

    @property
    def records(self) -> Path:
        return self.root / "records"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def outputs(self) -> Path:
        return outputs.beside(self.records)

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def board(self) -> Path:
        return self.root / "board"

    def record(self, cell: str) -> Record | None:
        """The record of a cell: one with numbers, else one that says why there are none."""
        home = self.records / cell
        filed = records.load(home) if home.is_dir() else []
        return next((record for record in filed if record.status == "ok"), filed[-1] if filed else None)

    def keep(self, cell: str, record: Record) -> Record:
        """File the record of a cell, and remove failures of that cell, those of older code too.

        The command becomes one that does not depend on where the grid lies.
        """
        if record.provenance.run == cell:
            config = run_folder.config_of(self.runs / cell)
            general = replace(config.general, runs=General.runs, records=General.records)
            command = portable_command(replace(config, general=general).command())
            record = replace(record, provenance=replace(record.provenance, command=command))
        outputs.move(record.provenance.digests.get(outputs.NAME, ""), outputs.beside(self.staging / cell), self.outputs)
        path = records.save(record, self.records / cell)
        for home in self.records.glob(f"{cell.partition('-')[0]}-*"):
            for filed in records.scan(home):
                if filed.record.status == "failed" and home / filed.path != path:
                    (home / filed.path).unlink()
        return record

    def set_aside(self, cell: str, run: bool) -> None:
        """Move the records of a cell, and with `run` its run, out of the way, so that the cell is missing.

        The run goes first: a record without its run is set aside by the next start, a run without record would be used.
        """
        for home in (self.runs / cell, self.records / cell) if run else (self.records / cell,):
            if home.is_dir():
                there = self.root / "outdated" / home.relative_to(self.root)
                shutil.rmtree(there, ignore_errors=True)
                there.parent.mkdir(parents=True, exist_ok=True)
                home.rename(there)

    def take_over(self) -> None:
        """File what an interrupted start had finished and not yet filed."""
        for staged in self.staging.glob("*") if self.staging.is_dir() else ():
            for record in records.load(staged):
                # A bank's records are told apart by their runs, which are called like their cells.
                cell = record.provenance.run if staged.name.startswith("bank-") else staged.name
                if self.record(cell) is None:
                    self.keep(cell, record)
        shutil.rmtree(self.staging, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other starts out; the kernel lets go of a lock whose holder was killed. Raises `UserError`."""
        import fcntl

        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / LOCK).open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(
                    f"Another voxboard is at work in {self}.", "Wait for it, or choose another --out."
                ) from error
            self._await_workers()
            yield

    def _await_workers(self) -> None:
        """The workers of a start that was killed end a moment after it."""
        import fcntl

        until = time.monotonic() + PATIENCE
        with (self.root / WORKERS).open("a+") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except OSError as error:
                    if time.monotonic() > until:
                        raise UserError(
                            f"Workers of an earlier start are still at work in {self}.", "Wait for them to end."
                        ) from error
                    time.sleep(0.05)

    def pull(self) -> None:
        """Fetch the records of cells that others have done. In a plain folder they are seen at once."""

    def fetch(self, file: Path) -> None:
        """Get a file of the workspace as others have left it."""

    def publish(self, *files: Path) -> None:
        """Let others have files of the workspace, in this order."""

    def post(self, name: str, text: str) -> None:
        """Leave a text under a name for all who work in the workspace."""
        # Over the file, not beside it: a network file system may show a file that was replaced for a minute.
        (self.root / name).write_text(text, encoding="utf-8")

    def posted(self, name: str) -> str | None:
        """Return what was posted last under a name; None for nothing."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    @contextmanager
    def at_hand(self, cells: Sequence[str], bases: Iterable[str] = ()) -> Iterator[None]:
        """Have the records and runs of cells that are to be carried out here, and the runs of `bases`."""
        yield

    def join_workers(self) -> int:
        """Say that this process is a worker, for as long as it lives. Returns the file handle that says so."""
        import fcntl

        self.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.root / WORKERS, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, fcntl.LOCK_SH)
        return handle
