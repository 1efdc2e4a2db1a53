"""`make bench` ends with one table of everything that was measured."""

from __future__ import annotations

import pytest

from tests.perf.measure import TABLE, text


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.write_line(
            "\n| work | ours | peers (× = as long as ours) | memory | target |\n|---|---|---|---|---|"
        )
        for line in TABLE:
            terminalreporter.write_line(text(line))
