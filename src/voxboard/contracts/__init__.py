"""Contracts of encoders, poolers and heads, as checks that tests and `voxboard doctor` run alike.

```python
from voxboard import contracts

findings = contracts.examine("backbone", "my_parts.py:Loudness", floor=1e-3)
assert all(finding.passed is not False for finding in findings)
```
"""

from __future__ import annotations

from typing import Any

from voxboard.contracts.checks import Broken, Check, Finding, Skipped, Subject
from voxboard.contracts.subjects import checks, subjects

__all__ = ["Broken", "Check", "Finding", "Skipped", "Subject", "checks", "examine", "subjects"]


def examine(kind: str, name: str, **options: Any) -> list[Finding]:
    """Run every check of a kind ("backbone", "pooler", "head") on a part. Raises `UserError` for an unknown name."""
    return [finding for subject in subjects(kind, name, options) for finding in subject.findings(checks(kind, name))]
