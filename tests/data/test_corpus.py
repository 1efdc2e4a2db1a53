from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from voxboard.data.corpus import Corpus, CorpusInfo, attributes_of, inside, speaker_of
from voxboard.errors import UserError


@pytest.fixture
def corpus(tmp_path, cut_of, speak):
    """Two splits whose audio lies beside the corpus folder, prepared under a relative name."""
    audio = tmp_path / "audio"
    splits = {
        "train": [cut_of(speak(audio / f"{name}.wav"), gender="female", custom={"age": 30}) for name in "ba"],
        "test": [cut_of(speak(audio / "deep" / "c.wav", channels=2))],
    }
    return Corpus.write(tmp_path / "out", CorpusInfo("Mine", notes=("One.",)), splits, audio)


def test_a_corpus_comes_back_as_it_was_written(corpus, tmp_path):
    again = Corpus.open(tmp_path / "out")
    assert (again.name, again.splits, again.info.notes) == ("Mine", ["train", "test"], ("One.",))
    assert [cut.id for cut in again.all_cuts()] == ["a", "b", "c"]
    assert again.info.counts["train"] == {"utterances": 2, "speakers": 1, "hours": 0.0}
    first = again.cuts("train")[0]
    assert first.recording.sources[0].source == str(tmp_path / "audio" / "a.wav")
    assert speaker_of(first) == "s"
    assert attributes_of(first) == {"gender": "female", "age": 30}
    assert again.cuts("test")[0].channel == [0, 1]


def test_a_split_that_is_not_there_is_a_clear_error(corpus):
    with pytest.raises(UserError, match=r"Mine has no valid split\. It has train, test"):
        corpus.cuts("valid")


def test_equal_corpora_have_equal_bytes(corpus, tmp_path):
    before = {file.name: file.read_bytes() for file in corpus.folder.iterdir()}
    splits = {split: list(corpus.cuts(split)) for split in corpus.splits}
    Corpus.write(tmp_path / "out", corpus.info, splits, tmp_path / "audio")
    assert {file.name: file.read_bytes() for file in corpus.folder.iterdir()} == before


def test_writing_again_removes_what_the_corpus_no_longer_has_and_leaves_no_parts(corpus):
    Corpus.write(corpus.folder, corpus.info, {"test": corpus.cuts("test")}, corpus.audio_root)
    assert sorted(file.name for file in corpus.folder.iterdir()) == ["corpus.json", "test.jsonl.gz"]


def test_a_write_that_breaks_off_leaves_the_old_corpus_whole(corpus):
    def breaks_off():
        yield from corpus.cuts("train")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Corpus.write(corpus.folder, corpus.info, {"train": breaks_off()}, corpus.audio_root)
    assert [cut.id for cut in Corpus.open(corpus.folder).all_cuts()] == ["a", "b", "c"]


def test_two_utterances_of_one_id_are_refused(corpus):
    with pytest.raises(UserError, match="Two utterances have the id a"):
        Corpus.write(
            corpus.folder, corpus.info, {"train": corpus.cuts("train"), "test": corpus.cuts("train")}, corpus.audio_root
        )


def test_a_corpus_moves_with_audio_that_lies_inside_it(tmp_path, cut_of, speak):
    folder = tmp_path / "here"
    Corpus.write(folder, CorpusInfo("Mine"), {"test": [cut_of(speak(folder / "audio" / "a.wav"))]}, folder / "audio")
    folder.rename(tmp_path / "there")
    cut = Corpus.open(tmp_path / "there").cuts("test")[0]
    assert Path(cut.recording.sources[0].source) == tmp_path / "there" / "audio" / "a.wav"


def test_audio_that_moved_is_found_by_audio_root(corpus, tmp_path):
    (tmp_path / "audio").rename(tmp_path / "moved")
    cut = Corpus.open(corpus.folder, tmp_path / "moved").cuts("train")[0]
    assert Path(cut.recording.sources[0].source).is_file()


def test_links_into_the_corpus_are_followed(tmp_path, cut_of, speak):
    speak(tmp_path / "disk" / "a.wav")
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "linked").symlink_to(tmp_path / "disk")
    cut = cut_of(tmp_path / "audio" / "linked" / "a.wav")
    corpus = Corpus.write(tmp_path / "out", CorpusInfo("Mine"), {"test": [cut]}, tmp_path / "audio")
    assert corpus.cuts("test")[0].recording.sources[0].source == str(tmp_path / "audio" / "linked" / "a.wav")


def test_one_manifest_is_a_test_split_with_the_audio_root_of_its_corpus(corpus, tmp_path):
    opened = Corpus.open(corpus.folder / "train.jsonl.gz")
    assert (opened.name, opened.splits) == ("Mine-train", ["test"])
    assert Path(opened.cuts("test")[0].recording.sources[0].source).is_file()
    bare = tmp_path / "audio" / "others.jsonl.gz"
    (corpus.folder / "train.jsonl.gz").rename(bare)
    opened = Corpus.open(bare)
    assert opened.name == "others"
    assert opened.cuts("test")[0].recording.sources[0].source == str(tmp_path / "audio" / "a.wav")


@pytest.mark.parametrize("name", ["../a.wav", "/etc/passwd", "x/../../a.wav"])
def test_a_path_that_leaves_the_root_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="outside"):
        inside(tmp_path, name)


def test_a_folder_whose_name_starts_alike_is_outside(tmp_path):
    assert inside(tmp_path / "a", "b/../x.wav") == tmp_path / "a" / "x.wav"
    with pytest.raises(UserError, match="outside"):
        inside(tmp_path / "a", "../ab/x.wav")


def change(corpus: Corpus, **changes: object) -> Path:
    """A manifest whose first cut is changed at dotted places."""
    lines = gzip.decompress((corpus.folder / "train.jsonl.gz").read_bytes()).decode().splitlines()
    cut = json.loads(lines[0])
    for place, value in changes.items():
        *path, last = place.split("__")
        target = cut
        for step in path:
            target = target[int(step) if step.isdigit() else step]
        target[last] = value
    file = corpus.folder / "changed.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(cut).encode() + b"\n"))
    return file


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recording__sources__0__source": "../../../etc/passwd"}, "outside"),
        ({"recording__sources__0__type": "command", "recording__sources__0__source": "touch hacked"}, "'command'"),
        ({"recording__sources__0__type": "url"}, "'url'"),
        ({"recording__transforms": [{"name": "Speed", "kwargs": {"factor": 2.0}}]}, "transforms"),
        ({"supervisions": []}, "supervision"),
        ({"supervisions__0__speaker": None}, "speaker"),
        ({"type": "PaddingCut"}, "not a Lhotse cut manifest"),
    ],
)
def test_a_manifest_that_is_no_plain_list_of_utterances_is_refused(corpus, changes, words):
    with pytest.raises(UserError, match=words):
        Corpus.open(change(corpus, **changes)).cuts("test")
    assert not Path("hacked").exists()


@pytest.mark.parametrize(
    "content", [b"", b"not gzip", gzip.compress(b"{}\n", mtime=0), gzip.compress(b"text\n", mtime=0)]
)
def test_a_damaged_manifest_is_a_clear_error(tmp_path, content):
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.jsonl\.gz"):
        Corpus.open(tmp_path / "a.jsonl.gz").cuts("test")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x", "lisence": "MIT"}', "{}"])
def test_a_damaged_description_is_a_clear_error(tmp_path, text):
    (tmp_path / "corpus.json").write_text(text)
    with pytest.raises(UserError):
        Corpus.open(tmp_path)


def test_a_folder_without_description_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match="Run: voxboard prepare"):
        Corpus.open(tmp_path)
    with pytest.raises(UserError, match="There is no corpus at"):
        Corpus.open(tmp_path / "nothing")
