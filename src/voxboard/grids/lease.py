"""Leases for writing to a store; they expire, so that a holder that crashed keeps nobody out for long.

    lease/00000007.json     {"holder": "ada, process 12", "until": 1790000000.0}

The highest number counts. When it has run out a start takes the next one, which a store gives to one of several; the
holder moves its end on. So nobody ever replaces what another has written. Clocks must agree within a minute.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from voxboard.errors import UserError
from voxboard.records.codec import decode
from voxboard.storage import Store

SECONDS = 300.0  # that a lease lasts after its holder was last heard of
_FOLDER = "lease"


@dataclass(frozen=True)
class Lease:
    """Content of a lease."""

    holder: str
    until: float  # seconds since 1970

    @property
    def clock(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.until + 1))


@contextmanager
def held(store: Store) -> Iterator[None]:
    """Keep other starts out of a store. Raises `UserError` where one is at work, and when this lease was lost."""
    seconds = SECONDS
    holder = f"{socket.gethostname()}, process {os.getpid()}, {secrets.token_hex(4)}"
    number = _take(store, Lease(holder, time.time() + seconds))
    ended, lost, turn = threading.Event(), threading.Event(), threading.Lock()

    def renew() -> None:
        until = time.time() + seconds
        while not ended.wait(seconds / 5):
            try:
                store.write(_name(number), _said(Lease(holder, time.time() + seconds)))
                mine = _highest(store) == number
                until = time.time() + seconds
            except UserError:  # out of reach for a while
                mine = time.time() < until
            with turn:  # nobody is interrupted who has just ended
                if not mine and not ended.is_set():
                    lost.set()
                    interrupt()
                    return

    thread = threading.Thread(target=renew, daemon=True)
    try:
        with _interruptible() as interrupt:
            thread.start()
            try:
                yield
            finally:
                with turn:
                    ended.set()
                thread.join()
                with suppress(UserError):  # then it runs out
                    if not lost.is_set():
                        store.write(_name(number), _said(Lease(holder, 0.0)))
    except KeyboardInterrupt as error:
        if not lost.is_set():
            raise
        raise UserError(
            f"{store.url} was out of reach for so long that another voxboard may be at work in it.",
            "Start again: it goes on with what is missing.",
        ) from error


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Yield what interrupts the main thread, which may wait for days, as Ctrl-C does.

    What a shell starts with `&` ignores SIGINT. SIGTERM would end such a process on the spot, whatever it is in the
    middle of and without a word, so that another signal stands for SIGINT there.
    """
    signum, before = signal.SIGINT, None
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signum = signal.SIGUSR1
        before = signal.signal(signum, signal.default_int_handler)
    try:
        yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signum)
    finally:
        if before is not None:
            signal.signal(signum, before)


def _take(store: Store, lease: Lease) -> int:
    """Take the next lease and return its number."""
    last = _highest(store)
    before = _read(store, last)
    if before is not None and before.until > time.time():
        raise _busy(store, before)
    number = last + 1
    if not store.write(_name(number), _said(lease), only_new=True):
        raise _busy(store, _read(store, number))
    # A store that does not know of exclusive writes gives a number to the last of several; and another start may have
    # gone further since the number was looked up.
    stored = _read(store, number)
    if stored != lease or _highest(store) != number:
        raise _busy(store, _read(store, _highest(store)))
    store.remove(name for name in store.names(f"{_FOLDER}/") if name < _name(number))
    return number


def _busy(store: Store, lease: Lease | None) -> UserError:
    if lease is None:
        return UserError(f"Another voxboard has just started in {store.url}.", "Wait for it, or choose another --out.")
    return UserError(
        f"Another voxboard is at work in {store.url} ({lease.holder}; its lease runs until {lease.clock}).",
        "Wait for it; after a crash, start again when the lease has run out. Or choose another --out.",
    )


def _highest(store: Store) -> int:
    numbers = (re.fullmatch(rf"{_FOLDER}/(\d{{8}})\.json", name) for name in store.names(f"{_FOLDER}/"))
    return max((int(match.group(1)) for match in numbers if match), default=0)


def _read(store: Store, number: int) -> Lease | None:
    data = store.read(_name(number)) if number else None
    try:
        return None if data is None else decode(Lease, json.loads(data))
    except (ValueError, UserError) as error:
        raise UserError(f"{store.url}/{_name(number)} is no lease.", "Remove it if nobody is at work there.") from error


def _name(number: int) -> str:
    return f"{_FOLDER}/{number:08}.json"


def _said(lease: Lease) -> bytes:
    return json.dumps(asdict(lease)).encode()
