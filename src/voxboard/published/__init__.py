"""Published weights: where they are, under what licence, what they have heard, and how they come here.

>>> from voxboard import published
>>> published.get(["campplus"])
>>> weights = published.weights("campplus")

What a named encoder needs is `weights`: it reads what lies here, and says `voxboard weights get NAME` where nothing
does.
"""

from voxboard.published.catalogue import CATALOGUE, entry, names
from voxboard.published.entry import File, Hub, Published, Url, Wheel
from voxboard.published.get import get
from voxboard.published.kept import is_here, of_folder, path, weights

__all__ = [
    "CATALOGUE",
    "File",
    "Hub",
    "Published",
    "Url",
    "Wheel",
    "entry",
    "get",
    "is_here",
    "names",
    "of_folder",
    "path",
    "weights",
]
