"""Verification trials on a corpus: the list that is named, the corpus's own, or a balanced one that is built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxboard import trials as trial_lists
from voxboard.benchmarks.base import Items
from voxboard.data.corpus import Corpus, speaker_of
from voxboard.errors import UserError
from voxboard.trials import Trials

if TYPE_CHECKING:
    from lhotse.cut import Cut

BUILT_TRIALS = 10_000  # size of a list that is built because a corpus has none


@dataclass(frozen=True)
class TrialSet(Items):
    """A trial list on a corpus: `trials.utterances` are the ids of `cuts`, in the same order."""

    trials: Trials

    def __len__(self) -> int:
        return len(self.trials.labels)

    def first(self, count: int) -> TrialSet:
        """A small list for a rehearsal: the first targets and the first non-targets, `count` in all."""
        labels = self.trials.labels
        keep = np.sort(np.concatenate([np.flatnonzero(labels == label)[: -(-count // 2)] for label in (0, 1)]))
        return self._only(keep)

    def without(self, skipped: set[str]) -> TrialSet:
        """The list without the trials of utterances that could not be read. Raises `UserError` if none is left."""
        lost = np.array([cut.id in skipped for cut in self.cuts])
        keep = np.flatnonzero(~(lost[self.trials.enrol] | lost[self.trials.test]))
        if len(set(self.trials.labels[keep].tolist())) < 2:
            raise UserError("Without the unreadable audio no trial of one kind is left.", "Repair the files first.")
        return self._only(keep)

    def _only(self, keep: np.ndarray) -> TrialSet:
        """Only the trials `keep`, and only the utterances that they use."""
        smaller = self.trials.select(keep)
        by_id = {cut.id: cut for cut in self.cuts}
        return replace(self, trials=smaller, cuts=tuple(by_id[name] for name in smaller.utterances))


def trial_set(corpus: Corpus, split: str, path: Path | None = None, seed: int = 0) -> TrialSet:
    """The trials of a split: `path`, else the corpus's own list, else a balanced one built from the split's speakers.

    Raises `UserError` when a trial names an utterance that the corpus does not have.
    """
    listed = path or corpus.trials(split)
    if listed is None:
        cuts = list(corpus.cuts(split))
        trials = _built(corpus, split, cuts, seed)
    else:
        trials = trial_lists.read(listed)
        cuts = corpus.all_cuts()
    digest = trials.digest()
    by_id = {cut.id: cut for cut in cuts}
    resolved = trial_lists.resolve(trials, _names(cuts))
    used = tuple(by_id[name] for name in resolved.utterances)
    return TrialSet(corpus, split, used, digest, resolved)


def _names(cuts: Sequence[Cut]) -> dict[str, str]:
    """Cut id → audio path."""
    return {cut.id: str(cut.recording.sources[0].source) for cut in cuts}


def _built(corpus: Corpus, split: str, cuts: Sequence[Cut], seed: int) -> Trials:
    per_speaker = Counter(speaker_of(cut) for cut in cuts)
    # A list that asks for more targets than there are pairs would not be balanced.
    targets = min(BUILT_TRIALS // 2, sum(count * (count - 1) // 2 for count in per_speaker.values()))
    if not targets or len(per_speaker) < 2:
        raise UserError(
            f"No balanced trial list can be built from the {split} speakers of {corpus.name}.",
            f"Pass one with --{split}_trials FILE.",
        )
    trials, _ = trial_lists.build_balanced(trial_lists.table_of(cuts), trials=2 * targets, seed=seed)
    return replace(trials, name=f"{corpus.name}-{split}-balanced")
