"""The tokens of a Whisper checkpoint, read from its tokenizer.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from voxboard import weights
from voxboard.data.vocabulary import Vocabulary
from voxboard.errors import UserError
from voxboard.metrics import normalizers

START, END = "<|startoftranscript|>", "<|endoftext|>"
KEYS = {"tokenizer", "prompt", "normaliser"}


class WhisperVocabulary(Vocabulary):
    """A Whisper tokenizer as a vocabulary (Radford et al., ICML 2023, section 2.3).

    `prompt` names the tokens between the start and the text. A row of labels is prompt, text, end; the start is the
    decoder's. `to_dict` holds the whole tokenizer, so that a run needs no other file. Raises `UserError` for a
    tokenizer without the special tokens.
    """

    def __init__(self, content: str, prompt: Iterable[str], normalizer: str = "none") -> None:
        from tokenizers import Tokenizer

        self.content = content
        self.prompt = tuple(prompt)
        self.normalizer, self.upper, self.merges = normalizer, False, ()
        self.unknown: Counter[str] = Counter()  # every byte has a token
        self._normalize = normalizers.get(normalizer)
        self._tokenizer: Any = Tokenizer.from_str(content)
        lacking = [token for token in (START, END, *self.prompt) if self._tokenizer.token_to_id(token) is None]
        if lacking:
            raise UserError(
                f"This tokenizer has no token {' or '.join(lacking)}.",
                "Name a Whisper checkpoint, and a language that it knows.",
            )
        largest = max(self._tokenizer.get_vocab().values())  # ids may have gaps
        self.tokens = tuple(self._tokenizer.id_to_token(index) or "" for index in range(largest + 1))

    def encode(self, text: str) -> list[int]:
        """Token indices of a text alone, none for an empty one."""
        ids: list[int] = self._tokenizer.encode(self.normalized(text), add_special_tokens=False).ids
        return ids

    def decode(self, indices: Iterable[int]) -> str:
        """The text that tokens spell, special ones left out, its words parted by single spaces."""
        return " ".join(self._tokenizer.decode(list(indices), skip_special_tokens=True).split())

    def row(self, text: str) -> list[int]:
        return [*self.beginning, *self.encode(text), self._id(END)]

    @property
    def beginning(self) -> list[int]:
        """The indices of the prompt."""
        return [self._id(token) for token in self.prompt]

    def to_dict(self) -> dict[str, Any]:
        return {
            "tokenizer": json.loads(self.content),
            "prompt": list(self.prompt),
            "normaliser": self.normalizer,
        }

    def _id(self, token: str) -> int:
        return int(self._tokenizer.token_to_id(token))


def load(name: str, normalizer: str = "none") -> WhisperVocabulary:
    """The vocabulary of a hub id or a local folder, for transcripts in English, or in German as `NAME@de`.

    Raises `UserError` where there is no tokenizer.json that can be used.
    """
    where, _, language = name.partition("@")
    # Checkpoints for English alone know no languages and no tasks.
    spoken = () if where.endswith(".en") else (f"<|{language or 'en'}|>", "<|transcribe|>")
    content = _read(where)
    try:
        return WhisperVocabulary(content, (*spoken, "<|notimestamps|>"), normalizer)
    except UserError:
        raise
    except Exception as error:  # tokenizers raises no other
        raise UserError(f"The tokenizer.json of {where} is no tokenizer.", "Fetch it again.") from error


def from_dict(content: Any) -> WhisperVocabulary:
    """The vocabulary that `to_dict` gave. Raises `UserError` for what is none."""
    try:
        if set(content) != KEYS:
            raise ValueError
        return WhisperVocabulary(json.dumps(content["tokenizer"]), content["prompt"], content["normaliser"])
    except Exception as error:
        raise UserError("This is no vocabulary that voxboard wrote.", "Train the run again.") from error


def _read(where: str) -> str:
    """The content of a tokenizer.json."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    folder = Path(where).expanduser()
    if folder.is_absolute() or folder.is_dir():
        try:
            return (folder / "tokenizer.json").read_text(encoding="utf-8")
        except OSError as error:
            what = "no tokenizer.json in it" if folder.is_dir() else "no folder of that name"
            raise UserError(f"There is {what}: {folder}.", "Name a hub id or the folder of a checkpoint.") from error
    cached = "local_files_only" in weights.hub()
    try:
        return Path(hf_hub_download(where, "tokenizer.json", local_files_only=cached)).read_text(encoding="utf-8")
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise weights.unreachable(where, "tokenizer.json") from error
