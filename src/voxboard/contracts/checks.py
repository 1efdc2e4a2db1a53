"""Checks, and their findings."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import nn

Part = TypeVar("Part", bound=nn.Module)


class Broken(AssertionError):
    """A contract that a part breaks: what is wrong in one sentence, and what to do about it."""

    def __init__(self, problem: str, advice: str, value: float | None = None) -> None:
        super().__init__(f"{problem} {advice}")
        self.problem, self.advice, self.value = problem, advice, value


class Skipped(Exception):
    """A check that does not apply to a part, and why."""


@dataclass(frozen=True)
class Measurement:
    """Measurement of a check that passed: a number where there is one, and its unit."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Check(Generic[Part]):
    """One thing that must be true of every part of a kind.

    `run` returns what it measured. Raises `Broken` when it is not true, `Skipped` when it does not apply.
    """

    name: str
    meaning: str
    run: Callable[[Subject[Part]], Measurement]


@dataclass(frozen=True)
class Finding:
    """Finding of a check: `passed` is None where it does not apply; `advice` says what to do where it failed."""

    check: str
    meaning: str
    passed: bool | None
    measured: str
    value: float | None = None
    advice: str = ""


@dataclass(frozen=True)
class Subject(Generic[Part]):
    """A part to check: `build(seed)` gives one with its weights drawn from a seed.

    `variant` tells what it is built for, `needs` the labels of a head and what they are.
    """

    kind: str
    name: str
    build: Callable[[int], Part]
    variant: str = ""
    needs: Mapping[str, str] = field(default_factory=dict)

    def findings(self, checks: Iterable[Check[Part]]) -> Iterator[Finding]:
        """Run every check and yield findings as they finish."""
        for check in checks:
            yield self.finding(check)

    def finding(self, check: Check[Part]) -> Finding:
        """Run one check; an error inside the part is a failed check, not an error of the caller's."""
        try:
            measured = check.run(self)
        except Broken as broken:
            return Finding(check.name, check.meaning, False, broken.problem, broken.value, broken.advice)
        except Skipped as reason:
            return Finding(check.name, check.meaning, None, str(reason))
        except Exception as error:  # whatever a stranger's code raises
            problem = f"It stops with {type(error).__name__}: {_first_line(error)}"
            return Finding(check.name, check.meaning, False, problem, advice=f"Look at {self._where(error)}.")
        return Finding(check.name, check.meaning, True, measured.text, measured.value)

    def _where(self, error: Exception) -> str:
        """The line of the part's own file that the error came through, else the one that raised it."""
        steps = traceback.extract_tb(error.__traceback__)
        own = _files(self.build)
        step = next((step for step in reversed(steps) if step.filename in own), steps[-1])
        return f"{step.filename}, line {step.lineno}"


def _files(build: Callable[[int], Any]) -> set[str]:
    """The file of the class that a part is built from, if it can be built."""
    try:
        return {inspect.getfile(type(build(0)))}
    except Exception:  # the error that is looked into may be the constructor's own
        return set()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")
