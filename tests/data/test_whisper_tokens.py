"""A Whisper tokenizer as a vocabulary: rows with prompt and end, files that carry it along, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from voxboard.data import tokens
from voxboard.data.targets import Targets, TokenTarget
from voxboard.errors import UserError
from voxboard.heads.base import MISSING

SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the tokenizer of a Whisper that knows bytes, two languages and one pair."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = models.BPE(vocab={token: number for number, token in enumerate([*letters, "th"])}, merges=[("t", "h")])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_a_row_is_prompt_text_and_end(folder: Path) -> None:
    vocabulary = tokens.make(f"whisper:{folder}", [])
    names = [vocabulary.tokens[index] for index in vocabulary.row("the")]
    assert names == ["<|en|>", "<|transcribe|>", "<|notimestamps|>", "th", "e", "<|endoftext|>"]
    german = tokens.make(f"whisper:{folder}@de", [])
    assert german.tokens[german.row("")[0]] == "<|de|>"
    rows = vocabulary.labels(["the", "", None])
    assert rows[2].tolist() == [MISSING] * 6
    assert rows[1].tolist() == [*vocabulary.beginning, 257, MISSING, MISSING]
    assert len(vocabulary) == 263


@pytest.mark.parametrize("text", ["The  Größe\tof\nit", "日本", ""])
def test_every_text_survives(folder: Path, text: str) -> None:
    vocabulary = tokens.make(f"whisper:{folder}", [])
    assert vocabulary.decode(vocabulary.row(text)) == " ".join(text.split())
    assert vocabulary.decode(vocabulary.encode(text)) == " ".join(text.split())
    assert not vocabulary.unknown


def test_texts_are_normalised_first(folder: Path) -> None:
    assert tokens.make(f"whisper:{folder}", [], "basic").encode("The!") == tokens.make(f"whisper:{folder}", []).encode(
        "the"
    )


def test_a_runs_file_carries_the_tokenizer(folder: Path) -> None:
    vocabulary = tokens.make(f"whisper:{folder}@de", [], "basic")
    stored = json.loads(json.dumps(Targets({"text": TokenTarget("text", vocabulary)}).to_dict()))
    (folder / "tokenizer.json").unlink()
    target = Targets.from_dict(stored).targets["text"]
    assert isinstance(target, TokenTarget)
    assert target.size == len(vocabulary)
    assert target.vocabulary.row("The 日") == vocabulary.row("the 日")
    assert target.vocabulary.to_dict() == vocabulary.to_dict()


def test_mistakes_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no token <\|xx\|>"):
        tokens.make(f"whisper:{folder}@xx", [])
    with pytest.raises(UserError, match="no tokenizer.json"):
        tokens.make(f"whisper:{folder.parent}", [])
    with pytest.raises(UserError, match="no folder"):
        tokens.make("whisper:/nowhere/at/all", [])
    with pytest.raises(UserError, match="no vocabulary that voxboard wrote"):
        tokens.from_dict({"tokenizer": {}, "prompt": [], "normaliser": "none"})
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="is no tokenizer"):
        tokens.make(f"whisper:{folder}", [])
    with pytest.raises(UserError, match="no vocabulary 'whisper:'"):
        tokens.make("whisper:", [])
