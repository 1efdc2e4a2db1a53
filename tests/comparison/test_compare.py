"""Records and raw outputs against each other, and the gate that stops at a regression."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.records.record_samples import DCF, EER, failed, make_record
from voxboard import records
from voxboard.cli import main
from voxboard.records import Record, Value

SPEAKERS, EACH = 12, 4


def saved(folder: Path, *found: Record) -> str:
    for record in found:
        records.save(record, folder)
    return str(folder)


def measured(eer: float, half: float, name: str = "a", **changes: object) -> Record:
    values = {EER: Value(eer, low=eer - half, high=eer + half, clusters=40, threshold=0.4), DCF: Value(0.5)}
    return make_record(name, **{"values": values, **changes})


def gate(*words: str) -> int:
    return main(["compare", *words, "--fail_on_regression"])


def test_the_gate_stops_at_what_is_significantly_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = saved(tmp_path / "a", measured(0.10, 0.01))
    assert gate(before, saved(tmp_path / "same", measured(0.105, 0.01))) == 0
    assert gate(before, saved(tmp_path / "better", measured(0.05, 0.01))) == 0
    assert gate(before, saved(tmp_path / "worse", measured(0.15, 0.01))) == 4
    assert "worse (unpaired)" in capsys.readouterr().out
    assert main(["compare", before, str(tmp_path / "worse")]) == 0


def test_fewer_than_six_speakers_have_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = []
    for name, value in (("a", 0.1), ("b", 0.9)):
        record = measured(value, 0.01)
        few = {metric: replace(one, clusters=5) for metric, one in record.values.items()}
        sides.append(saved(tmp_path / name, replace(record, values=few)))
    assert gate(*sides) == 0
    out = capsys.readouterr().out
    assert "5 speakers: too few speakers to tell anything apart; it takes 6." in out.partition("metric")[0]  # before
    assert out.count("too few speakers to tell anything apart (unpaired)") == 1  # the other metric is equal
    assert "of fewer than 6 speakers, so not tested" in out


def test_what_too_many_comparisons_cannot_show_is_said_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = []
    for name, value in (("a", 0.1), ("b", 0.9)):
        few = [measured(value, 0.01, f"s{place}") for place in range(10)]
        few = [replace(one, values={EER: replace(one.values[EER], clusters=8)}) for one in few]
        sides.append(saved(tmp_path / name, *few))
    assert gate(*sides) == 0
    assert (
        "8 speakers cannot show any of 10 differences, however large: that takes 9 speakers." in capsys.readouterr().out
    )


def test_a_cell_or_a_number_that_is_gone_stops_the_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = measured(0.10, 0.01), measured(0.10, 0.01, "b")
    both = saved(tmp_path / "both", first, second)
    assert gate(both, saved(tmp_path / "one", first)) == 4
    assert "gone: b on Voices verification, seed 42 (no record)" in capsys.readouterr().out
    assert gate(str(tmp_path / "one"), both) == 0
    assert "new: b" in capsys.readouterr().out
    broken = failed("b", "not enough memory", protocol=None)
    assert gate(both, saved(tmp_path / "failed", first, broken)) == 4
    assert "failed: not enough memory" in capsys.readouterr().out
    less = replace(second, values={EER: second.values[EER]})
    assert gate(both, saved(tmp_path / "less", first, less)) == 4
    assert f"{DCF} (not measured any more)" in capsys.readouterr().out


def test_another_protocol_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = measured(0.10, 0.01)
    assert first.protocol is not None
    other = replace(first, protocol=replace(first.protocol, options={"collar": 0}))
    assert gate(saved(tmp_path / "a", first), saved(tmp_path / "b", other)) == 4
    assert f"under protocol {other.protocol_id} now" in capsys.readouterr().out
    files = [str(next((tmp_path / name).rglob("*.json"))) for name in "ab"]
    assert main(["compare", *files]) == 2
    assert "under one protocol only" in capsys.readouterr().err


def test_two_systems_by_their_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "a", measured(0.10, 0.01, "alpha"))
    saved(tmp_path / "b", measured(0.20, 0.01, "beta"))
    files = [str(next((tmp_path / name).rglob("*.json"))) for name in "ab"]
    assert main(["compare", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["metric"], row["verdict"]) for row in found["rows"]] == [(EER, "worse"), (DCF, "same")]
    assert found["rows"][0]["cell"].startswith("beta on Voices verification, seed 42 against alpha")


def test_a_git_revision_is_read_from_its_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "-q", ".")
    saved(Path("results/records"), measured(0.10, 0.01))
    git("add", "results")
    git("-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "before")
    for file in Path("results/records").rglob("*.json"):
        file.unlink()
    saved(Path("results/records"), measured(0.15, 0.01))
    assert gate("HEAD", "results/records") == 4
    assert gate("HEAD", "HEAD") == 0
    assert main(["compare", "HEAD", "HEAD", "--records", "elsewhere"]) == 2
    assert main(["compare", "no-such-branch", "HEAD"]) == 2
    assert "git revision" in capsys.readouterr().err


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


def trials(rng: np.random.Generator) -> tuple[list[str], list[str], np.ndarray]:
    """All pairs of 48 utterances of 12 speakers."""
    first, second = np.triu_indices(SPEAKERS * EACH, 1)
    names = np.array([f"s{place // EACH}-u{place}" for place in range(SPEAKERS * EACH)])
    return names[first].tolist(), names[second].tolist(), (first // EACH == second // EACH).astype(int)


def write(path: Path, pairs: tuple[list[str], list[str], np.ndarray], scores: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(pairs[2].tolist(), pairs[0], pairs[1], scores.tolist(), strict=True)
    path.write_text("".join(f"{label} {a} {b} {score!r}\n" for label, a, b, score in rows))
    return str(path)


def test_score_files_are_paired_whatever_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    pairs = trials(rng)
    good = pairs[2] * 2.0 + rng.normal(size=len(pairs[2]))
    first = write(tmp_path / "good.txt", pairs, good)
    shuffled = rng.permutation(len(good))
    moved = ([pairs[0][i] for i in shuffled], [pairs[1][i] for i in shuffled], pairs[2][shuffled])
    assert gate(first, write(tmp_path / "moved.txt", moved, good[shuffled])) == 0
    worse = write(tmp_path / "worse.txt", pairs, good + 2 * rng.normal(size=len(good)))
    capsys.readouterr()
    assert gate(first, worse) == 4
    assert "worse (paired)" in capsys.readouterr().out
    (tmp_path / "utt2spk").write_text("other anna\n")
    assert gate(first, worse, "--speakers", str(tmp_path / "utt2spk")) == 2
    assert "have no speaker" in capsys.readouterr().err
    fewer = write(tmp_path / "fewer.txt", (pairs[0][:-1], pairs[1][:-1], pairs[2][:-1]), good[:-1])
    assert gate(first, fewer) == 2
    assert "has no score for 1 of" in capsys.readouterr().err


def rows(folder: Path, name: str, found: Sequence[dict[str, object]]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in found))
    return str(folder)


def test_run_folders_are_paired_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"u{place}" for place in range(40)]
    (tmp_path / "utt2spk").write_text("".join(f"{name} s{place // 4}\n" for place, name in enumerate(names)))

    def answers(wrong: int) -> list[dict[str, object]]:
        return [
            {"id": name, "truth": "ab"[place % 2], "prediction": "ab"[(place + (place % 4 < wrong)) % 2]}
            for place, name in enumerate(names)
        ]

    first = rows(tmp_path / "first", "predictions-voices-00.jsonl", answers(1))
    second = rows(tmp_path / "second", "predictions-voices-00.jsonl", answers(2))
    assert gate(first, second) == 2
    assert "--speakers" in capsys.readouterr().err
    assert gate(first, second, "--speakers", str(tmp_path / "utt2spk")) == 4
    assert gate(second, first, "--speakers", str(tmp_path / "utt2spk")) == 0
    out = capsys.readouterr().out
    assert "accuracy@top1" in out
    assert "better (paired)" in out


def test_records_are_paired_by_the_outputs_of_their_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two systems: their own intervals cannot tell, the same trials can; foreign outputs are refused."""
    from voxboard.metrics import detection

    rng = np.random.default_rng(4)
    pairs = trials(rng)
    base = pairs[2] * 1.5 + rng.normal(size=len(pairs[2]))
    other = base + 2.0 * rng.normal(size=len(base))
    found = []
    for name, scores in (("a", base), ("b", other)):
        eer = detection.eer(scores, pairs[2])[0]
        value = {EER: Value(eer, low=eer - 0.25, high=eer + 0.25, clusters=40)}
        found.append(saved(tmp_path / name, make_record("a", values=value, provenance__run=f"local-{name}")))
        write(tmp_path / f"runs/local-{name}/scores-voices-abababab.txt.gz", pairs, scores)
    assert gate(*found, "--runs", str(tmp_path / "nowhere")) == 0
    assert gate(*found, "--runs", str(tmp_path / "runs")) == 4
    assert "worse (paired)" in capsys.readouterr().out
    write(tmp_path / "runs/local-b/scores-voices-abababab.txt.gz", pairs, rng.normal(size=len(base)))
    assert gate(*found, "--runs", str(tmp_path / "runs")) == 0
    assert "is not what the records were made of" in capsys.readouterr().err


def test_sides_that_do_not_fit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(tmp_path / "a", measured(0.1, 0.01))
    scores = write(tmp_path / "s.txt", (["a", "a"], ["b", "c"], np.array([1, 0])), np.array([1.0, 0.0]))
    for other in (scores, str(tmp_path / "none")):
        assert main(["compare", folder, other]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["compare", folder, str(tmp_path / "empty")]) == 2
    assert "holds no record" in capsys.readouterr().err
