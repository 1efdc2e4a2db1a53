"""The options of a class in a user's file, read from its source without running it."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any


def options(path: Path, attribute: str) -> frozenset[str] | None:
    """Return the names of the fields of a class's `Config`; None where they cannot be read without running it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _options(tree, attribute, 0)


def _options(tree: ast.Module, name: str, depth: int) -> frozenset[str] | None:
    class_ = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if class_ is None or depth > 20:
        own = _own_class(tree, name)
        config = getattr(own, "Config", None)
        return frozenset(f.name for f in fields(config)) if is_dataclass(config) else None
    config_ = next((node for node in class_.body if isinstance(node, ast.ClassDef) and node.name == "Config"), None)
    if config_ is not None:
        return None if config_.bases else frozenset(_annotated(config_))
    for base in class_.bases:
        inherited = _options(tree, base.id, depth + 1) if isinstance(base, ast.Name) else None
        if inherited is not None:
            return inherited
    return None


def _annotated(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id


def _own_class(tree: ast.Module, name: str) -> Any:
    """The class of voxboard's own that a file imports under a name."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] == "voxboard":
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    try:
                        return getattr(importlib.import_module(str(node.module)), alias.name, None)
                    except ImportError:
                        return None
    return None
