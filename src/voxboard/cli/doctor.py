"""`voxboard doctor`: does this installation work, and does a part keep what every part promises?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from voxboard.cli.parse import combine, parse, qualify
from voxboard.errors import UserError, unknown
from voxboard.limits import Limit, Size
from voxboard.parts import Part
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    from voxboard.contracts import Finding, Subject
    from voxboard.contracts.cost import PartCost

KINDS = ("backbone", "pooler", "head")
USAGE = """\
usage: voxboard doctor [backbone|pooler|head NAME] …

  doctor                    this installation: torch, devices, audio formats, eSpeak, ffmpeg, plugins
  doctor backbone NAME      one part, as it is with its options
  doctor backbones          every part of a kind, up to --largest weights

NAME is a registered part, one of an installed plugin, or path/to/file.py:Class; options follow as flags or in brackets.

examples:
  voxboard doctor
  voxboard doctor backbone ecapa --channels 256
  voxboard doctor pooler my_parts.py:Median --json
  voxboard doctor head 'aam(margin=0.3, top_k=5)'
  voxboard doctor poolers
  voxboard doctor backbone my_encoder.py:Net --against embeddings.npz --tolerance 1e-5

A part is checked as the tests of voxboard check its own: sizes, batch mates and padding, gradients on silence, one seed
one network, weights through safetensors, and its exported program where it declares one. Each line tells what was
measured and, where it failed, what to do. The exit code is 0 when all checks pass, 1 when one fails.

--against compares the embeddings of audio files, not normalised, with those of another program: an .npz with `files`
[U] and `embeddings` [U, E], or an array [E] under every file's path, seen from the .npz. It takes any MODEL that
embeds, such as 'ecapa(channels=256)+statistics'; a backbone alone has the pooling that it was published with.

`voxboard doctor backbone NAME --help` shows the options of a part."""


@dataclass(frozen=True)
class Installation:
    """Output of a check of the installation."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class One:
    """Settings of the check of one part."""

    frame_size: Size = 64
    """Size of the frames that a pooler is built for."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class All:
    """Settings of the check of all parts of a kind."""

    kind: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="KIND")]
    """backbones, poolers or heads."""
    largest: Annotated[int, Limit(0)] = 30_000_000
    """Parts of more weights are left out."""
    json: bool = False
    """Print JSON."""


def main(argv: Sequence[str]) -> int:
    """Print what the checks found. Returns 0 when all pass, 1 when one fails."""
    words = list(argv)
    asks = [word in ("-h", "--help") for word in words[:2]]
    if asks[:1] == [True] or (asks[1:] == [True] and words[0].rstrip("s") in KINDS):
        print(USAGE)
        return 0
    if not words or words[0].startswith("-"):
        return _installation(parse(Installation, words, prog="doctor", description="Check this installation."))
    kind = words[0].rstrip("s")
    if kind not in KINDS:
        raise unknown("kind of part", words[0], [*KINDS, *(f"{singular}s" for singular in KINDS)])
    if kind == "backbone" and any(word.split("=")[0] == "--against" for word in words):
        return _against(words[1:])
    if words[0] == kind:
        return _one(kind, words[1:])
    return _all(parse(All, words, prog="doctor", description=f"Check every registered {kind}."))


def _installation(args: Installation) -> int:
    from voxboard.cli.doctor_installation import findings

    results = list(findings())
    if args.json:
        _dump({"passed": _passed(results), "checks": [asdict(finding) for finding in results]})
    else:
        _print("this installation", results)
    return 0 if _passed(results) else 1


def _against(words: Sequence[str]) -> int:
    from voxboard.cli.doctor_against import Against, run

    return run(parse(Against, words, prog="doctor backbone", description="Compare embeddings with a reference's."))


def _one(kind: str, words: Sequence[str]) -> int:
    if not words or words[0].startswith("-"):
        raise UserError(f"Which {kind}?", f"Write voxboard doctor {kind} NAME, or voxboard doctor {kind}s for all.")

    part = Part.parse(words[0])
    parts = {kind: _config(kind, part)}
    flat = {"how": One()}
    shape = combine("Doctor", [("name", f"A {kind}: registered, or path/to/file.py:Class.")], flat, parts)
    args: Any = parse(
        shape, qualify([part.name, *words[1:]], flat, parts), prog=f"doctor {kind}", description=f"Check a {kind}."
    )
    config = getattr(args, kind)
    options = {item.name: getattr(config, item.name) for item in fields(config)}
    examined = list(_examined(kind, part.name, options, args.how.frame_size))
    results = [finding for _, _, findings in examined for finding in findings]
    if args.how.json:
        _dump(
            {"kind": kind, "name": part.name, "options": options, "passed": _passed(results), "built": _json(examined)}
        )
    else:
        for subject, spent, findings in examined:
            over = f" over frames of {subject.variant}" if subject.variant else ""
            _print(f"{kind} {part.name}{over}{_cost(spent)}", findings)
    return 0 if _passed(results) else 1


def _all(args: All) -> int:
    from voxboard import systems
    from voxboard.contracts.cost import weights
    from voxboard.contracts.subjects import subjects

    kind = args.kind.rstrip("s")
    rows: list[dict[str, Any]] = []
    for name in systems.registry(kind).names():
        _config(kind, Part(name))
        size = weights(subjects(kind, name, {})[0])
        if size is not None and size > args.largest:
            rows.append({"name": name, "passed": None, "parameters": size, "problem": "left out: over --largest"})
            continue
        print(f"{name} …", file=sys.stderr)
        examined = list(_examined(kind, name, {}))
        results = [finding for _, _, findings in examined for finding in findings]
        wrong = [f"{finding.check}: {finding.measured}" for finding in results if finding.passed is False]
        spent = examined[0][1]
        rows.append(
            {
                "name": name,
                "passed": not wrong,
                "checks": sum(finding.passed is not None for finding in results),
                "parameters": spent.parameters if spent else size,
                "milliseconds": spent.milliseconds if spent else None,
                "problem": wrong[0] + (f" … and {len(wrong) - 1} more" if wrong[1:] else "") if wrong else "",
            }
        )
    if args.json:
        _dump(rows)
    else:
        _print_rows(args.kind, rows)
    return int(any(row["passed"] is False for row in rows))


def _config(kind: str, part: Any) -> Any:
    """The settings of a part; a file or plugin that cannot be loaded is the user's to correct."""
    from voxboard import systems

    try:
        return systems.registry(kind).config(part.name, **part.options)
    except UserError:
        raise
    except Exception as error:  # whatever importing a stranger's code raises
        raise UserError(
            f"{part.name} cannot be loaded: {type(error).__name__}: {error}.",
            "Correct its code, or install what it imports.",
        ) from error


def _examined(
    kind: str, name: str, options: dict[str, Any], frame_size: int = 64
) -> Iterator[tuple[Subject[Any], PartCost | None, list[Finding]]]:
    """Every way in which a part is built, what it costs, and what its checks find."""
    from voxboard.contracts import Check, checks, subjects
    from voxboard.contracts.checks import Measurement
    from voxboard.contracts.cost import cost

    def build(subject: Subject[Any]) -> Measurement:
        spent.append(cost(subject))
        return Measurement(spent[0].parameters, f"{spent[0].parameters:,} weights")

    for subject in subjects(kind, name, options, frame_size):
        spent: list[PartCost] = []
        _refuse(subject)
        first = subject.finding(Check("build", "it is built and runs", build))
        rest = list(subject.findings(checks(kind, name))) if first.passed else []
        yield subject, spent[0] if spent else None, [first, *rest]


def _refuse(subject: Subject[Any]) -> None:
    """Raise the `UserError` of options that a part refuses; its other errors are findings."""
    try:
        subject.build(0)
    except UserError:
        raise
    except Exception:  # found again, and told, by the first check
        return


def _passed(findings: Sequence[Finding]) -> bool:
    return all(finding.passed is not False for finding in findings)


def _cost(spent: PartCost | None) -> str:
    if spent is None:
        return ""
    return f": {spent.parameters:,} weights, {spent.milliseconds:.1f} ms for {spent.workload}"


def _json(examined: Sequence[tuple[Subject[Any], PartCost | None, list[Finding]]]) -> list[dict[str, Any]]:
    return [
        {
            "variant": subject.variant,
            "cost": asdict(spent) if spent else None,
            "checks": [asdict(finding) for finding in findings],
        }
        for subject, spent, findings in examined
    ]


def _dump(content: Any) -> None:
    print(dumps(content))


def _print(title: str, findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from voxboard.console import Console

    table = Table("check", "", "measured", "meaning", title=Text(title), title_justify="left", box=None)
    for finding in findings:
        table.add_row(*map(Text, (finding.check, _mark(finding.passed), finding.measured, finding.meaning)))
    console = Console()
    console.print(table)
    for finding in findings:
        if finding.advice:
            console.print(Text(f"{finding.check}: {finding.advice}"))
    console.print()


def _print_rows(title: str, rows: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from voxboard.console import Console

    table = Table("name", "", "weights", "ms", "problem", title=Text(title), title_justify="left", box=None)
    for row in rows:
        spent = row.get("milliseconds")
        cells = (row["name"], _mark(row["passed"]), f"{row['parameters'] or 0:,}", f"{spent:.1f}" if spent else "")
        table.add_row(*map(Text, (*cells, row["problem"])))
    Console().print(table)


def _mark(passed: bool | None) -> str:
    return {True: "passed", False: "FAILED", None: "–"}[passed]
