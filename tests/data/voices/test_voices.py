"""The corpus Voices: whole or not at all, the same bytes every time, and speakers that can be told apart."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from voxboard.data.corpus import SPLITS, Corpus, attributes_of, speaker_of
from voxboard.data.voices import espeak
from voxboard.data.voices.corpus import make_voices, voices_folder
from voxboard.data.voices.render import VoiceSession, render
from voxboard.data.voices.speakers import ACCENTS, FEMALE, FIXED_AGE, MALE, Speaker, distance, draw_speakers
from voxboard.data.voices.text import sentence
from voxboard.data.voices.worker import SECONDS
from voxboard.errors import UserError
from voxboard.metrics.detection import eer


def _small(folder: Path, *, seed: int = 0, workers: int = 1) -> Corpus:
    return make_voices(folder, speakers=8, utterances=4, seed=seed, workers=workers)


def _digests(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return _small(tmp_path_factory.mktemp("voices"))


def test_audio_and_manifest_agree(corpus: Corpus) -> None:
    for cut in corpus.all_cuts():
        audio, rate = soundfile.read(cut.recording.sources[0].source, dtype="int16")
        assert (rate, audio.ndim, len(audio)) == (16000, 1, cut.recording.num_samples)
        assert SECONDS[0] <= cut.duration == len(audio) / rate <= SECONDS[1]
        level = 20 * np.log10(np.sqrt(np.mean((audio / 32768.0) ** 2)))
        assert attributes_of(cut)["level"] == pytest.approx(level, abs=0.006)
        assert np.abs(audio.astype(int)).max() < 32767


def test_every_label_is_there(corpus: Corpus) -> None:
    for cut in corpus.all_cuts():
        speaker, session = speaker_of(cut), attributes_of(cut)["session"]
        assert session in (f"{speaker}-s1", f"{speaker}-s2")
        assert cut.id.rsplit("-", 1)[0] == session
        assert cut.recording.sources[0].source.endswith(f"audio/{speaker}/{cut.id}.flac")
        known = attributes_of(cut)
        assert {*known} == {
            *("gender", "language", "accent", "age", "session", "variant", "level"),
            *("age_group", "pace", "style", "captions"),
        }
        assert known["gender"] in ("female", "male")
        assert known["age"] in ("young", "adult", "senior")
        words = cut.supervisions[0].text.split(" ")
        assert len(words) > 3
        assert all(word.isascii() and word.isalpha() and word.islower() for word in words)


def test_the_corpus_describes_itself(corpus: Corpus) -> None:
    assert corpus.splits == list(SPLITS)
    assert (corpus.name, corpus.info.version, corpus.info.synthetic) == ("Voices", "2", True)
    assert corpus.info.source == f"eSpeak NG {espeak.version()}"
    assert {split: count["speakers"] for split, count in corpus.info.counts.items()} == {
        "train": 4,
        "valid": 2,
        "test": 2,
    }
    texts = [cut.supervisions[0].text for cut in corpus.all_cuts()]
    assert len(texts) == 32
    assert len(set(texts)) > 28  # mostly different sentences


def test_the_same_recipe_gives_the_same_bytes_with_any_number_of_workers(corpus: Corpus, tmp_path: Path) -> None:
    _small(tmp_path / "other", workers=2)
    assert _digests(tmp_path / "other") == _digests(corpus.folder)
    _small(tmp_path / "seed", seed=1)
    shared = _digests(tmp_path / "seed").items() & _digests(corpus.folder).items()
    assert {name for name, _ in shared} == {".voices.lock"}


def test_a_made_corpus_is_opened_not_made_again(corpus: Corpus) -> None:
    before = {file: file.stat().st_mtime_ns for file in corpus.folder.rglob("*")}
    again = _small(corpus.folder)
    assert again.info == corpus.info
    assert {file: file.stat().st_mtime_ns for file in corpus.folder.rglob("*")} == before


def test_a_corpus_killed_while_it_was_made_is_made_anew(corpus: Corpus, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from voxboard.data.voices.corpus import make_voices; "
        f"make_voices(Path({str(tmp_path)!r}), speakers=30, workers=2)"
    )
    with subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE) as process:  # a script without a main guard
        assert process.stdin is not None
        process.stdin.write(code.encode())
        process.stdin.close()
        while not list(tmp_path.glob("audio/v001/*.flac")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    (tmp_path / "audio" / "v999.flac").touch()
    with pytest.raises(UserError, match="not a prepared corpus"):
        Corpus.open(tmp_path)
    _small(tmp_path)
    assert _digests(tmp_path) == _digests(corpus.folder)


def test_another_recipe_replaces_the_corpus(tmp_path: Path) -> None:
    make_voices(tmp_path, speakers=7, utterances=2, workers=1)
    assert len(list(tmp_path.glob("audio/*"))) == 7
    smaller = make_voices(tmp_path, speakers=6, utterances=2, workers=1)
    assert len(list(tmp_path.glob("audio/*"))) == 6
    assert len(smaller.all_cuts()) == 12


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all I have")
    with pytest.raises(UserError, match="something other"):
        _small(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(("speakers", "utterances"), [(5, 4), (8, 1)])
def test_too_little_is_refused_before_anything_is_written(tmp_path: Path, speakers: int, utterances: int) -> None:
    with pytest.raises(UserError, match="too few"):
        make_voices(tmp_path / "new", speakers=speakers, utterances=utterances)
    assert not (tmp_path / "new").exists()


def test_the_cache_holds_one_folder_per_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VOXBOARD_CACHE", str(tmp_path))
    folders = {voices_folder(), voices_folder(seed=1), voices_folder(speakers=12), voices_folder(utterances=4)}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path}
    monkeypatch.delenv("VOXBOARD_CACHE")
    assert voices_folder().parent == Path.home() / ".cache" / "voxboard"


@settings(deadline=None, max_examples=15)
@given(st.integers(6, 60), st.integers(0, 10_000))
def test_splits_share_no_speaker_and_no_timbre(count: int, seed: int) -> None:
    people = draw_speakers(count, seed)
    family = {variant: row[0] for row in (*FEMALE, *MALE) for variant in row}
    assert [person.id for person in people] == [f"v{number:03d}" for number in range(1, count + 1)]
    for split in SPLITS:
        inside = {family[person.variant] for person in people if person.split == split}
        outside = {family[person.variant] for person in people if person.split != split}
        assert not inside & outside
        assert {person.gender for person in people if person.split == split} == {"female", "male"}
    assert all(person.age == FIXED_AGE.get(person.variant, person.age) for person in people)


def test_no_two_speakers_are_doubles() -> None:
    people = draw_speakers(120, 0)
    assert {person.accent for person in people} == {*ACCENTS.values()}
    nearest = min(distance(one, other) for index, one in enumerate(people) for other in people[:index])
    assert nearest > 1.0


def test_the_tables_name_variants_that_espeak_has_once_each() -> None:
    named = [variant for row in (*FEMALE, *MALE) for variant in row]
    assert len(named) == len(set(named))
    assert {*named, *FIXED_AGE} <= espeak.variants()


def test_sentences_are_varied() -> None:
    rng = np.random.default_rng(0)
    drawn = [sentence(rng) for _ in range(500)]
    assert len(set(drawn)) > 490
    assert len({word for text in drawn for word in text.split()}) > 200
    assert {letter for text in drawn for letter in text} == set("abcdefghijklmnopqrstuvwxyz ")


QUIET = VoiceSession("v001-s1", -25.0, 0.0, 1000.0, 0.0, 60.0, 0.0, 0.0, 1.0)


def _person(**changes: float) -> Speaker:
    plain = {"semitones": 0.0, "formants": 1.0, "liveliness": 0.0, "rate": 160.0, **changes}
    return Speaker("v001", "train", "female", "adult", "f4", "en-us", **plain)


def _centroid(samples: npt.NDArray[np.int16]) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power @ np.fft.rfftfreq(len(samples), 1 / 16000) / power.sum())


def test_a_shorter_vocal_tract_raises_the_spectrum_but_neither_pitch_nor_tempo() -> None:
    text = "the yellow bird followed another sleepy farmer"
    short, long = (
        render(text, _person(formants=factor), QUIET, np.random.default_rng(0)).samples for factor in (1.12, 0.9)
    )
    assert _centroid(short) > 1.1 * _centroid(long)
    assert len(short) == pytest.approx(len(long), rel=0.08)


def test_a_session_sets_level_and_noise() -> None:
    level = render("one quiet kitchen", _person(), QUIET, np.random.default_rng(1)).level
    assert level == pytest.approx(QUIET.level, abs=8.0)
    noisy = VoiceSession("v001-s2", -25.0, 0.0, 1000.0, 0.0, 10.0, 0.0, 0.0, 1.0)
    start = [
        np.std(render("one quiet kitchen", _person(), session, np.random.default_rng(1)).samples[:600])
        for session in (QUIET, noisy)
    ]
    assert start[1] > 50 * start[0]


def _statistics(corpus: Corpus, split: str) -> tuple[npt.NDArray[np.float64], list[str], list[str]]:
    """Mean and deviation of 40 log-band energies per utterance [n, 80], speakers and sessions."""
    rows = []
    edges = np.unique(np.geomspace(3, 256, 41).round().astype(int))
    for cut in corpus.cuts(split):
        audio, _ = soundfile.read(cut.recording.sources[0].source)
        frames = np.lib.stride_tricks.sliding_window_view(audio, 512)[::320] * np.hanning(512)
        bands = np.log(np.add.reduceat(np.abs(np.fft.rfft(frames)) ** 2, edges[:-1], axis=1) + 1e-9)
        rows.append(np.concatenate([bands.mean(0), bands.std(0)]))
    cuts = list(corpus.cuts(split))
    return np.stack(rows), [speaker_of(cut) for cut in cuts], [attributes_of(cut)["session"] for cut in cuts]


def _eer_across_sessions(embeddings: npt.NDArray[np.float64], speakers: list[str], sessions: list[str]) -> float:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(len(unit)) for j in range(i) if sessions[i] != sessions[j]]
    scores = [float(unit[i] @ unit[j]) for i, j in pairs]
    return eer(scores, [int(speakers[i] == speakers[j]) for i, j in pairs])[0]


def test_unseen_speakers_are_hard_to_tell_apart_untrained_and_easy_trained(tmp_path: Path) -> None:
    corpus = make_voices(tmp_path, speakers=40, utterances=4, workers=2)
    train, names, _ = _statistics(corpus, "train")
    test, speakers, sessions = _statistics(corpus, "test")
    raw = _eer_across_sessions((test - train.mean(0)) / train.std(0), speakers, sessions)
    learnt = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1, n_components=20).fit(train, names)
    trained = _eer_across_sessions(learnt.transform(test), speakers, sessions)
    assert 0.2 < raw < 0.5
    assert trained < 0.12
