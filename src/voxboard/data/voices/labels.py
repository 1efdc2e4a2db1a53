"""Labels of an utterance of Voices beside its speaker: rough age in words, pace, style, and captions.

All of it follows from the settings that eSpeak spoke with and from the length of what came out; nothing is heard.
Style is how lively the pitch moves. It is no emotion: eSpeak has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxboard.data.voices.speakers import Speaker

# The names of `voxboard.data.labels.ORDERS`; nobody in Voices is a child.
AGE_GROUPS = {"young": "young adult", "adult": "middle-age adult", "senior": "senior"}
PACES = (("slow", 13.2), ("medium", 15.5), ("fast", float("inf")))  # below so many letters per second
STYLES = (("calm", 42.0), ("even", 60.0), ("lively", float("inf")))  # below so much of eSpeak's pitch range
_PEOPLE = {
    ("female", "young"): "a young woman",
    ("female", "adult"): "a woman",
    ("female", "senior"): "an old woman",
    ("male", "young"): "a young man",
    ("male", "adult"): "a man",
    ("male", "senior"): "an old man",
}
_ADVERBS = {"slow": "slowly", "medium": "at a medium pace", "fast": "fast"}


def labels(speaker: Speaker, text: str, seconds: float) -> dict[str, Any]:
    """`age_group`, `pace`, `style` and two `captions` of an utterance."""
    pace = _below(sum(map(str.isalpha, text)) / seconds, PACES)
    style = _below(speaker.liveliness, STYLES)
    labels = {"age_group": AGE_GROUPS[speaker.age], "pace": pace, "style": style}
    return {**labels, "captions": captions(speaker, labels)}


def captions(speaker: Speaker, labels: Mapping[str, str]) -> list[str]:
    """`a woman with a Scottish accent speaks slowly`, and the same person by the style of the voice."""
    person, accent = _PEOPLE[speaker.gender, speaker.age], _with_article(f"{speaker.accent} accent")
    voice = _with_article(f"{labels['style']} voice")
    return [f"{person} with {accent} speaks {_ADVERBS[labels['pace']]}", f"{person} speaks in {voice} with {accent}"]


def _below(number: float, steps: tuple[tuple[str, float], ...]) -> str:
    return next(name for name, limit in steps if number < limit)


def _with_article(words: str) -> str:
    return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"
