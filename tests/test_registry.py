"""Parts in the user's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxboard.poolers import REGISTRY

PART = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
import aid_of_a_part
from voxboard.poolers.mean import Mean
class Mine(Mean):
    made_with = aid_of_a_part.NAME
"""


@pytest.mark.parametrize("package", [False, True])
def test_files_in_two_folders_have_each_a_helper_of_the_same_name(
    package: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    for folder in ("first", "second"):
        helper = tmp_path / folder / ("aid_of_a_part/__init__.py" if package else "aid_of_a_part.py")
        helper.parent.mkdir(parents=True)
        helper.write_text(f"NAME = {folder!r}\n")
        (tmp_path / folder / "mine.py").write_text(PART)
    made = [REGISTRY.resolve(f"{tmp_path / folder}/mine.py:Mine")[0].made_with for folder in ("first", "second")]
    assert made == ["first", "second"]
    assert REGISTRY.resolve(f"{tmp_path}/first/mine.py:Mine")[0].made_with == "first"


def test_a_helper_that_two_files_share_is_imported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "aid_of_a_part.py").write_text("class NAME: pass\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(PART)
    one, two = (REGISTRY.resolve(f"{tmp_path / name}.py:Mine")[0].made_with for name in ("one", "two"))
    assert one is two
