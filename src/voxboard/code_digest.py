"""The code that a number comes out of: source files, followed through their imports, as digests.

Files are found by name and parsed; none is imported or run. Comments, docstrings, blank lines and imports for type
checkers count nothing. Followed are modules of voxboard and of the package of an entry, and for a user's file what it
imports below its folder, or from any folder that is no library. Data files that code reads are not followed.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from voxboard.errors import UserError

OWN = "voxboard"
NEAR = 2  # folders below that of a user's file in which a module is looked for that is nowhere else
_LIBRARIES = ("site-packages", "dist-packages")
Module = tuple[int, str, tuple[str, ...]]  # an import: dots in front, module, names that are taken from it


@dataclass(frozen=True)
class Source:
    """One file of code: what a digest calls it on every machine, and where it lies here."""

    name: str  # of a module "voxboard.metrics.detection"; of a user's file its path below the folder of the entry
    path: Path
    root: Path | None = None  # of a user's file: the folder of the entry


@dataclass(frozen=True)
class Imports:
    """Imports of a file, those inside functions too, and the words in it that may name a module or a file."""

    modules: tuple[Module, ...]
    words: frozenset[str]


def digest(modules: Iterable[str], files: Iterable[Path] = (), without: Sequence[str] = ()) -> str:
    """Return the sha256 of the code of some modules and users' files, and of all that they import.

    `without` names modules that are not followed, "voxboard.cli.*" a package with all that is in it. Raises `UserError`
    for a file that cannot be read.
    """
    return digest_of(sources(modules, files, without))


def digest_of(sources_: Iterable[Source]) -> str:
    """Return one sha256 of files of code, whatever their order and wherever they lie."""
    lines = sorted(f"{source.name} {meaning(_read(source.path))}\n" for source in set(sources_))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def user_digest(file: Path) -> str:
    """Return the sha256 of a user's file and of what it imports that is neither voxboard's nor a library's."""
    return digest_of(user_sources(file))


def user_sources(file: Path) -> frozenset[Source]:
    """Return a user's file and what it imports of the user's own code."""
    return sources((), (file,), (f"{OWN}.*",))


def sources(modules: Iterable[str], files: Iterable[Path] = (), without: Sequence[str] = ()) -> frozenset[Source]:
    """Return the files of some modules and users' files, and of all that these import."""
    names = list(modules)
    packages = frozenset({OWN, *(name.partition(".")[0] for name in names)})
    waiting = [source for name in names for source in _module(name, packages)]
    for file in files:
        path = file.resolve()
        waiting.append(Source(path.name, path, path.parent))
    left_out, packages_left_out = frozenset(without), tuple(name[:-1] for name in without if name.endswith(".*"))
    seen: set[Source] = set()
    followed = []
    while waiting:
        source = waiting.pop()
        if source in seen:
            continue
        seen.add(source)
        if source.name not in left_out and not f"{source.name}.".startswith(packages_left_out):
            followed.append(source)
            waiting += _imported(source, packages)
    return frozenset(followed)


def meaning(code: bytes) -> str:
    """Return the sha256 of what Python makes of a source; of the bytes where it is no Python."""
    return _parsed(code)[0]


@lru_cache(maxsize=4096)
def _parsed(code: bytes) -> tuple[str, Imports]:
    try:
        tree = ast.parse(code)
        text = _text(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return hashlib.sha256(code).hexdigest(), Imports((), frozenset())
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest(), _imports(tree)


def _text(node: object) -> str:
    """A syntax tree as text that is the same for every version of Python that has its syntax."""
    if isinstance(node, ast.AST):
        if isinstance(node, ast.If) and _for_types(node.test):
            return _text(node.orelse)
        inside = (
            f"{name}={_text(value)}" for name, value in ast.iter_fields(node) if value is not None and value != []
        )
        return f"{type(node).__name__}({','.join(inside)})"
    if isinstance(node, list):
        return f"[{','.join(_text(item) for item in node if not _only_text(item))}]"
    return repr(node)


def _only_text(node: object) -> bool:
    """True for a docstring, or a string under a field: it does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _for_types(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those for type checkers."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        typed = isinstance(node, ast.If) and _for_types(node.test)
        waiting += node.orelse if typed else ast.iter_child_nodes(node)  # type: ignore[attr-defined]


def _imports(tree: ast.AST) -> Imports:
    modules, words = [], set()
    for node in _running(tree):
        if isinstance(node, ast.ImportFrom):
            modules.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Import):
            modules += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
            words.add(node.value)
    return Imports(tuple(modules), frozenset(words))


def words(sources_: Iterable[Source]) -> frozenset[str]:
    """Return the short strings in some files of code: a name of another part may be among them."""
    return frozenset().union(*(_parsed(_read(source.path))[1].words for source in sources_))


def _imported(source: Source, packages: frozenset[str]) -> Iterable[Source]:
    """Files that one file imports."""
    imports = _parsed(_read(source.path))[1]
    if source.root is None:
        return _of_packages(source, imports.modules, packages)
    of_users = {one for one in imports.modules if one[0] or one[1].partition(".")[0] not in packages}
    return [
        *_of_packages(source, tuple(one for one in imports.modules if one not in of_users), packages),
        *(path for one in of_users for path in _users(source, source.root, *one)),
        *_spoken(source, source.root, imports.words),
    ]


@lru_cache(maxsize=4096)
def _of_packages(source: Source, modules: tuple[Module, ...], packages: frozenset[str]) -> frozenset[Source]:
    """Files of some packages that a file with these imports imports; where modules lie is looked up once a process."""
    bases = [(_absolute(source, level, module), names) for level, module, names in modules]
    wanted = {name for base, names in bases for name in (base, *(f"{base}.{name}" for name in names))}
    return frozenset(file for name in wanted for file in _module(name, packages))


def _absolute(source: Source, level: int, module: str) -> str:
    """The full name of a module that a module of a package imports."""
    if not level:
        return module
    package = source.name.split(".") if source.path.name == "__init__.py" else source.name.split(".")[:-1]
    parts = package[: len(package) - (level - 1)]
    return ".".join([*parts, *([module] if module else [])])


def _module(name: str, packages: frozenset[str]) -> Iterator[Source]:
    """The file of a module of some packages, and those of the packages that it is in; nothing for what is none."""
    if name.partition(".")[0] not in packages:
        return
    pieces = name.split(".")
    for count in range(1, len(pieces) + 1):
        path = module_file(".".join(pieces[:count]))
        if path is not None:
            yield Source(".".join(pieces[:count]), path)


def module_file(name: str) -> Path | None:
    """Return the source file of a module, found without importing it or its packages; None where there is none."""
    spec = _spec(name)
    path = Path(spec.origin) if spec and spec.has_location and spec.origin else None
    return path if path and path.suffix == ".py" and path.is_file() else None


@lru_cache(maxsize=4096)
def _spec(name: str) -> ModuleSpec | None:
    above, _, _ = name.rpartition(".")
    places = None
    if above:
        parent = _spec(above)
        if parent is None or parent.submodule_search_locations is None:
            return None
        places = list(parent.submodule_search_locations)
    for finder in sys.meta_path:
        look = getattr(finder, "find_spec", None)
        try:
            spec: ModuleSpec | None = look(name, places) if look else None
        except (ImportError, ValueError):  # a NUL in the name
            continue
        if spec is not None:
            return spec
    return None


def _users(source: Source, root: Path, level: int, module: str, names: tuple[str, ...]) -> Iterator[Source]:
    """Files of the user's own that a file of the user's imports."""
    wanted = [module] if module else []
    wanted += [f"{module}.{name}" if module else name for name in names]
    for name in wanted:
        paths = list(_below(source, root, level, name.split(".")))
        if not paths and not level:
            paths = list(_elsewhere(name, root))
        for path in paths:
            yield _users_file(path, root)


def _below(source: Source, root: Path, level: int, pieces: Sequence[str]) -> Iterator[Path]:
    """Files of a module from the folder of its importer up to the root; with the packages that it is in."""
    folder = source.path.parent
    for _ in range(level - 1):
        folder = folder.parent
    homes = [folder] if level else [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]
    for home in homes:
        if home.is_relative_to(root) and (paths := list(_files_of(home, pieces))):
            yield from paths
            return


def _files_of(home: Path, pieces: Sequence[str]) -> Iterator[Path]:
    """`a.b.c` below a folder: a/__init__.py, a/b/__init__.py, and a/b/c.py or a/b/c/__init__.py, where they are."""
    for count in range(1, len(pieces) + 1):
        stem = home.joinpath(*pieces[:count])
        for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if _is_file(path):
                yield path


def _elsewhere(name: str, root: Path) -> Iterator[Path]:
    """Files of a module that is on the path but no library; of one that is nowhere, those near below the root."""
    top = name.partition(".")[0]
    spec = None if top in sys.builtin_module_names or top in sys.stdlib_module_names else _spec(top)
    if spec is not None:
        path = module_file(name)
        if path is not None and not of_a_library(path):
            yield path.resolve()
    elif top not in sys.stdlib_module_names:
        for depth in range(1, NEAR + 1):
            for folder in root.glob("/".join("*" * depth)):
                if folder.is_dir():
                    yield from _files_of(folder, name.split("."))


def of_a_library(path: Path) -> bool:
    """Return whether a file was installed, or came with Python."""
    resolved = path.resolve()
    return any(part in _LIBRARIES for part in resolved.parts) or any(resolved.is_relative_to(p) for p in _places())


@cache
def _places() -> frozenset[Path]:
    """Folders of the libraries of this Python."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    return frozenset(Path(sysconfig.get_path(kind)).resolve() for kind in kinds)


def _spoken(source: Source, root: Path, spoken: Iterable[str]) -> Iterator[Source]:
    """Files below the root that a string in a user's file names: "helper.py", "parts/helper.py" or "helper"."""
    for word in spoken:
        if re.fullmatch(r"[\w./-]+\.py", word):
            paths: Iterable[Path] = [home / word for home in (source.path.parent, root)]
        elif re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", word):
            paths = _files_of(root, word.split("."))
        else:
            continue
        for path in paths:
            if _is_file(path) and path.resolve().is_relative_to(root):
                yield _users_file(path, root)


def _users_file(path: Path, root: Path) -> Source:
    resolved = path.resolve()
    name = resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else resolved.name
    return Source(name, resolved, root if resolved.is_relative_to(root) else resolved.parent)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"The code in {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
