"""What holds for every registered pooler, plugins included."""

from __future__ import annotations

import pytest

from tests.contracts import small
from voxboard import contracts, poolers

CHECKS = contracts.checks("pooler")
# Poolers that do not go through one sequence of frames.
WITHOUT_SEQUENCE = {"mhfa", "mlp", "projected", "unipool", "xvector-head"}


@pytest.mark.parametrize(
    ("check", "variant"),
    # An export takes long, and goes the same way for one layer as for several.
    [
        pytest.param(check, variant, id=f"{check.name}, {variant}")
        for check in CHECKS
        for variant in small.SPECS
        if check.name != "export" or variant == "all layers"
    ],
)
@pytest.mark.parametrize("name", poolers.names())
def test_contract(name: str, check: contracts.Check, variant: str) -> None:
    found = contracts.subjects("pooler", name, small.options("pooler", name), small.FRAME_SIZE)
    (subject,) = (subject for subject in found if subject.variant == variant)
    try:
        check.run(subject)
    except contracts.Skipped:
        assert check.name == "sequence"
        assert name in WITHOUT_SEQUENCE
