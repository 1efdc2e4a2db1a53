"""A prepared corpus: a folder with one Lhotse manifest per split, a description, and its trial lists.

    <folder>/corpus.json            what it is (`CorpusInfo`)
    <folder>/{train,valid,test}.jsonl.gz   Lhotse cuts; paths relative to `audio_root`
    <folder>/trials-{valid,test}.csv.gz    trial lists, where the corpus has or was given one

A corpus of utterances has cuts with exactly one supervision, which carries the speaker and, as far as the corpus
documents them, gender, text and language; `custom` carries age, accent, region, nationality and session (chapter,
video). A corpus of recordings has cuts with one supervision per turn, and in `custom` the `uem`: what is scored,
[start, end] in seconds; without it all is. A manifest is data: loading one never runs anything, its paths cannot leave
`audio_root`, and an `audio_root` outside the folder is used where the user named it (`voxboard.data.audio_roots`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from voxboard.data.audio_roots import Reach, remember
from voxboard.data.manifest import Kind, inside, read_cuts, write_cuts
from voxboard.errors import UserError, printable, unknown
from voxboard.files import read_json_object, replacing

if TYPE_CHECKING:
    from lhotse import CutSet
    from lhotse.cut import Cut

__all__ = [
    "ATTRIBUTES",
    "DESCRIPTION",
    "SPLITS",
    "Corpus",
    "CorpusInfo",
    "attributes_of",
    "inside",
    "speaker_of",
    "speakers_of",
]

SPLITS = ("train", "valid", "test")
ATTRIBUTES = ("gender", "age", "accent", "region", "nationality", "language")
DESCRIPTION = "corpus.json"
AGAIN = "Prepare the corpus again."
_OTHER: Mapping[Kind, str] = {
    "utterances": "Name a corpus of recordings with turns, such as AMI or VoxConverse.",
    "recordings": "Evaluate on it with --task diarization, or name a corpus of utterances.",
}


@dataclass(frozen=True)
class CorpusInfo:
    """`corpus.json`: what a corpus is and where its audio lies."""

    name: str
    kind: Kind = "utterances"
    audio_root: str = "."  # absolute, or relative to the folder of corpus.json
    version: str = ""
    licence: str = "unknown"
    source: str = ""
    synthetic: bool = False
    trials: Mapping[str, str] = field(default_factory=dict)  # split → file name inside the folder
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # split → speakers, hours, utterances …
    notes: tuple[str, ...] = ()  # what is missing or was changed, one sentence each
    mixture: Mapping[str, float] = field(default_factory=dict)  # label `corpus` → share of the training batches
    skipped: int = 0  # audio files that could not be read and were left out on request


class Corpus:
    """A prepared corpus, opened. Splits are read when they are asked for."""

    def __init__(self, folder: Path, info: CorpusInfo, manifests: Mapping[str, Path]) -> None:
        self.folder = folder
        self.info = info
        self._manifests = dict(manifests)
        self._cuts: dict[str, CutSet] = {}
        self._root: Path | None = None  # instead of that of the description
        self._named = False  # by the user

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def splits(self) -> list[str]:
        """The splits that this corpus has, in the order train, valid, test."""
        return [split for split in SPLITS if split in self._manifests]

    @cached_property
    def audio_root(self) -> Path:
        return self._root or _absolute(self.folder / self.info.audio_root)

    @cached_property
    def _reach(self) -> Reach:
        return Reach(self.audio_root, _absolute(self.folder), named=self._named)

    def cuts(self, split: str) -> CutSet:
        """The utterances of a split with absolute audio paths.

        Raises `UserError` when the corpus has no such split, or holds recordings.
        """
        return self._read(split, "utterances")

    def recordings(self, split: str) -> CutSet:
        """The recordings of a split, a supervision per turn. Raises `UserError` as `cuts` does."""
        return self._read(split, "recordings")

    def _read(self, split: str, kind: Kind) -> CutSet:
        if self.info.kind != kind:
            raise UserError(f"{self.name} holds {self.info.kind}, not {kind}.", _OTHER[self.info.kind])
        if split not in self._manifests:
            raise UserError(
                f"{self.name} has no {split} split.",
                f"It has {', '.join(self.splits) or 'none'}; prepare it again or name another corpus.",
            )
        if split not in self._cuts:
            self._cuts[split] = read_cuts(self._manifests[split], self._reach, kind)
        return self._cuts[split]

    def all_cuts(self) -> list[Cut]:
        """The cuts of all splits, e.g. to resolve a trial list that crosses them."""
        return [cut for split in self.splits for cut in self.cuts(split)]

    def trials(self, split: str) -> Path | None:
        """The corpus's own trial list of a split. Raises `UserError` for one that does not lie in its folder."""
        name = self.info.trials.get(split)
        if not name:
            return None
        path = inside(self.folder, name, "Correct corpus.json.")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise UserError(f"{path} is a link that leads out of the corpus.", "Put the trial list itself there.")
        return path

    @classmethod
    def open(cls, location: str | Path, audio_root: str | Path | None = None, named: bool = True) -> Corpus:
        """Open a prepared folder, or one manifest `*.jsonl.gz`, which then serves as the test split.

        The audio of a bare manifest lies in its own folder unless `audio_root` says otherwise. Pass `named=False` where
        not the user but a file says so: what may be read is then checked as for a root of `corpus.json`.
        """
        path = Path(location)
        if path.is_dir():
            description = path / DESCRIPTION
            if not description.is_file():
                raise UserError(
                    f"{path} is not a prepared corpus (no {DESCRIPTION}).",
                    f"Run: voxboard prepare {path} --metadata TABLE.csv",
                )
            info = _info(description)
            manifests = {split: path / f"{split}.jsonl.gz" for split in SPLITS}
            corpus = cls(path, info, {split: file for split, file in manifests.items() if file.is_file()})
        elif path.name.endswith((".jsonl", ".jsonl.gz")) and path.is_file():
            corpus = cls(path.parent, _manifest_info(path), {"test": path})
        else:
            raise UserError(f"There is no corpus at {path}.", "Run: voxboard prepare DATA --data_path DIR")
        if audio_root is not None:
            corpus._root, corpus._named = _absolute(audio_root), named
        return corpus

    @classmethod
    def write(
        cls,
        folder: Path,
        info: CorpusInfo,
        splits: Mapping[str, Iterable[Cut]],
        audio_root: Path,
        named_roots: Iterable[Path] | None = None,
    ) -> Corpus:
        """Write a corpus folder. Cuts may name their audio absolutely; it is stored relative to `audio_root`.

        `corpus.json` appears last, so an interrupted write never leaves a folder that passes for a whole corpus;
        splits that a previous corpus in the same folder had and this one has not are removed. Audio of `named_roots`,
        by default of `audio_root`, may be read on this machine from now on.
        """
        root = _absolute(audio_root)
        seen: set[str] = set()
        counts: dict[str, dict[str, float]] = {}
        manifests: dict[str, Path] = {}
        with ExitStack() as files:  # left in reverse: the description is moved in last
            description = files.enter_context(replacing(folder / DESCRIPTION))
            for split, cuts in splits.items():
                ordered = sorted(cuts, key=lambda cut: cut.id)
                if not ordered:
                    continue
                _check_new(ordered, seen, info.kind)
                manifests[split] = folder / f"{split}.jsonl.gz"
                write_cuts(files.enter_context(replacing(manifests[split])), ordered, root, split)
                counts[split] = _counts(ordered, info.kind)
            info = replace(info, counts=counts, audio_root=_stored(root, _absolute(folder)))
            text = json.dumps(asdict(info), indent=2, ensure_ascii=False)
            description.write_text(f"{text}\n", encoding="utf-8")
            for stale in (folder / DESCRIPTION, *(folder / f"{split}.jsonl.gz" for split in SPLITS)):
                stale.unlink(missing_ok=True)
        remember([root] if named_roots is None else named_roots)
        return cls(folder, info, manifests)


def speaker_of(cut: Cut) -> str:
    """The speaker of an utterance."""
    return str(cut.supervisions[0].speaker)


def speakers_of(cut: Cut) -> list[str]:
    """All speakers of an utterance or recording, sorted."""
    return sorted({str(supervision.speaker) for supervision in cut.supervisions})


def attributes_of(cut: Cut) -> dict[str, Any]:
    """Labels of an utterance's speaker and session: only those that are there."""
    supervision = cut.supervisions[0]
    labels: dict[str, Any] = {**(supervision.custom or {})}
    for name in ("gender", "language"):
        if getattr(supervision, name, None) is not None:
            labels[name] = getattr(supervision, name)
    return {name: value for name, value in labels.items() if value not in (None, "")}


def _absolute(path: str | Path) -> Path:
    """Without `..`, but with links as they are named."""
    return Path(os.path.abspath(path))


def _check_new(cuts: Sequence[Cut], seen: set[str], kind: Kind) -> None:
    """Add the ids of cuts to `seen`. Raises `UserError` for one that is there already."""
    for cut in cuts:
        if cut.id in seen:
            raise UserError(f"Two {kind} have the id {cut.id}.", f"Give every {kind[:-1]} an id of its own.")
        seen.add(cut.id)


def _stored(root: Path, folder: Path) -> str:
    """The audio root as it is written: relative when it moves with the folder."""
    return str(root.relative_to(folder)) if root.is_relative_to(folder) else str(root)


def _counts(cuts: Sequence[Cut], kind: Kind) -> dict[str, float]:
    turns = {"turns": sum(len(cut.supervisions) for cut in cuts)} if kind == "recordings" else {}
    return {
        kind: len(cuts),
        **turns,
        "speakers": len({speaker for cut in cuts for speaker in speakers_of(cut)}),
        "hours": round(sum(cut.duration for cut in cuts) / 3600, 4),
    }


def _info(description: Path) -> CorpusInfo:
    """Parse a description. Raises `UserError` that names the file for one that is not of this form."""
    try:
        content = read_json_object(description)
    except UserError as error:
        raise UserError(error.problem, AGAIN) from error
    for key in content:
        if key not in CorpusInfo.__dataclass_fields__:
            raise unknown(f"key in {description}", printable(key), CorpusInfo.__dataclass_fields__)
    for key, value in ({"name": None} | content).items():
        if not _fits(key, value):
            raise UserError(f"{description} has {printable(repr(value))[:60]} as its {key}.", AGAIN)
    info = CorpusInfo(**{**content, "notes": tuple(content.get("notes", ()))})
    if info.kind not in get_args(Kind):
        raise unknown(f"kind in {description}", printable(info.kind), get_args(Kind))
    return info


def _fits(key: str, value: object) -> bool:
    """True if a value of `corpus.json` has the form of its field."""
    match key:
        case "synthetic":
            return isinstance(value, bool)
        case "skipped":
            return isinstance(value, int)
        case "notes":
            return isinstance(value, list) and all(isinstance(note, str) for note in value)
        case "trials":
            return isinstance(value, dict) and all(isinstance(name, str) for name in value.values())
        case "mixture":
            return isinstance(value, dict) and all(_is_number(share) for share in value.values())
        case "counts":
            rows = value.values() if isinstance(value, dict) else [None]
            return all(isinstance(row, dict) and all(map(_is_number, row.values())) for row in rows)
        case _:
            return isinstance(value, str) and "\0" not in value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _manifest_info(manifest: Path) -> CorpusInfo:
    """Description of one manifest: that of its prepared corpus, when it is one of its splits."""
    name = manifest.name.split(".jsonl")[0]
    description = manifest.parent / DESCRIPTION
    if name not in SPLITS or not description.is_file():
        return CorpusInfo(name=name)
    info = _info(description)
    return replace(info, name=f"{info.name}-{name}", trials={}, counts={})
