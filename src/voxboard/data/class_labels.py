"""Names of classes to class indices, such that no missing or unknown name becomes a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voxboard.data.labels import absent
from voxboard.errors import UserError

# The class index of an utterance whose label is not known (torch's `ignore_index`): it trains nothing.
MISSING = -100


class Classes:
    """The classes of one task, in order: `Classes(["female", "male"])`, or from an `id2label` file's content.

    Raises `UserError` for a name that is there twice or that stands for a missing label.
    """

    def __init__(self, names: Sequence[str] | Mapping[str, str]) -> None:
        if isinstance(names, Mapping):
            if sorted(map(int, names)) != list(range(len(names))):
                raise UserError("The label map's indices are not 0, 1, 2, …", "Number the classes from 0 without gaps.")
            names = [names[key] for key in sorted(names, key=int)]
        self.names = tuple(names)
        self._index = {name: index for index, name in enumerate(self.names)}
        if len(self._index) != len(self.names):
            raise UserError("A class is named twice in the label map.", "Give every class a name of its own.")
        for name in self.names:
            if absent(name):
                raise UserError(f"{name!r} cannot be a class: it stands for a missing label.", "Rename the class.")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: object) -> int:
        """The class index of a name; `MISSING` when it is None, NaN, "", "none", "null" (in any case) or unknown."""
        return MISSING if absent(name) else self._index.get(str(name), MISSING)
