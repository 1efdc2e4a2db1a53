"""Options in brackets: texts need no quotation marks, literals stay literals, separators inside separate nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voxboard import systems
from voxboard.errors import UserError
from voxboard.parts import Part


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("/data/x-y", "/data/x-y"),
        ("openai/whisper-tiny", "openai/whisper-tiny"),
        ("~/models/my model", "~/models/my model"),
        (r"C:\Users\x-y", r"C:\Users\x-y"),
        (r'"C:\Users\x-y"', r"C:\Users\x-y"),
        ("'/a,b/c+d (1)'", "/a,b/c+d (1)"),
        ("/data/it's", "/data/it's"),
        ("/data/2024", "/data/2024"),
        ("../x", "../x"),
        ("True", True),
        ("None", None),
        ("1e-3", 1e-3),
        ("-4", -4),
        ("[1, 2]", [1, 2]),
        ("(age, gender)", ("age", "gender")),
        ("'3'", "3"),
        ("asp", "asp"),
    ],
)
def test_values_are_read_as_they_are_written(text: str, value: Any) -> None:
    part = Part.parse(f"x(cfg={text}, depth=2)")
    assert part.options == {"cfg": value, "depth": 2}
    assert Part.parse(str(part)) == part


@pytest.mark.parametrize(
    "inside", ["3", "a=", "a=1, a=2", "=1", "a=0.3.4", "a=1-2", "a=[1", "a='x", "a-b=1", "a=1,,b=2"]
)
def test_what_is_no_option_is_refused(inside: str) -> None:
    with pytest.raises(UserError, match="Cannot read"):
        Part.parse(f"x({inside})")


@pytest.mark.parametrize(
    ("model", "backbone"),
    [
        ("hf:/data/x-y+mean", "hf:/data/x-y"),
        ("hf:'/data/a+b'+mean", "hf:/data/a+b"),
        ("hf:/data/run (1)+mean", "hf:/data/run (1)"),
        ("hf:/data/it's+mean", "hf:/data/it's"),
    ],
)
def test_names_may_be_paths(model: str, backbone: str) -> None:
    system = systems.parse(model)
    assert (system.backbone.name, system.pooler.name) == (backbone, "mean")
    assert systems.parse(system.spec).backbone == system.backbone


@pytest.mark.parametrize(
    ("made", "model", "advice"),
    [
        ("enc/config.json", "enc", "Write hf:enc"),
        ("enc/config.json", "enc+mean", "Write hf:enc"),
        ("enc/embedding_model.ckpt", "./enc+native", "Write speechbrain:./enc"),
        ("enc/x.wav", "enc", "Write hf:FOLDER"),
        ("enc.py", "enc.py+mean", "Write enc.py:Class"),
        ("enc/config.json", "hf:enc", "without a pooler"),
    ],
)
def test_folders_and_files_are_explained(
    made: str, model: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(made).parent.mkdir(exist_ok=True)
    Path(made).touch()
    with pytest.raises(UserError, match=advice):
        systems.parse(model)
