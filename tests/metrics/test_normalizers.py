"""Normalisers do what Whisper's do, know their version, and are quick the second time."""

from __future__ import annotations

import pytest

from voxboard.errors import UserError
from voxboard.metrics import normalizers


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("none", " Hello,\tWorld! ", " Hello,\tWorld! "),
        ("basic", "It's 10:30 p.m.", "it s 10 30 p m "),
        ("basic", "Größe (laughs) <unk>", "größe "),
        ("whisper-en", "It's 10:30 p.m.", "it is 10 30 p m"),
        ("whisper-en", "won't can't y'all", "will not can not you all"),
        ("whisper-en", "colour organise centre", "color organize center"),
        ("whisper-en", "£5 million", "£5000000"),
        ("whisper-en", "5 o'clock", "50 clock"),
        ("whisper-en", "um uh hmm", ""),
        ("whisper-en", "kinda cause dunno", "kinda cause dunno"),  # rules that whisper-normalizer adds
    ],
)
def test_texts_become_what_the_convention_says(name: str, text: str, expected: str) -> None:
    assert normalizers.get(name)(text) == expected


@pytest.mark.parametrize("text", [*normalizers.PROBES, "Twenty-one organised theatres, won't they?"])
def test_both_packages_of_whispers_rules_agree(text: str) -> None:
    basic = pytest.importorskip("whisper_normalizer.basic")
    english = pytest.importorskip("whisper_normalizer.english")
    assert normalizers.get("basic")(text) == basic.BasicTextNormalizer()(text)
    assert normalizers.get("whisper-en")(text) == english.EnglishTextNormalizer()(text)


def test_versions_are_those_of_the_rules() -> None:
    # A changed digest means that the rules changed: numbers under the old version are not comparable any more.
    assert [normalizers.version(name) for name in normalizers.names()] == [
        "none@9505ffac",
        "basic@19b43280",
        "basic-marks@245d087e",
        "whisper-en@7b31d810",
    ]


def test_a_changed_rule_changes_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = normalizers.version("whisper-en")
    monkeypatch.setattr(normalizers, "_spellings", lambda: {"colour": "color"})
    normalizers.version.cache_clear()
    try:
        assert normalizers.version("whisper-en") != before
    finally:
        normalizers.version.cache_clear()


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="Unknown text normaliser 'whisper_en'. Did you mean whisper-en"):
        normalizers.get("whisper_en")
    with pytest.raises(UserError, match="Unknown text normaliser"):
        normalizers.version("nonne")


def test_marks_of_words_are_kept_where_asked_and_told_where_lost() -> None:
    basic, marks = normalizers.get("basic"), normalizers.get("basic-marks")
    assert basic("की").split() == basic("कि").split()
    assert marks("की") != marks("कि")
    for text in ("Hello, (laughs) <unk> [x] Größe! don't", "A—B 5%", "ﬁne ½ naïve", "東京。"):
        assert marks(text).split() == basic(text).split(), "without marks the two agree"
    assert "out of 1 texts (first: की becomes" in normalizers.marks_lost("basic", ["abc", "é e\u0301", "a की"])
    assert not normalizers.marks_lost("basic-marks", ["की"])
    assert not normalizers.marks_lost("basic", ["naïve"])
