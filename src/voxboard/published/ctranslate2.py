"""Reading the variables of a CTranslate2 model: names, shapes and numbers, little-endian, one behind another.

    uint32 version, text specification, uint32 revision, uint32 count
    per variable: text name, uint8 rank, uint32 sizes, uint8 type, uint32 bytes, content
    uint32 count, per alias: text name, text variable

A text is a uint16 length and so many bytes, the last of which is a zero.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxboard.errors import UserError, printable

VERSION = 6
TYPES = (np.dtype("<f4"), np.dtype("i1"), np.dtype("<i2"), np.dtype("<i4"), np.dtype("<f2"))
MOST = 100_000  # variables, more than any model has


@dataclass(frozen=True, eq=False)
class Model:
    """Header of a file, and its variables by name."""

    specification: str
    revision: int
    variables: dict[str, NDArray[np.generic]]


def read(file: Path) -> Model:
    """Return the model of a `model.bin`. Raises `UserError` for a file that is none, or is damaged."""
    try:
        return _ModelReader(file.read_bytes()).model()
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        reason = printable(str(error))
        raise UserError(f"{file.name} is no model of CTranslate2's: {reason}.", "Fetch it again.") from error


class _ModelReader:
    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def model(self) -> Model:
        version = self._number("I")
        if version != VERSION:
            raise ValueError(f"its format is version {version}, and only {VERSION} is read")
        specification, revision = self._text(), self._number("I")
        variables = dict(self._variable() for _ in range(self._count()))
        for _ in range(self._count()):
            alias, name = self._text(), self._text()
            if name not in variables:
                raise ValueError(f"{alias} stands for {name}, which is not there")
            variables[alias] = variables[name]
        if self._place != len(self._content):
            raise ValueError(f"{len(self._content) - self._place:,} bytes are left over")
        return Model(specification, revision, variables)

    def _variable(self) -> tuple[str, NDArray[np.generic]]:
        name = self._text()
        shape = tuple(self._number("I") for _ in range(self._number("B")))
        kind, size = self._number("B"), self._number("I")
        if kind >= len(TYPES):
            raise ValueError(f"{name} is of the unknown type {kind}")
        if size != math.prod(shape) * TYPES[kind].itemsize:
            raise ValueError(f"{name} of shape {list(shape)} has {size:,} bytes")
        return name, np.frombuffer(self._bytes(size), TYPES[kind]).reshape(shape)

    def _count(self) -> int:
        count = self._number("I")
        if count > MOST:
            raise ValueError(f"it counts {count:,} variables")
        return count

    def _number(self, kind: str) -> int:
        (value,) = struct.unpack(f"<{kind}", self._bytes(struct.calcsize(f"<{kind}")))
        return int(value)

    def _text(self) -> str:
        return self._bytes(self._number("H")).rstrip(b"\0").decode()

    def _bytes(self, size: int) -> bytes:
        start, self._place = self._place, self._place + size
        if self._place > len(self._content):
            raise ValueError("it ends too early")
        return self._content[start : self._place]
