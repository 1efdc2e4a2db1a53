"""What a record says of where weights come from, of older records too."""

from __future__ import annotations

from typing import Any

import pytest

from voxboard.boards.facts import system_facts
from voxboard.records import Part, System, Training

CARD = "see the checkpoint's card"


@pytest.mark.parametrize(
    ("fields", "trained_on", "licence"),
    [
        ({"weights": "none"}, "untrained", "none"),
        ({"weights": "random"}, "untrained", "none"),
        ({"weights": "unknown"}, "unknown weights", ""),
        ({"weights": "pretrained"}, "pretrained: unknown data", ""),
        ({"weights": "pretrained", "pretrained_on": ("A", "B")}, "pretrained: A, B", ""),
        ({"weights": "pretrained backbone"}, "pretrained backbone, new pooler: unknown data", ""),
        ({"weights": "pretrained", "training": Training("Vox1", licence="CC")}, "Vox1", "CC"),
        # of schema 3 and before
        ({"weights_licence": "none (random initialisation)"}, "untrained", "none"),
        ({"weights_licence": "none (no weights)"}, "untrained", "none"),
        ({"weights_licence": CARD}, "pretrained: unknown data", ""),
        ({"pretrained": True, "pretrained_on": ("A",)}, "pretrained: A", ""),
        ({"backbone": Part("mine.py:Net"), "weights_licence": "none (random initialisation)"}, "unknown weights", ""),
    ],
)
def test_loaded_weights_are_never_untrained(fields: dict[str, Any], trained_on: str, licence: str) -> None:
    system = System("x", "x+mean", **fields)
    assert (system.trained_on, system.training_licence) == (trained_on, licence)
    facts = dict(system_facts(system, 1, None))
    assert (facts["Trained on"] == "nothing: an untrained baseline") == (trained_on == "untrained")
    assert ("random" in facts["Backbone starts from"]) == (system.start == "random")


def test_older_and_newer_records_of_a_system_are_one_row() -> None:
    older = System("x", "x+mean", weights_licence=CARD)
    newer = System("x", "x+mean", weights_licence=CARD, weights="pretrained", pretrained=True)
    assert older.identity() == newer.identity()
    assert older.identity() != System("x", "x+mean", weights="random").identity()
