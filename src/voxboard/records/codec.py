"""Frozen dataclasses to JSON and back, strictly: every key known, every type right, every number finite."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from voxboard.errors import UserError, unknown

LARGEST = 2**256  # beyond any whole number that a record counts, and well inside what a float holds

T = TypeVar("T")


def encode(value: Any, sparse: bool = False) -> Any:
    """The JSON value of dataclasses, mappings, sequences, paths and scalars of NumPy and torch, nested.

    `sparse` leaves out the fields of dataclasses that are None or empty.
    """
    if is_dataclass(value) and not isinstance(value, type):
        content = {_key(f): encode(getattr(value, f.name), sparse) for f in fields(value)}
        return {key: item for key, item in content.items() if not (sparse and item in (None, "", [], {}))}
    if isinstance(value, Mapping):
        return {str(key): encode(item, sparse) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item, sparse) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if not isinstance(value, str | int | float | NoneType) and hasattr(value, "item"):
        return value.item()
    return value


def _key(field: Field[Any]) -> str:
    """The key of a field in JSON: its name, but for one that was called otherwise when records were first written."""
    key: str = field.metadata.get("key", field.name)
    return key


def decode(kind: type[T], data: Any, where: str = "") -> T:
    """Build a dataclass from parsed JSON. Raises `UserError` that names the field as `a.b[0].c`."""
    return _decode(kind, data, where)


def canonical(value: Any) -> str:
    """One spelling per meaning: sorted keys, 3.0 as 3, and no empty fields of dataclasses.

    Leaving those out lets a later version add optional fields and change no digest.
    """
    content = _integral(encode(value, sparse=True))
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_digest(value: Any) -> str:
    """The first 12 hexadecimal digits of the sha256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def _integral(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_integral(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decode(kind: Any, data: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return _json(data, where)
    if origin in (Union, UnionType):
        return None if data is None else _decode(next(a for a in arguments if a is not NoneType), data, where)
    if origin is Literal:
        if data not in arguments:
            raise unknown(f"value of {where}", str(data), arguments)
        return data
    if isinstance(kind, type) and is_dataclass(kind):
        return _object(kind, data, where)
    if origin is tuple:
        items = _expect(list, data, where)
        return tuple(_decode(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if origin is Mapping:
        items = _expect(dict, data, where)
        return {_text(key, where): _decode(arguments[1], item, _join(where, key)) for key, item in items.items()}
    return _scalar(kind, data, where)


def _object(kind: Any, data: Any, where: str) -> Any:
    content = _expect(dict, data, where or "the record")
    hints, names = _hints(kind), {_key(f): f.name for f in fields(kind)}
    for key in content:
        if key not in names:
            raise unknown(f"field of {where or 'a record'}", key, names)
    for f in fields(kind):
        if _key(f) not in content and f.default is MISSING and f.default_factory is MISSING:
            raise UserError(f"The field {_join(where, _key(f))} is missing.")
    return kind(**{names[key]: _decode(hints[names[key]], item, _join(where, key)) for key, item in content.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _scalar(kind: type, data: Any, where: str) -> Any:
    if kind is float and isinstance(data, int | float) and not isinstance(data, bool):
        return _finite(data, where)
    if kind is str:
        return _text(_expect(str, data, where), where)
    if isinstance(data, bool) and kind is not bool:
        raise _mismatch(kind, data, where)
    if kind is int and isinstance(data, int) and abs(data) >= LARGEST:
        raise UserError(f"{where} has {len(str(abs(data)))} digits, which is no count and no seed.")
    return _expect(kind, data, where)


def _json(data: Any, where: str) -> Any:
    """A free JSON value, checked for what JSON can spell but files cannot keep."""
    if isinstance(data, dict):
        return {_text(key, where): _json(item, _join(where, key)) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [_json(item, f"{where}[{index}]") for index, item in enumerate(data)]
    if isinstance(data, str):
        return _text(data, where)
    if isinstance(data, float):
        return _finite(data, where)
    if data is None or isinstance(data, int):
        return data
    raise UserError(f"{where} holds {type(data).__name__}, which JSON has no word for.")


def _finite(data: float, where: str) -> float:
    try:
        number = float(data)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UserError(f"{where} is {number}, which is not a number to compare.")
    return number


def _text(data: str, where: str) -> str:
    try:
        data.encode()
    except UnicodeEncodeError as error:  # a lone surrogate: valid in JSON, impossible in UTF-8
        raise UserError(f"{where or 'A key'} holds text that is not Unicode.") from error
    return data


def _expect(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, kind):
        raise _mismatch(kind, data, where)
    return data


def _mismatch(kind: type, data: Any, where: str) -> UserError:
    words = {
        dict: "an object",
        list: "a list",
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
    }
    actual = "null" if data is None else words.get(type(data), type(data).__name__)
    return UserError(f"{where} should be {words.get(kind, kind.__name__)}, not {actual}.")


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
