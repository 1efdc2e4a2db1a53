"""Raw outputs of two systems on the same items: the paired difference of every metric that follows from them.

    scores-*        eer@interpolated, min_dcf@p=…; by what validation fixed far, frr, hter@valid_threshold,
                    act_dcf@p=0.01, cllr@valid_calibration
    predictions-*   accuracy@top1, balanced_accuracy@macro, macro_f1@all, or of values rmse, mae, pearson, ccc
    texts-*         wer@…, substitutions@…, insertions@…, deletions@…, cer@…
    recordings-*    der@…, miss@…, false_alarm@…, confusion@…, jer@…
    answers-*       accuracy@exact
    ranks-*         map@10, recall@1, 5, 10 and median_rank@ of both directions of retrieval

A metric id that ends in `@` stands for all that begin so: the file does not tell the rest of its name. Tasks of other
packages add kinds of their own (`Benchmark.pairing`).
"""

from __future__ import annotations

from pathlib import Path

from voxboard.comparison import declared
from voxboard.comparison.declared import Reader
from voxboard.comparison.kinds import READERS
from voxboard.comparison.raw import Paired, PairingOptions
from voxboard.errors import UserError

KINDS = tuple(READERS)


def _reader(kind: str) -> Reader | None:
    """Reader of two files of a kind; None where no task writes it."""
    return READERS.get(kind) or declared.readers().get(kind)


def is_raw(path: Path) -> bool:
    """True if an evaluation wrote this file as raw outputs that can be paired."""
    written = path.is_file() and path.suffix in (".gz", ".jsonl", ".csv")
    return written and _reader(path.name.partition("-")[0]) is not None


def kind_of(path: Path) -> str:
    """Kind of a file: by its name as evaluations write it, else by suffix. Raises `UserError` for JSON lines without a
    known name.
    """
    prefix = path.name.partition("-")[0]
    if _reader(prefix):
        return prefix
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".jsonl":
        raise UserError(f"What {path} holds cannot be told from its name.", f"Begin it with {', '.join(KINDS)} and -.")
    return "scores"


def paired(before: Path, after: Path, options: PairingOptions) -> dict[str, Paired]:
    """The difference of every metric of two files of one kind. Raises `UserError` when they are of other items."""
    kind = kind_of(before)
    if kind != kind_of(after):
        raise UserError(f"{before} holds {kind}, {after} holds {kind_of(after)}.", "Compare outputs of one task.")
    try:
        reader = _reader(kind)
        assert reader is not None
        return reader(before, after, options)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{before} and {after} cannot be compared: {error}.", "Evaluate both again.") from error
