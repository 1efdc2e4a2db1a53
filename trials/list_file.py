"""Trial lists as files: one is read whatever its format, and written with its sidecar."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxboard import text_files
from voxboard.errors import UserError
from voxboard.files import write_atomically
from voxboard.trials import columns, formats, named_columns, plain
from voxboard.trials import sidecar as sidecars
from voxboard.trials.formats import Format
from voxboard.trials.plain import Plain
from voxboard.trials.table import Trials


def read(path: str | Path) -> Trials:
    """Read a trial list; the format is found from all its lines, gzip from its first bytes.

    A sidecar beside it is not read: `voxboard trials check` compares the two. Raises `UserError` that names the file,
    and the line where there is one.
    """
    path = Path(path)
    if (plain := _plain(path)) is not None:
        return Trials(plain.names, plain.enrol, plain.test, plain.labels, name=_stem(path))
    data = text_files.content(path)
    labels, enrol, test, matches = _format(data, path)[1].parse(data, path)
    return Trials.of(labels, enrol, test, matches, _stem(path))


def format_of(path: str | Path) -> str:
    """The format of a list. Raises `UserError` for a file that is none."""
    plain = _plain(Path(path))
    return _format(text_files.content(Path(path)), Path(path))[0] if plain is None else plain.layout


def _plain(path: Path) -> Plain | None:
    """A list that is told from all its columns, or from names of them that are not our own formats'.

    None for a list in one of our formats with a header, and for what is no list.
    """
    first = columns.first_line(path)
    if not first or any(formats.FORMATS[name].recognizes(first) for name in formats.SUFFIXES.values()):
        return None
    named = named_columns.header(first, ("enrol", "test", "label"))
    return plain.read(path) if named is None else plain.of_table(named_columns.read(path, *named))


def write(
    trials: Trials,
    path: str | Path,
    format: str | None = None,  # noqa: A002
    sidecar: Mapping[str, Any] | None = None,
) -> Path:
    """Write a trial list and its sidecar `<path>.json`, both whole or not at all; the same trials give the same bytes.

    `format` is unipool, nist, voxceleb, kaldi or wespeaker (the same as kaldi); by default unipool for `*.csv`, nist
    for `*.tsv`, else voxceleb. Only unipool and nist keep the match columns. `*.gz` is compressed. `sidecar` is what to
    keep beside the list (`sidecar.of_list`, `sidecar.of_built`); by default, what the list itself tells.
    """
    path = Path(path)
    by_suffix = (formats.SUFFIXES[suffix] for suffix in reversed(path.suffixes[-2:]) if suffix in formats.SUFFIXES)
    name = formats.named(format) if format else next(by_suffix, "voxceleb")
    data = formats.FORMATS[name].render(trials).encode()
    beside = sidecars.render(sidecars.of_list(trials) if sidecar is None else sidecar, name)
    packed = gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data
    write_atomically({path: packed, sidecars.path_of(path): beside})
    return path


def _format(data: bytes, path: Path) -> tuple[str, Format]:
    first = data.lstrip()[:4096].splitlines()[:1]
    if not first:
        raise UserError(f"{path} holds no trials.", "Pass a list with one trial per line.")
    line = first[0].decode("utf-8", "replace")
    for name, candidate in formats.FORMATS.items():
        if candidate.recognizes(line):
            return name, candidate
    raise UserError(
        f"{path}, line 1: {line[:80]!r} is no trial.",
        f"Known formats: {'; '.join(one.example for one in formats.FORMATS.values())}.",
    )


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.removesuffix(".csv").removesuffix(".txt").removesuffix(".tsv")
