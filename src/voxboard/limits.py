"""Ranges of settings. They live in the dataclass that declares a field; `check` is all that reads them.

    @dataclass(frozen=True)
    class Training:
        batch_size: Annotated[int, Limit(1, 65_536)] = 128

A field without a range is checked too: its type, a finite number, text without NUL, and text that is not empty where
its default is not.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from voxboard.errors import UserError, printable, unknown

Number = TypeVar("Number", int, float)
LARGEST = 2**53  # beyond it JSON and floats lose whole numbers


@dataclass(frozen=True)
class Limit:
    """A range of numbers, or for text and tuples of their length; infinities are refused unless `infinite`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False  # `low` itself is out
    below: bool = False  # `high` itself is out
    infinite: bool = False

    def holds(self, value: float) -> bool:
        """True if a number lies inside."""
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)

    def advice(self, what: str) -> str:
        """Return the advice that goes with an error, for `what` such as "a whole number"."""
        low, high = (None if math.isinf(end) else _shown(end) for end in (self.low, self.high))
        if low is not None and high is not None:
            ends = f"between {low} and {high}" if self.above else f"from {low} to {high}"
        elif low is not None:
            ends = f"above {low}" if self.above else f"from {low} on"
        else:
            ends = "" if high is None else f"below {high}" if self.below else f"up to {high}"
        return f"Give {what} {ends}".strip() + "."


Count = Annotated[int, Limit(1, 2**31 - 1)]
CountOrZero = Annotated[int, Limit(0, 2**31 - 1)]
Seed = Annotated[int, Limit(0, 2**32 - 1)]  # what NumPy's and scikit-learn's generators take
Size = Annotated[int, Limit(1, 1_000_000)]  # of a layer
SizeOrZero = Annotated[int, Limit(0, 1_000_000)]
Depth = Annotated[int, Limit(1, 1_000)]  # layers
DepthOrZero = Annotated[int, Limit(0, 1_000)]
Replicates = Annotated[int, Limit(10, 1_000_000)]
Positive = Annotated[float, Limit(0, above=True)]
NotNegative = Annotated[float, Limit(0)]
Share = Annotated[float, Limit(0, 1)]
Within = Annotated[float, Limit(0, 1, above=True, below=True)]
Dropout = Annotated[float, Limit(0, 1, below=True)]
Seconds = Annotated[float, Limit(0, 86_400, above=True)]


def flag(name: str) -> str:
    """The name of a setting on the command line."""
    return f"--{name}"


def check(settings: Any, naming: Callable[[str], str] = flag) -> None:
    """Check every field of a settings dataclass, and of those inside it. Raises `UserError` for the first that is out.

    `naming` gives the name under which the user knows a field.
    """
    check_values(type(settings), {f.name: getattr(settings, f.name) for f in fields(settings)}, naming)


def check_values(kind: type, values: Mapping[str, Any], naming: Callable[[str], str] = flag) -> None:
    """Check values before a dataclass is made of them; see `check`."""
    annotations = hints(kind)
    filled = {f.name for f in fields(kind) if isinstance(f.default, str) and f.default}
    for name, value in values.items():
        if is_dataclass(value) and not isinstance(value, type):
            check(value, naming)
        else:
            check_value(value, annotations.get(name, Any), naming(name))
            if value == "" and name in filled and _bare(annotations.get(name, Any))[1] is None:
                raise UserError(f"{naming(name)} is empty.", "Name something, or leave it out.")


def check_value(value: Any, annotation: Any, name: str) -> None:
    """Check one value by its annotation. Raises `UserError`."""
    for plain in _scalars(value):
        if isinstance(plain, float) and not math.isfinite(plain) and not _infinite(annotation, plain):
            raise UserError(f"{name} is {plain}.", "Give a finite number.")
        if isinstance(plain, int) and abs(plain) > LARGEST:
            raise UserError(f"{name} is {_shortened(str(plain))}.", "Give a smaller number.")
        if isinstance(plain, (str, Path)) and "\0" in str(plain):
            raise UserError(f"{name} holds a NUL character.", "Leave it out.")
    if not fits(value, annotation):
        _refuse(value, annotation, name)


def fits(value: Any, annotation: Any) -> bool:
    """True if a value has the type and lies in the range of an annotation; any value fits a type not handled here."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [item for item in args[1:] if isinstance(item, Limit)]
        return fits(value, args[0]) and all(_inside(value, limit) for limit in limits)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in args)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in args)
    if origin in (tuple, list):
        return _fits_items(value, args)
    return _fits_plain(value, annotation)


def _fits_items(value: Any, args: tuple[Any, ...]) -> bool:
    if not isinstance(value, (tuple, list)):
        return False
    if len(args) == 2 and args[1] is Ellipsis:
        return all(fits(item, args[0]) for item in value)
    if len(args) != len(value):
        return False
    return all(fits(item, each) for item, each in zip(value, args, strict=True))


def _fits_plain(value: Any, annotation: Any) -> bool:
    if annotation in (None, type(None)):
        return value is None
    if annotation in (int, float):
        kinds = (int,) if annotation is int else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    if annotation is Path:
        return isinstance(value, (str, Path)) and str(value) != ""
    if annotation in (str, bool):
        return isinstance(value, annotation)
    return True


def _inside(value: Any, limit: Limit) -> bool:
    if isinstance(value, (int, float)):
        return limit.holds(value)
    if isinstance(value, str):
        return limit.holds(len(value.strip()))
    return limit.holds(len(value)) if isinstance(value, (tuple, list)) else True


def _refuse(value: Any, annotation: Any, name: str) -> None:
    kind, limit = _bare(annotation)
    if get_origin(kind) is Literal and isinstance(value, str):
        raise unknown(f"value of {name.lstrip('-').partition(' of ')[0]}", value, map(str, get_args(kind)))
    if value == "":
        raise UserError(f"{name} is empty.", "Name something, or leave it out.")
    shown = " ".join(map(str, value)) if isinstance(value, (tuple, list)) else _spelled(value)
    raise UserError(f"{name} is {printable(_shortened(shown))}.", _advice(value, kind, limit))


def _spelled(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _advice(value: Any, kind: Any, limit: Limit | None) -> str:
    items = get_args(kind)
    if get_origin(kind) in (tuple, list) and isinstance(value, (tuple, list)):
        if items[-1] is not Ellipsis and len(items) != len(value):
            return f"Give {len(items)} values."
        kind, limit = _bare(items[0])
    return (limit or Limit()).advice(_word(kind))


def _bare(annotation: Any) -> tuple[Any, Limit | None]:
    """An annotation without `Annotated` and `None`, and its range."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limit = next((item for item in args[1:] if isinstance(item, Limit)), None)
        inner, own = _bare(args[0])
        return inner, limit or own
    if origin in (Union, types.UnionType):
        return _bare(next(each for each in args if each is not type(None)))
    return annotation, None


def _infinite(annotation: Any, value: float) -> bool:
    limit = _bare(annotation)[1]
    return limit is not None and limit.infinite and not math.isnan(value)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from _scalars(item)
    else:
        yield value


def _word(kind: Any) -> str:
    if get_origin(kind) in (tuple, list):
        return "several values, such as ('a', 'b')" if str in get_args(kind) else "several values, such as (1, 2)"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "text", Path: "a path"}
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return words.get(kind, "another value")


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}…"


def hints(kind: Any) -> Mapping[str, Any]:
    """The annotations of a dataclass, ranges included; none where they name what is not there at run time."""
    return _hints(kind)


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError):
        return {}


def numeric(kind: type) -> Iterable[str]:
    """The fields of a dataclass that hold a number or several."""
    for name, annotation in hints(kind).items():
        bare = _bare(annotation)[0]
        inner = _bare(get_args(bare)[0])[0] if get_origin(bare) in (tuple, list) else bare
        if inner in (int, float):
            yield name
