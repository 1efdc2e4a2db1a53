"""What comes out of a cache is, bit for bit, what would be computed, and never of other weights or audio."""

from __future__ import annotations

import logging
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from tests.cuts import noise_cuts
from voxboard import model, systems
from voxboard.embedding import cache_entries
from voxboard.embedding.cache import Cache, Memory, store_of, warm
from voxboard.embedding.embed import Embeddings
from voxboard.embedding.embed import embed as plain_embed
from voxboard.errors import BadAudio, UserError
from voxboard.model import EncoderModule
from voxboard.poolers import create as pooler
from voxboard.settings import Evaluation

SECONDS = [0.6, 0.05, 1.4, 0.6, 0.9]
ECAPA = "ecapa(channels=16, frame_size=32)"
WAV2VEC = "wav2vec2-base(layers=2, size=16, heads=2, ffn=16, conv_size=8)"
Cuts = list[Any]


def _encoder(spec: str = f"{ECAPA}+statistics", seed: int = 0) -> EncoderModule:
    return model.build(systems.parse(spec), None, seed=seed).encoder.eval()


def embed(encoder: EncoderModule, cuts: Cuts, **options: Any) -> Embeddings:
    return plain_embed(encoder, cuts, show_progress=False, **options)


def entries_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


@pytest.fixture
def cuts(tmp_path: Path) -> Cuts:
    (tmp_path / "audio").mkdir()
    return noise_cuts(tmp_path / "audio", SECONDS)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 1.0)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that go through a backbone."""
    from voxboard.backbones.base import Backbone

    sizes: list[int] = []
    forward = Backbone.forward

    def counted(self: Backbone, waveforms: torch.Tensor, lengths: torch.Tensor) -> Any:
        sizes.append(len(lengths))
        return forward(self, waveforms, lengths)

    monkeypatch.setattr(Backbone, "forward", counted)
    return sizes


@pytest.mark.parametrize("spec", [f"{ECAPA}+statistics", f"{ECAPA}+native", f"{WAV2VEC}+unipool"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_hit_equals_a_miss_bit_for_bit(
    spec: str, in_memory: bool, cuts: Cuts, cache: Cache, forwards: list[int]
) -> None:
    store = Memory() if in_memory else cache
    options = {"max_seconds": 0.8, "batch_seconds": 2.0}
    without = embed(_encoder(spec), cuts, **options)
    first = embed(_encoder(spec), cuts, cache=store, **options)
    computed = len(forwards)
    second = embed(_encoder(spec), cuts[::-1], cache=store, **options)
    raw = embed(_encoder(spec), cuts, normalized=False, cache=store, **options)
    assert len(forwards) == computed
    np.testing.assert_array_equal(first.matrix, without.matrix)
    np.testing.assert_array_equal(second.matrix, without.matrix[::-1])
    assert second.ids == without.ids[::-1]
    np.testing.assert_array_equal(raw.matrix, embed(_encoder(spec), cuts, normalized=False, **options).matrix)
    assert (first.spent.cached, second.spent.cached, second.spent.utterances) == (0, len(cuts), len(cuts))
    assert "cache" in second.spent.batching
    assert second.spent.audio_seconds == pytest.approx(first.spent.audio_seconds)


def _weight(encoder: EncoderModule) -> None:
    with torch.no_grad():
        next(encoder.backbone.parameters()).view(-1)[0] += 1e-3


def _hidden_weight(encoder: EncoderModule) -> None:
    next(encoder.backbone.parameters()).data.view(-1)[0] += 1e-3  # a change that PyTorch's version counter misses


def _unsaved_buffer(encoder: EncoderModule) -> None:
    encoder.backbone.register_buffer("window", torch.ones(3), persistent=False)


def _setting(encoder: EncoderModule) -> None:
    dropout = next(part for part in encoder.backbone.modules() if isinstance(part, nn.BatchNorm1d))
    dropout.eps *= 2


def _preprocessing(encoder: EncoderModule) -> None:
    before = encoder.backbone.preprocessing()
    encoder.backbone.preprocessing = lambda: {**before, "gain": 2.0}  # type: ignore[method-assign]


def _running_mean(encoder: EncoderModule) -> None:
    next(part for part in encoder.modules() if isinstance(part, nn.BatchNorm1d)).running_mean += 0.1  # type: ignore[operator]


@pytest.mark.parametrize("change", [_weight, _hidden_weight, _unsaved_buffer, _setting, _preprocessing, _running_mean])
def test_a_changed_network_misses(change: Any, cuts: Cuts, cache: Cache, forwards: list[int]) -> None:
    encoder = _encoder()
    embed(encoder, cuts[:1], cache=cache)
    change(encoder)
    found = embed(encoder, cuts[:1], cache=cache)
    assert len(forwards) == 2
    assert found.spent.cached == 0
    embed(encoder, cuts[:1], cache=cache)
    assert len(forwards) == 2


def test_poolers_without_weights_are_told_apart(cuts: Cuts, cache: Cache) -> None:
    specs = ["mean", "mean(layer=0)", "mean(layer=1)"]
    found = [embed(_encoder(f"{WAV2VEC}+{spec}"), cuts, cache=cache) for spec in specs]
    assert [one.spent.cached for one in found] == [0, 0, 0]
    assert not np.array_equal(found[0].matrix, found[1].matrix)


@pytest.mark.parametrize("same_name", [True, False])
def test_other_code_misses(same_name: bool, tmp_path: Path, cuts: Cuts, cache: Cache) -> None:
    import importlib.util
    import sys

    from voxboard.embedding import cache_keys

    def layer(code: str) -> nn.Module:
        path = tmp_path / "layer_of_a_user.py"
        path.write_text(
            f"from torch import nn\nclass Layer(nn.Module):\n    def forward(self, x):\n        return {code}\n"
        )
        spec = importlib.util.spec_from_file_location("layer_of_a_user", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["layer_of_a_user"] = module
        spec.loader.exec_module(module)
        return module.Layer()

    cpu = torch.device("cpu")
    try:
        before = cache_keys.network(layer("x"), cpu)
        cache_keys._file.cache_clear()
        assert (cache_keys.network(layer("x" if same_name else "x + 1"), cpu) == before) is same_name
    finally:
        del sys.modules["layer_of_a_user"]


def test_other_audio_misses_under_the_same_name(cuts: Cuts, cache: Cache) -> None:
    before = embed(_encoder(), cuts, cache=cache)
    path = Path(cuts[2].recording.sources[0].source)
    stamp = path.stat().st_mtime_ns
    samples, rate = soundfile.read(path, dtype="float32")
    soundfile.write(path, samples[::-1], rate)
    os.utime(path, ns=(stamp, stamp + 1_000_000))
    after = embed(_encoder(), cuts, cache=cache)
    assert after.spent.cached == 0
    assert not np.array_equal(before.matrix[2], after.matrix[2])


def test_the_same_audio_hits_under_another_name_and_place(tmp_path: Path, cuts: Cuts, cache: Cache) -> None:
    before = embed(_encoder(), cuts, cache=cache)
    (tmp_path / "copy").mkdir()
    renamed = [cut.with_id(f"other-{cut.id}") for cut in noise_cuts(tmp_path / "copy", SECONDS)]
    after = embed(_encoder(), renamed, cache=cache)
    assert after.spent.cached == len(cuts)
    assert after.ids[0] == "other-u0"
    np.testing.assert_array_equal(after.matrix, before.matrix)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"max_seconds": 0.5}, lambda cuts: cuts),
        ({"batch_seconds": 0.0}, lambda cuts: cuts),
        ({}, lambda cuts: cuts[1:]),
        ({}, lambda cuts: [*cuts[:4], cuts[4].truncate(duration=0.5)]),
        ({}, lambda cuts: [*cuts[:4], cuts[4].truncate(offset=0.1, duration=0.8)]),
    ],
)
def test_another_crop_or_batching_misses(options: Any, part: Any, cuts: Cuts, cache: Cache) -> None:
    embed(_encoder(), cuts, cache=cache)
    assert embed(_encoder(), part(cuts), cache=cache, **options).spent.cached == 0


def test_unreadable_audio_is_left_out_or_named_as_without_a_cache(cuts: Cuts, cache: Cache) -> None:
    Path(cuts[2].recording.sources[0].source).write_text("not audio at all")
    first = embed(_encoder(), cuts, cache=cache, skip_bad_audio=True)
    second = embed(_encoder(), cuts, cache=cache, skip_bad_audio=True)
    assert first.spent.skipped == second.spent.skipped == ("u2",)
    assert second.spent.cached == len(cuts) - 1
    np.testing.assert_array_equal(first.matrix, second.matrix)
    with pytest.raises(BadAudio, match=r"2\.wav"):
        embed(_encoder(), cuts, cache=cache)
    Path(cuts[2].recording.sources[0].source).unlink()
    assert embed(_encoder(), cuts, cache=cache, skip_bad_audio=True).spent.skipped == ("u2",)


def test_a_file_that_changes_while_it_is_read_is_not_kept(cuts: Cuts, cache: Cache) -> None:
    encoder = _encoder()
    path, other = (Path(cuts[row].recording.sources[0].source) for row in (0, 3))  # of equal length

    def take_another(*_: Any) -> None:
        part = path.with_suffix(".part")  # moved in at once: the next batches are being read meanwhile
        part.write_bytes(other.read_bytes())
        part.replace(path)

    with encoder.pooler.register_forward_hook(take_another):
        embed(encoder, cuts, cache=cache)
    assert entries_of(cache.folder) == []


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"", lambda data: data[:-1] + b"\x99"])
def test_a_damaged_entry_is_computed_anew_and_rewritten(
    damage: Any, cuts: Cuts, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    before = embed(_encoder(), cuts, cache=cache)
    (entry,) = entries_of(cache.folder)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    with caplog.at_level(logging.WARNING, logger="voxboard"):
        after = embed(_encoder(), cuts, cache=cache)
    assert len(caplog.records) == 1
    assert "damaged" in caplog.text
    assert after.spent.cached == 0
    np.testing.assert_array_equal(after.matrix, before.matrix)
    assert entry.read_bytes() == whole


def test_eviction_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 1e-6 * 45)  # four entries of 10 kB
    rows = {"rows": torch.zeros(2500)}
    for number, key in enumerate("abcd"):
        cache.write(key, rows)
        os.utime(cache._path(key), (number, number))
    assert cache.read("a") is not None  # used now
    cache.write("e", rows)
    assert [path.stem for path in entries_of(cache.folder)] == ["a", "c", "d", "e"]
    cache.write("larger than the folder", {"rows": torch.zeros(20_000)})
    assert len(entries_of(cache.folder)) == 4


def test_spare_entries_take_no_room_from_what_was_just_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 1e-6 * 25)
    rows = {"rows": torch.zeros(2500)}
    for key in "abc":
        cache.write(key, rows, spare=True)
    assert [path.stem for path in entries_of(cache.folder)] == ["a", "b"]
    os.utime(cache._path("a"), (0, 0))
    cache.write("c", rows, spare=True)
    assert [path.stem for path in entries_of(cache.folder)] == ["b", "c"]


def test_what_a_killed_writer_left_is_removed(cache: Cache) -> None:
    cache.write("a", {"rows": torch.zeros(3)})
    old, young = cache.folder / ".b.safetensors.1.tmp", cache.folder / ".b.safetensors.2.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.write("c", {"rows": torch.zeros(3)})
    assert (old.exists(), young.exists()) == (False, True)


def _write_often(folder: Path, value: int) -> None:
    cache = Cache(folder, 1e-6 * 200)
    for number in range(60):
        cache.write(f"k{number % 3}", {"rows": torch.full((10_000,), float(value))})


def test_two_processes_write_and_evict_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cache"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(folder, value)) for value in (1, 2)]
    for writer in writers:
        writer.start()
    cache, seen = Cache(folder, 1.0), 0
    while any(writer.is_alive() for writer in writers):
        for key in ("k0", "k1", "k2"):
            held = cache.read(key)
            if held is not None:
                seen += 1
                assert len(held["rows"].unique()) == 1
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen > 0
    assert len(entries_of(folder)) == 3
    assert not list(folder.glob("*.tmp"))
    assert "damaged" not in caplog.text


@pytest.fixture(params=["read-only", "a file", "full"])
def unwritable(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "nowhere"
    if request.param == "a file":
        folder.write_text("a file, not a folder")
    else:
        folder.mkdir()
        error = PermissionError(13, "Permission denied") if request.param == "read-only" else OSError(28, "No space")
        usual = Path.open

        def refuse(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if mode.startswith("r"):
                return usual(path, mode, *rest, **options)
            raise error

        # Modes mean nothing to root, which tests may run as.
        monkeypatch.setattr(Path, "open", refuse)
    return folder


def test_a_folder_that_cannot_be_written_costs_time_only(
    cuts: Cuts, unwritable: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(unwritable, 1.0)
    with caplog.at_level(logging.WARNING, logger="voxboard"):
        found = embed(_encoder(), cuts, cache=cache)
        cache.write("another", {"rows": torch.zeros(3)})
    np.testing.assert_array_equal(found.matrix, embed(_encoder(), cuts).matrix)
    assert len(caplog.records) == 1
    assert "Nothing more is kept" in caplog.text


POOLERS = ["mean", "statistics", "unipool", "double-mha"]


@pytest.mark.parametrize("in_memory", [True, False])
def test_warming_shares_the_forward_and_changes_no_bit(
    in_memory: bool, cuts: Cuts, cache: Cache, forwards: list[int]
) -> None:
    store = Memory() if in_memory else cache
    backbone = _encoder(f"{WAV2VEC}+mean").backbone
    torch.manual_seed(1)
    encoders = [EncoderModule(backbone, pooler(name, backbone.spec.frames)) for name in POOLERS]
    options = {"max_seconds": 0.8, "batch_seconds": 2.0}
    expected = [embed(encoder, cuts, **options).matrix for encoder in encoders]
    alone = len(forwards) // len(POOLERS)
    forwards.clear()
    spent = warm(store, encoders, cuts, show_progress=False, **options)
    assert (len(forwards), spent.utterances) == (alone, len(cuts))
    found = [embed(encoder, cuts, cache=store, **options) for encoder in encoders]
    assert len(forwards) == alone
    for one, matrix in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.matrix, matrix)
    assert warm(store, encoders, cuts, show_progress=False, **options).utterances == 0
    with pytest.raises(ValueError, match="different backbones"):
        warm(store, [encoders[0], _encoder(f"{WAV2VEC}+mean", seed=3)], cuts)


@pytest.mark.parametrize("name", POOLERS)
def test_frames_are_shared_by_poolers_and_change_no_bit(
    name: str, tmp_path: Path, cuts: Cuts, forwards: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "cache", 1.0, frames=True)
    embed(_encoder(f"{WAV2VEC}+mean"), cuts, cache=cache)
    assert len(entries_of(cache.folder)) == 1  # of so small a backbone no frames
    monkeypatch.setattr(cache_entries, "FRAMES_FROM", 0)
    encoder = _encoder(f"{WAV2VEC}+{name}")
    options = {"max_seconds": 0.8}
    expected = embed(encoder, cuts, **options)
    embed(_encoder(f"{WAV2VEC}+mean(layer=0)"), cuts, cache=cache, **options)
    forwards.clear()
    found = embed(encoder, cuts, cache=cache, **options)
    assert forwards == []
    assert found.spent.cached == len(cuts)
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    _weight(encoder)
    assert embed(encoder, cuts, cache=cache, **options).spent.cached == 0


def test_an_evaluation_has_a_store_only_when_it_is_asked_for(tmp_path: Path) -> None:
    assert store_of(Evaluation()) is None
    store = store_of(Evaluation(cache=tmp_path, cache_gb=0.5, cache_frames=True))
    assert isinstance(store, Cache)
    assert (store.folder, store.limit, store.frames) == (tmp_path, 500_000_000, True)
    with pytest.raises(UserError, match="cache_gb"):
        Evaluation(cache_gb=0)
