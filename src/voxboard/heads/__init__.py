"""The catalogue of heads: embeddings and labels to a loss. Code is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.heads.base import Head

REGISTRY = Registry(
    "head",
    {
        "aam": Entry("voxboard.heads.aam:AAM", "additive angular margin softmax, also multi-head"),
        "softmax": Entry("voxboard.heads.softmax:Softmax", "linear classifier with cross entropy"),
    },
)


def create(name: str, embedding_size: int, n_classes: int, **options: Any) -> Head:
    """Builds a head by name for embeddings of a size and a number of classes."""
    return REGISTRY.create(name, embedding_size, n_classes, **options)


def names() -> list[str]:
    """All registered heads, plugins included."""
    return REGISTRY.names()
