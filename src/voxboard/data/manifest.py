"""Reading and writing a manifest: JSON lines of Lhotse cuts, gzipped. It is data: what it names is checked."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from voxboard.errors import UserError
from voxboard.progress import bar

if TYPE_CHECKING:
    from lhotse import CutSet
    from lhotse.cut import Cut

Kind = Literal["utterances", "recordings"]  # one supervision per cut, or a turn per supervision

MANY = 10_000  # cuts whose writing takes long enough to show


def inside(root: Path, name: str | Path, advice: str = "Pass the folder that holds the audio as --audio_root.") -> Path:
    """`root / name`, refused when that leaves `root`.

    The check is on names, not on what they link to: a data disk linked into a corpus is common and the user's own
    doing, whereas a manifest cannot make links.
    """
    base = os.path.abspath(root)
    path = os.path.normpath(os.path.join(base, name))
    if path != base and not path.startswith(base.rstrip(os.sep) + os.sep):
        raise UserError(f"The manifest names {name}, which lies outside {root}.", advice)
    return Path(path)


def write_cuts(file: Path, cuts: Sequence[Cut], root: Path) -> None:
    """One JSON line per cut. Not Lhotse's writer: it stamps the time into the gzip header, and equal corpora are
    to have equal bytes."""
    with (
        open(file, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as out,
        bar(f"Writing {file.name.strip('.').split('.')[0]}", len(cuts), len(cuts) > MANY, unit="cuts") as advance,
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


def read_cuts(manifest: Path, audio_root: Path, kind: Kind = "utterances") -> CutSet:
    """The cuts of a manifest with absolute audio paths. Raises `UserError` for one that is not what a corpus holds."""
    from lhotse import CutSet

    try:
        cuts = CutSet.from_file(manifest).to_eager()
    except Exception as error:
        raise UserError(f"{manifest} is not a Lhotse cut manifest: {error}", "Prepare the corpus again.") from error
    for cut in cuts:
        _check(cut, manifest, kind)
        for source in cut.recording.sources:
            source.source = str(inside(audio_root, source.source))
    return cuts


def _check(cut: Cut, manifest: Path, kind: Kind) -> None:
    """Raises `UserError` for a cut that is not one utterance of one speaker, or a recording of any turns, in files."""
    from lhotse.cut.data import DataCut

    supervisions = getattr(cut, "supervisions", [])
    whole = isinstance(cut, DataCut) and cut.has_recording
    if not whole or (kind == "utterances" and len(supervisions) != 1) or not all(one.speaker for one in supervisions):
        due = "one supervision with a speaker" if kind == "utterances" else "a speaker in every supervision"
        raise UserError(
            f"Cut {cut.id} of {manifest} does not have one recording and {due}.",
            "Trim the cuts to supervisions with Lhotse first, or prepare whole recordings with --rttm.",
        )
    if cut.recording.transforms:
        raise UserError(
            f"Cut {cut.id} of {manifest} changes its audio while reading (transforms).",
            "Save the changed audio with Lhotse first.",
        )
    for source in cut.recording.sources:
        # Lhotse also knows sources of type "command", which run a shell: data must not.
        if source.type != "file":
            raise UserError(
                f"Cut {cut.id} of {manifest} has an audio source of type {source.type!r}.",
                "Only files are read.",
            )
