"""Several learning rates are candidates of one system: validation chooses, one record says what was tried."""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from torch import Tensor

from tests.cuts import noise_cuts
from tests.grids.conftest import GRID, _speakers
from tests.records.record_samples import make_record
from voxboard import records
from voxboard.backbones.ecapa import Ecapa
from voxboard.boards.facts import system_facts
from voxboard.cli import main
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.errors import UserError
from voxboard.grids import Grid, estimate, plan, reproducible_board
from voxboard.grids.job import carry_out
from voxboard.grids.plan import Job, RunSettings
from voxboard.grids.workspace import Workspace
from voxboard.records import Candidate, Record, Search, Training
from voxboard.records.codec import encode
from voxboard.training import checkpoint, run_folder, search
from voxboard.training.trainee import Trainee

HOW = RunSettings("tiny", "cpu")
OUT = Path("results/grids/tiny")
STEPS = 4
CROP = 3200  # samples of a training crop
ASP, MHA = "asp(bottleneck=4)", "double-mha(heads=4)"
RATES = (0.0001, 0.02, 0.3)
WILD = 1e30


def write(folder: Path, rates: tuple[float, ...], poolers: tuple[str, ...] = (ASP,), frozen: bool = True) -> None:
    text = GRID.replace('["mean", "statistics"]', json.dumps(poolers)).replace(
        "frozen = true", f'frozen = {json.dumps(frozen)}\nweights = ["trained"]\nmax_lr = {json.dumps(rates)}'
    )
    (folder / "g.toml").write_text(text)


def planned(folder: Path = OUT) -> list[Job]:
    found = plan.make(Grid.load("g.toml").cells(), Workspace(folder))
    return plan.jobs(found.having("missing", "failed"), Workspace(folder), HOW)


def done(folder: Path = OUT) -> list[Record]:
    """Carries out in this process what is missing. Returns all records."""
    for job in planned(folder):
        carry_out(job, Workspace(folder), HOW)
    return records.load(folder / "records")


def tried(record: Record) -> Search:
    assert record.system.training is not None
    found = record.system.training.tried
    assert found is not None
    return found


def run_of(record: Record, folder: Path = OUT) -> Path:
    return folder / "runs" / record.provenance.run


def weights(run: Path) -> dict[str, Tensor]:
    return run_folder.state_of(run, "last")[0]


@pytest.mark.parametrize("frozen", [True, False])
def test_validation_chooses_and_the_chosen_run_has_the_bits_that_it_has_alone(grid: Path, frozen: bool) -> None:
    write(grid, RATES, frozen=frozen)
    (record,) = done()
    found = tried(record)
    errors = [candidate.error for candidate in found.candidates]
    assert [candidate.value for candidate in found.candidates] == list(RATES)
    assert (found.setting, found.steps) == ("max_lr", STEPS)
    assert frozen or len(set(errors)) > 1
    assert found.chosen == RATES[errors.index(min(error for error in errors if error is not None))]
    run = run_of(record)
    assert run_folder.state_of(run, "best")[1]["best"]["error"] == min(errors, key=lambda error: error or 0.0)
    assert list(run.glob("scores-*"))
    others = sorted(run.glob("candidates/*"))
    assert [other.name for other in others] == [f"max_lr-{rate!r}" for rate in RATES if rate != found.chosen]
    assert all(run_folder.state_of(other, "last")[1]["step"] == STEPS for other in others)
    assert not list(run.glob("candidates/*/scores-*"))

    write(grid, (found.chosen,), frozen=frozen)
    (alone,) = done(Path("alone"))
    assert alone.system.training is not None
    assert not alone.system.training.search
    assert checkpoint.same(weights(run), weights(run_of(alone, Path("alone"))))
    lines = [(one / "metrics.jsonl").read_text() for one in (run, run_of(alone, Path("alone")))]
    assert lines[0] == lines[1]
    assert (record.values, record.provenance.command) == (alone.values, alone.provenance.command)
    assert record.provenance.digests == alone.provenance.digests


def test_the_command_of_the_record_makes_the_number_again(grid: Path) -> None:
    write(grid, RATES)
    (record,) = done()
    assert f"--max_lr {tried(record).chosen}" in record.provenance.command
    assert main(shlex.split(record.provenance.command)[1:]) == 0
    (again,) = records.load("results/records")
    assert again.values == record.values
    assert again.provenance.digests["weights"] == record.provenance.digests["weights"]


@pytest.mark.parametrize("frozen", [True, False])
def test_a_diverging_candidate_is_recorded_and_the_others_go_on(grid: Path, frozen: bool) -> None:
    write(grid, (WILD, 0.02), frozen=frozen)
    (record,) = done()
    wild, other = tried(record).candidates
    assert record.status == "ok"
    assert (wild.error, other.reason, tried(record).chosen) == (None, "", 0.02)
    assert "nan" in wild.reason.lower()


def test_a_cell_fails_when_all_its_candidates_diverge(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(grid, (1e31, WILD), frozen=False)
    (record,) = done()
    assert record.status == "failed"
    assert "The loss is nan" in record.reason
    assert [candidate.value for candidate in tried(record).candidates] == [1e31, WILD]
    assert main(["grid", "status", "g.toml"]) == 3
    assert "max_lr one of 1e+31, 1e+30: The loss is nan" in capsys.readouterr().out


@pytest.mark.parametrize("rates", [(1e-30, 2e-30, 3e-30), (3e-30, 2e-30, 1e-30)])
def test_of_equally_good_rates_the_first_is_taken(grid: Path, rates: tuple[float, ...]) -> None:
    # Steps of that size are lost in rounding.
    write(grid, rates)
    (record,) = done()
    assert len({candidate.error for candidate in tried(record).candidates}) == 1
    assert tried(record).chosen == rates[0]


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [([0.3, 0.1, 0.2], 0.02), ([0.2, 0.1, 0.1], 0.02), ([math.nan, 0.4, 0.3], 0.3), ([0.1, None, math.inf], 0.0001)],
)
def test_the_lowest_validation_error_wins(
    grid: Path, tmp_path: Path, errors: list[float | None], chosen: float
) -> None:
    write(grid, RATES)
    configs = plan.candidates(planned()[0].cells[0], Workspace(OUT), HOW)
    reasons = {}
    for rate, error in zip(RATES, errors, strict=True):
        home = search.place(tmp_path, rate)
        home.mkdir(parents=True)
        checkpoint.save(home / "best.safetensors", {}, {"best": {"error": error}})
        if error is None:
            reasons[home] = "It diverged."
    assert not search.choose(tmp_path, configs, reasons)
    found = search.of(tmp_path)
    assert found is not None
    assert found.chosen == chosen
    usable = [error is not None and math.isfinite(error) for error in errors]
    assert [candidate.error is not None for candidate in found.candidates] == usable
    assert [bool(candidate.reason) for candidate in found.candidates] == [not good for good in usable]


def test_poolers_and_rates_are_one_bank_that_hears_a_batch_once(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    encode = Ecapa.encode

    def counted(self: Ecapa, waveforms: Tensor, lengths: Tensor) -> object:
        # The crops of training are shorter than the utterances of validation and test.
        heard.append("training" if waveforms.shape[1] <= CROP else "evaluation")
        return encode(self, waveforms, lengths)

    monkeypatch.setattr(Ecapa, "encode", counted)
    write(grid, RATES, (ASP, MHA))
    (job,) = planned()
    assert job.forwards_saved == 5 * STEPS
    found = done()
    assert [record.status for record in found] == ["ok", "ok"]
    poolers = [record.system.pooler for record in found if record.system.pooler]
    assert {pooler.options["pooler"].partition("(")[0] for pooler in poolers} == {"asp", "double-mha"}
    assert {pooler.options["size"] for pooler in poolers} == {192}
    assert heard.count("training") == STEPS
    evaluations = heard.count("evaluation")
    heard.clear()
    write(grid, (0.02,), (ASP,))
    done(Path("alone"))
    assert evaluations == heard.count("evaluation")


KILLED = """
import os, signal, torch
from tests.grids.test_candidates import done
from voxboard.training.trainee import Trainee

torch.set_num_threads(1)
taken, take = [], Trainee.take
def last(self, *inputs):
    if len(taken) == {count}:
        os.kill(os.getpid(), signal.SIGKILL)
    taken.append(1)
    take(self, *inputs)
Trainee.take = last
done()
"""


def test_a_killed_cell_goes_on_with_its_candidates(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(grid, RATES[:2], frozen=False)
    done(Path("whole"))
    # The first candidate is trained, the second has had its first validation and one step more.
    code = KILLED.format(count=STEPS + 3)
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run([sys.executable, "-c", code], cwd=grid, env=path, check=False)
    assert ended.returncode == -signal.SIGKILL
    taken = []
    take = Trainee.take

    def counted(self: Trainee, *inputs: object) -> None:
        taken.append(self.run.name)
        take(self, *inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainee, "take", counted)
    done()
    assert taken == ["max_lr-0.02"] * 2
    same_board(Path("whole"))


@pytest.mark.parametrize("moves", [0, 3])
def test_a_cell_that_was_interrupted_after_the_choice_is_tested(
    grid: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    write(grid, RATES)
    done(Path("whole"))
    settle = search.settle
    move = Path.replace

    def broken(run: Path) -> None:
        left = [None] * moves

        def some(self: Path, target: Path) -> Path:
            if not left:
                raise KeyboardInterrupt
            left.pop()
            return move(self, target)

        with monkeypatch.context() as inside:
            inside.setattr(Path, "replace", some)
            settle(run)

    with monkeypatch.context() as once:
        once.setattr(search, "settle", broken)
        with pytest.raises(KeyboardInterrupt):
            done()
    monkeypatch.setattr(Trainee, "take", None)
    done()
    same_board(Path("whole"))


def same_board(whole: Path) -> None:
    """What lies in `OUT` is what an uninterrupted start has left in `whole`."""
    assert reproducible_board.files(records.scan(OUT / "records")) == reproducible_board.files(
        records.scan(whole / "records")
    )
    (one,), (other,) = records.load(OUT / "records"), records.load(whole / "records")
    assert checkpoint.same(weights(run_of(one)), weights(run_of(other, whole)))
    names = [sorted(path.name for path in run.rglob("*.safetensors")) for run in (OUT / "runs", whole / "runs")]
    assert names[0] == names[1]


def test_a_cell_is_named_by_its_candidates_and_their_order(grid: Path) -> None:
    def ids(*rates: float) -> list[str]:
        write(grid, rates)
        return [named.id for job in planned() for named in job.cells]

    assert len({*ids(*RATES), *ids(*RATES[::-1]), *ids(*RATES[:2]), *ids(RATES[0])}) == 4
    assert ids(0.02, 0.02) == ids(0.02)
    text = (
        (grid / "g.toml").read_text().replace("max_lr = [0.02]\n", "").replace("[training]", "[training]\nmax_lr=0.02")
    )
    one = ids(0.02)
    (grid / "g.toml").write_text(text)
    assert [named.id for job in planned() for named in job.cells] == one


def test_without_a_validation_split_several_rates_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {}
    for split, count, first in (("train", 9, 0), ("test", 12, 10)):
        (tmp_path / split).mkdir()
        parts[split] = _speakers(noise_cuts(tmp_path / split, [0.3] * count), first)
    Corpus.write(tmp_path / "c", CorpusInfo("c", synthetic=True), parts, tmp_path)
    monkeypatch.setenv("VOXBOARD_CORPORA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, RATES)
    assert main(["grid", "run", "g.toml", "--device", "cpu"]) == 2
    assert "c has no validation split, which would choose one of 3 learning rates." in capsys.readouterr().err
    assert not list(tmp_path.glob("results/grids/tiny/runs/*"))
    write(tmp_path, RATES[:1])
    assert planned()


def test_plans_and_boards_say_what_is_tried(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(grid, RATES)
    assert main(["grid", "run", "g.toml", "--device", "cpu", "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert "max_lr one of 0.0001, 0.02, 0.3" in said
    assert f"{2 * STEPS} backbone forwards saved" in said
    (job,) = planned()
    (result,) = carry_out(job, Workspace(OUT), HOW)
    (record,) = records.load(OUT / "records")
    chosen = tried(record).chosen
    assert f"max_lr {chosen:g} of 0.0001, 0.02, 0.3" in result.line
    assert main(["grid", "status", "g.toml"]) == 0
    assert f"max_lr {chosen:g} of 0.0001, 0.02, 0.3" in capsys.readouterr().out
    text = dict(system_facts(record.system, 42, None))["Hyperparameter search"]
    assert text.startswith(f"max_lr {chosen:g} by validation error, of 0.0001 (0.")
    assert text.endswith("; 4 steps each")


def test_candidates_count_in_estimates(grid: Path) -> None:
    def cost(*rates: float, frozen: bool = False) -> tuple[float, float]:
        write(grid, rates, frozen=frozen)
        found = estimate.estimate(planned(), 1, [], 1e9)
        return found.hours, found.disk_gb

    one, two, three = (cost(*RATES[:number]) for number in (1, 2, 3))
    assert three[0] > two[0] > one[0]
    assert three[0] - two[0] == pytest.approx(two[0] - one[0])
    assert three[1] == pytest.approx(3 * one[1])
    # On a frozen backbone they are a bank.
    assert cost(*RATES, frozen=True)[0] == cost(*RATES[:1], frozen=True)[0]


def test_a_full_disk_is_no_fault_of_the_candidate(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(grid, RATES, frozen=False)
    save = checkpoint.save

    def full(path: Path, *inputs: object) -> None:
        if "max_lr-0.02" in str(path):
            raise UserError("The disk is full.") from OSError(28, "No space left")
        save(path, *inputs)  # type: ignore[arg-type]

    with monkeypatch.context() as once:
        once.setattr(checkpoint, "save", full)
        (record,) = done()
    assert record.reason == "The disk is full."
    (record,) = done()
    assert [candidate.reason for candidate in tried(record).candidates] == ["", "", ""]


def test_another_choice_is_no_other_system() -> None:
    def row(*rates: float, chosen: float = 0.0, steps: int = 4) -> str:
        found = Search("max_lr", 4, tuple(Candidate(rate, error=chosen) for rate in rates), chosen) if rates else {}
        training = Training("c", steps=steps, hyperparameters={"max_lr": chosen, "batch_size": 8}, search=encode(found))
        return make_record(system__training=training).row

    assert row(*RATES, chosen=0.02, steps=2) == row(*RATES, chosen=0.3)
    assert len({row(*RATES), row(*RATES[:2]), row(chosen=0.02), row(chosen=0.3)}) == 4


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"candidates": [{"value": "big"}]}, "system.training.search"),
        ({"setting": "max_lr", "steps": 4, "candidates": []}, "no candidates"),
        ({"setting": "max_lr", "steps": 4, "candidates": [{"value": "big"}]}, r"candidates\[0\].value"),
    ],
)
def test_a_record_of_a_search_that_cannot_be_read_is_refused(search: dict[str, object], says: str) -> None:
    record = make_record(system__training=Training("c", search=search))
    with pytest.raises(UserError, match=says):
        records.validate(record)


def test_a_search_of_another_kind_is_kept_as_it_is() -> None:
    record = make_record(system__training=Training("c", search={"tool": "grid", "trials": 12}))
    assert records.validate(record).to_dict() == record.to_dict()
    assert ("Hyperparameter search", "(tool=grid, trials=12)") in system_facts(record.system, 42, None)
