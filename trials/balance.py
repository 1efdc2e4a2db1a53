"""Counts requested of a trial list and counts obtained, stratum by stratum."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stratum:
    """Counts requested of one stratum and counts obtained."""

    name: str
    asked: int
    made: int
    groups: int  # pairs of speakers for non-targets, speakers for targets
    least: int  # trials of the group with the fewest …
    most: int  # … and of the one with the most
    exhausted: int = 0  # groups that had no more pairs of utterances to give

    def problem(self) -> str | None:
        """Sentence on a request that was not met, or met unevenly."""
        kind = "speakers" if self.name.startswith("targets") else "pairs of speakers"
        if self.made < self.asked:
            if not self.groups:
                why = f"as no {kind} fit"
            elif self.exhausted < self.groups:
                why = f"as {self.exhausted} of {self.groups} {kind} have no more"
            else:
                why = f"all that {self.groups} {kind} allow"
            return f"{self.name}: {self.made} of {self.asked} trials, {why}."
        if self.exhausted and self.most - self.least > 1:
            given = f"{self.exhausted} of {self.groups} {kind} gave all they have"
            return f"{self.name}: {given}; the others gave more."
        return None


@dataclass(frozen=True)
class Balance:
    """The report of a built list: every stratum, and how utterances and sessions were used."""

    strata: tuple[Stratum, ...]
    same_session_targets: int | None  # None: no sessions are known
    utterance_use: tuple[int, int]  # fewest and most appearances of an utterance of the table
    notes: tuple[str, ...] = ()
    wanted_same_session: bool = False  # the design asks for targets of one session, or does not mind

    def problems(self) -> list[str]:
        """Sentences on requests that were not met or met unevenly, then on anything else of note."""
        sentences = [problem for stratum in self.strata if (problem := stratum.problem())]
        if self.same_session_targets and not self.wanted_same_session:
            sentences.append(f"{self.same_session_targets} targets are of one session, for want of others.")
        return [*sentences, *self.notes]
