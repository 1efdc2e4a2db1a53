"""Trial lists on the terminal: tables of counts, histograms as bars, and sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from voxboard.console import Console

if TYPE_CHECKING:
    from voxboard.trials.table import Trials

BAR = 28  # the width of a full bar
HEAD = 6  # trials that `show` prints
NOBODY = "speakers not known (--metadata names them)"


def built_report(content: Mapping[str, Any], out: Path | None) -> None:
    """Report of `build`: path, strata, exposure and sentences."""
    console = Console()
    findings = content["findings"]
    place = f"→ {out} (report: {out}.json)" if out else "— nothing is written without --out FILE"
    _line(console, f"{_counts(findings)} {place}")
    _line(console, f"digest {content['digest'][:12]}, seed {content['origin']['seed']}")
    console.print(strata_table(content["balance"]["strata"]))
    console.print(leaks_table(findings), labels_table(findings), exposure_table(findings["exposure"]))
    _sentences(console, content["problems"])


def check_report(content: Mapping[str, Any], faults: Sequence[str]) -> None:
    """Report of `check`: counts, leaks, labels, exposure, and faults."""
    console = Console()
    findings = content["findings"]
    _heading(console, content)
    console.print(leaks_table(findings), labels_table(findings), exposure_table(findings["exposure"]))
    _sentences(console, content["problems"])
    for fault in faults:
        _line(console, f"unusable: {fault}", "bold red")


def show_report(trials: Trials, content: Mapping[str, Any]) -> None:
    """Report of `show`: the first trials, counts, labels, and histograms of exposure."""
    console = Console()
    findings = content["findings"]
    _heading(console, content)
    head = Table("label", "enrol", "test", box=box.SIMPLE_HEAD)
    for place in range(min(HEAD, len(trials))):
        names = (trials.utterances[trials.enrol[place]], trials.utterances[trials.test[place]])
        head.add_row(str(trials.labels[place]), *(Text(name, overflow="fold") for name in names))
    console.print(head, labels_table(findings))
    for name, exposure in findings["exposure"].items():
        console.print(histogram(name, exposure))


def strata_table(strata: Mapping[str, Mapping[str, int]]) -> Table:
    """Every stratum: asked, made, and how evenly over its groups, which are speakers (targets) or pairs of them."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stratum", no_wrap=True)
    for column in ("asked", "made", "groups", "of each"):
        table.add_column(column, justify="right")
    for name, stratum in strata.items():
        short = stratum["made"] < stratum["asked"]
        table.add_row(
            re.sub(r"(\w+)_MATCH=(\d)", lambda match: f"{match[1].lower()} {'≠='[int(match[2])]}", name),
            f"{stratum['asked']:,}",
            Text(f"{stratum['made']:,}", "bold red" if short else ""),
            f"{stratum['groups']:,}",
            _range(stratum["least"], stratum["most"]),
        )
    return table


def leaks_table(findings: Mapping[str, Any]) -> Table:
    """Count of what should not be, or should be known; what is not known is left out."""
    table = Table("check", box=box.SIMPLE_HEAD)
    table.add_column("targets", justify="right")
    table.add_column("non-targets", justify="right")
    others, targets = findings["repeated"]
    table.add_row("repeats of an earlier pair", f"{targets:,}", f"{others:,}")
    for name in ("session", "text"):
        if findings[f"same_{name}_targets"] is not None:
            values = (findings[f"same_{name}_targets"], findings[f"same_{name}_non_targets"])
            totals = (findings["targets"], findings["non_targets"])
            table.add_row(f"same {name}", *(_share(v, t) for v, t in zip(values, totals, strict=True)))
    rows = {
        "utterance against itself": findings["self_trials"],
        "labels that contradict the speakers": findings["label_errors"],
        "utterances without a known speaker": findings["unknown_utterances"],
        "utterances on both sides": findings["on_both_sides"],
        "trials with training speakers": findings["training_trials"],
        "labels strictly alternate": "yes" if findings["alternating"] else "no",
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, value if isinstance(value, str) else f"{value:,}", "")
    return table


def labels_table(findings: Mapping[str, Any]) -> RenderableType:
    """Trials that share a label and those that do not; by the values of labels that have few."""
    table = Table("label", "sides", box=box.SIMPLE_HEAD)
    table.add_column("targets", justify="right")
    table.add_column("non-targets", justify="right")
    words = {"0": "differ", "1": "share"}
    totals = (findings["targets"], findings["non_targets"])
    for kind in ("match_counts", "label_counts", "value_counts"):
        for name, counts in findings[kind].items():
            if counts == findings["match_counts"].get(f"{name.upper()}_MATCH"):
                continue  # the list's own column says the same
            for value, (others, targets) in counts.items():
                shares = (_share(v, t) for v, t in zip((targets, others), totals, strict=True))
                table.add_row(name, value if kind == "value_counts" else words.get(value, value), *shares)
                name = ""  # noqa: PLW2901 - once per label
    return table if table.row_count else ""


def exposure_table(exposure: Mapping[str, Mapping[str, Any]]) -> Table:
    """Table of how often speakers, pairs of speakers, utterances and sessions are used."""
    table = Table("trials of", box=box.SIMPLE_HEAD)
    for column in ("members", "least", "mean", "most"):
        table.add_column(column, justify="right")
    for name, counts in exposure.items():
        table.add_row(name, *(f"{counts[key]:,}" for key in ("count", "least", "mean", "most")))
    return table


def histogram(name: str, exposure: Mapping[str, Any]) -> Group:
    """Histogram of trials per member, as bars."""
    table = Table("trials", "members", "", box=None, padding=(0, 2))
    table.columns[0].justify = table.columns[1].justify = "right"
    longest = max(exposure["histogram"].values(), default=1)
    for trials, members in exposure["histogram"].items():
        table.add_row(trials, f"{members:,}", Bar(longest, 0, members, width=BAR))
    evenness = _range(exposure["least"], exposure["most"])
    return Group(Text(f"\n{name}: {exposure['count']:,}, {evenness} trials each", "bold"), table)


def _heading(console: Console, content: Mapping[str, Any]) -> None:
    findings = content["findings"]
    _line(console, f"{content['list']} ({content['format']}): {_counts(findings)}")
    source = content["labels_from"]
    speakers = f"{findings['speakers']:,} speakers, known from {source}" if findings["speakers"] else NOBODY
    _line(console, f"{findings['utterances']:,} utterances, {speakers}; digest {content['digest'][:12]}")
    if content["sidecar"]:
        _line(console, f"{Path(content['list']).name}.json {content['sidecar']}")


def _counts(findings: Mapping[str, Any]) -> str:
    targets, others = findings["targets"], findings["non_targets"]
    return f"{findings['trials']:,} trials, {targets:,} targets and {others:,} non-targets"


def _sentences(console: Console, problems: Sequence[str]) -> None:
    for problem in problems:
        _line(console, f"! {problem}")
    if not problems:
        _line(console, "Nothing to report.")


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.1f} %)" if total else f"{count:,}"


def _range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, soft_wrap=True, markup=False, highlight=False)
