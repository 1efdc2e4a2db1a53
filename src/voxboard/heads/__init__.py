"""The catalogue of heads: embeddings and labels to a loss. Code is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.heads.base import Head

REGISTRY = Registry(
    "head",
    {
        "aam": Entry("voxboard.heads.aam:AAM", "additive angular margin softmax, also multi-head and sub-center"),
        "am": Entry("voxboard.heads.am:AM", "additive margin softmax, also annealed"),
        "ge2e": Entry("voxboard.heads.ge2e:GE2E", "generalised end-to-end loss, softmax"),
        "ge2e-contrast": Entry(
            "voxboard.heads.ge2e:GE2E", "generalised end-to-end loss, contrast", {"form": "contrast"}
        ),
        "multi-task": Entry(
            "voxboard.heads.multitask:MultiTask", "weighted sum of classifications, labels may be missing"
        ),
        "ordinal": Entry("voxboard.heads.ordinal:Ordinal", "linear classifier of ordered classes, cumulative"),
        "ordinal-distance": Entry(
            "voxboard.heads.ordinal:Ordinal", "linear classifier of ordered classes, by distance", {"form": "distance"}
        ),
        "regression": Entry("voxboard.heads.regression:Regression", "linear map to numbers, squared or absolute error"),
        "softmax": Entry("voxboard.heads.softmax:Softmax", "linear classifier with cross entropy, weighted or focal"),
    },
)


def create(name: str, embedding_size: int, n_classes: int, **options: Any) -> Head:
    """Builds a head by name for embeddings of a size and a number of classes."""
    return REGISTRY.create(name, embedding_size, n_classes, **options)


def names() -> list[str]:
    """All registered heads, plugins included."""
    return REGISTRY.names()
