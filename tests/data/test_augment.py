"""Augmented crops are what Lhotse makes of them, and functions of the generator alone."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lhotse import Recording
from lhotse.augmentation import Speed

from voxboard.data.augment import Added, Augmenter, Drawn
from voxboard.data.augmentation import Augmentation
from voxboard.errors import BadAudio, UserError

RATE = 16_000
CROP = 8_000
ALWAYS = {"noise_prob": 1.0, "music_prob": 1.0, "rir_prob": 1.0}


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def noise(samples: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(samples) * level).astype(np.float32)


def impulse(delay: int, value: float = 1.0, samples: int = 400) -> np.ndarray:
    response = np.zeros(samples, dtype=np.float32)
    response[delay] = value
    return response


def power(wave: np.ndarray) -> float:
    return float(np.mean(np.square(wave, dtype=np.float64)))


def drawn_with(**what: Any) -> Drawn:
    return Drawn(CROP, CROP, **what)


def in_room(path: Path, wave: np.ndarray) -> np.ndarray:
    return Augmenter(Augmentation(), RATE).apply(wave, Drawn(len(wave), len(wave), room=path))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MUSAN's layout and that of OpenSLR 28, a file or two each."""
    root = tmp_path_factory.mktemp("sounds")
    for number, seconds in enumerate((0.2, 1.5)):
        write(root / f"musan/noise/free-sound/noise-{number}.wav", noise(int(seconds * RATE), number))
        write(root / f"musan/music/fma/music-{number}.wav", noise(int(seconds * RATE), number + 9))
    write(root / "musan/speech/librivox/speech-0.wav", noise(RATE))
    decay = np.exp(-np.arange(3000) / 300).astype(np.float32)
    write(
        root / "RIRS_NOISES/simulated_rirs/smallroom/Room001/Room001-00001.wav",
        noise(3000) * decay + impulse(20, samples=3000),
    )
    write(root / "RIRS_NOISES/real_rirs_isotropic_noises/RVB2014_type1_rir_far.wav", impulse(40))
    write(root / "RIRS_NOISES/real_rirs_isotropic_noises/RVB2014_type1_noise_far.wav", noise(RATE))
    write(root / "RIRS_NOISES/pointsource_noises/sound-1.wav", noise(RATE))
    return root


@pytest.fixture(scope="module")
def everything(folders: Path) -> Augmentation:
    return Augmentation(musan_path=folders / "musan", rir_path=folders, speed_prob=0.5)


def names(files: Any) -> list[str]:
    return [path.name for path in files]


def test_the_layouts_of_musan_and_of_the_room_responses_are_known(folders: Path) -> None:
    for musan in (folders, folders / "musan"):
        augmenter = Augmenter(Augmentation(musan_path=musan, rir_path=folders / "RIRS_NOISES"), RATE)
        assert names(augmenter.noise) == ["noise-0.wav", "noise-1.wav"]
        assert names(augmenter.music) == ["music-0.wav", "music-1.wav"]
        assert names(augmenter.rooms) == ["RVB2014_type1_rir_far.wav", "Room001-00001.wav"]


def test_a_folder_of_ones_own_comes_beside_musan_and_may_be_all_of_it(folders: Path) -> None:
    both = Augmentation(musan_path=folders, noise_path=folders / "RIRS_NOISES/pointsource_noises", music_prob=0)
    augmenter = Augmenter(both, RATE)
    assert names(augmenter.noise) == ["sound-1.wav", "noise-0.wav", "noise-1.wav"]
    assert augmenter.music == ()
    assert len(Augmenter(Augmentation(noise_path=folders / "musan"), RATE).noise) == 5


def test_nothing_is_drawn_or_changed_by_default() -> None:
    assert not Augmentation().active
    augmenter, random = Augmenter(Augmentation(), RATE), np.random.default_rng(0)
    drawn = augmenter.plan(random, CROP)
    assert drawn == Drawn(CROP, CROP)
    assert random.bit_generator.state == np.random.default_rng(0).bit_generator.state
    wave = noise(CROP)
    assert np.array_equal(augmenter.apply(wave, drawn), wave)


@pytest.mark.parametrize("name", ["musan_path", "noise_path", "music_path", "rir_path", "speed_prob"])
def test_a_folder_or_a_probability_turns_augmentation_on(name: str) -> None:
    assert Augmentation(**{name: 0.5 if name == "speed_prob" else Path("sounds")}).active


def test_settings_come_back_from_json_and_toml_as_they_were() -> None:
    lists = Augmentation(noise_path=Path("n"), noise_snr=[0, 20], speed_factors=[1])  # type: ignore[arg-type]
    assert lists == Augmentation(noise_path=Path("n"), noise_snr=(0.0, 20.0), speed_factors=(1.0,))
    assert Augmentation(**asdict(lists)) == lists


@given(seed=st.integers(0, 2**32), speed=st.sampled_from([0.9, 1.0, 1.1]))
@settings(max_examples=20, deadline=None)
def test_a_crop_is_a_function_of_the_generator(everything: Augmentation, seed: int, speed: float) -> None:
    chosen = replace(everything, speed_factors=(speed,), **ALWAYS)
    augmenter, copy = Augmenter(chosen, RATE), pickle.loads(pickle.dumps(Augmenter(chosen, RATE)))
    source = noise(2 * CROP)
    results = []
    for one in (augmenter, augmenter, copy):
        drawn = one.plan(np.random.default_rng(seed), CROP)
        results.append(one.apply(source[: drawn.needed], drawn))
    assert results[0].shape == (CROP,)
    assert results[0].dtype == np.float32
    assert all(np.array_equal(results[0], result) for result in results)
    assert np.array_equal(source, noise(2 * CROP)), "the source is left as it is"
    other = augmenter.plan(np.random.default_rng(seed + 1), CROP)
    assert not np.array_equal(results[0], augmenter.apply(source[: other.needed], other))


def test_the_number_of_threads_changes_no_bit_and_is_left_as_it_was(tmp_path: Path) -> None:
    room = write(tmp_path / "room.wav", noise(100_003))  # a size at which two threads do give other bits
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(in_room(room, noise(48_000)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*results)


def test_shares_and_ranges_are_those_of_the_settings(everything: Augmentation) -> None:
    chosen = replace(everything, noise_prob=0.3, music_prob=0.8, rir_prob=0.5, speed_prob=0.25, noise_snr=(-3, 4))
    augmenter, random = Augmenter(chosen, RATE), np.random.default_rng(7)
    drawn = [augmenter.plan(random, CROP) for _ in range(4000)]
    for share, hits in (
        (0.3, [d.noise is not None for d in drawn]),
        (0.8, [d.music is not None for d in drawn]),
        (0.5, [d.room is not None for d in drawn]),
        (0.125, [d.speed == 0.9 for d in drawn]),
        (0.125, [d.speed == 1.1 for d in drawn]),
    ):
        assert np.mean(hits) == pytest.approx(share, abs=0.04)  # 5 standard errors
    for low, high, kind in ((-3, 4, "noise"), (10, 15, "music")):
        snrs = [added.snr for d in drawn if (added := getattr(d, kind))]
        assert low <= min(snrs) < low + 0.1
        assert high - 0.1 < max(snrs) <= high
    assert {d.noise.path for d in drawn if d.noise} == set(augmenter.noise)


@pytest.mark.parametrize("kind", ["noise", "music"])
@given(
    snr=st.floats(-20, 40), level=st.floats(1e-4, 1), place=st.floats(0, 1, exclude_max=True), file=st.integers(0, 1)
)
@settings(max_examples=25, deadline=None)
def test_the_snr_is_met(folders: Path, kind: str, snr: float, level: float, place: float, file: int) -> None:
    paths = sorted((folders / "musan" / kind).rglob("*.wav"))
    speech = noise(CROP, seed=5, level=level)
    added = Added(paths[file], snr, place)
    mixed = Augmenter(Augmentation(), RATE).apply(speech, drawn_with(**{kind: added}))
    assert 10 * np.log10(power(speech) / power(mixed - speech)) == pytest.approx(snr, abs=0.05)


def test_both_snrs_count_from_the_speech_alone(folders: Path) -> None:
    speech = noise(CROP, seed=5)
    paths = {kind: folders / f"musan/{kind}" for kind in ("noise", "music")}
    sounds = {kind: Added(next(paths[kind].rglob("*-1.wav")), 0.0, 0.5) for kind in paths}
    augmenter = Augmenter(Augmentation(), RATE)
    alone = {kind: augmenter.apply(speech, drawn_with(**{kind: sounds[kind]})) - speech for kind in sounds}
    both = augmenter.apply(speech, drawn_with(**sounds))
    np.testing.assert_allclose(both, speech + alone["noise"] + alone["music"], atol=1e-6)


def test_a_short_sound_is_repeated_and_a_long_one_cut_anywhere(tmp_path: Path) -> None:
    speech = noise(CROP, seed=5)
    augmenter = Augmenter(Augmentation(), RATE)

    def part(path: Path, place: float) -> np.ndarray:
        mixed = augmenter.apply(speech, drawn_with(noise=Added(path, 0.0, place))) - speech
        return np.asarray(mixed / np.abs(mixed).max())

    ramp = np.arange(1, 3 * CROP + 1, dtype=np.float32) / (3 * CROP)
    long, short = write(tmp_path / "long.wav", ramp), write(tmp_path / "short.wav", ramp[:3000])
    for place, start in ((0.0, 0), (0.5, CROP), (1 - 2**-53, 2 * CROP)):
        np.testing.assert_allclose(part(long, place), ramp[start:][:CROP] / ramp[start + CROP - 1], atol=2e-6)
    np.testing.assert_allclose(part(short, 0.7), np.resize(ramp[:3000] / ramp[2999], CROP), atol=2e-6)


@given(st.integers(1, 50_000), st.sampled_from([0.5, 0.8, 0.9, 0.95, 1.0, 1.03, 1.1, 2.0]))
@settings(max_examples=40, deadline=None)
def test_as_much_audio_is_asked_for_as_a_speed_takes(samples: int, factor: float) -> None:
    augmenter = Augmenter(Augmentation(speed_prob=1, speed_factors=(factor,)), RATE)
    drawn = augmenter.plan(np.random.default_rng(0), samples)
    assert drawn.needed == pytest.approx(samples * factor, abs=2)
    assert len(augmenter.apply(noise(drawn.needed), drawn)) == samples
    made = [
        Speed(factor)(np.zeros((1, count), np.float32), RATE).shape[1]
        for count in (drawn.needed, drawn.needed - 1)
        if count
    ]
    assert made[0] >= samples
    assert all(count < samples for count in made[1:])


@given(st.integers(1, 50_000), st.sampled_from([0.8, 0.9, 1.0, 1.03, 1.1]), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_a_whole_utterance_keeps_its_end(everything: Augmentation, source: int, factor: float, seed: int) -> None:
    augmenter = Augmenter(replace(everything, speed_prob=1, speed_factors=(factor,)), RATE)
    drawn, crop = (plan(np.random.default_rng(seed), source) for plan in (augmenter.plan_whole, augmenter.plan))
    assert (drawn.speed, drawn.noise, drawn.music, drawn.room) == (crop.speed, crop.noise, crop.music, crop.room)
    made = source if factor == 1 else Speed(factor)(np.zeros((1, source), np.float32), RATE).shape[1]
    assert (drawn.needed, drawn.samples) == (source, made)
    assert augmenter.apply(noise(source), drawn).shape == (made,)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_speed_moves_the_pitch(factor: float) -> None:
    augmenter = Augmenter(Augmentation(speed_prob=1, speed_factors=(factor,)), RATE)
    drawn = augmenter.plan(np.random.default_rng(0), RATE)
    tone = np.sin(2 * np.pi * 1000 * np.arange(drawn.needed) / RATE).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(augmenter.apply(tone, drawn)))
    assert spectrum.argmax() == pytest.approx(1000 * factor, abs=1)  # a bin is 1 Hz


@pytest.mark.parametrize(("delay", "value"), [(0, 1.0), (123, 1.0), (123, 0.02), (399, 30.0)])
def test_an_impulse_of_any_delay_and_level_is_the_identity(tmp_path: Path, delay: int, value: float) -> None:
    path = write(tmp_path / "room.wav", impulse(delay, value))
    np.testing.assert_allclose(in_room(path, noise(CROP)), noise(CROP), atol=1e-6)


def test_a_negative_direct_path_is_aligned_and_keeps_its_sign(tmp_path: Path) -> None:
    path = write(tmp_path / "room.wav", impulse(50, -1.0) + impulse(90, 0.3))
    result, wave = in_room(path, noise(CROP)), noise(CROP)
    lags = [float(result[100:-100] @ wave[100 + lag : CROP - 100 + lag]) for lag in range(-50, 51)]
    assert int(np.abs(lags).argmax()) == 50
    assert lags[50] < 0


@given(seed=st.integers(0, 99), samples=st.integers(1, 5000))
@settings(max_examples=20, deadline=None)
def test_a_room_keeps_length_and_power(folders: Path, seed: int, samples: int) -> None:
    room = folders / "RIRS_NOISES/simulated_rirs/smallroom/Room001/Room001-00001.wav"
    wave = noise(samples, seed)
    result = in_room(room, wave)
    assert result.shape == wave.shape
    assert power(result) == pytest.approx(power(wave), rel=1e-3)


def test_of_several_channels_of_a_room_the_first_is_taken_and_its_rate_may_differ(tmp_path: Path) -> None:
    response = np.stack([impulse(100), impulse(300, 5.0)], axis=1)
    path = write(tmp_path / "room.wav", response)
    np.testing.assert_allclose(in_room(path, noise(CROP)), noise(CROP), atol=1e-6)
    slow = np.sin(2 * np.pi * 300 * np.arange(CROP) / RATE).astype(np.float32)
    high = in_room(write(tmp_path / "high.wav", impulse(480, samples=2000), 48_000), slow)
    np.testing.assert_allclose(high[500:-500], slow[500:-500], atol=0.02)


def test_silence_stays_finite(tmp_path: Path, folders: Path) -> None:
    silent = write(tmp_path / "silent.wav", np.zeros(3 * CROP))
    faint = write(tmp_path / "faint.wav", np.full(3 * CROP, 1e-30))
    loud = next((folders / "musan/noise").rglob("*-1.wav"))
    room = next((folders / "RIRS_NOISES/simulated_rirs").rglob("*.wav"))
    augmenter = Augmenter(Augmentation(), RATE)
    nothing, speech = np.zeros(CROP, np.float32), noise(CROP)
    for path in (silent, loud):
        drawn = drawn_with(noise=Added(path, 10.0, 0.5), music=Added(path, 10.0, 0.5), room=room)
        assert not augmenter.apply(nothing, drawn).any()
    assert np.array_equal(augmenter.apply(speech, drawn_with(noise=Added(silent, 10.0, 0.5))), speech)
    assert np.isfinite(augmenter.apply(speech, drawn_with(noise=Added(faint, 10.0, 0.5), room=room))).all()


def test_samples_are_not_clipped(folders: Path) -> None:
    path = next((folders / "musan/noise").rglob("*-1.wav"))
    result = Augmenter(Augmentation(), RATE).apply(np.ones(CROP, np.float32), drawn_with(noise=Added(path, 0.0, 0.0)))
    assert result.max() > 2


def test_lhotse_says_the_same(folders: Path, tmp_path: Path) -> None:
    wave = noise(CROP, seed=3)
    cut = Recording.from_file(write(tmp_path / "speech.wav", wave)).to_cut()
    sound = next((folders / "musan/noise").rglob("*-1.wav"))
    room = next((folders / "RIRS_NOISES/simulated_rirs").rglob("*.wav"))
    augmenter = Augmenter(Augmentation(), RATE)

    mixed = cut.mix(Recording.from_file(sound).to_cut().truncate(duration=0.5), snr=7.0).load_audio()[0]
    np.testing.assert_array_equal(augmenter.apply(wave, drawn_with(noise=Added(sound, 7.0, 0.0))), mixed)

    reverberated = cut.reverb_rir(Recording.from_file(room)).load_audio()[0]
    # The largest sample of this response is positive, so Lhotse finds the direct path as well.
    np.testing.assert_allclose(augmenter.apply(wave, drawn_with(room=room)), reverberated, atol=1e-6)

    fast = cut.perturb_speed(1.1).load_audio()[0]
    drawn = Drawn(samples=len(fast), needed=CROP, speed=1.1)
    np.testing.assert_array_equal(augmenter.apply(wave, drawn), fast)


def test_speed_comes_first_and_the_room_last(folders: Path) -> None:
    sound = next((folders / "musan/noise").rglob("*-1.wav"))
    room = next((folders / "RIRS_NOISES/simulated_rirs").rglob("*.wav"))
    augmenter, wave = Augmenter(Augmentation(), RATE), noise(7200)
    added = Added(sound, 5.0, 0.1)
    at_once = augmenter.apply(wave, Drawn(CROP, 7200, 0.9, noise=added, room=room))
    step = augmenter.apply(wave, Drawn(CROP, 7200, 0.9))
    step = augmenter.apply(step, drawn_with(noise=added))
    assert np.array_equal(at_once, augmenter.apply(step, drawn_with(room=room)))


def test_a_crop_of_another_length_than_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="7200 samples"):
        Augmenter(Augmentation(), RATE).apply(noise(CROP), Drawn(CROP, 7200, 0.9))


def damaged(path: Path) -> None:
    path.write_bytes(b"no audio at all")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damaged, "is not audio"),
        (Path.touch, "is empty"),
        (lambda path: None, "is not there"),
        (lambda path: write(path, np.full(2 * CROP, np.nan)), "not numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["noise", "music", "room"])
def test_a_bad_file_is_named_in_one_sentence(
    tmp_path: Path, kind: str, spoil: Callable[[Path], Any], reason: str
) -> None:
    path = tmp_path / "bad.wav"
    spoil(path)
    drawn = drawn_with(**{kind: path if kind == "room" else Added(path, 10.0, 0.0)})
    with pytest.raises(BadAudio) as caught:
        Augmenter(Augmentation(), RATE).apply(noise(CROP), drawn)
    assert caught.value.problem.startswith(f"{path} ")
    assert reason in caught.value.problem
    assert caught.value.advice == "Replace the file, or take it out of the folder that augments."


@pytest.mark.parametrize(
    ("response", "reason"), [(np.zeros(100), "nothing but zeros"), (np.zeros(21 * RATE), "lasts 21 s")]
)
def test_what_is_no_impulse_response_is_refused(tmp_path: Path, response: np.ndarray, reason: str) -> None:
    with pytest.raises(BadAudio, match=reason):
        in_room(write(tmp_path / "room.wav", response), noise(CROP))


@pytest.mark.parametrize("name", ["musan_path", "noise_path", "music_path", "rir_path"])
def test_folders_that_are_missing_or_without_audio_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="There is no"):
        Augmenter(Augmentation(**{name: tmp_path / "absent"}), RATE)
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise/notes.txt").touch()
    with pytest.raises(UserError, match="no audio files"):
        Augmenter(Augmentation(**{name: tmp_path}), RATE)


def test_a_folder_of_noises_is_no_folder_of_rooms(folders: Path) -> None:
    with pytest.raises(UserError, match="are noises by their names"):
        Augmenter(Augmentation(rir_path=folders / "musan/noise"), RATE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"noise_prob": 1.5}, "--noise_prob is 1.5"),
        ({"speed_prob": -0.1}, "--speed_prob is -0.1"),
        ({"noise_snr": (15, 10)}, "--noise_snr is 15.0 10.0"),
        ({"music_snr": (10,)}, "--music_snr is 10.0"),
        ({"music_snr": (10, float("inf"))}, "--music_snr"),
        ({"speed_factors": ()}, "--speed_factors"),
        ({"speed_factors": (0.9, 0.0)}, "--speed_factors is 0.9 0.0"),
        ({"noise_prob": 0.3}, "--noise_prob is given, but no folder"),
        ({"music_snr": (0, 5)}, "--music_snr is given, but no folder"),
        ({"rir_prob": 1.0}, "--rir_prob is given, but no folder"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Augmentation(**wrong)


def test_a_speed_without_a_simple_ratio_is_refused() -> None:
    with pytest.raises(UserError, match=r"0\.9137 is no simple ratio at 16000 Hz"):
        Augmenter(Augmentation(speed_prob=1, speed_factors=(0.9137,)), RATE)
