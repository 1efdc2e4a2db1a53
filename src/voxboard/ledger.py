"""The ledger: what an encoder's weights have seen of what a benchmark tests.

Corpora and their splits are named by one vocabulary, `LibriSpeech/train-other-500`; a corpus without a split stands for
all of it. From what was seen and what is tested follows one of five relations, the worst over all corpora:

    same utterances · same speakers · unknown · same corpus, other speakers · nothing in common
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Relation = Literal["same utterances", "same speakers", "unknown", "same corpus, other speakers", "nothing in common"]
WORST_FIRST: tuple[Relation, ...] = (
    "same utterances",
    "same speakers",
    "unknown",
    "same corpus, other speakers",
    "nothing in common",
)
CONTAMINATED: frozenset[str] = frozenset({"same utterances", "same speakers"})
CLEAN: frozenset[str] = frozenset({"same corpus, other speakers", "nothing in common"})

# Corpus → its splits, between which no speaker is shared; none where the corpus has no published splits of speakers.
CORPORA: dict[str, tuple[str, ...]] = {
    "AMI": (),
    "AudioSet": (),
    "BABEL": (),
    "CN-Celeb": ("dev", "eval"),
    "Common Voice": (),
    "CREMA-D": (),
    "EMO-DB": (),
    "Free Spoken Digit Dataset": (),
    "GigaSpeech": (),
    "IEMOCAP": (),
    "Libri-Light": (),
    "LibriSpeech": (
        "train-clean-100",
        "train-clean-360",
        "train-other-500",
        "dev-clean",
        "dev-other",
        "test-clean",
        "test-other",
    ),
    "LibriTTS": (),
    "MELD": (),
    "Multilingual LibriSpeech": (),
    "RAVDESS": (),
    "SITW": ("dev", "eval"),
    "Speech Commands": (),
    "TIMIT": ("train", "test"),
    "VCTK": (),
    "Voices": (),
    "VoxCeleb1": ("dev", "test"),
    "VoxCeleb2": ("dev", "test"),
    "VoxConverse": ("dev", "test"),
    "VoxPopuli": (),
}
ALIASES = {
    "CommonVoice": "Common Voice",
    "EMODB": "EMO-DB",
    "FSDD": "Free Spoken Digit Dataset",
    "Libri-Light 60,000 h": "Libri-Light",
    "LibriSpeech 960 h": "LibriSpeech/train-clean-100 LibriSpeech/train-clean-360 LibriSpeech/train-other-500",
    "GigaSpeech 10,000 h": "GigaSpeech",
    "MLS": "Multilingual LibriSpeech",
    "Vox1": "VoxCeleb1",
    "Vox2": "VoxCeleb2",
    "VoxCeleb1 dev": "VoxCeleb1/dev",
    "VoxCeleb2 dev": "VoxCeleb2/dev",
    "VoxPopuli 24,000 h": "VoxPopuli",
}


@dataclass(frozen=True)
class Overlap:
    """Two corpora that are known to share people or recordings."""

    corpora: frozenset[str]
    relation: Relation
    reason: str


_LIBRIVOX = "both are readings of LibriVox, whose volunteers read many books"
OVERLAPS = (
    Overlap(frozenset({"LibriSpeech", "LibriTTS"}), "same utterances", "LibriTTS is cut from LibriSpeech's recordings"),
    *(
        Overlap(frozenset(pair), "unknown", _LIBRIVOX)
        for pair in (
            ("LibriSpeech", "Libri-Light"),
            ("LibriSpeech", "Multilingual LibriSpeech"),
            ("LibriTTS", "Libri-Light"),
            ("LibriTTS", "Multilingual LibriSpeech"),
            ("LibriSpeech", "GigaSpeech"),
            ("LibriTTS", "GigaSpeech"),
        )
    ),
    Overlap(frozenset({"SITW", "VoxCeleb1"}), "same speakers", "60 speakers of SITW are in VoxCeleb1"),
    *(
        Overlap(frozenset({corpus, "VoxConverse"}), "unknown", "both are videos of public figures from YouTube")
        for corpus in ("VoxCeleb1", "VoxCeleb2")
    ),
    Overlap(frozenset({"VoxCeleb1", "AudioSet"}), "unknown", "both are videos from YouTube"),
    Overlap(frozenset({"VoxCeleb2", "AudioSet"}), "unknown", "both are videos from YouTube"),
)


def named(words: Iterable[str]) -> tuple[str, ...]:
    """Return corpora and splits by the vocabulary's names; a word that it does not know stays as it is."""
    made: list[str] = []
    for word in words:
        for one in _expanded(word):
            if one not in made:
                made.append(one)
    return tuple(made)


def _expanded(word: str) -> list[str]:
    alias = ALIASES.get(word)
    if alias is None:
        corpus, slash, split = word.partition("/")
        return [f"{ALIASES.get(corpus, corpus)}{slash}{split}"]
    return alias.split(" ") if "/" in alias else [alias]  # names of corpora hold blanks, those with splits here do not


def relation(seen: Iterable[str], tested: Iterable[str]) -> tuple[Relation, str]:
    """Return the worst relation of what was `seen` to what is `tested`, and the reason in words where there is one.

    Both are names of the vocabulary. Nothing seen has nothing in common; a corpus that the vocabulary does not know is
    unknown, unless it is tested by the same name.
    """
    relations = [_of_two(one, other) for one in named(seen) for other in named(tested)]
    return min(relations, key=lambda pair: WORST_FIRST.index(pair[0])) if relations else ("nothing in common", "")


def _of_two(seen: str, tested: str) -> tuple[Relation, str]:
    (corpus, _, split), (other, _, part) = seen.partition("/"), tested.partition("/")
    if corpus == other:
        if not split or not part or split == part:
            return "same utterances", f"{seen} was seen"
        return "same corpus, other speakers", f"{seen} was seen"
    if corpus not in CORPORA or other not in CORPORA:
        return "unknown", f"nothing is known of {corpus if corpus not in CORPORA else other}"
    for overlap in OVERLAPS:
        if overlap.corpora == {corpus, other}:
            return overlap.relation, f"{corpus} was seen: {overlap.reason}"
    return "nothing in common", ""
