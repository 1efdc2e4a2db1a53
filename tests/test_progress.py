"""Progress: a line a minute where nobody watches."""

from __future__ import annotations

import time

import pytest

from voxboard import progress


def test_without_a_terminal_a_line_a_minute_tells_how_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress.bar("training", 1000, unit="steps") as advance:
        advance(100)  # done by an earlier start
        for _ in range(250):
            now[0] += 0.5
            advance(1, lambda: "loss 2.5, lr 0.001")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "training: 220 of 1,000 steps, loss 2.5, lr 0.001, 2 steps/s, 6 min left"
    assert second.startswith("training: 340 of 1,000 steps")


def test_short_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar("embedding", 3, unit="utterances") as advance:
        advance(3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "words"), [(40, "40 s"), (600, "10 min"), (12_000, "3 h 20 min")])
def test_times_in_words(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


def test_bars_say_what_they_belong_to(capsys: pytest.CaptureFixture[str]) -> None:
    lines = progress.Lines("validation, embedding", 4, "utterances", every=0.0)
    lines(2)
    with progress.part("validation"), progress.bar("embedding", 4, unit="utterances") as advance:
        assert isinstance(advance, progress.Lines)
        assert advance.line("").startswith("validation, embedding: 0 of 4 utterances")
    assert capsys.readouterr().err.startswith("validation, embedding: 2 of 4 utterances")
