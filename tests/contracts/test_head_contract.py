"""What holds for every registered head, plugins included."""

from __future__ import annotations

import pytest

from tests.contracts import small
from voxboard import contracts, heads

CHECKS = contracts.checks("head")
# A batch of GE2E needs all its labels; ctc's LSTM has lengths that are values; question-answer has no program.
SKIPPED = {
    ("missing labels", "ge2e"),
    ("missing labels", "ge2e-contrast"),
    ("export", "ctc"),
    ("export", "question-answer"),
}


@pytest.mark.parametrize("name", heads.names())
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_contract(name: str, check: contracts.Check) -> None:
    (subject,) = contracts.subjects("head", name, small.options("head", name))
    try:
        check.run(subject)
    except contracts.Skipped:
        assert (check.name, name) in SKIPPED
