"""Sources of labels: a prepared corpus, a table of utterances or of speakers, or the names in a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.catalogue import find_corpus
from voxboard.data.corpus import speaker_of
from voxboard.errors import UserError
from voxboard.trials import metadata, name_patterns
from voxboard.trials.labels import Coded
from voxboard.trials.resolve import candidates
from voxboard.trials.utterances import table_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from voxboard.trials.table import Trials


def is_table(data: str) -> bool:
    """True if DATA is a table rather than a corpus: a file that is no manifest."""
    return Path(data).is_file() and not data.endswith((".jsonl", ".jsonl.gz"))


def utterances(
    data: str,
    split: str | None = None,
    columns: Mapping[str, str] | None = None,
    listed: Path | None = None,
    per_speaker: int | None = None,
    labels: Iterable[str] = (),
) -> tuple[DataFrame, list[str]]:
    """The table that trials are drawn from, and what there is to say about it.

    DATA is a prepared corpus (by default its test split, with `labels` beside the usual ones) or a table. A table of
    speakers needs their utterances: a file that lists them, or how many to make up. Raises `UserError` for what is not
    there.
    """
    if not is_table(data):
        if listed or per_speaker or columns:
            raise UserError(f"{data} is a corpus: it has its utterances and labels.", "Name a table to say others.")
        return table_of(find_corpus(data).cuts(split or "test"), labels), []
    table = metadata.read(Path(data), columns, split)
    if listed is not None:
        return metadata.with_utterances(table, metadata.listed_utterances(listed)), []
    if "utterance" in table and per_speaker is None:
        return table.drop(columns=["utterances"], errors="ignore"), []
    made = metadata.with_placeholders(table.drop(columns=["utterance"], errors="ignore"), per_speaker)
    return made, [
        f"{data} names speakers only: utterances such as {made['utterance'].iloc[0]} are made up, {len(made):,} in all."
    ]


def training_speakers(data: str, split: str | None = None) -> list[str]:
    """The speakers of a corpus's or a table's training split, or of the `split` that is named."""
    if is_table(data):
        return metadata.training_speakers(Path(data), split)
    return sorted({speaker_of(cut) for cut in find_corpus(data).cuts(split or "train")})


def labels_for(
    trials: Trials, data: str | None = None, columns: Mapping[str, str] | None = None
) -> tuple[dict[str, Coded], str]:
    """The labels [U] of a list's utterances, and how they are known.

    From the corpus or table DATA where one is named; what that does not say comes from the names, where these follow
    a corpus's own way. An utterance that DATA does not have has no label. Raises `UserError` where no speaker is known.
    """
    named, labels = name_patterns.labels_of(trials.utterances)
    how = f"names as {named} gives them" if named else ""
    if data is None:
        return labels, how
    if is_table(data):
        table = metadata.read(Path(data), columns).drop(columns=["utterances"], errors="ignore")
        files = dict(zip(table["utterance"], table["utterance"], strict=True)) if "utterance" in table else {}
    else:
        cuts = find_corpus(data).all_cuts()
        table, files = table_of(cuts), {cut.id: str(cut.recording.sources[0].source) for cut in cuts}
        table["text"] = [cut.supervisions[0].text for cut in cuts]
    if files:
        matches = candidates(trials.utterances, files)
        keys = [match[0] if len(match) == 1 else None for match in matches]
        table = table.set_index("utterance")
    elif coded := labels.get("speaker") or name_patterns.speakers_in(trials.utterances, set(table["speaker"])):
        keys = [coded.values[code] if code >= 0 else None for code in coded.codes]
        table = table.drop_duplicates("speaker").set_index("speaker", drop=False)
    else:
        raise UserError(
            f"{data} names speakers only, and {trials.name} (e.g. {trials.utterances[0]}) does not say whose they are.",
            "Pass a table that names utterances too.",
        )
    rows = table.reindex(keys)
    if rows["speaker"].isna().all():
        raise UserError(f"No utterance of {trials.name} is in {data}.", "Check that they belong together.")
    given = {str(name): Coded.of_column(rows[name]) for name in rows.columns}
    return labels | {name: coded for name, coded in given.items() if coded.known.any()}, f"{data}"
