"""Cells that are measured again from existing weights, because only the code that measures has changed since.

The weights of a run are still what training would make when its training code is the same *and* validation by the code
of today gives the error that chose them. Else the cell is trained again. `--strict` applies the same rule to packages.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from voxboard.grids.identity import Named
from voxboard.grids.plan import Plan, RunSettings, other_versions
from voxboard.grids.workspace import Workspace
from voxboard.records import Record
from voxboard.records.provenance import MEASURING
from voxboard.training import run_folder
from voxboard.training.config import General

ADOPTED = ".adopted"  # in a run folder whose numbers are not taken yet


def measured(named: Named, workspace: Workspace, how: RunSettings, staging: str) -> Record | None:
    """Measure a cell from the run of an earlier one, and leave the record in staging; None where it must be trained."""
    from voxboard.training import run

    home = workspace.runs / named.id
    if not home.exists() and (earlier := _earlier(named, workspace, how.strict)) is not None:
        _adopt(earlier, home, named)
    if not (home / ADOPTED).exists():
        return None
    general = General(device=how.device, records=workspace.staging / staging)
    try:
        record = run.measure_again(home, general)
    except Exception:
        shutil.rmtree(home)
        raise
    if record is None:
        shutil.rmtree(home)
    else:
        (home / ADOPTED).unlink()
    return record


def set_aside(plan: Plan, workspace: Workspace) -> None:
    """Make outdated cells missing; a run stays, to be measured again, where no weights come out of the new packages."""
    for named in plan.outdated():
        home = workspace.runs / named.id
        stays = _whole(home, workspace) and _same_weights(named.id, workspace)
        if stays:
            (home / ADOPTED).touch()
        workspace.set_aside(named.id, run=not stays)


def _same_weights(cell: str, workspace: Workspace) -> bool:
    """True if all packages that weights come out of are installed in the versions that the cell was made with."""
    record = workspace.record(cell)
    return record is not None and not other_versions(record).keys() - set(MEASURING)


def _earlier(named: Named, workspace: Workspace, strict: bool) -> Path | None:
    """Newest run folder of the same cell that was trained to its end by the same training code.

    With `strict`, by the same versions of packages too.
    """
    if not named.cell.trained or named.cell.base is not None:
        return None
    homes = [
        home
        for home in workspace.runs.glob(f"{named.key}-*")
        if home.name != named.id and _whole(home, workspace) and (not strict or _same_weights(home.name, workspace))
    ]
    alike = [home for home in homes if run_folder.code_of(home).get("training") == named.training]
    return max(alike, key=lambda home: (home / run_folder.CODE).stat().st_mtime, default=None)


def _whole(home: Path, workspace: Workspace) -> bool:
    record = workspace.record(home.name)
    return record is not None and record.status == "ok" and (home / "best.safetensors").is_file()


def _adopt(earlier: Path, home: Path, named: Named) -> None:
    """Give a cell the run of an earlier one; weights, which are never changed in place, are there only once."""
    temporary = home.with_name(f".{home.name}.adopted")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(earlier, temporary, copy_function=_linked)
    run_folder.note_measuring(temporary, named.measuring)
    (temporary / ADOPTED).touch()
    temporary.rename(home)


def _linked(source: str, target: str) -> None:
    if source.endswith(".safetensors"):
        try:
            os.link(source, target)
            return
        except OSError:  # a file system without links
            pass
    shutil.copy2(source, target)
