"""A transcript as text, a way to read it, and which columns or keys of a table of them are the id and the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from voxboard.errors import UserError

Role = Literal["reference", "hypothesis"]
Row = tuple[int, str, str]  # line, id, text

_IDS = (
    "id", "utt_id", "uttid", "utt", "utterance_id", "utterance", "segment_id", "key", "audio_filepath", "file_name",
    "filename", "path", "file", "wav", "audio",
)  # fmt: skip
_TRUE = (
    "reference", "ref", "text", "transcript", "transcription", "sentence", "normalized_text",
    "normalized_transcription", "words", "wrd",
)  # fmt: skip
_WRITTEN = ("pred_text", "hypothesis", "hyp", "prediction", "predicted", "pred", "asr")


@dataclass(frozen=True)
class TextSource:
    """A transcript as text: its name for messages, its suffix as a hint, and the lines that say something."""

    name: str
    text: str
    role: Role = "reference"
    lines: Sequence[tuple[int, str]] = field(default=())  # number, line

    @classmethod
    def of(cls, text: str, name: str, role: Role = "reference") -> TextSource:
        numbered = enumerate(text.split("\n"), start=1)
        return cls(name, text, role, tuple((number, line) for number, line in numbered if line.strip()))

    @property
    def suffix(self) -> str:
        """The last suffix in lower case, gzip's aside, without its dot."""
        name = self.name.lower().removesuffix(".gz")
        return name.rpartition(".")[2] if "." in name else ""

    def uncommented(self) -> list[tuple[int, str]]:
        """The lines without NIST's comments."""
        return [(number, line) for number, line in self.lines if not line.lstrip().startswith(";;")]

    def bad(self, number: int, what: str, advice: str = "") -> UserError:
        return UserError(f"{self.name}, line {number}: {what}.", advice)


@dataclass(frozen=True)
class Reading:
    """One way to read a transcript: its utterances in order, and why it was taken."""

    format: str
    ids: tuple[str, ...]
    first: str  # what line 1 is in this reading
    reason: str


@dataclass(frozen=True)
class TextColumns:
    """The names of a header that are ids, and those that are texts, each in the order in which they are preferred."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    written: tuple[str, ...] = ()  # of the texts, those that a system wrote


def columns(header: Sequence[str]) -> TextColumns:
    """The columns of a header, in any case and with blanks around."""
    names = {name.strip().lower(): name for name in header}
    matches = [tuple(names[key] for key in keys if key in names) for keys in (_IDS, _TRUE, _WRITTEN)]
    return TextColumns(matches[0], (*matches[1], *matches[2]), matches[2])


def id_column(columns: TextColumns, source: TextSource) -> str:
    """The column of ids. Raises `UserError` where there is none."""
    if not columns.ids:
        raise UserError(f"{source.name} has no columns id and text.", f"Known names: {', '.join(_IDS)}.")
    return columns.ids[0]


def text_column(columns: TextColumns, source: TextSource) -> str:
    """The column of texts: a reference's own first, what a system wrote first in a hypothesis."""
    if not columns.texts:
        raise UserError(f"{source.name} has no columns id and text.", f"Known names: {', '.join(_TRUE)}.")
    return columns.written[0] if source.role == "hypothesis" and columns.written else columns.texts[0]
