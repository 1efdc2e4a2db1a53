"""Sentences for the corpus Voices: a small grammar over our own word lists, which cover the sounds of English.

A sentence is lower-case words of a-z, separated by single spaces, without punctuation: the exact transcript.
"""

from __future__ import annotations

import numpy as np

_LISTS = {
    "the": "the, my, your, our, her, his, their, this, that, every, another",
    "number": "two, three, four, five, six, seven, nine, twelve, thirty, forty",
    "name": """anna, ben, charlotte, david, emma, felix, george, hannah, ivan, julia, kevin, laura, martin, nora,
        oscar, paula, quentin, rachel, simon, thomas, victor, wendy, xavier, yvonne, zoe""",
    "adjective": """old, young, bright, quiet, heavy, narrow, yellow, purple, gentle, rough, smooth, strange, thin,
        wooden, frozen, cheerful, hungry, sleepy, golden, crooked, shallow, royal, modern, rusty, clever, vague,
        fresh, tiny, loud, thirsty""",
    "noun": """sailor, teacher, garden, bridge, engine, violin, shadow, kitchen, mountain, river, letter, pigeon,
        jacket, orange, feather, village, bottle, church, mirror, cushion, judge, oyster, cloud, ship, chair, tower,
        farmer, doctor, basket, window, shoe, bird, wheel, mouth, zebra""",
    "plural": """boxes, apples, buttons, horses, stories, candles, bridges, lanterns, jewels, matches, shoes,
        clouds, voices, pictures, cherries, thieves, giraffes, kettles, onions, treasures, wolves, garages""",
    "verb": """carried, followed, painted, watched, borrowed, measured, pushed, opened, found, chose, caught,
        noticed, polished, remembered, forgot, moved, touched, joined, shook, heard, threw, sold""",
    "base": """carry, follow, paint, watch, borrow, measure, push, open, find, choose, catch, notice, polish,
        remember, forget, move, touch, join, shake, hear, throw, sell""",
    "went": """walked, jumped, travelled, vanished, slept, laughed, waited, shouted, arrived, rushed, sang, froze""",
    "adverb": "quietly, slowly, never, often, gladly, roughly, usually, barely, proudly, soon, always, together",
    "where": """across the garden, under the bridge, near the ocean, behind the house, beyond the hills,
        through the fog, at the harbour, on the thick ice, inside the cave, above the valley, along the beach,
        by the fire, over the edge, among the roses, outside the theatre""",
    "when": """on monday, before noon, after dark, this july, last winter, in the morning, at half past four,
        on thursday, a year ago, just now, at sunrise, in the usual way""",
    "ask": "why did, where did, when did, how did, why would, how could",
}
_WORDS = {kind: tuple(entry.strip() for entry in entries.split(",")) for kind, entries in _LISTS.items()}
_FORMS = tuple(
    form.split()
    for form in (
        "the adjective noun verb number plural",
        "the noun adverb verb number adjective plural",
        "name verb the adjective noun when",
        "name and name adverb verb the plural",
        "the adjective noun went where",
        "when the noun and the noun went",
        "ask name base the adjective noun",
        "ask the noun base number plural where",
        "number adjective plural went where",
        "name went where when",
        "please base the noun and number plural",
        "name adverb went with number adjective plural",
    )
)


def sentence(rng: np.random.Generator) -> str:
    """Draw a sentence of five to ten words; eSpeak says most in 1.5 to 4 seconds."""
    form = _FORMS[rng.integers(len(_FORMS))]
    return " ".join(_pick(word, rng) for word in form)


def _pick(word: str, rng: np.random.Generator) -> str:
    """One entry of a list; a word that names no list stands for itself."""
    entries = _WORDS.get(word, (word,))
    return entries[rng.integers(len(entries))]
