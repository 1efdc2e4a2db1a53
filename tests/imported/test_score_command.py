"""`voxboard score`: records of what others computed, on published outputs and on small lists."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from voxboard import records
from voxboard.cli import main
from voxboard.imported import scores
from voxboard.metrics import detection
from voxboard.records import Record

# system, collar, leave out overlap, published DER in percent
VBX = [
    ("AMI_Mix-Headset", "0", False, 16.33),
    ("AMI_Mix-Headset", "0.25", False, 9.68),
    ("AMI_Mix-Headset", "0.25", True, 1.56),
    ("AMI_beamformed", "0", False, 17.66),
    ("AMI_beamformed", "0.25", False, 10.81),
    ("AMI_beamformed", "0.25", True, 2.80),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(*words: str) -> Record:
    """The record that the command leaves."""
    before = set(Path("results").rglob("*.json"))
    assert main(["score", *words, "--replicates", "200"]) == 0
    (path,) = set(Path("results").rglob("*.json")) - before
    return records.read(path)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("system", ["b1.rnnt_baseline", "s5.s3+db-nnlm.biasing_100"])
def test_published_word_error_rates_are_reproduced(shared_data: Path, system: str) -> None:
    folder = shared_data / "librispeech-asr-hyps"
    reference, hypothesis = folder / "test-clean.ref.tsv", folder / f"test-clean.{system}.hyp.tsv"
    names = [line.split()[0] for line in reference.read_text().splitlines()]
    Path("utt2spk").write_text("".join(f"{name} {name.split('-')[0]}\n" for name in names))
    words = ("--hypotheses", str(hypothesis), "--references", str(reference), "--speakers", "utt2spk")
    record = score(*words, "--corpus", "LibriSpeech", "--system", system)
    published = re.search(r"error_rate=([\d.]+)", (folder / f"test-clean.{system}.published.txt").read_text())
    assert published is not None
    value = record.values["wer@none"]
    assert value.value is not None
    assert 100 * value.value == pytest.approx(float(published[1]), rel=1e-12)
    assert (value.clusters, value.cluster_by) == (40, "speaker")
    assert record.status == "imported"
    assert record.reason == f"imported from {hypothesis.name}, {reference.name}"
    assert record.provenance.run.startswith("imported-")
    assert list(Path("results/runs", record.provenance.run).glob("texts-librispeech-*.jsonl"))


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("system", "collar", "skip", "published"), VBX)
def test_published_diarization_error_rates_are_reproduced(
    shared_data: Path, system: str, collar: str, skip: bool, published: float
) -> None:
    folder = shared_data / "diarization" / "ami"
    words = [
        "--rttm",
        folder / "hyp-vbx" / system,
        "--reference",
        folder / "ref/rttm/dev",
        "--uem",
        folder / "ref/uem/dev",
    ]
    flags = ["--collar", collar, "--mapping", "all", *(["--skip_overlap"] if skip else [])]
    record = score(*map(str, words), *flags, "--corpus", "AMI", "--system", system)
    value = record.values[record.benchmark.main_metric]
    assert value.value is not None
    assert abs(100 * value.value - published) < 0.01
    assert (value.clusters, value.cluster_by) == (18, "recording")


def trial_list(speakers: int = 10, each: int = 3) -> tuple[list[str], np.ndarray]:
    """Lines of all pairs, and their labels."""
    first, second = np.triu_indices(speakers * each, 1)
    labels = (first // each == second // each).astype(int)
    return [f"u{a} u{b}" for a, b in zip(first.tolist(), second.tolist(), strict=True)], labels


@pytest.mark.usefixtures("place")
def test_scores_become_a_record_with_the_intervals_that_the_speakers_allow() -> None:
    pairs, labels = trial_list()
    values = labels + np.random.default_rng(0).normal(size=labels.size)
    kinds = ("nontarget", "target")
    Path("trials").write_text("".join(f"{pair} {kinds[label]}\n" for pair, label in zip(pairs, labels, strict=True)))
    Path("scores").write_text(
        "".join(f"{pair} {value!r}\n" for pair, value in zip(pairs, values.tolist(), strict=True))
    )
    Path("utt2spk").write_text("".join(f"u{place} s{place // 3}\n" for place in range(30)))
    named = score("--trials", "trials", "--scores", "scores", "--corpus", "toy", "--speakers", "utt2spk")
    eer = named.values["eer@interpolated"]
    assert eer.value == detection.eer(values, labels)[0]
    assert (eer.cluster_by, eer.clusters) == ("speaker", 10)
    assert named.protocol is not None
    assert named.protocol.items.targets == int(labels.sum())
    assert named.protocol.options == {"outputs": "imported"}
    alone = score("--trials", "trials", "--scores", "scores", "--corpus", "toy")
    other = alone.values["eer@interpolated"]
    assert other.clusters == eer.clusters, "complete target trials tell the speakers"
    # Speakers without names have other resamples, which move the ends a little.
    assert (other.low, other.high) == pytest.approx((eer.low, eer.high), abs=0.02)
    assert other.cluster_by == "linked utterances"
    assert "speakers are not told" in alone.reason


@pytest.mark.usefixtures("place")
def test_texts_without_speakers_say_so_and_two_imports_can_be_paired(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    Path("ref").write_text("".join(f"u{i} one two three four\n" for i in range(60)))
    for name, rate in (("good", 0.02), ("bad", 0.2)):
        wrong = rng.random((60, 4)) < rate
        lines = (
            " ".join("x" if bad else word for bad, word in zip(row, ("one", "two", "three", "four"), strict=True))
            for row in wrong
        )
        Path(name).write_text("".join(f"u{i} {line}\n" for i, line in enumerate(lines)))
    Path("utt2spk").write_text("".join(f"u{i} s{i // 4}\n" for i in range(60)))
    found = [score("--hypotheses", name, "--references", "ref", "--corpus", "toy") for name in ("good", "bad")]
    assert found[0].values["wer@none"].cluster_by == "utterance"
    assert "too narrow" in found[0].reason
    files = [str(next(Path("results/records").rglob(f"{name}-*.json"))) for name in ("good", "bad")]
    capsys.readouterr()
    assert main(["compare", *files, "--speakers", "utt2spk", "--fail_on_regression"]) == 4
    assert "worse (paired)" in capsys.readouterr().out


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "says what is scored"),
        (("--scores", "a", "--rttm", "b"), "says what is scored"),
        (("--rttm", "ref"), "--reference is missing"),
        (("--hypotheses", "nothing", "--references", "ref"), "There is no nothing"),
        (("--hypotheses", "hyp", "--references", "ref"), "lacks 1 of 2 utterances (first: u2)"),
        (("--scores", "hyp", "--trials", "nothing"), "There is no nothing"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    words: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("ref").write_text("u1 a\nu2 b\n")
    Path("hyp").write_text("u1 a\n")
    assert main(["score", *words]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_sclites_published_number_is_reproduced(shared_data: Path) -> None:
    folder = shared_data / "published-scores" / "sctk-sclite"
    words = ("--hypotheses", str(folder / "csrnab.hyp"), "--references", str(folder / "csrnab.ref"), "--fold_case")
    record = score(*words, "--costs", "nist", "--corpus", "csrnab")
    kinds = ("wer", "substitutions", "deletions", "insertions")
    values = [record.values[f"{kind}@none,nist,fold_case"].value for kind in kinds]
    assert [round(1406 * value) for value in values if value is not None] == [169, 131, 12, 26]
    assert record.reason.startswith("imported from csrnab.hyp (trn), csrnab.ref (trn)")
    assert record.protocol is not None
    assert record.protocol.options["rules"]["costs"] == "nist"


def test_published_costs_of_repeated_conditions_are_reproduced(shared_data: Path) -> None:
    found = scores.read(shared_data / "published-scores" / "roc-jl-ru2009" / "ru.2009.table.gz")
    assert found.labels is not None
    cost, _ = detection.min_dcf(found.scores, found.labels, 0.01, 10.0, 1.0)
    assert cost == pytest.approx(0.34593062385260914, abs=1e-12)


@pytest.mark.usefixtures("place")
def test_plain_text_has_one_protocol_in_every_format() -> None:
    Path("ref").write_text("u1 a b\nu2 c\n")
    Path("hyp").write_text("u1 a\nu2 c\n")
    Path("hyp.trn").write_text("a (u1)\nc (u2)\n")
    protocols = {
        score("--hypotheses", name, "--references", "ref", "--corpus", "toy", "--system", name).protocol_id
        for name in ("hyp", "hyp.trn")
    }
    assert len(protocols) == 1


@pytest.mark.usefixtures("place")
def test_speakers_of_an_stm_are_resampled() -> None:
    Path("r.stm").write_text("".join(f"f A s{i // 2} {i} {i + 1} a b\n" for i in range(12)))
    Path("h.ctm").write_text("".join(f"f A {i}.1 0.1 a\nf A {i}.5 0.1 {'b' if i % 3 else 'x'}\n" for i in range(12)))
    record = score("--hypotheses", "h.ctm", "--references", "r.stm", "--corpus", "toy")
    value = record.values["wer@none"]
    assert (value.value, value.cluster_by, value.clusters) == (pytest.approx(4 / 24), "speaker", 6)


@pytest.mark.usefixtures("place")
def test_a_recording_that_only_the_uem_names_is_scored() -> None:
    Path("ref.rttm").write_text("SPEAKER r 1 0 10 <NA> <NA> A <NA>\nSPEAKER r 1 10 10 <NA> <NA> B <NA>\n")
    Path("hyp.rttm").write_text(Path("ref.rttm").read_text() + "SPEAKER silent 1 1 5 <NA> <NA> A <NA>\n")
    Path("all.uem").write_text("r 1 0 20\nsilent 1 0 20\n")
    words = ("--rttm", "hyp.rttm", "--reference", "ref.rttm", "--uem", "all.uem", "--collar", "0")
    record = score(*words, "--corpus", "toy")
    assert record.values["der@collar=0"].value == pytest.approx(0.25)
    assert record.protocol is not None
    assert record.protocol.items.count == 2
    Path("all.uem").write_text("/data/r.sph 1 0 20\n")
    Path("hyp.rttm").write_text(Path("ref.rttm").read_text())
    assert score(*words, "--corpus", "toy").values["der@collar=0"].value == 0


@pytest.mark.usefixtures("place")
def test_without_a_uem_the_evaluated_time_may_be_the_references() -> None:
    Path("ref.rttm").write_text("SPEAKER f 1 0 4 <NA> <NA> A <NA>\nSPEAKER f 1 4 4 <NA> <NA> B <NA>\n")
    Path("hyp.rttm").write_text("SPEAKER f 1 0 3.5 <NA> <NA> x <NA>\nSPEAKER f 1 3.5 5.5 <NA> <NA> y <NA>\n")
    words = ("--rttm", "hyp.rttm", "--reference", "ref.rttm", "--collar", "0", "--corpus", "toy")
    both, own = score(*words), score(*words, "--span", "reference")
    assert [record.values["der@collar=0"].value for record in (both, own)] == pytest.approx([0.1875, 0.0625])
    assert both.panel != own.panel


@pytest.mark.usefixtures("place")
def test_distances_and_lost_marks_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("list").write_text("1 a b\n0 c d\n")
    Path("s").write_text("a b 0.1\nc d 0.5\n")
    score("--scores", "s", "--trials", "list", "--corpus", "toy")
    assert "above 50 %: are these distances?" in capsys.readouterr().err
    for name, word in {"ref": "कि", "hyp": "की"}.items():
        Path(name).write_text(f"u1 {word} ok\n")
    record = score("--hypotheses", "hyp", "--references", "ref", "--corpus", "toy", "--normalizer", "basic")
    assert "basic takes vowel signs and other marks out of 2 texts" in capsys.readouterr().err
    assert record.values["wer@basic"].value == 0
    record = score("--hypotheses", "hyp", "--references", "ref", "--corpus", "toy", "--normalizer", "basic-marks")
    assert record.values["wer@basic-marks"].value == 0.5
