from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from voxboard import cli
from voxboard.data import audio
from voxboard.data.catalogue import CORPORA, find_corpus
from voxboard.data.corpus import Corpus, attributes_of, speaker_of
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.splits import check_disjoint
from voxboard.errors import BadAudio, UserError
from voxboard.preparation import prepare
from voxboard.trials import read, sidecar


@pytest.fixture
def folder(tmp_path, speak) -> Path:
    """Eight speakers of three utterances, with a table."""
    root = tmp_path / "my-speech"
    rows = ["file,speaker,gender"]
    for speaker in range(8):
        for number in range(3):
            speak(root / f"s{speaker}" / f"s{speaker}-{number}.wav")
            rows.append(f"s{speaker}/s{speaker}-{number}.wav,s{speaker},{'fm'[speaker % 2]}")
    (root / "metadata.csv").write_text("\n".join(rows))
    return root


def speakers(corpus: Corpus) -> dict[str, set[str]]:
    return {split: {speaker_of(cut) for cut in corpus.cuts(split)} for split in corpus.splits}


def trial_list(path: Path, names: list[str]) -> Path:
    """Target and non-target trials between the utterances of some speakers."""
    lines = [f"1 {name}/{name}-0.wav {name}/{name}-1.wav" for name in names]
    lines += [f"0 {one}/{one}-0.wav {other}/{other}-1.wav" for one in names for other in names if one < other]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_folder_becomes_a_corpus_below_the_root(folder, corpora):
    corpus = prepare(str(folder))
    assert corpus.folder == corpora / "my-speech"
    assert {split: len(names) for split, names in speakers(corpus).items()} == {"train": 4, "valid": 2, "test": 2}
    check_disjoint(corpus)
    assert all(len(audio.load(cut)) == 800 for cut in corpus.all_cuts())
    assert corpus.info.notes == ("The speakers were split by voxboard (seed 42).",)


def test_the_same_folder_gives_the_same_bytes_wherever_it_is_named_from(folder, corpora, monkeypatch):
    first = {file.name: file.read_bytes() for file in prepare(str(folder)).folder.iterdir()}
    monkeypatch.chdir(folder.parent)
    again = prepare("my-speech", options=PrepareOptions(metadata=Path("metadata.csv")))
    assert {file.name: file.read_bytes() for file in again.folder.iterdir()} == first
    assert Path(again.cuts("test")[0].recording.sources[0].source).is_file()


def test_the_split_name_seed_and_place_can_be_chosen(folder, corpora, tmp_path):
    everything = prepare(str(folder), None, tmp_path / "here", PrepareOptions(split="test", name="Mine"))
    assert (everything.name, everything.folder) == ("Mine", tmp_path / "here")
    assert {split: len(names) for split, names in speakers(everything).items()} == {"test": 8}
    tested = {frozenset(speakers(prepare(str(folder), options=PrepareOptions(seed=seed)))["test"]) for seed in range(5)}
    assert len(tested) > 1


def test_unreadable_files_are_named_together_and_skipped_only_on_request(folder, corpora):
    (folder / "s0" / "s0-0.wav").write_bytes(b"")
    with pytest.raises(BadAudio, match=r"s0-0\.wav is empty"):
        prepare(str(folder))
    (folder / "s1" / "s1-0.wav").write_text("text")
    with pytest.raises(BadAudio, match=r"2 of 24 audio files .*s0-0\.wav is empty .*s1-0\.wav is not audio"):
        prepare(str(folder))
    assert not corpora.exists()
    corpus = prepare(str(folder), options=PrepareOptions(skip_bad_audio=True))
    assert (corpus.info.skipped, len(corpus.all_cuts())) == (2, 22)
    assert any(note.startswith("2 audio files cannot be read and are left out") for note in corpus.info.notes)


def test_a_split_column_stands_and_validation_speakers_are_held_out(folder, corpora):
    table = (folder / "metadata.csv").read_text().splitlines()
    rows = [f"{row},{'test' if row.startswith(('s6', 's7')) else 'train'}" for row in table[1:]]
    (folder / "metadata.csv").write_text("\n".join([f"{table[0]},split", *rows]))
    corpus = prepare(str(folder))
    found = speakers(corpus)
    assert found["test"] == {"s6", "s7"}
    assert len(found["valid"]) == 2
    assert "2 of 6 training speakers are held out for validation (seed 42)." in corpus.info.notes


def test_a_split_column_that_shares_speakers_is_said_to_be_refused(folder, corpora):
    table = (folder / "metadata.csv").read_text().splitlines()
    rows = [f"{row},{('train', 'valid', 'test')[place % 3]}" for place, row in enumerate(table[1:])]
    (folder / "metadata.csv").write_text("\n".join([f"{table[0]},split", *rows]))
    corpus = prepare(str(folder))
    assert "8 speakers are in more than one split" in corpus.info.notes[-1]
    with pytest.raises(UserError, match="in both the train and the valid split"):
        check_disjoint(corpus)
    check_disjoint(prepare(str(folder), options=PrepareOptions(columns={"split": ""})))


def test_the_speakers_of_given_lists_become_their_splits(folder, corpora, tmp_path):
    valid, test = trial_list(tmp_path / "v.txt", ["s1", "s2"]), trial_list(tmp_path / "t.txt", ["s0", "s7"])
    corpus = prepare(str(folder), options=PrepareOptions(valid_trials=valid, test_trials=test))
    found = speakers(corpus)
    assert (found["valid"], found["test"]) == ({"s1", "s2"}, {"s0", "s7"})
    assert corpus.info.trials == {"valid": "trials-valid.txt", "test": "trials-test.txt"}
    assert Corpus.open(corpus.folder).trials("test").read_bytes() == test.read_bytes()
    assert "The test trials are the 3 in t.txt." in corpus.info.notes
    same = prepare(str(folder), options=PrepareOptions(test_trials=corpus.trials("test"), valid_trials=valid))
    assert same.trials("test").read_bytes() == test.read_bytes()
    again = prepare(str(folder))
    assert (again.info.trials, again.trials("test")) == ({}, None)
    assert not list(again.folder.glob("trials-*"))


def test_lists_that_cannot_serve_are_refused_before_anything_is_written(folder, corpora, tmp_path):
    everybody = trial_list(tmp_path / "all.txt", [f"s{number}" for number in range(8)])
    for options, words in (
        (PrepareOptions(test_trials=everybody), "none are left to train on"),
        (PrepareOptions(test_trials=everybody, valid_trials=everybody), "in the validation and in the test list"),
        (PrepareOptions(test_trials=trial_list(tmp_path / "no.txt", ["s8", "s9"])), "not in the corpus"),
        (PrepareOptions(test_trials=tmp_path / "missing.txt"), "There is no trial list"),
        (PrepareOptions(filter_trials=True), "no trial list to filter"),
    ):
        with pytest.raises(UserError, match=words):
            prepare(str(folder), options=options)
    assert not (corpora / "my-speech" / "corpus.json").exists()


def test_a_list_of_everybody_is_filtered_to_the_held_out_speakers_or_kept_whole(folder, corpora, tmp_path):
    everybody = trial_list(tmp_path / "all.txt", [f"s{number}" for number in range(8)])
    corpus = prepare(str(folder), options=PrepareOptions(test_trials=everybody, filter_trials=True))
    lines = gzip.decompress(corpus.trials("test").read_bytes()).decode().splitlines()
    assert len(lines) == 1 + 3
    tested = speakers(corpus)["test"]
    assert {name.split("/")[0] for line in lines[1:] for name in line.split(",")[1:3]} == tested
    assert any("the 3 of 36 in all.txt within the split" in note for note in corpus.info.notes)
    beside = sidecar.read(corpus.trials("test"))
    assert beside["digest"] == read(corpus.trials("test")).digest()
    assert beside["findings"]["training_trials"] == 0
    whole = prepare(str(folder), options=PrepareOptions(test_trials=everybody, split="test"))
    assert whole.trials("test").read_bytes() == everybody.read_bytes()
    assert sidecar.disagreement(whole.trials("test"), read(everybody)) is None


@pytest.mark.parametrize(
    ("data", "path", "options", "words"),
    [
        ("LibriSpeach", None, PrepareOptions(), "Did you mean LibriSpeech"),
        ("LibriSpeech", None, PrepareOptions(), r"--data_path DIR .* or with --download"),
        ("vox1", None, PrepareOptions(), "registered for at https://www.robots"),
        ("VoxCeleb2", Path("nowhere"), PrepareOptions(), "There is no folder nowhere"),
        ("Vox1", None, PrepareOptions(download=True), "not openly licensed"),
        ("here/nothing", None, PrepareOptions(), "There is no folder here/nothing"),
        ("VCTK", None, PrepareOptions(split="dev"), "Unknown split"),
        ("VCTK", None, PrepareOptions(speakers=3), "Leave --speakers"),
        ("Voices", None, PrepareOptions(split="test"), "--split says nothing"),
        ("Voices", Path("x"), PrepareOptions(), "--data_path says nothing"),
    ],
)
def test_a_corpus_that_cannot_be_prepared_says_what_to_do(corpora, data, path, options, words):
    with pytest.raises(UserError, match=words):
        prepare(data, path, options=options)


def test_a_folder_is_not_prepared_under_a_known_or_impossible_name(folder, corpora):
    known = folder.rename(folder.parent / "VCTK")
    with pytest.raises(UserError, match="voxboard prepare VCTK --data_path"):
        prepare(str(known))
    with pytest.raises(UserError, match="cannot be called"):
        prepare(str(known), options=PrepareOptions(name="../x"))
    with pytest.raises(UserError, match="There is no table other"):
        prepare(str(known), options=PrepareOptions(name="x", metadata=Path("other.csv")))


def test_a_corpus_is_found_by_name_in_any_case_by_folder_by_audio_and_by_manifest(folder, corpora, monkeypatch):
    corpus = prepare(str(folder))
    for name in ("my-speech", "MY-Speech", corpus.folder, str(corpus.folder), str(folder)):
        assert find_corpus(name).folder == corpus.folder
    assert find_corpus(corpus.folder / "valid.jsonl.gz").splits == ["test"]
    monkeypatch.chdir(folder.parent)
    assert find_corpus("my-speech").folder == corpus.folder
    assert find_corpus("my-speech", folder.parent).audio_root == folder.parent


def test_a_corpus_that_is_not_prepared_is_answered_with_the_command_that_does(folder, corpora, tmp_path):
    empty, known = tmp_path / "empty", tmp_path / "LibriSpeech"
    empty.mkdir()
    known.mkdir()
    for name, words in (
        (folder, f"Run: voxboard prepare {folder} --metadata metadata.csv"),
        (known, f"Run: voxboard prepare LibriSpeech --data_path {known}"),
        (empty, f"prepare {empty} --metadata TABLE.csv"),
        ("vctk", "Run: voxboard prepare VCTK --data_path DIR"),
        ("VoxCeleb1", "registered for at https://www.robots.ox.ac.uk"),
        ("Voices", "Run: voxboard prepare Voices"),
        ("Libri", "Did you mean LibriSpeech"),
        ("some/where", "There is no corpus at some/where"),
        ("nothing.jsonl.gz", "There is no corpus at nothing.jsonl.gz"),
    ):
        with pytest.raises(UserError, match=re.escape(words)):
            find_corpus(name)
    prepare(str(folder))
    with pytest.raises(UserError, match="Did you mean my-speech"):
        find_corpus("my-speach")


def test_every_known_corpus_that_is_read_names_its_source_and_licence():
    for known in CORPORA.values():
        assert known.summary
        assert known.make or (known.source.startswith("https://") and known.licence != "unknown")


def test_the_command_prints_a_table_and_the_notes_apart(folder, corpora, capsys):
    assert cli.main(["prepare", str(folder), "--skip-bad-audio"]) == 0
    printed = capsys.readouterr()
    assert re.search(r"test\D+2\D+6\D", printed.out)
    assert "split by voxboard" in printed.err
    assert "split by voxboard" not in printed.out


def test_the_command_prints_json_and_maps_columns(folder, corpora, capsys):
    text = (folder / "metadata.csv").read_text().replace("file,speaker", "clip,who")
    (folder / "other.csv").write_text(text)
    words = ["--metadata", "other.csv", "--columns", "file=clip", "speaker=who", "--split", "test", "--json"]
    assert cli.main(["prepare", str(folder), *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["counts"]["test"]["speakers"] == 8
    assert (printed["name"], printed["audio_root"]) == ("my-speech", str(folder))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["LibriSpeach"], "Did you mean LibriSpeech"),
        (["Vox1"], "https://www.robots.ox.ac.uk"),
        ([".", "--columns", "speaker"], "not OURS=THEIRS"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(corpora, capsys, words, said):
    assert cli.main(["prepare", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


def test_voices_is_made_below_the_root(corpora):
    corpus = prepare("voices", options=PrepareOptions(speakers=24, utterances=2))
    assert (corpus.folder, corpus.info.synthetic, corpus.splits) == (
        corpora / "Voices",
        True,
        ["train", "valid", "test"],
    )
    assert find_corpus("VOICES").folder == corpus.folder


def test_librispeech_mini(shared_data, corpora):
    corpus = prepare("librispeech", shared_data / "librispeech-mini")
    counts = {split: (c["utterances"], c["speakers"]) for split, c in corpus.info.counts.items()}
    assert counts == {"train": (144, 144), "valid": (74, 16), "test": (65, 8)}
    check_disjoint(corpus)
    assert "16 of 160 training speakers are held out for validation (seed 42)." in corpus.info.notes
    repeated = [speaker for speaker, n in Counter(map(speaker_of, corpus.cuts("valid"))).items() if n > 1]
    assert sorted(repeated) == ["19", "26"]
    cut = next(cut for cut in find_corpus("LibriSpeech").cuts("test") if cut.id == "1089-134686-0000")
    assert attributes_of(cut) | {"subset": "test-clean"} == {
        "gender": "male",
        "language": "English",
        "session": "134686",
        "subset": "test-clean",
    }
    listed = prepare(
        "LibriSpeech",
        shared_data / "librispeech-mini",
        options=PrepareOptions(test_trials=shared_data / "librispeech-mini" / "trials-test-other.txt"),
    )
    assert "The test trials are the 1,770 in trials-test-other.txt." in listed.info.notes


@pytest.mark.parametrize(
    ("pack", "options", "counts"),
    [
        ("speech-commands-mini", PrepareOptions(), {"train": (638, 144), "valid": (73, 16), "test": (180, 40)}),
        ("emodb", PrepareOptions(), {"train": (63, 2), "valid": (57, 2), "test": (69, 2)}),
        ("fsdd-mini", PrepareOptions(split="test"), {"test": (160, 4)}),
        ("vctk-mini", PrepareOptions(split="test"), {"test": (20, 2)}),
    ],
)
def test_the_other_real_packs(shared_data, corpora, pack, options, counts):
    corpus = prepare(str(shared_data / pack), options=options)
    assert {split: (c["utterances"], c["speakers"]) for split, c in corpus.info.counts.items()} == counts
    check_disjoint(corpus)
    cut = corpus.cuts("test")[0]
    assert len(audio.load(cut)) == audio.num_samples(cut)


def test_the_trials_of_speech_commands_name_everybody_and_can_be_filtered(shared_data, corpora):
    pack = shared_data / "speech-commands-mini"
    with pytest.raises(UserError, match="name 200 of 200 speakers"):
        prepare(str(pack), options=PrepareOptions(test_trials=pack / "trials.txt"))
    corpus = prepare(str(pack), options=PrepareOptions(test_trials=pack / "trials.txt", filter_trials=True))
    assert re.search(r"the \d+ of 9,414 in trials.txt", " ".join(corpus.info.notes))
    whole = prepare(str(pack), options=PrepareOptions(test_trials=pack / "trials.txt", split="test"))
    assert "The test trials are the 9,414 in trials.txt." in whole.info.notes


def test_a_voxceleb_list_beside_the_audio_is_taken_along_where_it_fits(tmp_path, speak, corpora):
    for speaker in ("id10270", "id10271", "id10001", "id10002", "id10003", "id10004"):
        for number in (1, 2):
            speak(tmp_path / "vox" / "wav" / speaker / "5r0dWxy17C8" / f"{number:05d}.wav")
    listed = tmp_path / "vox" / "veri_test2.txt"
    listed.write_text(
        "1 id10270/5r0dWxy17C8/00001.wav id10270/5r0dWxy17C8/00002.wav\n"
        "0 id10270/5r0dWxy17C8/00001.wav id10271/5r0dWxy17C8/00001.wav\n"
    )
    corpus = prepare("Vox1", tmp_path / "vox")
    assert corpus.trials("test").read_bytes() == listed.read_bytes()
    assert speakers(corpus)["test"] == {"id10270", "id10271"}
    listed.write_text("1 id10309/5r0dWxy17C8/00001.wav id10309/5r0dWxy17C8/00002.wav\n")
    corpus = prepare("Vox1", tmp_path / "vox")
    assert corpus.info.trials == {}
    assert any("veri_test2.txt is left out" in note for note in corpus.info.notes)
