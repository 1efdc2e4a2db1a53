"""How speed and memory are measured: ratios of interleaved rounds in one run, and what a call adds to its process."""

from __future__ import annotations

import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One line of the table that `make bench` ends with."""

    work: str
    ours: float  # seconds
    peers: Mapping[str, float]  # seconds of each peer, in the same rounds
    target: str  # "≥ 3 × jiwer"
    memory: Mapping[str, float] = field(default_factory=dict)  # MiB that a call adds


TABLE: list[Line] = []


def interleaved(
    rounds: int, clock: Callable[[], float] = time.perf_counter, **ways: Callable[[], object]
) -> dict[str, float]:
    """The median seconds of every way; the ways take turns, so that a busy machine slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = clock()
            way()
            seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def added_mib(way: Callable[[], object]) -> float:
    """How far the resident memory of this process rises above its start while `way` runs (Linux), in MiB."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = _status("VmRSS")
    way()
    return (_status("VmHWM") - before) / 1024


def peak_bytes() -> int:
    """The largest resident memory of this program so far (Linux).

    getrusage would also count what the process that started it had.
    """
    return 1024 * _status("VmHWM")


def report(
    work: str,
    took: Mapping[str, float],
    target: str,
    memory: Mapping[str, float] | None = None,
) -> Line:
    """Prints a line now and keeps it for the table at the end; `took["ours"]` is ours, the rest are peers."""
    peers = {name: seconds for name, seconds in took.items() if name != "ours"}
    line = Line(work, took["ours"], peers, target, memory or {})
    TABLE.append(line)
    print(f"\n{text(line)}")
    return line


def text(line: Line) -> str:
    """A line as a row of a Markdown table: ours, every peer with its ratio to ours, memory, target."""
    peers = ", ".join(f"{name} {_seconds(value)} (×{value / line.ours:.2f})" for name, value in line.peers.items())
    memory = ", ".join(f"{name} {value:.0f} MiB" for name, value in line.memory.items())
    return f"| {line.work} | {_seconds(line.ours)} | {peers} | {memory} | {line.target} |"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)
