"""Verification trials as artefacts: read, written, built, checked."""

from __future__ import annotations

from voxboard.trials.balance import Balance
from voxboard.trials.build import build_balanced
from voxboard.trials.check import check
from voxboard.trials.design import Design
from voxboard.trials.findings import Findings
from voxboard.trials.list_file import read, write
from voxboard.trials.resolve import resolve
from voxboard.trials.table import Trials
from voxboard.trials.utterances import table_of

__all__ = ["Balance", "Design", "Findings", "Trials", "build_balanced", "check", "read", "resolve", "table_of", "write"]
