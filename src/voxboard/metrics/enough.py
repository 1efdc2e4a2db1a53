"""How many speakers and errors it takes before a number can be read as one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from voxboard.metrics.exact import smallest_p

# Fewer speakers (or recordings) tell nothing apart and fix no threshold. All that a test over five can reach is
# p = 2^(1 - 5) = 0.0625; and a threshold that rejects nobody of five may reject 45 % of all others, of six 39 %.
SPEAKERS = 6
# False alarms that a minDCF needs at its optimum: the threshold is chosen by them, so that fewer make it look too good.
# Simulated intervals that should hold the truth in 95 % of lists held it in 15 to 80 % below ten, in 92 % from ten on.
FALSE_ALARMS = 10
TOO_FEW = "too few speakers to tell anything apart"


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
    some = f"{clusters} {by}{'' if clusters == 1 else 's'}"
    if clusters < SPEAKERS:
        return f"{some}: {TOO_FEW.replace('speaker', by)}; it takes {SPEAKERS}."
    return f"{some} cannot show any of {comparisons:,} differences, however large: that takes {needed} {by}s."


def few_alarms(metric: str, false_alarms: int | None) -> str:
    """Say that a list cannot show a minDCF, by the label of the metric; empty where it can, or nobody counted."""
    if false_alarms is None or false_alarms >= FALSE_ALARMS:
        return ""
    some = f"{false_alarms or 'no'} false alarm{'' if false_alarms == 1 else 's'}"
    return f"{some} at the optimum, fewer than {FALSE_ALARMS}: this list cannot show {metric}"


def few_to_fix(speakers: int | None) -> str:
    """Say why threshold and calibration of a validation list are not used, by its speakers with target trials."""
    if speakers is None or speakers >= SPEAKERS:
        return ""
    some = f"{speakers} validation speaker{'' if speakers == 1 else 's'}"
    return f"{some} with target trials, fewer than the {SPEAKERS} that fix a threshold or a calibration"


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
