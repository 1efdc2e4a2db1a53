"""Balanced trial lists: targets equal over speakers, non-targets over strata, pairs of speakers and utterances.

Non-targets fall into strata by which labels (gender, accent …) the two sides share; every stratum gets the same number
of trials, every pair of speakers inside it the same up to one. Targets are of different sessions where these are known.
What cannot be met is reported, never filled up from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError
from voxboard.trials import target_pairs
from voxboard.trials.balance import Balance, Stratum
from voxboard.trials.design import Design, Sessions
from voxboard.trials.labels import Coded
from voxboard.trials.sampling import BLOCK, Dealer, Ints, pairs_of, speaker_pairs, spread
from voxboard.trials.strata import Strata
from voxboard.trials.table import Trials
from voxboard.trials.utterances import UtteranceTable

if TYPE_CHECKING:
    from pandas import DataFrame

VERSION = 2  # of the sampling: another version draws other lists from the same seed


@dataclass(frozen=True)
class Built:
    """A built list, how it came out, and the labels [U] of its utterances."""

    trials: Trials
    balance: Balance
    labels: Mapping[str, Coded]  # speaker and every column of the table
    table: UtteranceTable
    design: Design
    seed: int

    def origin(self) -> dict[str, Any]:
        """Settings that make the same list again."""
        how = {"version": VERSION, "seed": self.seed, "design": self.design.to_dict()}
        return {"built_by": "voxboard.trials.build", **how, "table": self.table.digest}


def build_balanced(
    utterances: DataFrame,
    trials: int = 10_000,
    strata: Sequence[str] = ("gender",),
    session: str = "session",
    target_share: float = 0.5,
    seed: int = 0,
    target_sessions: Sessions = "different",
) -> tuple[Trials, Balance]:
    """Draw a balanced list from a table with columns `utterance`, `speaker` and labels, e.g. that of `table_of`.

    `strata` are labels that non-targets share in one half of the strata and not in the other; one that varies within a
    speaker (session, age) is compared utterance by utterance. No utterance meets itself, no pair repeats, and the same
    table gives the same list whatever the order of its rows. Every label column becomes a match column. Cost grows with
    utterances plus trials. Raises `UserError` for a table that cannot be used. `build` takes any other `Design`.
    """
    design = Design.of(trials, target_share, strata=tuple(strata), session=session, target_sessions=target_sessions)
    built = build(utterances, design, seed)
    return built.trials, built.balance


def build(utterances: DataFrame, design: Design, seed: int = 0) -> Built:
    """Draw a list by a design. Raises `UserError` for a table or a label that cannot be used."""
    rng = np.random.default_rng([VERSION, seed])
    whole = UtteranceTable(utterances)
    table, labels, notes = _usable(whole, design)
    plans, summaries = _plans(table, Strata(table, labels, design.matched), design, rng)
    planned = sum(stratum.made for stratum in summaries)
    targets, target_summaries, sessions = _targets(table, design, planned, rng)
    one, other = _gathered(targets, sum(stratum.made for stratum in target_summaries))
    use = _use(one, other, len(table))
    size = one.size + planned
    sides = np.empty((2, size), np.int32)
    sides[:, : one.size] = one, other
    repeated = _one_session(table.labels.get(design.session), one, other)
    _deal(table, plans, use, sides[:, one.size :], rng)
    listed, used, use = _listed(table, sides, one.size, labels, rng)
    lowest, highest = int(use.min(initial=size)), int(use.max(initial=0))
    balance = Balance(
        (*target_summaries, *summaries), repeated, (lowest, highest), (*notes, *sessions),
        wanted_same_session=design.target_sessions != "different",
    )  # fmt: skip
    columns = {"speaker": Coded(table.speaker, list(table.speakers)), **table.labels}
    return Built(listed, balance, {name: coded[used] for name, coded in columns.items()}, whole, design, seed)


def _usable(table: UtteranceTable, design: Design) -> tuple[UtteranceTable, list[str], list[str]]:
    """The speakers that the design takes, the labels that can be balanced, and what there is to note about both."""
    labels, notes = [], []
    for name in dict.fromkeys((*design.matched, *design.strata)):
        if (coded := table.label(name)) is None:
            if name in design.matched:
                raise UserError(f"{name} is not known for any speaker.", "Add it to the table, or do not match it.")
            notes.append(f"{name} is not known for any speaker: the list is not balanced by it.")
            continue
        labels.append(name)
        if table.varies(name):
            labelled = int(np.count_nonzero(coded.known))
            notes.append(f"{name} varies within speakers: non-targets share it or not utterance by utterance.")
            if labelled < len(table):
                notes.append(f"{len(table) - labelled} utterances without {name} have no non-target trials.")
        elif missing := int((coded.codes[table.offsets] < 0).sum()):
            notes.append(f"{missing} speakers without {name} have no non-target trials.")
    if design.smallest_group > 1:
        usable = _in_groups(table, design)
        if not usable.all():
            group = f"{design.smallest_group} of the same {' and '.join(design.matched)}"
            left_out = f"{np.count_nonzero(~usable):,} of {usable.size:,} speakers are left out"
            notes.append(f"{left_out}: they are in a group of fewer than {group}.")
        table = table.of(usable)
    return table, labels, notes


def _in_groups(table: UtteranceTable, design: Design) -> NDArray[np.bool_]:
    """[S] who shares the matched labels with enough others."""
    for name in design.matched:
        if table.varies(name):
            raise UserError(f"{name} varies within speakers, so it makes no groups of them.", "Do not match it.")
    values = np.array([table.labels[name].codes[table.offsets] for name in design.matched]).reshape(
        -1, table.sizes.size
    )
    _, group, sizes = np.unique(values, axis=1, return_inverse=True, return_counts=True)
    return np.asarray((sizes[group.ravel()] >= design.smallest_group) & (values >= 0).all(axis=0))


Pairs = Iterator[tuple[Ints, Ints]]


def _targets(
    table: UtteranceTable, design: Design, non_targets: int, rng: np.random.Generator
) -> tuple[list[Pairs], list[Stratum], list[str]]:
    """The targets, as they are drawn block by block, what was asked and made, and what there is to note."""
    capacity = target_pairs.pairs(table.sizes)
    asked = design.targets_of(table.sizes.size, non_targets)
    each = asked // max(table.sizes.size, 1)
    counts = np.minimum(each, capacity) if design.equal else spread(asked, capacity, rng)
    sessions, notes = table.sessions(design.session), []
    share = design.target_sessions
    coded = table.labels.get(design.session)
    if isinstance(share, float | int) and (coded is None or not coded.known.any()):
        share = "any"
        notes.append(f"{design.session} is not known for any utterance: targets are not balanced by it.")
    if isinstance(share, str):
        apart = sessions if share == "different" else np.arange(len(table))
        drawn = target_pairs.of_two_sessions(apart, counts, table.sizes, table.offsets, rng)
        return [drawn], [_stratum("targets", asked, counts, capacity)], notes
    one_session = target_pairs.pairs_of_one_session(sessions, table.sizes)
    wanted = np.full(table.sizes.size, each) if design.equal else spread(asked, np.full(table.sizes.size, asked), rng)
    # One random phase for all speakers: everyone's share is rounded to a neighbour, and the total too.
    alike = np.diff(np.floor(np.cumsum(wanted) * share + rng.random()).astype(np.int64), prepend=0)
    parts = [(1, alike, one_session), (0, wanted - alike, capacity - one_session)]
    made = [np.minimum(part, limit) for _, part, limit in parts]
    summaries = [
        _stratum(f"targets {design.session.upper()}_MATCH={same}", int(part.sum()), count, limit)
        for (same, part, limit), count in zip(parts, made, strict=True)
    ]
    drawn = target_pairs.of_one_session(sessions, made[0], table.sizes, rng)
    return [drawn, target_pairs.of_two_sessions(sessions, made[1], table.sizes, table.offsets, rng)], summaries, notes


Plan = tuple[Ints, Ints, Ints]


def _plans(
    table: UtteranceTable, strata: Strata, design: Design, rng: np.random.Generator
) -> tuple[list[tuple[Strata, Plan]], list[Stratum]]:
    """Plans of how often pairs of speakers' decks meet, stratum by stratum."""
    plans, summaries = [], []
    for place, (pattern, cells) in enumerate(strata.cells(rng).items()):
        asked = design.non_targets_of(place, len(strata.patterns))
        groups = sum(pairs_of(one, other) for one, other in cells)
        if equal := design.rounding == "ceil":
            asked = -(-asked // groups) * groups if groups else asked
        first, second, counts, capacity = speaker_pairs(
            asked, cells, partial(strata.capacity, pattern), rng, equal
        )  # fmt: skip
        capacity = counts + 1 if capacity is None else capacity
        summaries.append(_stratum(strata.name(pattern), asked, counts, capacity, groups))
        plans.append((strata, strata.units(first, second, counts, pattern, rng)))
    return plans, summaries


def _deal(
    table: UtteranceTable,
    plans: list[tuple[Strata, Plan]],
    use: Ints,
    sides: NDArray[np.int32],
    rng: np.random.Generator,
) -> None:
    """Fill in the utterances of non-targets, dealing those that targets used least first."""
    if not plans:
        return
    strata = plans[0][0]
    worn = (use + rng.random(len(table)))[strata.members] / (use.max(initial=0) + 2)
    dealer = Dealer(strata.members[np.argsort(strata.unit + worn)], strata.offsets, strata.sizes)
    place = 0
    for _, plan in plans:
        for first, second in dealer.deal(*plan):
            sides[0, place : place + first.size] = first
            sides[1, place : place + first.size] = second
            place += first.size


def _listed(
    table: UtteranceTable, sides: NDArray[np.int32], targets: int, balanced: Sequence[str], rng: np.random.Generator
) -> tuple[Trials, Ints, Ints]:
    """The list in random order with random sides, the utterances that it uses, and the use [U] of all."""
    size = sides.shape[1]
    swapped = rng.integers(0, 2, size, np.uint8).astype(bool)
    sides[:, swapped] = sides[::-1, swapped]
    order = rng.permutation(np.arange(size, dtype=np.int32))
    sides[0], sides[1] = sides[0][order], sides[1][order]
    labels = (order < targets).astype(np.int8)
    del order, swapped
    use = _use(sides[0], sides[1], len(table))
    matches = {
        f"{name.upper()}_MATCH": _match(coded, sides, labels if name in balanced and not table.varies(name) else None)
        for name, coded in table.labels.items()
        if len(coded.values) > 1 or name in balanced
    }
    used = np.flatnonzero(use)
    if used.size < len(table):
        numbers = (np.cumsum(use > 0) - 1).astype(np.int32)
        sides[0], sides[1] = numbers[sides[0]], numbers[sides[1]]
    return Trials(table.names[used].tolist(), sides[0], sides[1], labels, matches, "balanced"), used, use


def _match(coded: Coded, sides: NDArray[np.int32], labels: NDArray[np.int8] | None) -> NDArray[np.float32]:
    """Match of both sides' labels, block by block; with `labels` targets match whatever a speaker's label is."""
    matches = np.empty(sides.shape[1], np.float32)
    for start in range(0, matches.size, BLOCK):
        part = slice(start, start + BLOCK)
        one, other = coded.codes[sides[0, part]], coded.codes[sides[1, part]]
        matches[part] = one == other
        matches[part][(one < 0) | (other < 0)] = np.nan
        if labels is not None:
            matches[part][labels[part] == 1] = 1
    return matches


def _gathered(blocks: list[Pairs], size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Blocks of pairs in one place."""
    pairs = np.empty((2, size), np.int32)
    place = 0
    for block in blocks:
        for first, second in block:
            pairs[0, place : place + first.size], pairs[1, place : place + first.size] = first, second
            place += first.size
    return pairs[0], pairs[1]


def _use(one: Ints, other: Ints, size: int) -> Ints:
    """Number of trials of every utterance."""
    return np.bincount(one, minlength=size) + np.bincount(other, minlength=size)


def _one_session(coded: Coded | None, one: Ints, other: Ints) -> int | None:
    """Number of pairs of one session, None when no session is known."""
    if coded is None or not coded.known.any():
        return None
    return int(np.count_nonzero((coded.codes[one] == coded.codes[other]) & coded.known[one]))


def _stratum(name: str, asked: int, counts: Ints, capacity: Ints, groups: int | None = None) -> Stratum:
    """`groups` where those without a trial are not among the counts."""
    total = counts.size if groups is None else groups
    least = int(counts.min()) if counts.size == total and total else 0
    made, most = int(counts.sum()), int(counts.max(initial=0))
    return Stratum(name, asked, made, total, least, most, int(np.count_nonzero(counts == capacity)))
