"""Corpora of recordings: layouts, what is refused, and that they do not pass for utterances."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data.conftest import Speak
from voxboard.data.corpus import Corpus, speakers_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.splits import check_disjoint
from voxboard.errors import BadAudio, UserError
from voxboard.preparation import prepare

LINE = "SPEAKER {} 1 {} {} <NA> <NA> {} <NA> <NA>\n"


def rttm(path: Path, *turns: tuple[str, float, float, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(LINE.format(*turn) for turn in turns), encoding="utf-8")
    return path


@pytest.fixture
def meetings(tmp_path: Path, speak: Speak) -> Path:
    """Two recordings of 2 s, of overlapping turns, one of no length, and a name that is not ASCII."""
    folder = tmp_path / "meetings"
    for name in ("dev1", "talk"):
        speak(folder / "audio" / f"{name}.wav", 2.0, rate=8000)
    rttm(folder / "all.rttm", ("dev1", 0.0, 1.5, "MÉO069"), ("dev1", 0.5, 1.0, "ann"), ("talk", 0.2, 1.0, "béla"))
    with (folder / "all.rttm").open("a", encoding="utf-8") as file:
        file.write(LINE.format("talk", 1.5, 0.0, "ann"))
    (folder / "all.uem").write_text("dev1 NA 0.0 2.0\ntalk NA 0.1 0.7\ntalk NA 0.9 1.9\n")
    return folder


def made(folder: Path, **options: object) -> Corpus:
    rttm = Path(str(options.pop("rttm", "all.rttm")))
    return prepare(str(folder), options=PrepareOptions(rttm=rttm, **options))  # type: ignore[arg-type]


def test_turns_and_regions_come_back_by_split(meetings: Path, corpora: Path) -> None:
    made(meetings, uem=Path("all.uem"), valid_recordings=("dev*",))
    corpus = Corpus.open(corpora / "meetings")
    assert (corpus.info.kind, corpus.splits) == ("recordings", ["valid", "test"])
    assert corpus.info.counts["valid"] == {"recordings": 1, "turns": 2, "speakers": 2, "hours": 0.0006}
    (dev,), (talk,) = corpus.recordings("valid"), corpus.recordings("test")
    assert [(one.speaker, one.start, one.end) for one in dev.supervisions] == [("MÉO069", 0.0, 1.5), ("ann", 0.5, 1.5)]
    assert (speakers_of(dev), speakers_of(talk)) == (["MÉO069", "ann"], ["béla"])
    assert talk.custom == {"uem": [[0.1, 0.7], [0.9, 1.9]]}
    assert corpus.info.notes == ("1 turns of zero length are left out.",)


def test_without_a_uem_and_patterns_all_is_scored_and_test(meetings: Path, corpora: Path) -> None:
    corpus = made(meetings)
    assert corpus.splits == ["test"]
    assert [cut.custom for cut in corpus.recordings("test")] == [None, None]
    assert [note.partition(";")[0] for note in corpus.info.notes[:2]] == [
        "There is no UEM: recordings are scored from beginning to end.",
        "All recordings are for the test",
    ]


def test_recordings_are_no_utterances(meetings: Path, corpora: Path) -> None:
    corpus = made(meetings)
    for use in (lambda: corpus.cuts("test"), corpus.all_cuts, lambda: check_disjoint(corpus)):
        with pytest.raises(UserError, match=r"meetings holds recordings, not utterances\. Evaluate on it with --task"):
            use()


def test_a_manifest_of_turns_alone_is_told_how_to_become_a_corpus(meetings: Path, corpora: Path) -> None:
    manifest = made(meetings).folder / "test.jsonl.gz"
    assert Corpus.open(manifest).info.kind == "recordings"
    shutil.copy(manifest, meetings / "alone.jsonl.gz")
    with pytest.raises(UserError, match="or prepare whole recordings with --rttm"):
        Corpus.open(meetings / "alone.jsonl.gz").cuts("test")


def test_a_recording_that_only_the_uem_names_has_no_speech(meetings: Path, corpora: Path, speak: Speak) -> None:
    speak(meetings / "audio" / "silence.wav", 0.5)
    (meetings / "all.uem").write_text("dev1 1 0 2\ntalk 1 0 2\nsilence 1 0 0.5\n")
    corpus = made(meetings, uem=Path("all.uem"))
    assert {cut.id: len(cut.supervisions) for cut in corpus.recordings("test")} == {"dev1": 2, "silence": 0, "talk": 1}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"rttm": "none.rttm"}, "There is no RTTM none.rttm"),
        ({"uem": Path("none.uem")}, "There is no UEM none.uem"),
        ({"uem": Path("short.uem")}, "does not say what is scored of talk"),
        ({"rttm": "unknown.rttm"}, "There is no audio under .* for lecture, which the RTTM or UEM names"),
        ({"rttm": "broken.rttm"}, "broken.rttm, line 1: 'who' is no type"),
        ({"rttm": "empty.rttm"}, "has no turns"),
        ({"valid_recordings": ("day*",)}, r"No recording of .*all.rttm is called day\*\. It has dev1, talk"),
        ({"filter_trials": True}, "--filter_trials says nothing about recordings"),
    ],
)
def test_what_does_not_fit_is_refused(meetings: Path, corpora: Path, options: dict[str, object], problem: str) -> None:
    (meetings / "short.uem").write_text("dev1 NA 0.0 2.0\n")
    (meetings / "broken.rttm").write_text("who spoke when\n")
    (meetings / "empty.rttm").write_text("")
    rttm(meetings / "unknown.rttm", ("lecture", 0, 1, "ann"))
    with pytest.raises(UserError, match=problem):
        made(meetings, **options)


def test_what_is_about_recordings_is_refused_of_utterances(meetings: Path, corpora: Path) -> None:
    with pytest.raises(UserError, match="--uem says nothing about utterances"):
        prepare(str(meetings), options=PrepareOptions(uem=Path("all.uem")))
    with pytest.raises(UserError, match="AMI brings its annotation and its splits along"):
        prepare("AMI", meetings, options=PrepareOptions(rttm=Path("all.rttm")))


def test_audio_of_no_length_and_audio_that_is_gone_can_be_left_out(meetings: Path, corpora: Path, speak: Speak) -> None:
    speak(meetings / "audio" / "nothing.wav", 0.0)
    rttm(meetings / "all.rttm", ("talk", 0, 1, "ann"), ("nothing", 0, 1, "ann"), ("gone", 0, 1, "ann"))
    with pytest.raises(UserError, match="no audio under .* for gone"):
        made(meetings)
    speak(meetings / "audio" / "gone.wav", 0.0)
    with pytest.raises(BadAudio, match=r"2 of 3 .*nothing.wav holds no samples"):
        made(meetings)
    corpus = made(meetings, skip_bad_audio=True)
    assert [cut.id for cut in corpus.recordings("test")] == ["talk"]
    assert corpus.info.skipped == 2


def test_turns_after_the_end_of_the_audio_are_pointed_out(meetings: Path, corpora: Path) -> None:
    rttm(meetings / "late.rttm", ("talk", 1.0, 1.05, "ann"), ("dev1", 1.0, 9.0, "ann"))
    assert "Turns end after their audio in dev1" in " ".join(made(meetings, rttm="late.rttm").info.notes)


def test_ami_is_read_as_it_is_distributed(tmp_path: Path, corpora: Path, speak: Speak) -> None:
    for name in ("ES2011a", "ES2004a"):
        speak(tmp_path / "amicorpus" / name / "audio" / f"{name}.Mix-Headset.wav", 1.0)
        speak(tmp_path / "amicorpus" / name / "audio" / f"{name}.Array1-01.wav", 1.0)
    setup = tmp_path / "AMI-diarization-setup"
    for split, name in (("dev", "ES2011a"), ("test", "ES2004a"), ("train", "ES2002a")):
        rttm(setup / "only_words" / "rttms" / split / f"{name}.rttm", (name, 0.1, 0.5, "FEE041"))
        (setup / "uems" / split).mkdir(parents=True)
        (setup / "uems" / split / f"{name}.uem").write_text(f"{name} 1 0.000 0.900\n")
    corpus = prepare("AMI", tmp_path)
    assert [(split, [cut.id for cut in corpus.recordings(split)]) for split in corpus.splits] == [
        ("valid", ["ES2011a"]),
        ("test", ["ES2004a"]),
    ]
    assert next(iter(corpus.recordings("test"))).custom == {"uem": [[0.0, 0.9]]}
    assert corpus.info.notes == ("There is no audio of the train split, which is left out.",)
    with pytest.raises(UserError, match="No only_words"):
        prepare("AMI", tmp_path / "amicorpus")


def test_voxconverse_names_its_speakers_per_recording(tmp_path: Path, corpora: Path, speak: Speak) -> None:
    speak(tmp_path / "audio" / "abjxc.wav", 1.0)
    speak(tmp_path / "voxconverse_test_wav" / "aepyx.wav", 1.0)
    rttm(tmp_path / "voxconverse" / "dev" / "abjxc.rttm", ("abjxc", 0.1, 0.5, "spk00"))
    rttm(tmp_path / "voxconverse" / "test" / "aepyx.rttm", ("aepyx", 0.1, 0.5, "spk00"))
    corpus = prepare("voxconverse", tmp_path)
    assert {cut.id: speakers_of(cut) for split in corpus.splits for cut in corpus.recordings(split)} == {
        "abjxc": ["abjxc-spk00"],
        "aepyx": ["aepyx-spk00"],
    }
    with pytest.raises(UserError, match="No {dev,test}"):
        prepare("VoxConverse", tmp_path / "audio")


def test_noscore_is_taken_out_of_what_is_scored(meetings: Path, corpora: Path) -> None:
    with (meetings / "all.rttm").open("a", encoding="utf-8") as file:
        file.write("NOSCORE talk 1 0.5 0.6 <NA> <NA> <NA> <NA>\n")

    def scored(**options: Path) -> dict[str, object]:
        return {cut.id: (cut.custom or {}).get("uem") for cut in made(meetings, **options).recordings("test")}

    assert scored() == {"dev1": None, "talk": [[0.0, 0.5], [1.1, 2.0]]}
    assert scored(uem=Path("all.uem")) == {"dev1": [[0.0, 2.0]], "talk": [[0.1, 0.5], [1.1, 1.9]]}
