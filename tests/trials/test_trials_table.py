"""Trial lists on disk: what is read is what was written, whatever the format, and bad lines are named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxboard.errors import UserError
from voxboard.trials import Trials, read, write
from voxboard.trials.list_file import format_of

NAMES = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=8)
FREE_NAMES = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8)
NUMBERS = st.one_of(st.just(np.nan), st.sampled_from([0.0, 1.0, -1.0]), st.floats(allow_nan=False))


def lists(names: st.SearchStrategy[str]) -> st.SearchStrategy[Trials]:
    trial = st.tuples(st.integers(0, 1), names, names, NUMBERS)
    return st.lists(trial, min_size=1, max_size=20).map(
        lambda rows: Trials.of(
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            {"AGE_MATCH": np.array([row[3] for row in rows])},
        )
    )


def same(one: Trials, other: Trials) -> bool:
    return (
        one.digest() == other.digest()
        and one.matches.keys() == other.matches.keys()
        and all(np.array_equal(one.matches[name], other.matches[name], equal_nan=True) for name in one.matches)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(trials=lists(FREE_NAMES), suffix=st.sampled_from([".csv", ".csv.gz"]))
def test_csv_keeps_names_order_labels_and_match_columns(trials: Trials, suffix: str, tmp_path: Path) -> None:
    assert same(read(write(trials, tmp_path / f"list{suffix}")), trials)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(trials=lists(FREE_NAMES.filter(lambda name: name == name.strip('" '))), suffix=st.sampled_from(["", ".gz"]))
def test_nist_keys_keep_all_that_csv_keeps(trials: Trials, suffix: str, tmp_path: Path) -> None:
    path = write(trials, tmp_path / f"key.tsv{suffix}")
    assert same(read(path), trials)
    assert format_of(path) == "nist"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    trials=lists(NAMES),
    format=st.sampled_from(["voxceleb", "kaldi", "wespeaker"]),
    suffix=st.sampled_from(["", ".txt.gz"]),
)
def test_text_formats_keep_names_order_and_labels(trials: Trials, format: str, suffix: str, tmp_path: Path) -> None:  # noqa: A002
    found = read(write(trials, tmp_path / f"list{suffix}", format))
    assert found.digest() == trials.digest()
    assert not found.matches


def test_the_digest_sees_content_only(tmp_path: Path) -> None:
    trials = Trials.of([1, 0], ["a", "a"], ["b", "c"])
    files = {
        "unix.txt": b"1 a b\n0 a c\n",
        "dos.txt": b"1 a b\r\n0 a c\r\n",
        "tabs.txt": b"\n1\ta  b \n\n0 a c",
        "kaldi.txt": b"a b target\na c nontarget\n",
        "list.csv": b"\xef\xbb\xbfLABEL,SAMPLE1,SAMPLE2\r\n1,a,b\r\n0,a,c\r\n",
        "columns.csv": b'GENDER_MATCH,SAMPLE2,SAMPLE1,LABEL\n1,b,"a",1\n,c,a,0\n',
        "key.tsv": b"modelid\tsegmentid\tside\ttargettype\tgender\na\tb\ta\ttarget\tF\na\tc\ta\tnontarget\tM\n",
        "key.csv": b"modelid,segmentid,targettype\na,b,target\na,c,nontarget\n",
        "packed": gzip.compress(b"1 a b\n0 a c\n"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert read(tmp_path / name).digest() == trials.digest(), name
    renumbered = Trials(["c", "unused", "b", "a"], [3, 3], [2, 0], [1, 0])
    assert renumbered.digest() == trials.digest()
    for other in (
        Trials.of([0, 0], ["a", "a"], ["b", "c"]),
        Trials.of([1, 0], ["b", "a"], ["a", "c"]),
        Trials.of([0, 1], ["a", "a"], ["c", "b"]),
        Trials.of([1, 0], ["a", "a"], ["b", "d"]),
    ):
        assert other.digest() != trials.digest()


def test_the_same_trials_give_the_same_bytes(tmp_path: Path) -> None:
    trials = Trials.of([1, 0], ["a", "a"], ["b", "c"], {"X_MATCH": np.array([1.0, np.nan])})
    one, other = write(trials, tmp_path / "one.csv.gz"), write(trials, tmp_path / "other.csv.gz")
    assert one.read_bytes() == other.read_bytes()
    assert gzip.decompress(one.read_bytes()) == b"LABEL,SAMPLE1,SAMPLE2,X_MATCH\n1,a,b,1\n0,a,c,\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "holds no trials"),
        (b"\n \n", "holds no trials"),
        (b"a b c\n", "line 1: 'a b c' is no trial"),
        (b"1 a b\n\n0 a\n", "line 3: '0 a' is no trial"),
        (b"1 a b\n0 a c d\n1 a c\n", "line 2: '0 a c d' is no trial"),
        (b"1 a b\n0 a c d e\n", "line 2: '0 a c d e' is no trial"),
        (b"1 a b\n2 a c\n", "line 2: '2 a c' is no trial"),
        (b"a b target\na c maybe\n", "line 2: 'a c maybe' is no trial"),
        (b"LABEL,SAMPLE1\n1,a\n", "has no column SAMPLE2"),
        (b"LABEL,SAMPLE1,SAMPLE2,X,X\n1,a,b,1,1\n", "names a column twice"),
        (b"LABEL,SAMPLE1,SAMPLE2\n1,a,b\n\n1,a\n", "line 4: 2 fields where the header has 3"),
        (b"LABEL,SAMPLE1,SAMPLE2\n1,a,b,c\n", "line 2: 4 fields where the header has 3"),
        (b"LABEL,SAMPLE1,SAMPLE2\n1,a,b\n1,a,b,c\n", "line 3: 4 fields where the header has 3"),
        (b"LABEL,SAMPLE1,SAMPLE2,X\n1,a,b,1\n0,a,b\n", "line 3: 3 fields where the header has 4"),
        (b"LABEL,SAMPLE1,SAMPLE2\n1,a,b\nyes,a,c\n", "line 3: the label is 'yes', not 0 or 1"),
        (b"LABEL,SAMPLE1,SAMPLE2\n1,a,\n", "line 2: an utterance is missing"),
        (b"LABEL,SAMPLE1,SAMPLE2,X\n1,a,b,1\n1,a,b,one\n", "line 3: X is 'one', not a number"),
        (b"1 a b\n1 a \xff\n", "line 2: not UTF-8 text"),
        (b"LABEL,SAMPLE1,SAMPLE2\n1,a,\xff\n", "line 2: not UTF-8 text"),
        (b"modelid\tsegmentid\ttargettype\na\tb\tmaybe\n", "line 2: the label is 'maybe', not nontarget or target"),
        (b"modelid\tsegmentid\ttargettype\na\tb\ttarget\na\tb\n", "line 3: 2 fields where the header has 3"),
        (b"modelid\tside\ttargettype\na\tb\ttarget\n", "has no column segmentid"),
        (b"RIFF\0\0\0WAVE", "is no text file"),
        (gzip.compress(b"1 a b\n" * 99, mtime=0)[:-9], "damaged gzip"),
    ],
)
def test_bad_files_are_named_with_the_line(data: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        read(path)
    assert problem in error.value.problem
    assert str(path) in error.value.problem
    assert error.value.advice


def test_missing_files_unknown_formats_and_unwritable_names_are_user_errors(tmp_path: Path) -> None:
    trials = Trials.of([1], ["a b"], ["c"])
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read(tmp_path / "nowhere.txt")
    with pytest.raises(UserError, match=r"Unknown trial format 'voxcelebs'. Did you mean voxceleb"):
        write(trials, tmp_path / "x", "voxcelebs")
    with pytest.raises(UserError, match=r"'a\\tb' cannot stand in a table that is separated by tabs"):
        write(Trials.of([1], ["a\tb"], ["c"]), tmp_path / "x.tsv")
    with pytest.raises(UserError, match="'a b' has white space"):
        write(trials, tmp_path / "x.txt")
    assert not list(tmp_path.iterdir())


def test_the_other_channel_of_a_nist_segment_is_another_utterance(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("modelid\tsegmentid\tside\ttargettype\nm\ts\ta\ttarget\nm\ts\tb\tnontarget\n")
    trials = read(tmp_path / "key")
    assert trials.utterances == ("m", "s", "s:b")
    assert read(write(trials, tmp_path / "again.tsv")).digest() == trials.digest()


def test_kaldi_and_wespeaker_are_the_same_columns(tmp_path: Path) -> None:
    trials = Trials.of([1, 0], ["a", "a"], ["b", "c"])
    one, other = (write(trials, tmp_path / name, name) for name in ("kaldi", "wespeaker"))
    assert one.read_bytes() == other.read_bytes() == b"a b target\na c nontarget\n"
    assert format_of(one) == format_of(other) == "kaldi"


def test_trials_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 … 1"):
        Trials(["a", "b"], [0], [2], [1])
    with pytest.raises(ValueError, match="labels must be"):
        Trials(["a", "b"], [0], [1], [2])
    with pytest.raises(ValueError, match="2 labels but a column of shape"):
        Trials(["a", "b"], [0], [1], [1, 0])
    with pytest.raises(ValueError, match="distinct"):
        Trials(["a", "a"], [0], [1], [1])


def test_selecting_keeps_what_is_needed() -> None:
    trials = Trials.of([1, 0, 1], ["a", "b", "c"], ["b", "c", "d"], {"X_MATCH": np.array([0.0, 1.0, 0.0])})
    chosen = trials.select(trials.matches["X_MATCH"] == 1)
    assert chosen.digest() == Trials.of([0], ["b"], ["c"]).digest()
    assert chosen.utterances == ("b", "c")
    assert (len(trials), trials.targets, trials.non_targets) == (3, 2, 1)


@pytest.mark.parametrize(
    ("name", "targets", "non_targets", "columns"),
    [
        ("unipool-sv-trials/librispeech-trials-dev.csv.gz", 18_031, 18_396, 3),
        ("unipool-sv-trials/vctk-trials-valid.csv.gz", 8_010, 8_030, 7),
        ("voxceleb-lists/vox1_O_cleaned.veri_test2.txt.gz", 18_802, 18_809, 0),
        ("voxceleb-lists/vox1_O_original.veri_test.txt.gz", 18_860, 18_860, 0),
        ("librispeech-mini/trials-test-other.txt", 270, 1_500, 0),
        ("speech-commands-mini/trials.txt", 1_569, 7_845, 0),
    ],
)
def test_published_lists_load_with_their_counts_and_survive_a_round_trip(
    name: str, targets: int, non_targets: int, columns: int, shared_data: Path, tmp_path: Path
) -> None:
    trials = read(shared_data / name)
    assert (trials.targets, trials.non_targets, len(trials.matches)) == (targets, non_targets, columns)
    copy = write(trials, tmp_path / "copy.csv.gz")
    assert same(read(copy), trials)
    if columns:  # the ancestor's files, byte for byte
        assert gzip.decompress(copy.read_bytes()) == gzip.decompress((shared_data / name).read_bytes())
