"""Counts of a balanced list, from a case that names speakers and what is asked: what the adapter offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any

import pandas as pd

from voxboard.trials.build import build
from voxboard.trials.design import Design
from voxboard.trials.presets import preset

COUNTED = ("utterances", "n_utterances", "count", "files")
NAMED = ("id", "speaker", "name")
NON_TARGETS = ("non_targets", "nontargets", "negatives", "neg")
TARGETS = ("targets", "positives", "pos")


def counts(case: Mapping[str, Any]) -> dict[str, Any]:
    """The counts; the form of a case is that of `tests.conformance.adapter.balanced_counts`."""
    table = _table(case)
    design = _design(case)
    built = build(table, design, int(case.get("seed", 42)))
    trials, speaker = built.trials, built.labels["speaker"]
    names = [speaker.values[code] for code in speaker.codes]
    sides = [
        (names[one], names[other], label)
        for one, other, label in zip(trials.enrol, trials.test, trials.labels, strict=True)
    ]
    of = {name: rows.iloc[0] for name, rows in table.groupby("speaker")}
    pairs = Counter(tuple(sorted((one, other))) for one, other, label in sides if not label)
    strata: dict[str, Counter[tuple[str, ...]]] = {
        ",".join(map(str, pattern)): Counter() for pattern in product((1, 0), repeat=len(design.strata))
    }
    for pair, number in pairs.items():
        shared = ",".join(str(int(of[pair[0]][label] == of[pair[1]][label])) for label in design.strata)
        strata[shared][pair] = number
    targets = Counter(one for one, _, label in sides if label)
    others = Counter(name for one, other, label in sides if not label for name in (one, other))
    return {
        "trials": len(trials),
        "targets": trials.targets,
        "non_targets": trials.non_targets,
        "strata": {
            name: {"pairs": len(found), "per_pair": max(found.values(), default=0), "trials": sum(found.values())}
            for name, found in strata.items()
        },
        "per_pair": {" ".join(pair): number for pair, number in sorted(pairs.items())},
        "per_speaker": {name: {"targets": targets[name], "non_targets": others[name]} for name in sorted(of)},
    }


def _design(case: Mapping[str, Any]) -> Design:
    if "preset" in case:
        return preset(case["preset"]).design
    return Design(
        _first(case, TARGETS, None),
        _first(case, NON_TARGETS, 8_000),
        strata=tuple(case.get("strata", ())),
        target_sessions=case.get("target_sessions", "any"),
        rounding=case.get("rule", case.get("rounding", "ceil")),
    )


def _table(case: Mapping[str, Any]) -> pd.DataFrame:
    speakers = case["speakers"]
    if not isinstance(speakers, Mapping):
        speakers = {str(_first(speaker, NAMED, None)): speaker for speaker in speakers}
    everyone = _first(case, COUNTED, {})
    rows = []
    for name, labels in speakers.items():
        number = _first(labels, COUNTED, everyone[name] if isinstance(everyone, Mapping) and everyone else everyone)
        own = {label: value for label, value in labels.items() if label not in (*COUNTED, *NAMED)}
        utterances = number if isinstance(number, list) else [f"{name}/{place:05d}" for place in range(number)]
        rows += [{"utterance": utterance, "speaker": str(name), **own} for utterance in utterances]
    return pd.DataFrame(rows)


def _first(case: Mapping[str, Any], names: tuple[str, ...], default: Any) -> Any:
    return next((case[name] for name in names if name in case), default)
