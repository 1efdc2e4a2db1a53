"""A prepared corpus: a folder with one Lhotse manifest per split, a description, and its trial lists.

    <folder>/corpus.json            what it is (`CorpusInfo`)
    <folder>/{train,valid,test}.jsonl.gz   Lhotse cuts; paths relative to `audio_root`
    <folder>/trials-{valid,test}.csv.gz    trial lists, where the corpus has or was given one

Every cut has exactly one supervision, which carries the speaker and, as far as the corpus documents them, gender,
text and language; `custom` carries age, accent, region, nationality and session (chapter, video). A manifest is data:
loading one never runs anything, and its paths cannot leave `audio_root`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.errors import UserError, unknown

if TYPE_CHECKING:
    from lhotse import CutSet
    from lhotse.cut import Cut

SPLITS = ("train", "valid", "test")
ATTRIBUTES = ("gender", "age", "accent", "region", "nationality", "language")


@dataclass(frozen=True)
class CorpusInfo:
    """`corpus.json`: what a corpus is and where its audio lies."""

    name: str
    audio_root: str = "."  # absolute, or relative to the folder of corpus.json
    version: str = ""
    licence: str = "unknown"
    source: str = ""
    synthetic: bool = False
    trials: Mapping[str, str] = field(default_factory=dict)  # split → file name inside the folder
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # split → utterances, speakers, hours
    notes: tuple[str, ...] = ()  # what is missing or was changed, one sentence each


class Corpus:
    """A prepared corpus, opened. Splits are read when they are asked for."""

    def __init__(self, folder: Path, info: CorpusInfo, manifests: Mapping[str, Path]) -> None:
        self.folder = folder
        self.info = info
        self._manifests = dict(manifests)
        self._cuts: dict[str, CutSet] = {}

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def splits(self) -> list[str]:
        """The splits that this corpus has, in the order train, valid, test."""
        return [split for split in SPLITS if split in self._manifests]

    @cached_property
    def audio_root(self) -> Path:
        return (self.folder / self.info.audio_root).resolve()

    def cuts(self, split: str) -> CutSet:
        """The cuts of a split with absolute audio paths. Raises `UserError` when the corpus has no such split."""
        if split not in self._manifests:
            raise UserError(
                f"{self.name} has no {split} split.",
                f"It has {', '.join(self.splits) or 'none'}; prepare it again or name another corpus.",
            )
        if split not in self._cuts:
            self._cuts[split] = _read(self._manifests[split], self.audio_root)
        return self._cuts[split]

    def all_cuts(self) -> list[Cut]:
        """The cuts of all splits, e.g. to resolve a trial list that crosses them."""
        return [cut for split in self.splits for cut in self.cuts(split)]

    def trials(self, split: str) -> Path | None:
        """The corpus's own trial list of a split."""
        name = self.info.trials.get(split)
        return inside(self.folder, name) if name else None

    @classmethod
    def open(cls, location: str | Path, audio_root: str | Path | None = None) -> Corpus:
        """Opens a prepared folder, or one manifest `*.jsonl.gz`, which then serves as the test split."""
        path = Path(location)
        if path.is_dir():
            description = path / "corpus.json"
            if not description.is_file():
                raise UserError(
                    f"{path} is not a prepared corpus (no corpus.json).",
                    f"Run: voxboard prepare {path} --metadata TABLE.csv",
                )
            info = _info(description)
            found = {split: path / f"{split}.jsonl.gz" for split in SPLITS}
            corpus = cls(path, info, {split: file for split, file in found.items() if file.is_file()})
        elif path.name.endswith((".jsonl", ".jsonl.gz")) and path.is_file():
            corpus = cls(path.parent, CorpusInfo(name=path.name.split(".jsonl")[0]), {"test": path})
        else:
            raise UserError(f"There is no corpus at {path}.", "Run: voxboard prepare DATA --data_path DIR")
        if audio_root is not None:
            corpus.audio_root = Path(audio_root).resolve()
        return corpus

    @classmethod
    def write(
        cls, folder: Path, info: CorpusInfo, splits: Mapping[str, Iterable[Cut]], audio_root: Path
    ) -> Corpus:
        """Writes a corpus folder. Cuts may name their audio absolutely; it is stored relative to `audio_root`."""
        from lhotse import CutSet

        folder.mkdir(parents=True, exist_ok=True)
        counts: dict[str, dict[str, float]] = {}
        manifests: dict[str, Path] = {}
        for split, cuts in splits.items():
            ordered = sorted(cuts, key=lambda cut: cut.id)
            if not ordered:
                continue
            manifests[split] = folder / f"{split}.jsonl.gz"
            CutSet.from_cuts(_relative(cut, audio_root) for cut in ordered).to_file(manifests[split])
            counts[split] = {
                "utterances": len(ordered),
                "speakers": len({speaker_of(cut) for cut in ordered}),
                "hours": round(sum(cut.duration for cut in ordered) / 3600, 4),
            }
        root = audio_root.resolve()
        stored = "." if root == folder.resolve() else str(root)
        info = CorpusInfo(**{**asdict(info), "counts": counts, "audio_root": stored})
        (folder / "corpus.json").write_text(json.dumps(asdict(info), indent=2, ensure_ascii=False) + "\n")
        return cls(folder, info, manifests)


def speaker_of(cut: Cut) -> str:
    """The speaker of a cut."""
    return str(cut.supervisions[0].speaker)


def attributes_of(cut: Cut) -> dict[str, Any]:
    """What is known of an utterance's speaker and session: only the labels that are there."""
    supervision = cut.supervisions[0]
    known: dict[str, Any] = {**(supervision.custom or {})}
    for name in ("gender", "language"):
        if getattr(supervision, name, None) is not None:
            known[name] = getattr(supervision, name)
    return {name: value for name, value in known.items() if value not in (None, "")}


def inside(root: Path, name: str | Path) -> Path:
    """`root / name`, refused when that leaves `root`."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UserError(
            f"The manifest names {name}, which lies outside {root}.",
            "Pass the folder that holds the audio as --audio_root.",
        )
    return path


def _info(description: Path) -> CorpusInfo:
    try:
        content = json.loads(description.read_text())
        for key in content:
            if key not in CorpusInfo.__dataclass_fields__:
                raise unknown(f"key in {description}", key, CorpusInfo.__dataclass_fields__)
        return CorpusInfo(**{**content, "notes": tuple(content.get("notes", ()))})
    except (json.JSONDecodeError, TypeError) as error:
        raise UserError(f"{description} cannot be read: {error}.", "Prepare the corpus again.") from error


def _relative(cut: Cut, audio_root: Path) -> Cut:
    """A copy of a cut whose audio is named relative to `audio_root`."""
    from lhotse.utils import fastcopy

    sources = [
        fastcopy(source, source=str(Path(source.source).resolve().relative_to(audio_root.resolve())))
        if Path(source.source).is_absolute()
        else source
        for source in cut.recording.sources
    ]
    return fastcopy(cut, recording=fastcopy(cut.recording, sources=sources))


def _read(manifest: Path, audio_root: Path) -> CutSet:
    from lhotse import CutSet

    try:
        cuts = CutSet.from_file(manifest).to_eager()
    except Exception as error:
        raise UserError(f"{manifest} is not a Lhotse cut manifest: {error}", "Prepare the corpus again.") from error
    for cut in cuts:
        if not cut.has_recording or len(cut.supervisions) != 1 or cut.supervisions[0].speaker is None:
            raise UserError(
                f"Cut {cut.id} of {manifest} does not have one recording and one supervision with a speaker.",
                "Trim the cuts to supervisions with Lhotse first.",
            )
        for source in cut.recording.sources:
            # Lhotse also knows sources of type "command", which run a shell: data must not.
            if source.type != "file":
                raise UserError(
                    f"Cut {cut.id} of {manifest} has an audio source of type {source.type!r}.",
                    "Only files are read.",
                )
            source.source = str(inside(audio_root, source.source))
    return cuts
