"""Diarization as a benchmark: made-up meetings, real ones, and recordings that are odd."""

from __future__ import annotations

import csv
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from lhotse import SupervisionSegment

from tests.cuts import noise_cuts
from tests.diarization.sources import conversation, cut
from tests.diarization.test_pipeline import DEV, TEST
from voxboard import benchmarks, model, published, systems
from voxboard.benchmarks.diarization import DiarizationTask, Diarized, Tuning, _warn_of_seen
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.data.prepare_options import PrepareOptions
from voxboard.diarization import Diarization
from voxboard.errors import BadAudio, UserError
from voxboard.metrics.diarization import der, jer
from voxboard.metrics.rttm import Turn, read_rttm
from voxboard.model import Network
from voxboard.preparation import prepare
from voxboard.settings import Evaluation

EVALUATION = Evaluation()
DER, JER, ONE = "der@collar=0.25", "jer@collar=0", "der_one_speaker@collar=0.25"


def task(**settings: Any) -> DiarizationTask:
    return DiarizationTask(DiarizationTask.Config(**settings))


def network() -> Network:
    return model.build(systems.parse("fbank+statistics"), None, 0)


def recording(path: Path, turns: list[Turn], uem: list[tuple[float, float]] | None = None) -> Any:
    """A file with its turns."""
    made = cut(path)
    made.supervisions = [
        SupervisionSegment(f"{path.stem}-{n}", path.stem, start, end - start, speaker=who)
        for n, (who, start, end) in enumerate(turns)
    ]
    made.custom = None if uem is None else {"uem": uem}
    return made


def corpus_of(folder: Path, **splits: list[Any]) -> Corpus:
    return Corpus.write(folder / "corpus", CorpusInfo("meetings", kind="recordings"), splits, folder)


@pytest.fixture
def meetings(tmp_path: Path) -> Corpus:
    """Three bands of noise that take turns, in two recordings of the test and one for tuning."""
    for name, turns, seconds in (("dev", DEV, 15.5), ("talk", TEST, 12.5), ("also", TEST[:3], 9.0)):
        conversation(tmp_path, name, turns, seconds)
    return corpus_of(
        tmp_path,
        valid=[recording(tmp_path / "dev.wav", DEV)],
        test=[recording(tmp_path / "talk.wav", TEST, [(0.0, 12.0)]), recording(tmp_path / "also.wav", TEST[:3])],
    )


def evaluated(corpus: Corpus, chosen: DiarizationTask) -> tuple[Diarized, Tuning | None]:
    fixed = None
    if chosen.has_validation(corpus):
        fixed = chosen.fix(chosen.run(network(), chosen.items(corpus, "valid"), EVALUATION))
    return chosen.run(network(), chosen.items(corpus, "test"), EVALUATION, None, fixed), fixed


def test_meetings_are_tuned_on_dev_and_scored_beside_one_speaker(meetings: Corpus, tmp_path: Path) -> None:
    outputs, fixed = evaluated(meetings, task())
    assert fixed is not None
    assert fixed == task().fixed_from(fixed.to_dict())
    assert fixed.error < 0.06
    assert outputs.prepared == {}
    measured = task().measure(outputs, fixed, replicates=50)
    values = {name: interval.value for name, interval in measured.values.items()}
    assert set(values) == set(task().parameters)
    assert values[DER] < 0.05
    assert values[ONE] > 0.4
    reference = {"also": TEST[:3], "talk": TEST}
    scored = {"also": [(0.0, 9.0)], "talk": [(0.0, 12.0)]}
    assert values[DER] == pytest.approx(der(reference, outputs.turns, 0.25, uem=scored))
    assert values[JER] == pytest.approx(jer(reference, outputs.turns, scored))
    parts = sum(values[f"{part}@collar=0.25"] for part in ("miss", "false_alarm", "confusion"))
    assert values[DER] == pytest.approx(parts)
    assert measured.values[DER].threshold == fixed.threshold
    assert measured.values[DER].clusters == 2


def test_every_recording_has_its_row_in_the_table_and_on_disk(meetings: Corpus, tmp_path: Path) -> None:
    outputs, fixed = evaluated(meetings, task())
    groups = task().measure(outputs, fixed, replicates=20).groups
    assert [(one.name, one.label, one.count) for one in groups] == [
        ("recording=also", "recording", 3),
        ("recording=talk", "recording", 5),
    ]
    task().save(outputs, tmp_path, "meetings")
    assert set(read_rttm(tmp_path / "turns-meetings.rttm")) == {"also", "talk"}
    with (tmp_path / "recordings-meetings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["der"]) for row in rows] == [one.values[DER].value for one in groups]
    assert [(row["recording"], row["speakers"], row["found"]) for row in rows] == [
        ("also", "2", "2"),
        ("talk", "3", "3"),
    ]


def test_tuning_can_be_left_out_and_the_protocol_says_so(meetings: Corpus) -> None:
    outputs, fixed = evaluated(meetings, task(untuned=True, threshold=2.0))
    assert fixed is not None
    assert fixed.threshold is None
    assert {who for turns in outputs.turns.values() for who, _, _ in turns} == {"speaker00"}
    plain = task(untuned=True, threshold=2.0).protocol(outputs, EVALUATION, None)
    tuned = task().protocol(outputs, EVALUATION, None)
    assert (plain.options["tuned on"], plain.options["threshold"]) == ("nothing", 2.0)
    assert tuned.options["tuned on"] == "validation recordings"
    assert "threshold" not in tuned.options
    assert tuned.id != plain.id
    assert (tuned.items.kind, tuned.items.count, tuned.items.speakers) == ("recordings", 2, 3)
    assert task(threshold=0.7).protocol(outputs, EVALUATION, None).id == tuned.id
    assert task(collar=0.0, skip_overlap=True).main_metric == "der@collar=0,no_overlap"


def test_protocols_of_windows_are_what_they_were_and_others_name_the_network(meetings: Corpus) -> None:
    outputs, _ = evaluated(meetings, task())
    plain = task().protocol(outputs, EVALUATION, None)
    assert not {"segmentation", "segmentation_hop", "pyannet"} & set(plain.options)
    assert (plain.options["window"], plain.crop.max_seconds) == (1.5, 1.5)
    digest = published.entry("pyannet").sha256
    heard = task(vad="pyannet").protocol(outputs, EVALUATION, None)
    assert {"vad": "pyannet", "pyannet": digest, "segmentation_hop": 1.0}.items() <= heard.options.items()
    local = task(segmentation="pyannet").protocol(outputs, EVALUATION, None)
    assert {"segmentation": "pyannet", "pyannet": digest}.items() <= local.options.items()
    assert "window" not in local.options
    assert local.crop.max_seconds == 10.0
    assert len({plain.id, heard.id, local.id}) == 3
    assert task(segmentation="pyannet", window=2.0).protocol(outputs, EVALUATION, None).id == local.id


def test_a_network_that_has_heard_the_corpus_is_named(caplog: pytest.LogCaptureFixture) -> None:
    _warn_of_seen(Diarization(vad="pyannet"), "Voices-meetings")
    _warn_of_seen(Diarization(vad="energy"), "AMI")
    assert not caplog.messages
    _warn_of_seen(Diarization(vad="pyannet"), "AMI")
    assert caplog.messages == ["pyannet was trained on AMI/train: this test is in its domain."]


def test_the_oracles_number_needs_no_tuning(meetings: Corpus) -> None:
    chosen = task(oracle_speakers=True)
    outputs, fixed = evaluated(meetings, chosen)
    assert fixed is not None
    assert (fixed.threshold, fixed.error < 0.1) == (None, True)
    assert [len({who for who, _, _ in turns}) for turns in outputs.turns.values()] == [2, 3]


def test_real_meetings_stay_within_one_speaker_where_tuning_finds_nothing_better(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "diarization" / "ami-excerpts"
    given = PrepareOptions(rttm=Path("rttm"), uem=Path("uem"), valid_recordings=("dev*",))
    corpus = prepare(str(folder), out=tmp_path / "ami", options=given)
    outputs, fixed = evaluated(corpus, task())
    values = task().measure(outputs, fixed, replicates=20).values
    assert len(outputs.turns) == 7
    assert "MÉO069" in outputs.items.speakers
    assert values[ONE].value == pytest.approx(0.2013, abs=1e-4)
    assert values[DER].value <= values[ONE].value
    assert values[ONE].low < values[ONE].value < values[ONE].high


def test_silence_and_recordings_without_turns_have_no_rates_of_their_own(tmp_path: Path) -> None:
    conversation(tmp_path, "talk", TEST, 12.5)
    soundfile.write(tmp_path / "silent.wav", [0.0] * 16_000, 8_000)
    silent = recording(tmp_path / "silent.wav", [])
    corpus = corpus_of(tmp_path, test=[recording(tmp_path / "talk.wav", TEST), silent])
    outputs, fixed = evaluated(corpus, task(vad="energy"))
    assert (fixed, outputs.turns["silent"]) == (None, [])
    first, _ = task().measure(outputs, None, replicates=20).groups
    assert (first.values, first.reason) == ({}, "no speech of the reference is scored")
    with pytest.raises(UserError, match="No speech of the test recordings of meetings is scored"):
        outputs.items.without({"talk"}).score({}, 0.25, False)
    said = corpus_of(tmp_path, test=[recording(tmp_path / "silent.wav", [("ann", 0.0, 1.0)])])
    alone = task().measure(evaluated(said, task())[0], None, replicates=20).values[DER]
    assert (alone.value, alone.low) == (0.0, None)


def test_three_hours_are_never_in_memory(tmp_path: Path) -> None:
    path, rate, seconds = tmp_path / "long.wav", 8_000, 3 * 3600
    soundfile.write(path, [0.0], rate)
    header = bytearray(path.read_bytes()[:44])
    header[4:8], header[40:44] = (
        (36 + 2 * rate * seconds).to_bytes(4, "little"),
        (2 * rate * seconds).to_bytes(4, "little"),
    )
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + 2 * rate * seconds)  # silence that takes no room on the disk
    turns = [("ann", 1.0, 4.0), ("cem", 10_790.0, 10_795.0)]
    corpus = corpus_of(tmp_path, test=[recording(path, turns)])
    tracemalloc.start()
    outputs, _ = evaluated(corpus, task())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(start, end) for _, start, end in outputs.turns["long"]] == [(1.0, 4.0), (10_790.0, 10_795.0)]
    assert peak < 30e6 < 2 * rate * seconds


def test_audio_that_is_gone_is_refused_or_counted(meetings: Corpus, tmp_path: Path) -> None:
    (tmp_path / "also.wav").unlink()
    items = task().items(meetings, "test")
    with pytest.raises(BadAudio, match="also.wav"):
        task().run(network(), items, EVALUATION)
    skipping = replace(EVALUATION, skip_bad_audio=True)
    outputs = task().run(network(), items, skipping)
    assert (outputs.spent.skipped, list(outputs.turns)) == (("also",), ["talk"])
    assert task().protocol(outputs, skipping, None).options["left out"] == ["also"]
    with pytest.raises(UserError, match="No test recording can be read"):
        task().run(network(), items.without({"talk"}), skipping)


def test_each_kind_of_corpus_is_refused_by_what_needs_the_other(meetings: Corpus, tmp_path: Path) -> None:
    utterances = Corpus.write(tmp_path / "u", CorpusInfo("u"), {"valid": noise_cuts(tmp_path, [0.1])}, tmp_path)
    assert not task().has_validation(utterances)
    with pytest.raises(UserError, match="u holds utterances, not recordings"):
        task().items(utterances, "valid")
    for name in ("verification", "attributes"):
        with pytest.raises(UserError, match="meetings holds recordings, not utterances"):
            benchmarks.create(name).items(meetings, "test")


def test_vbx_is_refused_without_training_utterances(meetings: Corpus) -> None:
    with pytest.raises(UserError, match="meetings has no training utterances"):
        task(resegmentation="vbx").learn(network(), meetings, EVALUATION, 0)
    assert task().learn(network(), meetings, EVALUATION, 0) is None


def test_settings_and_manifests_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"collar is -1\."):
        task(collar=-1)
    conversation(tmp_path, "talk", TEST, 12.5)
    for uem in ([[1.0, 0.5]], "all", [[1.0]]):
        corpus = corpus_of(tmp_path, test=[recording(tmp_path / "talk.wav", TEST, uem)])  # type: ignore[arg-type]
        with pytest.raises(UserError, match="UEM of talk"):
            task().items(corpus, "test")


def test_the_cards_are_those_of_the_corpora() -> None:
    for name, collar in (("AMI", 0.0), ("voxconverse", 0.25)):
        card = benchmarks.card(name)
        made = benchmarks.create(card.task, **card.options)
        assert (card.corpus.lower(), made.main_metric) == (name.lower(), f"der@collar={collar:g}")
