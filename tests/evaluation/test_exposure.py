"""What a prepared corpus is called in the ledger, and what follows for an encoder."""

from __future__ import annotations

import pytest

from voxboard import ledger
from voxboard.evaluation.exposure import _corpus


@pytest.mark.parametrize(
    ("prepared", "corpus"),
    [
        ("LibriSpeech", "LibriSpeech"),
        ("librispeech-mini", "LibriSpeech"),
        ("LibriTTS-R", "LibriTTS"),
        ("Vox1", "VoxCeleb1"),
        ("speech-commands-mini", "Speech Commands"),
        ("emodb", "EMO-DB"),
        ("EMO-DB-03", "EMO-DB"),
        ("fsdd_mini", "Free Spoken Digit Dataset"),
        ("Voices-sessions", "Voices"),
        ("amiable", "amiable"),
        ("my speech", "my speech"),
    ],
)
def test_a_prepared_corpus_is_known_by_the_words_that_it_begins_with(prepared: str, corpus: str) -> None:
    assert _corpus(prepared) == corpus


def test_what_was_heard_elsewhere_has_nothing_in_common_with_a_known_corpus() -> None:
    seen = ("LibriSpeech/train-other-500", "VoxCeleb1", "VoxCeleb2/dev")
    assert ledger.relation(seen, [_corpus("emodb")])[0] == "nothing in common"
    assert ledger.relation(seen, ["LibriSpeech/test-other"])[0] == "same corpus, other speakers"
