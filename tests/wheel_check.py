"""Builds the wheel and installs it as users do, then runs the smoke tests against it, away from the tree.

Its dependencies are resolved afresh from the package index, without the lock: what a release of theirs has broken since
the lock was made fails here first. Where the index does not answer, they are borrowed from this environment through a
.pth file, and only the wheel's own content is checked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("pytest", "pytest-timeout", "hypothesis")  # what the smoke tests need beyond the wheel
EXTRA = "voices"  # Voices is what the smoke tests hear
ASKED = "espeakng-loader"  # the smallest of all that is installed: whether the index answers
WORDS = "import torch, torchaudio; print(f'torch {torch.__version__}, torchaudio {torchaudio.__version__}')"


def main() -> int:
    """Check the wheel. Returns 0, or ends with what is wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(work / "dist"), str(ROOT))
        shutil.rmtree(ROOT / "build", ignore_errors=True)
        (wheel,) = (work / "dist").glob("voxboard-*.whl")
        python = environment(work / "env")
        fresh = installed(python, wheel)
        if not fresh:
            run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
            borrow(python)
        shutil.copytree(ROOT / "tests", work / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", work)  # pytest's settings
        where = output(str(python), "-c", "import voxboard; print(voxboard.__file__)", cwd=work)
        if not Path(where).is_relative_to(work):
            raise SystemExit(f"the clean environment imports voxboard from {where}")
        print(f"wheel: {output(str(python), '-c', WORDS, cwd=work)}")
        run(str(python), "-m", "pytest", "-m", "smoke", "-p", "no:cacheprovider", *smoke(work), cwd=work)
        run(str(python.with_name("voxboard")), "doctor", cwd=work)
        resolved = "resolved afresh from the index" if fresh else "BORROWED, since the index did not answer"
        print(f"wheel: {wheel.name} passes the smoke tests in a clean environment, its dependencies {resolved}")
    return 0


def environment(folder: Path) -> Path:
    """A fresh virtual environment; the value is its interpreter."""
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def installed(python: Path, wheel: Path) -> bool:
    """Whether the wheel was installed from the index, without the lock. Ends where that fails though it answers."""
    started = time.monotonic()
    command = installer(python)
    if subprocess.run([*command, f"{wheel}[{EXTRA}]", *TOOLS], env=clean(), check=False).returncode == 0:
        print(f"wheel: installed from the index within {time.monotonic() - started:.0f} s")
        return True
    if subprocess.run([*command, "--no-deps", ASKED], env=clean(), check=False, capture_output=True).returncode == 0:
        raise SystemExit("wheel: it cannot be installed from the index, which answers. What is above says why.")
    line = "!" * 100
    print(
        f"{line}\nwheel: THE PACKAGE INDEX DOES NOT ANSWER. A fresh install is NOT checked: dependencies are borrowed."
    )
    print(line, flush=True)
    return False


def installer(python: Path) -> list[str]:
    """What installs from the index: uv where there is one, which is quicker, else pip."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--no-config", "--refresh", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet"]


def smoke(work: Path) -> list[str]:
    """The files with smoke tests; the others may need what only developers have."""
    files = sorted((work / "tests").rglob("test_*.py"))
    return [str(file.relative_to(work)) for file in files if "pytest.mark.smoke" in file.read_text(encoding="utf-8")]


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
