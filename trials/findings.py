"""Findings about a trial list, and the sentences that report its faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from voxboard.trials.labels import OF_SPEAKERS
from voxboard.trials.speaker_exposure import TrialExposure

Counts = tuple[int, int]  # non-targets, targets
# Labels that tell recordings, not people: that non-targets differ in them is as it should be.
NOT_OF_PEOPLE = ("session", "text", "number", "sample")


@dataclass(frozen=True)
class Findings:
    """Counts over one trial list; None where the labels to tell were not given. Pairs are (non-targets, targets)."""

    digest: str
    trials: int
    targets: int
    non_targets: int
    utterances: int
    utterance_use: tuple[int, int]  # fewest and most appearances of an utterance
    self_trials: int  # an utterance against itself
    duplicates: int  # trials that repeat an earlier pair, in either order
    contradictions: int  # repeated pairs whose label is not that of their first trial
    repeated: Counts = (0, 0)  # the duplicates, by their label
    on_both_sides: int = 0  # utterances that enrol in one trial and test in another
    alternating: bool = False  # labels go 1, 0, 1, 0 …: their place gives them away
    match_counts: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)  # of the list's own columns
    label_counts: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)  # of given labels
    value_counts: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)  # F × F, F × M …
    column_errors: Mapping[str, Counts] = field(default_factory=dict)  # match columns that labels contradict
    column_guesses: Mapping[str, Counts] = field(default_factory=dict)  # that say "different" of what is unknown
    exposure: Mapping[str, TrialExposure] = field(default_factory=dict)  # per utterance, speaker, speaker pair, session
    speakers: int | None = None
    unknown_utterances: int | None = None  # of which no speaker is given
    label_errors: int | None = None  # the label says one thing, the speakers another
    speaker_pairs: tuple[int, int, int] | None = None  # pairs among the non-targets; fewest and most trials of one
    speaker_targets: tuple[int, int] | None = None  # fewest and most target trials of a speaker
    same_session_targets: int | None = None
    same_session_non_targets: int | None = None
    same_text_targets: int | None = None
    same_text_non_targets: int | None = None
    training_speakers: tuple[str, ...] | None = None  # speakers of the list that training saw
    training_trials: int | None = None  # trials that they affect

    def problems(self) -> list[str]:
        """Sentences that a reader of results should know; empty for a faultless list."""
        share = f"of {self.targets} targets"
        repeats = f"trials repeat an earlier pair ({self.repeated[1]} targets, {self.repeated[0]} non-targets)"
        messages = [
            (self.self_trials, "trials compare an utterance with itself"),
            (self.duplicates, repeats),
            (self.contradictions, "repeated pairs contradict the label of their first trial"),
            (self.label_errors, "labels contradict the speakers"),
            (self.unknown_utterances, "utterances have no known speaker"),
            (
                self.same_session_targets,
                f"{share} come from one session{_percent(self.same_session_targets, self.targets)}",
            ),
            (self.same_session_non_targets, f"of {self.non_targets} non-targets come from one session"),
            (self.same_text_targets, f"{share} say the same text"),
            (
                self.training_trials,
                f"trials involve training speakers ({', '.join((self.training_speakers or ())[:3])})",
            ),
        ]
        sentences = [f"{count} {sentence}." for count, sentence in messages if count]
        if self.alternating:
            sentences.append("Labels strictly alternate: the place of a trial gives its label away.")
        return [*sentences, *self._contradicted(), *self._predictable()]

    def _contradicted(self) -> list[str]:
        own = {f"{name.upper()}_MATCH" for name in OF_SPEAKERS}
        unlike = {name: counts["0"][1] for name, counts in self.match_counts.items() if name in own and "0" in counts}
        return [
            *(
                f"{name} is 0 for {count} targets, though a speaker shares its own label: it was unknown (NaN)."
                for name, count in unlike.items()
                if count
            ),
            *(
                f"{name} contradicts the labels in {targets} targets and {others} non-targets."
                for name, (others, targets) in self.column_errors.items()
            ),
            *(
                f"{name} is 0 for {others} non-targets of which a side is unknown."
                for name, (others, _) in self.column_guesses.items()
            ),
        ]

    def _predictable(self) -> list[str]:
        """Labels that all targets share and non-targets often do not: whoever hears the label alone solves these."""
        named = {name.removesuffix("_MATCH").lower(): _differing(counts) for name, counts in self.match_counts.items()}
        named |= {name: _differing(counts) for name, counts in self.label_counts.items()}
        return [
            f"{name} differs in {others} of {self.non_targets} non-targets{_percent(others, self.non_targets)} "
            f"and in no target: {name} alone tells these apart."
            for name, (others, targets) in named.items()
            if others and not targets and name not in NOT_OF_PEOPLE
        ]

    def faults(self) -> list[str]:
        """Reasons why the list gives no number, or none to trust; empty for a usable list, however uneven."""
        sentences = [
            (not self.targets, "There are no targets"),
            (not self.non_targets, "There are no non-targets"),
            (self.contradictions, f"{self.contradictions} repeated pairs contradict the label of their first trial"),
            (self.label_errors, f"{self.label_errors} labels contradict the speakers"),
        ]
        return [f"{sentence}." for wrong, sentence in sentences if wrong]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def _differing(counts: Mapping[str, Counts]) -> Counts:
    """Trials that differ in a label; none for a column that is not of zeros and ones."""
    return counts.get("0", (0, 0)) if "1" in counts else (0, 0)


def _percent(part: int | None, whole: int) -> str:
    return f" ({100 * part / whole:.1f} %)" if part and whole else ""
