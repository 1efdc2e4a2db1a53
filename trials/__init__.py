"""Verification trials as artefacts: read, written, built, checked."""

from __future__ import annotations

from voxboard.trials.build import Balance, build_balanced, table_of
from voxboard.trials.check import Findings, check
from voxboard.trials.resolve import resolve
from voxboard.trials.table import Trials, read, write

__all__ = ["Balance", "Findings", "Trials", "build_balanced", "check", "read", "resolve", "table_of", "write"]
