"""The catalogues: cheap to list, every name with a summary, every option with a sentence of help."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from voxboard import backbones, heads, poolers

EVERY = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in (backbones, poolers, heads) for name in kind.names()]
)


def test_listing_imports_no_torch() -> None:
    code = "import sys; from voxboard import backbones, poolers, heads; "
    code += "assert backbones.names() and poolers.names() and heads.names(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@EVERY
def test_every_name_has_a_summary_and_documented_plain_options(kind: Any, name: str) -> None:
    assert kind.REGISTRY.summary(name)
    cls, fixed = kind.REGISTRY.resolve(name)
    assert is_dataclass(cls.Config)
    assert cls.__doc__
    options = {field.name: field for field in fields(cls.Config)}
    assert set(fixed) <= set(options)
    assert all(isinstance(field.default, int | float | bool | str | tuple) for field in options.values())
    assert documented(cls.Config) >= set(options)


def documented(config: type) -> set[str]:
    """The fields that a string literal follows, from which the command line builds its help."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    assert isinstance(definition, ast.ClassDef)
    found = set()
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            assert isinstance(statement.target, ast.Name)
            found.add(statement.target.id)
    return found
