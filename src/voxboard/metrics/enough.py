"""Numbers of speakers and errors that a number needs before it can be read as one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from voxboard.metrics.exact import smallest_p

# Fewer speakers (or recordings) tell nothing apart and fix no threshold. All that a test over five can reach is
# p = 2^(1 - 5) = 0.0625; and a threshold that rejects nobody of five may reject 45 % of all others, of six 39 %.
SPEAKERS = 6
# False alarms that a minDCF needs at its optimum: the threshold is chosen by them, so that fewer make it look too good.
# Simulated intervals that should hold the truth in 95 % of lists held it in 15 to 80 % below ten, in 92 % from ten on.
FALSE_ALARMS = 10


def plural(thing: str) -> str:
    """`speakers`, `recordings`, `linked utterances`."""
    return thing if thing.endswith("s") else f"{thing}s"


def many(count: int, thing: str) -> str:
    """`1 speaker`, `40 speakers`."""
    return f"{count:,} {thing if count == 1 else plural(thing)}"


def too_few(by: str = "speaker") -> str:
    """The verdict of fewer than `SPEAKERS`."""
    return f"too few {plural(by)} to tell anything apart"


def speakers_needed(comparisons: int, level: float = 0.95) -> int:
    """Return how many speakers it takes for one of so many comparisons, corrected for all, to be able to show anything.

    The least p of a sign-flip test over S speakers is 2^(1 − S), so S ≥ 1 + log2(comparisons / (1 − level)).
    """
    needed = math.ceil(1 + math.log2(max(comparisons, 1) / (1 - level)) - 1e-9)
    while smallest_p(needed) * max(comparisons, 1) >= 1 - level - 1e-12:
        needed += 1
    return max(needed, SPEAKERS)


def shows_nothing(clusters: int | None, comparisons: int, level: float = 0.95, by: str = "speaker") -> str:
    """Say why a table of so many comparisons can find nothing, whatever is in it; empty where it can."""
    if clusters is None or comparisons < 1 or clusters >= (needed := speakers_needed(comparisons, level)):
        return ""
    if clusters < SPEAKERS:
        return f"{many(clusters, by)}: {too_few(by)}; it takes {SPEAKERS}."
    some, differences = many(clusters, by), many(comparisons, "difference")
    return f"{some} cannot show any of {differences}, however large: that takes {many(needed, by)}."


def few_alarms(false_alarms: Mapping[str, int]) -> str:
    """Say which costs a list cannot show, given the false alarms at the optimum of each by its label; else empty."""
    few = {metric: count for metric, count in false_alarms.items() if count < FALSE_ALARMS}
    if not few:
        return ""
    counts = " and ".join(dict.fromkeys(f"{count:,}" for count in few.values()))
    return (
        f"This list cannot show {' and '.join(few)}: at the optimum there are {counts} false alarms, fewer than the "
        f"{FALSE_ALARMS} that it takes."
    )


def few_to_fix(speakers: int | None) -> str:
    """Say why threshold and calibration of a validation list are not used, by its speakers with target trials."""
    if speakers is None or speakers >= SPEAKERS:
        return ""
    return f"too few validation speakers: {speakers} with target trials, {SPEAKERS} are needed"


def few_to_validate(speakers: Iterable[str]) -> str:
    """Say that a validation split, given the speaker of every utterance, will fix no threshold; empty where it will.

    A target trial takes two utterances of one speaker.
    """
    counts = Counter(speakers)
    able = sum(count > 1 for count in counts.values())
    if able >= SPEAKERS or not counts:
        return ""
    have = "has" if able == 1 else "have"
    return (
        f"Only {able} of {len(counts)} validation speakers {have} two utterances, and a threshold or a calibration "
        f"takes {SPEAKERS}: evaluations will leave out FAR*, FRR*, EER*, actual DCF and Cllr."
    )
