"""Presets: on the speakers of the published lists, every count is that of the published list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conformance.adapter import balanced_counts
from voxboard.errors import UserError
from voxboard.trials import Trials, metadata, read
from voxboard.trials.build import build
from voxboard.trials.presets import PRESETS, preset


def by_pair(trials: Trials, speakers: dict[str, str]) -> Counter[tuple[str, ...]]:
    """Trials per unordered pair of speakers, the same speaker twice for targets."""
    of = np.array([speakers[name] for name in trials.utterances])
    sides = zip(of[trials.enrol], of[trials.test], strict=True)
    return Counter(tuple(sorted((str(one), str(other)))) for one, other in sides)


def published(shared_data: Path, name: str, table: str) -> tuple[Trials, pd.DataFrame]:
    """A published list and the table of its utterances, with the labels of the corpus's own table."""
    trials = read(shared_data / name)
    return trials, metadata.with_utterances(metadata.read(shared_data / table), trials.utterances)


def test_unipool_vctk_has_the_counts_of_every_stratum_speaker_pair_and_speaker(shared_data: Path) -> None:
    theirs, table = published(
        shared_data, "unipool-sv-trials/vctk-trials-valid.csv.gz", "vctk-mini/VCTK/speaker-info.txt"
    )
    built = build(table, preset("unipool-vctk").design)
    assert (len(built.trials), built.trials.targets, built.trials.non_targets) == (16_040, 8_010, 8_030)
    counted = [(stratum.groups, stratum.least, stratum.most, stratum.made) for stratum in built.balance.strata]
    assert counted == [(18, 445, 445, 8010), (16, 125, 125, 2000), (65, 31, 31, 2015), (11, 182, 182, 2002),
                       (61, 33, 33, 2013)]  # fmt: skip
    speakers = dict(zip(table["utterance"], table["speaker"], strict=True))
    assert by_pair(built.trials, speakers) == by_pair(theirs, speakers)
    assert built.balance.problems() == []


def test_unipool_librispeech_has_the_counts_of_every_speaker_pair(shared_data: Path) -> None:
    theirs, table = published(
        shared_data,
        "unipool-sv-trials/librispeech-trials-dev.csv.gz",
        "librispeech-mini/LibriSpeech/SPEAKERS.TXT",
    )
    built = build(table, preset("unipool-librispeech").design)
    assert (built.trials.targets, built.trials.non_targets) == (18_031, 18_396)
    assert [(s.groups, s.most, s.made) for s in built.balance.strata] == [
        (73, 247, 18_031), (1296, 7, 9_072), (1332, 7, 9_324),
    ]  # fmt: skip
    speakers = dict(zip(table["utterance"], table["speaker"], strict=True))
    assert by_pair(built.trials, speakers) == by_pair(theirs, speakers)


def test_unipool_vox2_halves_the_targets_by_video_and_meets_every_speaker_pair_five_times(shared_data: Path) -> None:
    speakers = metadata.read(shared_data / "voxceleb-lists/vox2_meta.csv", split="test")
    table = metadata.with_placeholders(speakers.iloc[:118], 80)  # the release has audio of 118 of the 120
    table["session"] = table["speaker"] + "/" + (table.groupby("speaker").cumcount() // 8).astype(str)
    built = build(table, preset("unipool-vox2").design)
    assert (built.trials.targets, built.trials.non_targets, len(built.trials)) == (32_096, 34_515, 66_611)
    assert [(s.name, s.least, s.most, s.groups) for s in built.balance.strata] == [
        ("targets SESSION_MATCH=1", 136, 136, 118),
        ("targets SESSION_MATCH=0", 136, 136, 118),
        ("non-targets", 5, 5, 6903),
    ]
    assert built.balance.same_session_targets == 16_048
    assert built.balance.problems() == []


def test_without_sessions_unipool_vox2_keeps_its_counts_and_says_so(shared_data: Path) -> None:
    speakers = metadata.read(shared_data / "voxceleb-lists/vox2_meta.csv", split="test")
    built = build(metadata.with_placeholders(speakers.iloc[:118], 80), preset("unipool-vox2").design)
    assert built.trials.targets == 32_096
    assert built.balance.problems() == ["session is not known for any utterance: targets are not balanced by it."]


def test_vox_e_and_vox_h_have_the_speakers_and_trials_of_voxceleb1(shared_data: Path) -> None:
    table = metadata.with_placeholders(metadata.read(shared_data / "voxceleb-lists/vox1_meta.csv"), 60)
    everyone = build(table, preset("vox-e").design)
    assert len(everyone.trials) == 581_480
    assert np.unique(everyone.labels["speaker"].codes).size == 1251
    hard = build(table, preset("vox-h").design)
    assert len(hard.trials) == 552_536
    assert np.unique(hard.labels["speaker"].codes).size == 1190  # of the 18 groups of five or more
    for name in ("GENDER_MATCH", "NATIONALITY_MATCH"):
        assert (hard.trials.matches[name] == 1).all()
        assert (everyone.trials.matches[name] == 0).any()
    assert hard.balance.strata[1].most - hard.balance.strata[1].least == 1
    assert hard.balance.notes == (
        "61 of 1,251 speakers are left out: they are in a group of fewer than 5 of the same gender and nationality.",
    )


def test_a_preset_says_what_small_corpora_cannot_give() -> None:
    table = pd.DataFrame(
        [(f"{name}-{k}", name, gender) for name, gender in (("a", "f"), ("b", "f"), ("c", "m")) for k in range(20)],
        columns=["utterance", "speaker", "gender"],
    )
    balance = build(table, preset("unipool-librispeech").design).balance
    assert [(s.asked, s.made) for s in balance.strata] == [(1002, 570), (8000, 400), (8000, 800)]
    assert balance.problems() == [
        "targets: 570 of 1002 trials, all that 3 speakers allow.",
        "non-targets GENDER_MATCH=1: 400 of 8000 trials, all that 1 pairs of speakers allow.",
        "non-targets GENDER_MATCH=0: 800 of 8000 trials, all that 2 pairs of speakers allow.",
    ]


def test_an_unknown_preset_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"Unknown preset 'unipool-vtck'. Did you mean unipool-vctk"):
        preset("unipool-vtck")
    assert all(entry.summary and entry.source for entry in PRESETS.values())


def test_the_adapter_counts_what_the_rule_gives() -> None:
    speakers = {f"s{k}": {"gender": "FM"[k % 2], "utterances": 30} for k in range(5)}  # 3 F, 2 M
    found = balanced_counts({"speakers": speakers, "targets": 101, "non_targets": 100, "strata": ["gender"]})
    assert (found["targets"], found["non_targets"], found["trials"]) == (105, 106, 211)
    assert found["strata"] == {  # 4 pairs of one gender, 6 of two
        "1": {"pairs": 4, "per_pair": 13, "trials": 52},
        "0": {"pairs": 6, "per_pair": 9, "trials": 54},
    }
    assert found["per_pair"]["s0 s1"] == 9
    assert found["per_speaker"]["s0"] == {"targets": 21, "non_targets": 2 * 13 + 2 * 9}
    listed = [{"id": name, "gender": labels["gender"]} for name, labels in speakers.items()]
    case = {"speakers": listed, "utterances": 30, "positives": 101, "negatives": 100, "strata": ["gender"]}
    assert balanced_counts(case) == found
