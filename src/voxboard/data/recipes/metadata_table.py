"""Any other folder with a table of its files: columns are recognised by their usual names, or mapped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.data import audio, table_file
from voxboard.data.corpus import SPLITS, inside
from voxboard.data.scan import Scan, Utterance, find_audio, gender
from voxboard.errors import UserError, printable, unknown

if TYPE_CHECKING:
    from voxboard.data.prepare_options import PrepareOptions

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "file": (
        "file", "path", "filename", "file_name", "filepath", "file_path", "wav", "wav_path", "wav_file",
        "audio", "audio_path", "audio_file", "audio_filepath",
    ),
    "id": ("id", "utt", "utt_id", "utterance", "utterance_id", "uttid"),
    "speaker": ("speaker", "speaker_id", "speakerid", "spk", "spk_id", "client_id", "reader", "reader_id"),
    "gender": ("gender", "sex"),
    "age": ("age",),
    "accent": ("accent", "accents", "dialect"),
    "region": ("region",),
    "nationality": ("nationality", "country"),
    "session": ("session", "session_id", "chapter", "chapter_id", "video", "video_id"),
    "text": ("text", "transcript", "transcription", "sentence"),
    "language": ("language", "lang", "locale"),
    "split": ("split", "subset", "set", "partition"),
}  # fmt: skip
KEPT = ("accent", "region", "nationality", "session")  # under our name, as text
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "development", "val", "valid", "validation"), "valid"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
TABLES = ("metadata.csv", "metadata.tsv", "manifest.csv", "manifest.tsv")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
LABELLED = re.compile(r"(\S.*?)\s+(\S+)\s+-1")  # a line of Double Multi-Head Attention's label files: path label -1
LABEL = "label"  # what the second word is called

Row = Mapping[str, str]


def find_table(folder: Path) -> Path | None:
    """The table that a folder brings along under a usual name."""
    return next((folder / name for name in TABLES if (folder / name).is_file()), None)


def scan(folder: Path, options: PrepareOptions) -> Scan:
    """The utterances of a folder's table. Raises `UserError` naming the row or column that cannot be used."""
    table = options.metadata or find_table(folder)
    if table is None:
        raise UserError(
            f"{folder} has no table of its files ({', '.join(TABLES)}).",
            f"Run: voxboard prepare {folder} --metadata TABLE.csv (columns file and speaker, others as there are).",
        )
    labeled = is_labeled(table)
    rows, header = read_labels(table, options.columns) if labeled else read_table(table)
    columns = recognize(header, {} if labeled else options.columns, table)
    if options.split is not None:  # everything goes into that one, whatever the table says
        columns.pop("split", None)
    files = _Files(folder, table)
    extra = [name for name in header if name not in columns.values()]
    custom = {name: _typed(row.get(name, "") for row in rows) for name in extra}
    custom |= {name: [row[columns[name]] for row in rows] for name in KEPT if name in columns}
    if "age" in columns:
        custom["age"] = _typed(row[columns["age"]] for row in rows)
    utterances = [
        _utterance(row, columns, files, {name: values[place] for name, values in custom.items()})
        for place, row in enumerate(rows)
    ]
    _check_unique(utterances, table)
    alone = (
        f"{table.name} names no speakers, so every file counts as a speaker of its own: a voice may be in two splits."
    )
    notes = [*_notes(utterances, columns), *files.unnamed(), *([alone] if labeled and len(header) > 2 else [])]
    return Scan(folder, utterances, notes)


def is_labeled(table: Path) -> bool:
    """True if a file has lines `path label -1`, as Double Multi-Head Attention and its age fork read them."""
    try:
        with table.open(encoding="utf-8-sig") as file:
            return LABELLED.fullmatch(file.readline().strip()) is not None
    except (OSError, UnicodeDecodeError):
        return False


def read_labels(table: Path, columns: Mapping[str, str]) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a label file and its columns: file and speaker, or file, speaker and what `columns` calls the label.

    `age_group=label` says that the labels are age groups. Raises `UserError` for a line of another form.
    """
    for theirs in columns.values():
        if theirs != LABEL:
            raise unknown(f"column of {table.name}", theirs, [LABEL])
    name = next(iter(columns), "speaker")
    rows = []
    for number, line in enumerate(_label_lines(table), 1):
        match = LABELLED.fullmatch(line.strip())
        if match is None and line.strip():
            shown = printable(line.strip()[:80])
            raise UserError(f"Line {number} of {table} is {shown!r}.", "Every line is `path label -1`.")
        if match is not None:
            rows.append({"file": match[1], "speaker": match[1], name: match[2]})
    return rows, ["file", "speaker"] if name == "speaker" else ["file", "speaker", name]


def _label_lines(table: Path) -> list[str]:
    try:
        return table.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{table} cannot be read: {error}.", "Every line is `path label -1`, in UTF-8.") from error


def read_table(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a table as text and its column names; separated by comma, tab, semicolon or bar, BOM or not."""
    content = table_file.read(table)
    if not content.rows:
        raise UserError(f"{table} has no rows.", "Its first line names the columns, every other one a file.")
    return content.dicts(), [name for name in content.header if name]


def recognize(header: Sequence[str], mapped: Mapping[str, str], table: Path) -> dict[str, str]:
    """Our name → the table's, as mapped and else by the usual names. Raises `UserError` for what is not there."""
    for ours, theirs in mapped.items():
        if ours not in COLUMNS:
            raise unknown("column to map", ours, COLUMNS)
        if theirs and theirs not in header:  # mapped to nothing: a column that is to be ignored
            raise unknown(f"column of {table.name}", theirs, header)
    folded = {name.lower().replace(" ", "_").replace("-", "_"): name for name in reversed(header)}
    columns = {
        ours: next(folded[name] for name in names if name in folded)
        for ours, names in COLUMNS.items()
        if ours not in mapped and any(name in folded for name in names)
    }
    columns |= {ours: theirs for ours, theirs in mapped.items() if theirs}
    for needed, others in (("speaker", ""), ("file", "id")):
        if needed not in columns and others not in columns:
            raise UserError(
                f"{table} has no column for the {needed} (it has {', '.join(header)}).",
                f"Name it: --columns {needed}=COLUMN.",
            )
    return columns


class _Files:
    """Find the files that a table names: relative to the folder or to the table, else by the end of their path."""

    def __init__(self, folder: Path, table: Path) -> None:
        self.folder = folder.absolute()
        self.table = table.name
        self.named: set[Path] = set()
        self.places = [self.folder]
        if table.absolute().is_relative_to(self.folder):
            self.places.append(table.absolute().parent)

    @cached_property
    def every(self) -> list[Path]:
        return find_audio(self.folder)

    @cached_property
    def by_stem(self) -> dict[str, list[Path]]:
        stems: dict[str, list[Path]] = {}
        for path in self.every:
            stems.setdefault(path.stem, []).append(path)
        return stems

    def unnamed(self) -> list[str]:
        """Sentences on audio files that no name led to."""
        spare = [path for path in self.every if path not in self.named]
        if not spare:
            return []
        where = printable(str(spare[0].relative_to(self.folder)))
        return [f"{len(spare):,} of {len(self.every):,} audio files stand in no row of {self.table} (e.g. {where})."]

    def __getitem__(self, name: str) -> Path:
        """The path of a name, which may lack folders and extension. One that is nowhere is left to the reader."""
        path = self._find(name)
        self.named.add(path)
        return path

    def _find(self, name: str) -> Path:
        for place in self.places:
            path = inside(self.folder, place / name)
            if path.is_file():
                return path
        ending = str(_without_suffix(Path(name)))
        alike = [
            path
            for path in self.by_stem.get(Path(ending).name, [])
            if f"/{path.with_suffix('').as_posix()}".endswith(f"/{ending}")
        ]
        if len(alike) > 1:
            raise UserError(
                f"{name!r} could be {printable(f'{alike[0]} or {alike[1]}')}.",
                "Name the files with their folders in the table.",
            )
        return alike[0] if alike else inside(self.folder, name)


def _utterance(row: Row, columns: Mapping[str, str], files: _Files, custom: Mapping[str, Any]) -> Utterance:
    cells = {ours: row[theirs] for ours, theirs in columns.items()}
    path = files[cells.get("file") or cells["id"]]
    if not cells["speaker"]:
        name = printable(cells.get("file") or cells["id"])
        raise UserError(f"{name} has no speaker in the table.", "Fill it in, or drop it.")
    return Utterance(
        id=cells.get("id") or _without_suffix(path.relative_to(files.folder)).as_posix(),
        path=path,
        speaker=cells["speaker"],
        split=_split(cells["split"]) if "split" in columns else None,
        text=cells.get("text") or None,
        gender=gender(cells.get("gender")),
        language=cells.get("language") or None,
        custom=custom,
    )


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in audio.SUFFIXES else path


def _split(word: str) -> str:
    """train, valid or test for the usual words, also at the start of a longer name (`train-clean-100`)."""
    start = re.match("[a-z]*", word.lower())
    if start is None or start[0] not in SPLIT_WORDS:
        raise UserError(
            f"The table's split {word!r} is none of {', '.join(SPLITS)}.",
            "Ignore the column with --columns split= or put everything into one split with --split NAME.",
        )
    return SPLIT_WORDS[start[0]]


def _typed(cells: Iterable[str]) -> list[Any]:
    """A column as numbers when all its cells are numbers without leading zeros, else as text; None where empty."""
    values = list(cells)
    there = [value for value in values if value]
    if not there or not all(NUMBER.fullmatch(value) for value in there):
        return [value or None for value in values]
    kind = int if all("." not in value for value in there) else float
    return [kind(value) if value else None for value in values]


def _check_unique(utterances: Sequence[Utterance], table: Path) -> None:
    seen: dict[str, Path] = {}
    for utterance in utterances:
        if utterance.id in seen:
            raise UserError(
                f"{table} names the utterance {utterance.id!r} twice.",
                "Drop a row, or map another --columns id=COLUMN.",
            )
        seen[utterance.id] = utterance.path


def _notes(utterances: Sequence[Utterance], columns: Mapping[str, str]) -> list[str]:
    notes = []
    if "text" in columns and (untold := sum(utterance.text is None for utterance in utterances)):
        notes.append(f"{untold:,} utterances have no transcript and are kept.")
    return notes
