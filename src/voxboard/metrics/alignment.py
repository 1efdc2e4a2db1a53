"""Alignment of two graphs of words: the cheapest pair of ways through them, and what it counts.

Costs of `nist` are sclite's: 4 for a substitution, 3 for a deletion or an insertion, 2 for leaving out a word that may
be missing; of alignments that cost the same the one with more substitutions is taken. `minimal` costs 1 per error.
Of branches that cost the same, the first written is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from voxboard.metrics.nist_text import Arc, Graph, Rules

_SCALE = 1 << 32  # of costs, so that each substitution can take one off: of equal costs, most substitutions
LARGEST = 4_000_000  # cells of a table: ten seconds, 600 MB
_COSTS = {"minimal": (1, 1, 0), "nist": (4, 3, 2)}  # a substitution, a deletion or insertion, an optional word left out


class Counts(NamedTuple):
    """An utterance's alignment, and the texts that were aligned: of all branches, those that were taken."""

    hits: int
    substitutions: int
    insertions: int
    deletions: int
    reference: str
    hypothesis: str

    @property
    def words(self) -> int:
        """Words of the reference."""
        return self.hits + self.substitutions + self.deletions


class _Step(NamedTuple):
    """Step to a cell: cost, previous cell, words."""

    cost: int
    row: int
    column: int
    true: Arc | None
    found: Arc | None


def align(reference: Graph, hypothesis: Graph, rules: Rules) -> Counts:
    """Align two graphs. Raises `ValueError` for texts that are too long for a table of all pairs of their words."""
    if (reference.last + 1) * (hypothesis.last + 1) > LARGEST:
        raise ValueError(f"{reference.last} × {hypothesis.last} words are too many to be aligned by these rules")
    return _traced(_table(reference.entering(), hypothesis.entering(), rules), rules)


def _table(rows: list[list[Arc]], columns: list[list[Arc]], rules: Rules) -> list[list[_Step]]:
    """The cheapest step into every cell; of equal ones, the first."""
    steps: list[list[_Step]] = []
    for row, true in enumerate(rows):
        steps.append([])
        for column, arcs in enumerate(columns):
            ways = _ways(steps, row, column, true, arcs, rules)
            steps[row].append(min(ways, key=_cost) if row or column else _Step(0, 0, 0, None, None))
    return steps


def _cost(step: _Step) -> int:
    return step.cost


def _ways(
    steps: list[list[_Step]], row: int, column: int, true: list[Arc], written: list[Arc], rules: Rules
) -> Iterator[_Step]:
    """All steps into a cell: two words that meet, a word of the reference alone, one of the hypothesis alone."""
    substitution, gap, optional = (cost * _SCALE for cost in _COSTS[rules.costs])
    for one in true:
        if one.word is None:
            continue
        for other in written:
            if other.word is not None:
                cost = 0 if _match(one.word, other.word, rules) else substitution - 1
                yield _Step(steps[one.start][other.start].cost + cost, one.start, other.start, one, other)
    for one in true:
        cost = 0 if one.word is None else optional if one.optional else gap
        yield _Step(steps[one.start][column].cost + cost, one.start, column, one, None)
    for other in written:
        cost = 0 if other.word is None else gap
        yield _Step(steps[row][other.start].cost + cost, row, other.start, None, other)


def _traced(steps: list[list[_Step]], rules: Rules) -> Counts:
    hits = substitutions = insertions = deletions = 0
    texts: tuple[list[str], list[str]] = ([], [])
    step = steps[-1][-1]
    while step.true is not None or step.found is not None:
        words = [arc.word if arc else None for arc in (step.true, step.found)]
        true, written = words
        for text, word in zip(texts, words, strict=True):
            text.extend([word] if word is not None else [])
        if true is not None and written is not None:
            equal = _match(true, written, rules)
            hits, substitutions = hits + equal, substitutions + (not equal)
        elif true is not None:
            free = step.true is not None and step.true.optional
            hits, deletions = hits + free, deletions + (not free)
        elif written is not None:
            insertions += 1
        step = steps[step.row][step.column]
    reference, hypothesis = (" ".join(reversed(text)) for text in texts)
    return Counts(hits, substitutions, insertions, deletions, reference, hypothesis)


def _match(true: str, written: str, rules: Rules) -> bool:
    if true == written:
        return True
    pairs = ((true, written), (written, true)) if rules.fragments else ()
    return any(one.endswith("-") and len(one) > 1 and other.startswith(one[:-1]) for one, other in pairs)
