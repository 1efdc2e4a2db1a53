"""`voxboard trials` as a person meets it: what is printed, written and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxboard.cli import main
from voxboard.trials import Trials, read, write


@pytest.fixture
def speakers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "120")
    rows = [f"s{k},{'FM'[k % 2]}" for k in range(6)]
    path = tmp_path / "speakers.csv"
    path.write_text("\n".join(["speaker,gender", *rows]) + "\n")
    return path


def test_build_prints_and_writes_a_list_with_its_report(
    speakers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "list.csv.gz"
    words = ["trials", "build", str(speakers), "--utterances_per_speaker", "20", "--trials", "240", "--seed", "3"]
    assert main([*words, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "240 trials, 120 targets and 120 non-targets" in printed.out
    assert "non-targets gender =      60" in printed.out
    assert "utterances such as s0/0001 are made up, 120 in all" in printed.err
    assert read(out).targets == 120
    assert json.loads(out.with_name("list.csv.gz.json").read_text())["origin"]["seed"] == 3
    assert main([*words, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["digest"], content["written"]) == (read(out).digest(), None)


def test_a_preset_can_be_changed_by_flags(speakers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["trials", "build", str(speakers), "--utterances_per_speaker", "30", "--json"]
    assert main([*words, "--preset", "unipool-librispeech", "--trials", "100", "--rounding", "exact"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["findings"]["targets"], content["findings"]["non_targets"]) == (50, 50)
    assert content["origin"]["design"]["target_sessions"] == "any"
    assert main([*words, "--matched", "gender", "--target_sessions", "0.5"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"]["design"]["strata"] == []


def test_what_cannot_be_met_is_printed(speakers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials", "build", str(speakers), "--utterances_per_speaker", "2", "--trials", "400"]) == 0
    assert "! targets: 6 of 200 trials, all that 6 speakers allow." in capsys.readouterr().out


def test_check_prints_what_is_known_of_voxceleb1_o(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = shared_data / "voxceleb-lists"
    original = str(lists / "vox1_O_original.veri_test.txt.gz")
    words = ["--metadata", str(lists / "vox1_meta.csv"), "--training", str(lists / "vox2_meta.csv")]
    assert main(["trials", "check", original, *words]) == 0
    printed = capsys.readouterr().out
    for sentence in (
        "37,720 trials, 18,860 targets and 18,860 non-targets",
        "4,715 utterances, 40 speakers",
        "! 338 trials repeat an earlier pair (329 targets, 9 non-targets).",
        "! 2060 of 18860 targets come from one session (10.9 %).",
        "! Labels strictly alternate: the place of a trial gives its label away.",
        "! gender differs in 8108 of 18860 non-targets (43.0 %) and in no target: gender alone tells these apart.",
    ):
        assert sentence in printed
    assert main(["trials", "check", str(lists / "vox1_O_cleaned.veri_test2.txt.gz"), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["findings"]["duplicates"], content["findings"]["trials"]) == (337, 37_611)
    assert (content["labels_from"], content["faults"]) == ("names as VoxCeleb gives them", [])


def test_check_prints_what_is_known_of_unipools_lists(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials", "check", str(shared_data / "unipool-sv-trials/librispeech-trials-dev.csv.gz")]) == 0
    printed = capsys.readouterr().out
    assert "! 9351 of 18031 targets come from one session (51.9 %)." in printed
    assert "! subset differs in 9240 of 18396 non-targets (50.2 %)" in printed  # clean and other are mixed
    vctk = str(shared_data / "unipool-sv-trials/vctk-trials-valid.csv.gz")
    assert (
        main(["trials", "check", vctk, "--metadata", str(shared_data / "vctk-mini/VCTK/speaker-info.txt"), "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)["findings"]
    assert found["match_counts"]["SOFT_AGE_MATCH"] == {"0": [1969, 0], "1": [6061, 8010]}
    assert found["match_counts"]["REGION_MATCH"] == {
        "0": [7666, 0],
        "1": [364, 8010],
    }  # no target without a region here
    assert found["value_counts"]["gender"] == {
        "female × female": [3174, 5340], "female × male": [4015, 0], "male × male": [841, 2670],
    }  # fmt: skip
    pair = found["exposure"]["non-targets of a speaker pair"]
    assert (pair["least"], pair["most"], pair["histogram"]) == (31, 182, {"31": 65, "33": 61, "125": 16, "182": 11})
    assert found["label_counts"]["number"]["1"] == [18, 0]
    assert (found["column_errors"], found["column_guesses"]) == ({}, {})


def test_show_draws_how_evenly_a_list_is_used(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials", "show", str(shared_data / "unipool-sv-trials/vctk-trials-valid.csv.gz")]) == 0
    printed = capsys.readouterr().out
    assert "p263/p263_383.wav" in printed
    assert "non-targets of a speaker pair: 153, 31 to 182 trials each" in printed
    assert "█" in printed


def test_an_unusable_list_ends_with_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(Trials.of([1, 1], ["a", "a"], ["b", "c"]), tmp_path / "list.txt")
    assert main(["trials", "check", str(path)]) == 1
    assert "unusable: There are no non-targets." in capsys.readouterr().out
    path.write_text("1 a b\n0 a c\n")
    assert main(["trials", "check", str(path)]) == 1
    assert "list.txt.json is of another list" in capsys.readouterr().out


def test_convert_keeps_the_list_and_says_what_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text("LABEL,SAMPLE1,SAMPLE2,X_MATCH\n1,a,b,1\n0,a,c,0\n")
    assert main(["trials", "convert", str(tmp_path / "list.csv"), str(tmp_path / "trials"), "--format", "kaldi"]) == 0
    printed = capsys.readouterr()
    assert "2 trials" in printed.out
    assert "The match columns (X_MATCH) are left out" in printed.err
    assert (tmp_path / "trials").read_text() == "a b target\na c nontarget\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["buidl"], "build"),
        (["build", "SPEAKERS"], "names speakers, but no utterances"),
        (["build", "SPEAKERS", "--preset", "vox-hh"], "vox-h"),
        (["build", "SPEAKERS", "--utterances_per_speaker", "9", "--strata", "gendre"], "gender"),
        (["build", "Vox3"], "Unknown corpus"),
        (["check", "nowhere.txt"], "cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], says: str, speakers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trials", *(str(speakers) if word == "SPEAKERS" else word for word in words)]) == 2
    assert says in capsys.readouterr().err


def test_the_help_shows_examples_and_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials"]) == 0
    assert "voxboard trials check veri_test2.txt" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["trials", "build", "--help"])
    assert "unipool-vctk" in capsys.readouterr().out
