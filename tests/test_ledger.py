"""What weights have seen of what is tested."""

from __future__ import annotations

import pytest

from voxboard import ledger


@pytest.mark.parametrize(
    ("seen", "tested", "relation"),
    [
        ([], ["VCTK"], "nothing in common"),
        (["VoxCeleb2 dev"], ["VoxCeleb1/test"], "nothing in common"),
        (["VoxCeleb1 dev"], ["VoxCeleb1/test"], "same corpus, other speakers"),
        (["VoxCeleb1"], ["VoxCeleb1/test"], "same utterances"),
        (["LibriSpeech 960 h"], ["LibriSpeech/test-other"], "same corpus, other speakers"),
        (["LibriSpeech 960 h"], ["LibriSpeech/test-other", "LibriSpeech/train-clean-100"], "same utterances"),
        (["Libri-Light 60,000 h"], ["LibriSpeech/test-other"], "unknown"),
        (["LibriTTS"], ["LibriSpeech/test-clean"], "same utterances"),
        (["680,000 hours from the web"], ["EMO-DB"], "unknown"),
        (["VoxCeleb1"], ["SITW/eval"], "same speakers"),
        (["VoxCeleb2 dev", "LibriTTS"], ["LibriSpeech/test-clean"], "same utterances"),
    ],
)
def test_the_worst_relation_of_all_corpora_counts(seen: list[str], tested: list[str], relation: str) -> None:
    assert ledger.relation(seen, tested)[0] == relation


def test_every_alias_names_a_corpus_of_the_vocabulary() -> None:
    for word in ledger.ALIASES:
        for name in ledger.named([word]):
            corpus, _, split = name.partition("/")
            assert corpus in ledger.CORPORA
            assert not split or split in ledger.CORPORA[corpus]


def test_every_corpus_of_an_overlap_is_in_the_vocabulary() -> None:
    for overlap in ledger.OVERLAPS:
        assert overlap.corpora <= set(ledger.CORPORA)
        assert overlap.relation in ledger.WORST_FIRST
        assert overlap.reason


def test_what_is_seen_of_a_published_checkpoint_is_in_the_vocabulary() -> None:
    from voxboard.backbones.ssl_checkpoints import KNOWN

    for checkpoint in KNOWN.values():
        for name in ledger.named(checkpoint.trained_on):
            assert name.partition("/")[0] in ledger.CORPORA
