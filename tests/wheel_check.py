"""Builds the wheel, installs it into a clean environment, and runs the smoke tests against it, away from the tree.

The environment borrows the dependencies of this one through a .pth file: what is checked is the wheel's own content.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(work / "dist"), str(ROOT))
        shutil.rmtree(ROOT / "build", ignore_errors=True)
        (wheel,) = (work / "dist").glob("voxboard-*.whl")
        python = environment(work / "env")
        run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
        borrow(python)
        shutil.copytree(ROOT / "tests", work / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", work)  # pytest's settings
        where = output(str(python), "-c", "import voxboard; print(voxboard.__file__)", cwd=work)
        if not Path(where).is_relative_to(work):
            raise SystemExit(f"the clean environment imports voxboard from {where}")
        run(str(python), "-m", "pytest", "-m", "smoke", "-p", "no:cacheprovider", "tests", cwd=work)
        print(f"wheel: {wheel.name} passes the smoke tests in a clean environment")
    return 0


def environment(folder: Path) -> Path:
    """A fresh virtual environment; the value is its interpreter."""
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def borrow(python: Path) -> None:
    """Appends this environment's site-packages, behind the wheel, without its editable hooks."""
    ours = sysconfig.get_paths()["purelib"]
    theirs = Path(output(str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"))
    # A plain path in a .pth is appended to sys.path, and .pth files of that folder (the editable finder) are not read.
    (theirs / "borrowed.pth").write_text(f"{ours}\n")


def run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, env=clean())


def output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, env=clean(), capture_output=True, text=True).stdout.strip()


def clean() -> dict[str, str]:
    """The environment without what could lead back to the tree."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}


if __name__ == "__main__":
    sys.exit(main())
