"""Transcripts, turns and scores for `adapter2`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from voxboard.imported import scores, texts
from voxboard.imported.text_formats import decide
from voxboard.imported.text_source import TextSource
from voxboard.metrics import diarization
from voxboard.metrics import text as measures
from voxboard.metrics.nist_text import Rules


def wer_trn(
    ref: str, hyp: str, optional: bool = False, fragments: bool = False, case_sensitive: bool = False
) -> dict[str, int]:
    """What `voxboard score` counts of two TRN files, by sclite's costs."""
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, file) for file in ("hyp.trn", "ref.trn")]
        for path, content in zip(paths, (hyp, ref), strict=True):
            path.write_text(content, encoding="utf-8")
        pair = texts.pair(*paths)
    rules = Rules("nist", pair.markup, optional, fragments, fold_case=not case_sensitive)
    report = measures.score(pair.references, pair.hypotheses, rules=rules)
    kinds = ("words", "errors", "substitutions", "deletions", "insertions")
    counts = {kind: int(getattr(report, kind).sum()) for kind in kinds}
    return {**counts, "correct": int(report.hits.sum())}


def transcript_format(text: str, name: str, other_ids: list[str]) -> dict[str, Any]:
    """How a transcript is read, and its ids."""
    reading = decide(TextSource.of(text, name), other_ids)
    return {"format": reading.format, "ids": list(reading.ids)}


def score_layout(text: str, name: str) -> dict[str, Any]:
    """How a file of scores is read, and its first row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(text, encoding="utf-8")
        found = scores.read(path)
    labels = found.labels
    return {
        "layout": found.layout,
        "enrol": found.read.names[found.read.enrol[0]],
        "test": found.read.names[found.read.test[0]],
        "label": None if labels is None else ("nontarget", "target", "spoof")[labels[0]],
        "score": float(found.scores[0]),
    }


def der_rttm(ref: str, hyp: str, uem: str | None, collar: float) -> dict[str, float]:
    """DER of two RTTM files as md-eval has it: mapped on all evaluated time, which without UEM is the reference's."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, name) for name in ("ref.rttm", "hyp.rttm", "all.uem")}
        for path, content in zip(paths.values(), (ref, hyp, uem or ""), strict=True):
            path.write_text(content, encoding="utf-8")
        regions = paths["all.uem"] if uem is not None else None
        found = diarization.score(
            paths["ref.rttm"], paths["hyp.rttm"], collar, uem=regions, mapping="all", span="reference"
        )
    parts = {"total": found.total, "miss": found.miss, "fa": found.false_alarm, "confusion": found.confusion}
    return {"der": found.der, **parts}
