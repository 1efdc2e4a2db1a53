"""What pairs records survives being written."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.records.record_samples import EER, make_record
from voxboard.records import PackedEvidence, Value
from voxboard.records.store import read, save


def test_numbers_that_look_like_paths_or_secrets_are_kept(tmp_path: Path) -> None:
    """In base64 a number may read `/a/b` or `eyJ…`, which would be shortened or hidden in other texts."""
    text = base64.b64encode(base64.b64decode("/a/bc/de/fg/hi/j") + base64.b64decode("eyJhbGciOiJIUzI1")).decode()
    evidence = PackedEvidence("ab" * 32, text)
    record = make_record(values={EER: Value(0.1, evidence=evidence)})
    assert read(save(record, tmp_path)).values[EER].evidence == evidence
