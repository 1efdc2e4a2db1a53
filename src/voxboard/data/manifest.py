"""Reading and writing a manifest: JSON lines of Lhotse cuts, gzipped. It is data: what it says is checked."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from voxboard.data.corpus_path import inside
from voxboard.data.manifest_cut import CutLine, Kind, cut_of
from voxboard.errors import UserError
from voxboard.files import parse_json
from voxboard.progress import bar

if TYPE_CHECKING:
    from lhotse import CutSet
    from lhotse.cut import Cut

__all__ = ["Kind", "inside", "read_cuts", "write_cuts"]

MANY = 10_000  # cuts whose writing takes long enough to show
LONGEST_LINE = 64 << 20  # bytes; a meeting of a day with all its turns has some megabytes
SWELL = 500  # times its size that a packed manifest may unpack to; real ones are below 50
FREE = 64 << 20  # bytes that it may unpack to anyway


def write_cuts(file: Path, cuts: Sequence[Cut], root: Path, label: str = "manifest") -> None:
    """Write one JSON line per cut. Not Lhotse's writer: it stamps the time into the gzip header, and equal corpora are
    to have equal bytes.
    """
    with (
        open(file, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as out,
        bar(f"Writing {label}", len(cuts), len(cuts) > MANY, unit="cuts") as advance,
    ):
        for cut in cuts:
            out.write(json.dumps(_relative(cut.to_dict(), root), ensure_ascii=False).encode() + b"\n")
            advance(1)


def _relative(cut: dict[str, Any], root: Path) -> dict[str, Any]:
    """A cut's dictionary with its audio named relative to `root`."""
    for source in cut["recording"]["sources"]:
        if os.path.isabs(source["source"]):
            source["source"] = str(inside(root, source["source"]).relative_to(root))
    return cut


def read_cuts(manifest: Path, locate: Callable[[str], Path], kind: Kind = "utterances") -> CutSet:
    """The cuts of a manifest; `locate` gives the absolute path of an audio file that it names.

    Raises `UserError` that names the file and line of what is not what a corpus holds.
    """
    from lhotse import CutSet

    cuts: dict[str, Cut] = {}
    for number, text in _lines(manifest):
        line = CutLine(manifest, number)
        cut = cut_of(parse_json(text, f"{manifest}, line {number},"), line, kind, locate)
        if cut.id in cuts:
            raise CutLine(manifest, number, cut.id).bad("the same id stands in a line above", "Give every cut its own.")
        cuts[cut.id] = cut
    if not cuts:
        raise UserError(f"{manifest} is not a Lhotse cut manifest: it has no cuts.", "Prepare the corpus again.")
    return CutSet(list(cuts.values()))


def _lines(manifest: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that say something, with their numbers, in bounded memory."""
    packed = manifest.suffix == ".gz"
    try:
        most = max(FREE, SWELL * manifest.stat().st_size) if packed else None
        with closing(_opened(manifest, packed)) as file:
            number = total = 0
            while text := file.readline(LONGEST_LINE + 1):
                number, total = number + 1, total + len(text)
                if len(text) > LONGEST_LINE or (most is not None and total > most):
                    raise UserError(
                        f"{manifest}, line {number}: it unpacks to more than a manifest can hold.",
                        "Do not use this file.",
                    )
                if not text.isspace():
                    yield number, text
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{manifest} cannot be read as a manifest ({reason}).", "Prepare the corpus again.") from error


def _opened(manifest: Path, packed: bool) -> BinaryIO:
    if not manifest.is_file():
        raise UserError(f"{manifest} is no regular file.", "Name a manifest, or prepare the corpus again.")
    return cast("BinaryIO", gzip.GzipFile(manifest) if packed else manifest.open("rb"))
