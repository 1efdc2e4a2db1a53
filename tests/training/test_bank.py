"""A bank: probes on one frozen backbone, each with the bits that it would have alone, in any company and order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cuts import noise_cuts
from voxboard.backbones.ecapa import Ecapa
from voxboard.cli.train import read
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.errors import UserError
from voxboard.training import checkpoint, run_folder
from voxboard.training.config import RunConfig
from voxboard.training.run import train_bank

BACKBONE = "ecapa(channels=8, frame_size=16, augment=True)"
PROBES = {
    "mean": "mean+softmax(dropout=0.3) --max_lr 0.01",
    "asp": "asp(bottleneck=4)+aam --max_lr 0.003 --schedule constant",
    "mha": "double-mha(heads=4)+am --optimizer sgd --max_lr 0.1 --average_period 2",
}
SHARED = (
    "--frz_pretrain --batch_size 4 --train_max_sec 0.2 --workers 0 --device cpu --nb_total_step 6 --nb_steps_eval 3 "
    "--skiptest"
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six utterances of noise, each of a speaker of its own; no validation."""
    place = tmp_path_factory.mktemp("corpus")
    Corpus.write(place / "c", CorpusInfo("c"), {"train": noise_cuts(place, [0.3] * 6)}, place)
    return place / "c"


def config(corpus: Path, probe: str, more: str = "") -> RunConfig:
    parts, _, words = PROBES.get(probe, probe).partition(" ")
    return read([str(corpus), f"{BACKBONE}+{parts}", *words.split(), *SHARED.split(), *more.split()])


@pytest.fixture(scope="module")
def alone(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every probe, trained by itself."""
    place = tmp_path_factory.mktemp("alone")
    for name in PROBES:
        train_bank([config(corpus, name)], [place / name], show_progress=False)
    return {name: place / name for name in PROBES}


def same(a: Path, b: Path) -> bool:
    lines = [(run / "metrics.jsonl").read_text() for run in (a, b)]
    return lines[0] == lines[1] and checkpoint.same(
        run_folder.state_of(a, "last")[0], run_folder.state_of(b, "last")[0]
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(PROBES)), min_size=2, max_size=3, unique=True), st.integers(0, 10**9))
def test_a_probe_has_the_same_bits_in_any_company_and_order(
    corpus: Path, alone: dict[str, Path], tmp_path: Path, names: list[str], number: int
) -> None:
    places = [tmp_path / f"{number}-{name}" for name in names]
    train_bank([config(corpus, name) for name in names], places, show_progress=False)
    assert all(same(place, alone[name]) for name, place in zip(names, places, strict=True))


def test_the_backbone_runs_once_per_batch(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = Ecapa.encode

    def counted(self: Ecapa, *inputs: object) -> object:
        calls.append(1)
        return encode(self, *inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(Ecapa, "encode", counted)
    train_bank([config(corpus, name) for name in PROBES], [tmp_path / name for name in PROBES], show_progress=False)
    assert len(calls) == 6


def test_a_probe_that_diverges_is_retired_and_the_others_go_on(
    corpus: Path, alone: dict[str, Path], tmp_path: Path
) -> None:
    wild = config(corpus, "mean+softmax --optimizer sgd --schedule constant --max_lr 1e38 --grad_clip 0")
    found = train_bank([wild, config(corpus, "asp")], [tmp_path / "wild", tmp_path / "asp"], show_progress=False)
    assert "loss is" in found[0].reason
    assert not found[1].reason
    assert same(tmp_path / "asp", alone["asp"])
    with pytest.raises(UserError, match="loss is"):
        train_bank([wild], [tmp_path / "again"], show_progress=False)


def test_a_bank_goes_on_where_each_of_its_probes_is(corpus: Path, alone: dict[str, Path], tmp_path: Path) -> None:
    short = config(corpus, "asp", "--nb_total_step 3 --schedule constant")
    train_bank([short], [tmp_path / "asp"], show_progress=False)
    train_bank([config(corpus, name) for name in PROBES], [tmp_path / name for name in PROBES], show_progress=False)
    assert all(same(tmp_path / name, alone[name]) for name in PROBES)


@pytest.mark.parametrize("more", ["--batch_size 2", "--seed 1", "--train_max_sec 0.1", "--accumulate 2"])
def test_what_hears_something_else_cannot_join(corpus: Path, tmp_path: Path, more: str) -> None:
    with pytest.raises(UserError, match="cannot be trained together"):
        train_bank([config(corpus, "mean"), config(corpus, "asp", more)], [tmp_path / "a", tmp_path / "b"])


def test_training_that_reaches_no_embedding_is_refused(corpus: Path) -> None:
    from voxboard import model
    from voxboard.training.start import created, refuse_idle

    idle, probe = (config(corpus, "mean+aam", words).system for words in ("--embedding_layer 0", ""))
    benchmark = created(config(corpus, "mean").benchmark)
    with pytest.raises(UserError, match="reaches the embedding"):
        refuse_idle(model.build(idle, 3, 0, frozen=True), idle, benchmark)
    refuse_idle(model.build(probe, 3, 0, frozen=True), probe, benchmark)
