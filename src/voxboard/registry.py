"""One registry for backbones, poolers, heads and benchmarks: names that load their code on first use.

A part is one module and one catalogue line, an entry point of another distribution, or
`path/to/file.py:Class` on the command line. Listing a catalogue imports nothing. A name of a file that stands in data
runs only when `trust` lets it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from voxboard import code_digest, config_fields, limits, trust
from voxboard.errors import UserError, printable, unknown


@dataclass(frozen=True)
class Origin:
    """Location of the class behind a name, found without importing it."""

    module: str = ""
    file: Path | None = None  # of the user's
    attribute: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)  # that the name fixes


@dataclass(frozen=True)
class Entry:
    """One catalogue line: where the class is, what it is for, the options that this name fixes, where it comes from."""

    target: str  # "package.module:Class"
    summary: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""  # paper and section or equation, or the reference that the code follows
    parity: tuple[str, ...] = ()  # the reference's fixtures that pin its numbers: folders of tests/parity/fixtures
    weights: str = ""  # licence of the published weights that it can load; empty: none are known

    def load(self) -> type[Any]:
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


class Registry:
    """Names of one kind of part. Every class has a frozen dataclass `Config` that holds its options."""

    def __init__(
        self,
        kind: str,
        catalogue: Mapping[str, Entry],
        prefixes: Mapping[str, tuple[Entry, str]] | None = None,
        plural: str = "",
        made_of: type | None = None,
    ) -> None:
        """`prefixes` maps e.g. "hf:" to an entry and the option that receives what follows the colon.

        `plural` names the entry points, by default with an s. What is registered is a class with a `Config`, or an
        instance of `made_of`.
        """
        self.kind = kind
        self.plural = plural or f"{kind}s"
        self.made_of = made_of
        self._catalogue = dict(catalogue)
        self._prefixes = dict(prefixes or {})

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=f"voxboard.{self.plural}")}

    def names(self) -> list[str]:
        """All registered names, in-tree first, then those of installed plugins."""
        return [*self._catalogue, *sorted(set(self._plugins) - set(self._catalogue))]

    def has_prefix(self, name: str) -> bool:
        """True if a name has one of the prefixes, like "hf:/data/wavlm"."""
        return name.startswith(tuple(self._prefixes))

    def summary(self, name: str) -> str:
        """The catalogue's one-line description of a name."""
        if name in self._catalogue:
            return self._catalogue[name].summary
        point = self._plugins[name]
        return f"plugin {point.value}"

    def entry(self, name: str) -> Entry | None:
        """The catalogue line of a name; None for a plugin's."""
        return self._catalogue.get(name)

    def resolve(self, name: str) -> tuple[type[Any], dict[str, Any]]:
        """The class behind a name and the options that the name fixes. Raises `UserError` for an unknown name."""
        if name in self._catalogue:
            entry = self._catalogue[name]
            return entry.load(), dict(entry.options)
        for prefix, (entry, option) in self._prefixes.items():
            if name.startswith(prefix):
                return entry.load(), {**entry.options, option: name.removeprefix(prefix)}
        return self.outside(name), {}

    def outside(self, name: str) -> Any:
        """Return what another package, or `path/to/file.py:NAME`, has under a name. Raises `UserError`."""
        if trust.MARK in name:
            part = _load_file(self.kind, name, self.made_of or type)
        elif name in self._plugins:
            part = self._plugins[name].load()
        else:
            raise unknown(self.kind, name, [*self.names(), *self._prefixes])
        return (
            _checked(self.kind, name, part) if self.made_of is None else _instance(self.kind, name, part, self.made_of)
        )

    def origin(self, name: str) -> Origin:
        """Locate the class of a name, and the options that the name fixes; nothing is imported or run."""
        entry, options = self._catalogue.get(name), {}
        for prefix, (prefixed, option) in self._prefixes.items():
            if entry is None and name.startswith(prefix):
                entry, options = prefixed, {option: name.removeprefix(prefix)}
        if entry is not None:
            module, _, attribute = entry.target.partition(":")
            return Origin(module, attribute=attribute, options={**entry.options, **options})
        pair = trust.split(name)
        if pair is not None:
            return Origin(file=_file(self.kind, pair[0]), attribute=pair[1])
        if name in self._plugins:
            return Origin(self._plugins[name].module, attribute=self._plugins[name].attr)
        raise unknown(self.kind, name, [*self.names(), *self._prefixes])

    def option_names(self, name: str) -> frozenset[str]:
        """The options of a name; those of a user's class are read from its source where that can be done."""
        pair = trust.split(name)
        if pair is not None and name not in self._catalogue:
            names = config_fields.options(_file(self.kind, pair[0]), pair[1])
            if names is not None:
                return names
        return frozenset(f.name for f in fields(self.resolve(name)[0].Config))

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        """Raise `UserError` for a part or an option that does not exist, as far as can be told without its code."""
        if not (trust.is_inert() and trust.MARK in name):
            self.config(name, **options)

    def config(self, name: str, **options: Any) -> Any:
        """The `Config` that a name and options give. Raises `UserError` for an option that it does not have."""
        cls, fixed = self.resolve(name)
        declared = {f.name for f in fields(cls.Config)}
        for option in options:
            if option not in declared:
                raise unknown(f"option of {self.kind} {name}", option, declared)
        # Before it is made: what a `Config` checks itself may take the types for granted.
        limits.check_values(cls.Config, options, lambda option: f"{option} of {self.kind} {name}")
        return cls.Config(**{**fixed, **options})

    def create(self, name: str, *args: Any, **options: Any) -> Any:
        """Build a part: `args` are what its kind needs (sizes, number of classes), `options` fill its `Config`."""
        cls, _ = self.resolve(name)
        return cls(*args, self.config(name, **options))


def option_docs(config: type) -> dict[str, str]:
    """The string under each field of a `Config`, its parents' included: what `--help` says of an option.

    A class whose source is not at hand (a plugin's may not be) has none.
    """
    import ast
    import inspect
    import textwrap

    docs: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        if not is_dataclass(cls):
            continue
        try:
            (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        except (OSError, TypeError):
            continue
        assert isinstance(node, ast.ClassDef)
        for field_, text in pairwise(node.body):
            if isinstance(field_, ast.AnnAssign) and isinstance(field_.target, ast.Name) and isinstance(text, ast.Expr):
                docs[field_.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return docs


def _checked(kind: str, name: str, part: Any) -> type[Any]:
    """Return a part from outside. Raises `UserError` for what is no class with its options, as a plain module is."""
    if isinstance(part, type) and (kind == "tracker" or is_dataclass(getattr(part, "Config", None))):
        return part  # trackers have no options
    what = "a class without options" if isinstance(part, type) else f"no class but a {type(part).__name__}"
    raise UserError(
        f"{name} is {what}, so it is no {kind} of voxboard's yet.",
        f"Put a frozen dataclass Config beside a class that derives from {kind.capitalize()} and builds from it, and "
        f"call your network there: docs/extending.md has an example.",
    )


def _instance(kind: str, name: str, part: Any, wanted: type) -> Any:
    """Return a part from outside. Raises `UserError` for what is no instance of the type that its kind has."""
    if isinstance(part, wanted):
        return part
    what = f"the class {part.__name__}" if isinstance(part, type) else f"a {type(part).__name__}"
    raise UserError(
        f"{name} is {what}, so it is no {kind} of voxboard's yet.",
        f"Give that name to a {wanted.__module__}.{wanted.__name__}: docs/extending.md has an example.",
    )


def _file(kind: str, location: str) -> Path:
    """The file that a user named. Raises `UserError` where there is none."""
    path = Path(location)
    if "\0" in location or not path.is_file():
        raise UserError(f"There is no file {printable(location)}.", f"Name the {kind} as path/to/file.py:Class.")
    return path


def _load_file(kind: str, name: str, wanted: type) -> Any:
    """`path/to/file.py:NAME`: code that the user named explicitly on the command line, or trusts."""
    location, _, attribute = name.rpartition(":")
    path = _file(kind, location)
    trust.check(location)
    module = _executed(path)
    if not hasattr(module, attribute):
        what = "class" if wanted is type else wanted.__name__.lower()
        raise unknown(f"{what} in {location}", attribute, [n for n, v in vars(module).items() if isinstance(v, wanted)])
    return getattr(module, attribute)


_executed_files: dict[Path, tuple[str, ModuleType]] = {}
_users_files: set[Path] = set()


def is_users(file: str) -> bool:
    """Return whether a source file is one that the user named as a part and that was run, or a helper of one."""
    return bool(_users_files) and Path(file).resolve() in _users_files


def _executed(path: Path) -> ModuleType:
    """The module of a file, run once for every version of it; its helpers are imported anew with it."""
    own = code_digest.user_sources(path)
    digest = code_digest.digest_of(own)
    before = _executed_files.get(path.resolve())
    if before is not None and before[0] == digest:
        return before[1]
    _forget(own, edited=before is not None)
    _users_files.update(source.path for source in own)
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _without_bytecode():
        spec.loader.exec_module(module)
    _executed_files[path.resolve()] = digest, module
    return module


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Leave no compiled files: Python takes one for current whose source was edited within its second."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _module_name(path: Path) -> str:
    """A name that no other file has, and that tells as little as possible of where the file lies."""
    stem, number = f"voxboard_user_{path.stem}", 1
    name = stem
    while name in sys.modules and Path(str(sys.modules[name].__file__)).resolve() != path.resolve():
        number += 1
        name = f"{stem}_{number}"
    return name


def _forget(own: Iterable[code_digest.Source], edited: bool) -> None:
    """Let the helpers of a file be imported from where they lie: anew where the file or one of them was edited.

    Files in two folders may each have a `helper` beside them; Python knows one module of a name.
    """
    homes = {name: source.path for source in own for name in _importable(source)}
    files = set(homes.values())
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        path = Path(file).resolve() if file else None
        namesake = name in homes and path not in (None, homes[name]) and not code_digest.of_a_library(Path(str(file)))
        if namesake or (edited and path in files):
            del sys.modules[name]
    importlib.invalidate_caches()


def _importable(source: code_digest.Source) -> Iterator[str]:
    """The names that a user's file can have as a module: `a/b.py` is `a.b`, or `b` where its folder is on the path."""
    pieces = list(Path(source.name).with_suffix("").parts)
    if pieces[-1] == "__init__":
        pieces.pop()
    for start in range(len(pieces)):
        yield ".".join(pieces[start:])
