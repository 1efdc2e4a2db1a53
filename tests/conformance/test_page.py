"""The conformance page says what the code gives today, and gives a reason for every difference."""

from __future__ import annotations

import pytest

from tests.conformance.page import PAGE, page, sections
from tests.conformance.section import Section


@pytest.fixture(scope="module")
def found() -> list[Section]:
    return sections()


def test_the_page_is_what_the_code_gives_today(found: list[Section]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(found), "run: python -m tests.conformance.page"


def test_a_reason_is_given_exactly_where_a_peer_differs(found: list[Section]) -> None:
    for part in found:
        for row in part.rows:
            assert bool(row.reason) == row.differs(part.tolerance), f"{part.title}: {row.case}"
