"""Building trial lists: what sampling costs beside going through all pairs, and at the size of VoxCeleb2.

The peer goes through all pairs with pandas, as UniPool-SV's scripts do in plain Python; it gets 18 × 100 utterances, a
sixteenth of the pairs of 18 × 400, which already takes it longer. Times are from the table to the `Trials`.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from tests.perf.measure import added_mib, interleaved, report
from voxboard.trials import build_balanced

pytestmark = pytest.mark.perf
VOXCELEB2 = (5_994, 1_092_009)  # speakers and utterances of its development set


def regular(speakers: int, utterances: int, seed: int = 0) -> pd.DataFrame:
    """A table of speakers with so many utterances each, two genders and four accents."""
    names = [f"p{seed}{k:03d}" for k in range(speakers)]
    table = pd.DataFrame([(f"{name}_{k:04d}", name) for name in names for k in range(utterances)])
    table.columns = ["utterance", "speaker"]
    number = np.repeat(np.arange(speakers), utterances)
    return table.assign(gender=np.array(["F", "M"])[number % 2], accent=np.array(list("abcd"))[number // 2 % 4])


@pytest.fixture(scope="module")
def voxceleb2() -> pd.DataFrame:
    """Speakers with unequal numbers of utterances, eight to a video, and gender and nationality by speaker."""
    speakers, utterances = VOXCELEB2
    rng = np.random.default_rng(0)
    sizes = np.bincount(rng.integers(0, speakers, utterances - 20 * speakers), minlength=speakers) + 20
    speaker = np.repeat(np.arange(speakers), sizes)
    place = np.arange(utterances) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    names = np.array([f"id{k:05d}" for k in range(speakers)], object)
    videos = [f"id{s:05d}/v{k // 8:010d}" for s, k in zip(speaker.tolist(), place.tolist(), strict=True)]
    return pd.DataFrame(
        {
            "utterance": [f"{video}/{k % 8:05d}" for video, k in zip(videos, place.tolist(), strict=True)],
            "speaker": names[speaker],
            "gender": np.where(rng.random(speakers) < 0.39, "f", "m")[speaker],
            "nationality": np.array([f"n{k}" for k in range(36)])[rng.integers(0, 36, speakers)][speaker],
            "session": videos,
        }
    )


def enumerated(table: pd.DataFrame, trials: int) -> pd.DataFrame:
    """UniPool-SV's way: all pairs of utterances, then a sample from every speaker and every speaker pair."""
    one, other = np.triu_indices(len(table), 1)
    columns = {name: table[name].to_numpy()[side] for name in table for side in (one,)}
    pairs = pd.DataFrame({**columns, **{f"{name}_2": table[name].to_numpy()[other] for name in table}})
    same = pairs["speaker"] == pairs["speaker_2"]
    pairs["stratum"] = 2 * (pairs["gender"] == pairs["gender_2"]) + (pairs["accent"] == pairs["accent_2"])
    targets = pairs[same].groupby("speaker").sample(trials // 2 // table["speaker"].nunique(), random_state=0)
    parts = [targets]
    for _, stratum in pairs[~same].groupby("stratum"):
        by_pair = stratum.groupby(["speaker", "speaker_2"])
        parts.append(by_pair.sample(-(-trials // 8 // by_pair.ngroups), random_state=0))
    return pd.concat(parts)


def _cpu_seconds(table: pd.DataFrame) -> float:
    """One thread does it all, so that this is the time on a machine that has nothing else to do."""
    started = time.process_time()
    build_balanced(table, 600_000)
    return time.process_time() - started


def test_two_splits_of_vctk_size_take_a_moment() -> None:
    splits = [regular(18, 400, seed) for seed in (1, 2)]
    smaller = regular(18, 100)

    def ours() -> None:
        for table in splits:
            build_balanced(table, 16_000, strata=("gender", "accent"))

    ours()
    took = interleaved(
        3, ours=ours, **{"pandas, all pairs of 18 × 100, one split": lambda: enumerated(smaller, 16_000)}
    )
    memory = {"ours": added_mib(ours), "pandas": added_mib(lambda: enumerated(smaller, 16_000))}
    report("balanced trials, 18 speakers × 400, 16,000 trials, two splits", took, "≤ 0.3 s, ≤ 100 MiB", memory)
    assert took["ours"] <= 0.3
    assert memory["ours"] <= 100
    assert took["ours"] < took["pandas, all pairs of 18 × 100, one split"]


def test_600_000_trials_of_voxceleb2(voxceleb2: pd.DataFrame) -> None:
    # The floor: reading the table's five columns as numbers, once.
    took = interleaved(
        3,
        ours=lambda: build_balanced(voxceleb2, 600_000),
        **{
            "gender × nationality": lambda: build_balanced(voxceleb2, 600_000, strata=("gender", "nationality")),
            "pandas.factorize of the five columns": lambda: [pd.factorize(voxceleb2[name]) for name in voxceleb2],
        },
    )
    memory = {"ours": added_mib(lambda: build_balanced(voxceleb2, 600_000))}
    report("balanced trials, VoxCeleb2 size, 600,000 trials", took, "≤ 2 s", memory)
    busy = min(_cpu_seconds(voxceleb2) for _ in range(2))
    print(f"CPU seconds: {busy:.2f}")
    assert busy <= 2


def test_ten_million_trials_of_voxceleb2(voxceleb2: pd.DataFrame) -> None:
    started = time.perf_counter()
    memory = added_mib(lambda: build_balanced(voxceleb2, 10_000_000))
    took = {"ours": time.perf_counter() - started}
    report("balanced trials, VoxCeleb2 size, 10⁷ trials", took, "≤ 60 s, ≤ 1 GiB", {"ours": memory})
    assert took["ours"] <= 60
    assert memory <= 1024


def test_the_order_of_rows_costs_a_sort_and_changes_nothing(voxceleb2: pd.DataFrame) -> None:
    shuffled = voxceleb2.sample(frac=1, random_state=0)
    took = interleaved(1, ours=lambda: build_balanced(shuffled, 600_000))
    report("the same 600,000 trials, rows in random order", took, "the same list")
    assert build_balanced(shuffled, 600_000)[0].digest() == build_balanced(voxceleb2, 600_000)[0].digest()
