"""What holds for every registered backbone, plugins included."""

from __future__ import annotations

import pytest

from tests.contracts import small
from voxboard import backbones, contracts

CHECKS = contracts.checks("backbone")
# The others have branches that depend on values or sizes.
EXPORTED = ["fbank", "ecapa", "ecapa-1024", "xvector"]
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


@pytest.mark.parametrize("name", backbones.names())
@pytest.mark.parametrize("check", [check for check in CHECKS if check.name != "export"], ids=lambda check: check.name)
def test_contract(name: str, check: contracts.Check) -> None:
    (subject,) = contracts.subjects("backbone", name, small.options("backbone", name))
    try:
        check.run(subject)
    except contracts.Skipped:
        assert check.name == "own pooling"
        assert subject.build(0).spec.frames.native is None


@pytest.mark.parametrize("name", EXPORTED)
def test_runs_as_an_exported_program(name: str) -> None:
    (subject,) = contracts.subjects("backbone", name, small.options("backbone", name))
    finding = subject.finding(CHECKS[-1])
    assert finding.passed, finding


def test_no_other_says_that_it_can_be_exported() -> None:
    assert [name for name in backbones.names() if small.backbone(name).spec.exports] == EXPORTED
