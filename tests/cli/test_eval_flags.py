"""What the words of `voxboard eval` say about the task."""

from __future__ import annotations

from voxboard.benchmarks.attributes import Attributes
from voxboard.cli.eval import spoken


def test_a_flag_with_the_default_value_is_said_too() -> None:
    """A run that was trained for emotion is asked for gender, which is the default label."""
    assert spoken(["_", "_", "--label", "gender"], Attributes.Config()) == {"label": "gender"}
    assert spoken(["_", "_", "--probe-c=1"], Attributes.Config()) == {"probe_c": 1.0}
    assert spoken(["_", "_", "--eval_path", "run"], Attributes.Config()) == {}
