"""Tables of utterances or speakers, in the forms that corpora come with: what trials are built from and checked by.

Comma, tab, semicolon and bar separated tables with a header (VoxCeleb's vox1_meta.csv, UniPool-SV's speaker tables, a
folder's metadata.csv), LibriSpeech's SPEAKERS.TXT, VCTK's speaker-info.txt, and Parquet.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.recipes.metadata_table import COLUMNS
from voxboard.data.recipes.vctk import PERSON
from voxboard.data.scan import gender
from voxboard.errors import UserError, unknown
from voxboard.text_files import content
from voxboard.trials.name_patterns import labels_of, speakers_in

if TYPE_CHECKING:
    from pandas import DataFrame

# Our name of a column → the names that it has elsewhere, beside those that `voxboard prepare` knows.
NAMES: Mapping[str, tuple[str, ...]] = {
    "utterance": (*COLUMNS["id"], *COLUMNS["file"]),
    "speaker": (*COLUMNS["speaker"], "voxceleb1_id", "voxceleb2_id"),
    **{name: COLUMNS[name] for name in ("gender", "accent", "region", "nationality", "session", "text", "split")},
    "age": ("age", "hard_age"),
    "soft_age": ("soft_age", "age3"),
    "language": COLUMNS["language"],
    "utterances": ("utterances", "counts", "count", "n_utterances"),
}
TRAINING = ("train", "training")
SUBSETS = re.compile(r"(train|dev|test)-(clean|other)(-\d+)?")


def read(path: Path, columns: Mapping[str, str] | None = None, split: str | None = None) -> DataFrame:
    """The table's rows with our names of columns: `utterance` where it names any, `speaker`, labels.

    `columns` maps our names to the table's; a column that is neither mapped nor known is left out. `split` keeps the
    rows whose split (or LibriSpeech subset) is that one. Raises `UserError` for a table that names no speakers.
    """
    return _of_split(_table(path, columns or {}), split, path).drop(columns=["split"], errors="ignore")


def training_speakers(path: Path, split: str | None = None) -> list[str]:
    """The speakers of a table's `split`; by default of its training split, or all where it has no splits."""
    table = _table(path, {})
    chosen = split or ("train" if "split" in table else None)
    return sorted(set(_of_split(table, chosen, path)["speaker"].astype(str)))


def listed_utterances(path: Path) -> list[str]:
    """The names in a file of utterances: the first word of every line, gzip or not."""
    names = [line.split()[0] for line in content(path).decode("utf-8", "replace").splitlines() if line.strip()]
    if not names:
        raise UserError(f"{path} names no utterances.", "It is to have one per line.")
    return names


def with_utterances(table: DataFrame, names: Sequence[str]) -> DataFrame:
    """The labels of speakers given to utterances that name their speaker, such as VoxCeleb's.

    Raises `UserError` where the speakers cannot be told or none of them is in the table.
    """
    import pandas as pd

    corpus, labels = labels_of(names)
    if not corpus and (speakers := speakers_in(names, set(table["speaker"]))):
        labels = {"speaker": speakers}
    if not labels:
        raise UserError(
            f"The speaker of {names[0]!r} cannot be told from its name.", "Pass a table with utterance and speaker."
        )
    own = {name: [coded.values[code] if code >= 0 else None for code in coded.codes] for name, coded in labels.items()}
    own.pop("number", None)  # it says nothing beyond the text
    rows = pd.DataFrame({"utterance": list(names), **own})
    joined = rows.merge(table.drop(columns=["utterances", "subset"], errors="ignore"), on="speaker", how="inner")
    if joined.empty:
        raise UserError(
            f"None of the utterances is of a speaker of the table (e.g. {rows['speaker'].iloc[0]}).",
            "Check that table and utterances belong together.",
        )
    return joined


def with_placeholders(table: DataFrame, count: int | None) -> DataFrame:
    """A table of speakers with made-up utterances `SPEAKER/0001` …: `count` of each, else as many as it says."""
    if count is None and "utterances" not in table:
        raise UserError(
            "The table names speakers, but no utterances.", "Pass --utterances FILE or --utterances_per_speaker N."
        )
    numbers = [count] * len(table) if count is not None else [int(value) for value in table["utterances"]]
    rows = table.loc[table.index.repeat(numbers)].drop(columns=["utterances"], errors="ignore").reset_index(drop=True)
    place = rows.groupby("speaker").cumcount() + 1
    rows["utterance"] = rows["speaker"].astype(str) + "/" + place.astype(str).str.zfill(4)
    return rows


def _table(path: Path, columns: Mapping[str, str]) -> DataFrame:
    """The whole table with our names of columns, `split` among them where it has any."""
    table = _parquet(path) if path.suffix == ".parquet" else _text(path)
    table.columns = [str(name).strip() for name in table.columns]
    table = _renamed(table, columns, path)
    if "gender" in table:
        table["gender"] = table["gender"].map(lambda value: gender(str(value)), na_action="ignore")
    if "subset" in table and table["subset"].map(lambda name: bool(SUBSETS.fullmatch(str(name)))).all():
        table["split"] = [str(name).split("-")[0] for name in table["subset"]]
    return table


def _text(path: Path) -> DataFrame:
    """A table that is text. SPEAKERS.TXT and speaker-info.txt have their own ways."""
    import pandas as pd

    lines = content(path).decode("utf-8-sig", "replace").splitlines()
    if lines and lines[0].startswith(";"):
        cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.strip() and line[0] != ";"]
        return pd.DataFrame([row[:3] for row in cells], columns=["speaker", "gender", "subset"])
    persons = [match for line in lines if (match := PERSON.match(line.strip()))]
    if len(persons) > len(lines) / 2:
        rows = [(f"{m[1] or 'p'}{m[2]}", m[4], m[3], m[5], " ".join(m[6].split("(")[0].split())) for m in persons]
        return pd.DataFrame(rows, columns=["speaker", "gender", "age", "accent", "region"])
    head = next((line for line in lines if line.strip()), "")
    try:
        table = pd.read_csv(
            io.StringIO("\n".join(lines)), sep=max(",\t;|", key=head.count), dtype=str, keep_default_na=False
        )
    except ValueError as error:
        raise UserError(f"{path} cannot be read as a table: {error}.", "It is to be a CSV file in UTF-8.") from error
    if table.empty:
        raise UserError(f"{path} has no rows.", "Its first line names the columns.")
    return table.apply(lambda column: column.str.strip())


def _parquet(path: Path) -> DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise UserError(
            f"Reading {path} needs pyarrow, which is not installed.", "pip install pyarrow, or use a CSV."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {error}.", "Check the file.") from error


def _renamed(table: DataFrame, mapped: Mapping[str, str], path: Path) -> DataFrame:
    for theirs in mapped.values():
        if theirs and theirs not in table.columns:
            raise unknown(f"column of {path.name}", theirs, table.columns)
    folded = {name.lower().replace(" ", "_").replace("-", "_"): name for name in reversed(list(table.columns))}
    mapping = {
        ours: next(folded[name] for name in names if name in folded)
        for ours, names in {**NAMES, "subset": ("subset",)}.items()
        if ours not in mapped and any(name in folded for name in names)
    }
    mapping |= {ours: theirs for ours, theirs in mapped.items() if theirs}
    if "speaker" not in mapping and folded.get("id") == mapping.get("utterance"):
        mapping["speaker"] = mapping.pop("utterance", "")  # a table of speakers calls them ID
    if mapping.get("speaker") not in table.columns:
        raise UserError(
            f"{path} has no column for the speaker (it has {', '.join(table.columns)}).",
            "Name it: --columns speaker=COLUMN.",
        )
    import pandas as pd

    return pd.DataFrame({ours: table[theirs] for ours, theirs in mapping.items()})


def _of_split(table: DataFrame, split: str | None, path: Path) -> DataFrame:
    if split is None:
        return table
    column = table.get("split")
    if column is None:
        raise UserError(
            f"{path} has no column for the split.", "Leave --split out, or name it: --columns split=COLUMN."
        )
    names = column.astype(str).str.strip().str.lower()
    # "dev" is what a corpus is developed on: VoxCeleb's training speakers, elsewhere those that validate.
    dev = "valid" if names.isin(TRAINING).any() else "train"
    words = {"train": TRAINING, "valid": ("valid", "val", "validation")}.get(split, (split,))
    chosen = names.isin([*words, *(["dev"] if split == dev else [])])
    if "subset" in table:
        chosen |= table["subset"] == split
    if not chosen.any():
        raise UserError(
            f"{path} has no rows of the split {split}.", f"It has {', '.join(sorted(set(column.astype(str))))}."
        )
    return table[chosen].reset_index(drop=True)
