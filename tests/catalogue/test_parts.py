"""The catalogue's claims: every part is measured, has a source, and names fixtures that tests really compare with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tests.parity.adapters import ADAPTERS
from voxboard import catalogue, systems
from voxboard.backbones.ssl_checkpoints import KNOWN
from voxboard.catalogue import measure
from voxboard.catalogue.__main__ import DOCS
from voxboard.catalogue.pages import page, pages
from voxboard.catalogue.render import billions, shortened

AGAIN = f"run {catalogue.REGENERATE}"
PARTS = [(kind, name) for kind in systems.KINDS for name in measure.catalogued(kind)]
# Fixtures of metrics, of training and of diarization, which pin no part.
OF_NO_PART = {
    "wespeaker_onnx",
    "eer_mindcf",
    "retrieval_metrics",
    "ge2e_eer",
    "lr_tristage",
    "eden_schedule",
    "scaled_adam",
}
OF_NO_PART |= {"checkpoint_average", "intensity_baseline", "intensity_targets", "real_ecapa_embeddings"}
OF_NO_PART |= {"pyannet", "pyannet_real", "pyannet_stitch"}


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_has_a_source_and_compares_with_fixtures_that_a_test_reads(kind: str, name: str) -> None:
    entry = systems.registry(kind).entry(name)
    assert entry.source
    for component in entry.parity:
        assert component in ADAPTERS


def test_every_fixture_belongs_to_a_part() -> None:
    claimed = {component for kind, name in PARTS for component in systems.registry(kind).entry(name).parity}
    assert set(ADAPTERS) - claimed - OF_NO_PART == set(), "name it in a catalogue line's parity"
    assert not claimed & OF_NO_PART


def test_the_licence_of_weights_is_the_one_that_a_loaded_network_states() -> None:
    for name in measure.catalogued("backbone"):
        entry = systems.registry("backbone").entry(name)
        if entry.options.get("cfg") in KNOWN:
            assert entry.weights == KNOWN[entry.options["cfg"]].licence


@pytest.mark.parametrize("kind", catalogue.KINDS)
def test_every_part_is_measured_and_nothing_else(kind: str) -> None:
    known = list(systems.named()) if kind == "system" else measure.catalogued(kind)
    assert set(catalogue.measured()[kind]) == set(known) - {"native"}, AGAIN


def test_the_pages_are_those_of_the_catalogue() -> None:
    written = {str(path.relative_to(DOCS / "parts")): path.read_text("utf-8") for path in DOCS.rglob("parts/*/*.md")}
    expected = pages()
    assert set(written) == set(expected), AGAIN
    assert [path for path, text in expected.items() if written[path] != text] == [], AGAIN


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("backbone", "fbank"),
        ("backbone", "xvector"),
        ("pooler", "mean"),
        ("pooler", "asp"),
        ("pooler", "double-mha"),
        ("head", "aam"),
        ("head", "regression"),
        ("head", "ctc"),
    ],
)
def test_the_committed_numbers_are_measured(kind: str, name: str) -> None:
    assert getattr(measure, kind)(name) == catalogue.measured()[kind][name], AGAIN


def test_the_cost_of_a_linear_map_is_its_weights() -> None:
    # 1,000 classes of 192; the mean of 149 frames then one map of 768 × 10.
    assert measure.head("aam")["multiply_adds"] == 192_000
    assert measure.pooler("mean", project=10)["multiply_adds"] == 7_680


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("wavlm-base", {"size": 32, "heads": 4, "ffn": 48, "conv_size": 16}),
        ("wav2vec2-large", {"size": 32, "heads": 4, "ffn": 48, "conv_size": 16}),
        ("whisper", {"size": 32, "heads": 4, "ffn": 48, "seconds": 3}),
    ],
)
def test_a_deep_network_costs_what_its_repeated_layer_says(
    name: str, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    described = measure.backbone(name, layers=5, **small)
    monkeypatch.setattr(measure, "fields", lambda config: [])  # measured whole, as any other network
    whole = measure.backbone(name, layers=5, **small)
    assert described == whole
    assert whole["multiply_adds"] > 0


def test_attention_is_counted() -> None:
    costs = [
        measure.backbone("whisper", layers=1, size=32, heads=4, ffn=48, seconds=s)["multiply_adds"] for s in (3, 6)
    ]
    # Twice the frames; twice the work of all but the attention, whose two products grow with the square.
    frames, size = 150, 32
    assert costs[1] - 2 * costs[0] == 2 * size * ((2 * frames) ** 2 - 2 * frames**2)


def test_a_part_that_nobody_measured_is_shown_with_dashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "measured", dict)
    known = catalogue.facts("pooler", "asp")
    assert known.size == {}
    assert "| parameters | – |" in page(known)
    assert "| cost | – |" in page(known)


def test_facts_are_plain_values() -> None:
    known = asdict(catalogue.facts("system", "UniPool"))
    assert ("pooler", "unipool", "unipool") in known["parts"]
    assert {"name": "pct_start", "default": "0.1"}.items() <= next(
        o for o in known["options"] if "pct" in o["name"]
    ).items()
    assert known["changed"]


@pytest.mark.parametrize(
    ("number", "short", "in_billions"),
    [
        (None, "–", "–"),
        (0, "0", "0"),
        (768, "768", "< 0.001"),
        (98_561, "98.6k", "< 0.001"),
        (999_999, "1.00M", "< 0.001"),
        (94_381_936, "94.4M", "0.0944"),
        (315_453_120, "315M", "0.315"),
        (1_500_000_000, "1.50G", "1.5"),
        (100_000_000_000, "100G", "100"),
    ],
)
def test_numbers_keep_three_digits(number: int | None, short: str, in_billions: str) -> None:
    assert (shortened(number), billions(number)) == (short, in_billions)


def test_large_costs_have_no_exponent() -> None:
    assert billions(1_136_962_944_000) == "1,137"
