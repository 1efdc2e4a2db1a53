"""The file beside a written list, `<list>.json`: what it holds, how it was made, and what is to be known of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from voxboard.errors import UserError
from voxboard.trials.build import Built
from voxboard.trials.check import examine
from voxboard.trials.findings import Findings
from voxboard.trials.table import Trials

SCHEMA = 1


def path_of(path: Path) -> Path:
    """Path of the sidecar of a list."""
    return path.with_name(path.name + ".json")


def of_list(trials: Trials, findings: Findings | None = None) -> dict[str, Any]:
    """A sidecar of a list from anywhere: its digest, counts, balance and leaks, as far as labels are given."""
    findings = findings or examine(trials)
    content = findings.to_dict()
    digest = content.pop("digest")
    return {"schema": SCHEMA, "digest": digest, "findings": content, "problems": findings.problems()}


def of_built(built: Built, preset: str | None = None, training_speakers: Iterable[str] | None = None) -> dict[str, Any]:
    """A sidecar of a built list: as `of_list`, and how to build it again, what was asked and what came out."""
    listed = of_list(built.trials, examine(built.trials, built.labels, training_speakers))
    balance = asdict(built.balance)
    strata = {stratum.pop("name"): stratum for stratum in balance.pop("strata")}
    return {
        "schema": SCHEMA,
        "digest": listed["digest"],
        "origin": {**({"preset": preset} if preset else {}), **built.origin()},
        "balance": {"strata": strata, **balance},
        "findings": listed["findings"],
        "problems": [*built.balance.problems(), *listed["problems"]],
    }


def render(content: Mapping[str, Any], format: str) -> bytes:  # noqa: A002
    """The bytes of a sidecar; the same content gives the same bytes."""
    return (json.dumps({"schema": SCHEMA, "format": format, **content}, indent=1, ensure_ascii=False) + "\n").encode()


def read(path: Path) -> dict[str, Any] | None:
    """The sidecar of a list, None where there is none. Raises `UserError` for one that is damaged."""
    place = path_of(path)
    if not place.is_file():
        return None
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
        if not isinstance(content["digest"], str):
            raise ValueError("its digest is no text")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{place} is no sidecar of a trial list ({error}).", "Remove it, or write the list again."
        ) from error
    return dict(content)


def disagreement(path: Path, trials: Trials) -> str | None:
    """A sentence where the sidecar of a list is of another one; None where it agrees or there is none."""
    content = read(path)
    if content is None or content["digest"] == trials.digest():
        return None
    return (
        f"{path_of(path).name} is of another list: its digest is {content['digest'][:12]}, this one's "
        f"{trials.digest()[:12]}; one of the two was changed after they were written."
    )
