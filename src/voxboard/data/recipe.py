"""The contract of corpus recipes: finding a corpus in a folder, its licence, and how to get it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.data.manifest import Kind
from voxboard.data.prepare_options import PrepareOptions

if TYPE_CHECKING:
    from voxboard.data.corpus import Corpus
    from voxboard.data.recordings import Recordings
    from voxboard.data.scan import Scan

Scanner = Callable[[Path, PrepareOptions], "Scan | Recordings"]
Maker = Callable[[Path, PrepareOptions], "Corpus"]
Fetcher = Callable[[Path, PrepareOptions], Path]


@dataclass(frozen=True)
class Recipe:
    """A corpus that `voxboard prepare NAME` knows, in this package or in another one.

    A function is given itself or as "module:function", which is imported when it is used. One of `scan` and `make` is
    needed. Raises `ValueError` where both or none are given.
    """

    summary: str
    """What is in it, in a line: the speech, the speakers, the hours."""
    scan: Scanner | str = ""
    """Find the corpus in a folder of audio: a `Scan` of its utterances, with their splits where it has some, or
    `Recordings` of several speakers. What cannot be found is a `UserError`."""
    make: Maker | str = ""
    """Write a corpus that is not read from audio, to a folder."""
    fetch: Fetcher | str = ""
    """Bring the audio into a folder, with `--download`, and return the folder to scan: what is openly licensed only."""
    takes: tuple[str, ...] = ()
    """The options that `make` looks at; others are refused."""
    aliases: tuple[str, ...] = ()
    """Other names of the corpus; those of a recipe in another package are not looked at before it is named."""
    licence: str = "unknown"
    """The license of the corpus, as an SPDX identifier where it has one."""
    source: str = ""
    """Where it is downloaded or registered for."""
    kind: Kind = "utterances"
    """What it holds: "utterances" of one speaker each, or "recordings" of several."""

    def __post_init__(self) -> None:
        if bool(self.scan) == bool(self.make):
            raise ValueError("a recipe needs one of scan and make")


def call(function: Callable[..., Any] | str, folder: Path, options: PrepareOptions) -> Any:
    """Call a function of a recipe."""
    if not isinstance(function, str):
        return function(folder, options)
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(folder, options)
