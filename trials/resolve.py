"""From the names that a trial list uses to the utterances of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from voxboard.errors import UserError
from voxboard.trials.table import Trials

AUDIO = (".wav", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".sph")


def resolve(trials: Trials, ids: Mapping[str, str | Path]) -> Trials:
    """The same trials with the utterance ids of a corpus as names; `ids` maps each id to its audio path.

    A name stands for an utterance when it is its id (with or without an audio extension), when its audio path ends
    with it (extensions may differ), when its last part is its id, or when its folders all lie on the audio path, as in
    UniPool-SV's LibriSpeech lists, whose paths skip the chapter. Raises `UserError` for names that fit none or several.
    """
    options = candidates(trials.utterances, ids)
    _refuse(trials, [len(matches) == 0 for matches in options], "are not in the corpus", [""] * len(options))
    several = [f" ({' or '.join(sorted(matches)[:2])})" for matches in options]
    _refuse(trials, [len(matches) > 1 for matches in options], "fit several utterances", several)
    utterances: dict[str, int] = {}
    codes = np.array([utterances.setdefault(matches[0], len(utterances)) for matches in options], np.int32)
    return replace(trials, utterances=tuple(utterances), enrol=codes[trials.enrol], test=codes[trials.test])


def candidates(names: Iterable[str], ids: Mapping[str, str | Path]) -> list[list[str]]:
    """The ids that each name may stand for, by the rules of `resolve`: none, one or several."""
    index = _Index(ids)
    return [index.find(name) for name in names]


def _refuse(trials: Trials, bad: list[bool], problem: str, details: list[str]) -> None:
    if not any(bad):
        return
    mask = np.array(bad)
    affected = int(np.count_nonzero(mask[trials.enrol] | mask[trials.test]))
    names = [f"{trials.utterances[place]}{details[place]}" for place in np.flatnonzero(mask).tolist()]
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    raise UserError(
        f"{len(names)} of {len(bad)} utterances of {trials.name} {problem}: {shown}; "
        f"they affect {affected} of {len(trials)} trials.",
        "Check that list and corpus belong together, or that the corpus is complete.",
    )


class _Index:
    """The utterances of a corpus by id, by the end of the audio path, and by folder and stem."""

    def __init__(self, ids: Mapping[str, str | Path]) -> None:
        self.paths = {name: _parts(str(path)) for name, path in ids.items()}
        self.ends: dict[tuple[str, ...], list[str]] = {}
        self.folders: dict[tuple[str, str], list[str]] | None = None  # made when first needed
        for name, parts in self.paths.items():
            for depth in (1, 2, 3):
                self.ends.setdefault(tuple(_bare(parts)[-depth:]), []).append(name)

    def find(self, name: str) -> list[str]:
        """The ids that a name may stand for: the first of the rules that fits any."""
        bare = name.removesuffix(_extension(name))
        for candidate in (name, bare):
            if candidate in self.paths:
                return [candidate]
        parts = _parts(name)
        return self._by_path(parts) or self._by_stem(_bare(parts))

    def _by_path(self, parts: list[str]) -> list[str]:
        bare = _bare(parts)
        ends = [
            candidate
            for candidate in self.ends.get(tuple(bare[-3:]), [])
            if _bare(self.paths[candidate])[-len(bare) :] == bare
        ]
        exact = [candidate for candidate in ends if self.paths[candidate][-1] == parts[-1]]
        return exact or ends

    def _by_stem(self, bare: list[str]) -> list[str]:
        if bare[-1] in self.paths:
            return [bare[-1]]
        if len(bare) < 2:
            return []
        if self.folders is None:
            self.folders = {}
            for name, parts in self.paths.items():
                *above, stem = _bare(parts)
                for folder in set(above[-5:]):
                    self.folders.setdefault((folder, stem), []).append(name)
        candidates = self.folders.get((bare[-2], bare[-1]), [])
        return [name for name in candidates if _passes(bare[:-1], self.paths[name][:-1])]


def _passes(folders: list[str], path: list[str]) -> bool:
    """True if all folders lie on a path, in their order."""
    rest = iter(path)
    return all(folder in rest for folder in folders)


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def _bare(parts: list[str]) -> list[str]:
    """The parts of a path without the audio extension."""
    return [*parts[:-1], parts[-1].removesuffix(_extension(parts[-1]))] if parts else [""]


def bare(name: str) -> str:
    """A name without the extension of audio files."""
    return name.removesuffix(_extension(name))


def _extension(name: str) -> str:
    return next((name[-len(ending) :] for ending in AUDIO if name.lower().endswith(ending)), "")
