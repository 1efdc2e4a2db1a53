"""The catalogue of poolers: layered frames to one embedding. Code is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.backbones.base import FramesSpec
    from voxboard.poolers.base import Pooler

ATTENTIVE = "voxboard.poolers.attentive:AttentiveStatistics"

REGISTRY = Registry(
    "pooler",
    {
        "mean": Entry("voxboard.poolers.mean:Mean", "mean over time of one layer"),
        "statistics": Entry("voxboard.poolers.statistics:Statistics", "mean and standard deviation over time"),
        "asp": Entry(ATTENTIVE, "attentive statistics: weighted mean and deviation, one weight per frame"),
        "ecapa-asp": Entry(
            ATTENTIVE,
            "ECAPA-TDNN's pooling: a weight per channel, which sees the whole utterance's statistics",
            {"per_channel": True, "context": True, "bottleneck": 256, "norm": True, "project": 192},
        ),
        "unipool": Entry(
            "voxboard.poolers.unipool:UniPool", "all layers: dense net over (layer, time), then attention"
        ),
        "native": Entry("voxboard.poolers.native:Native", "the pooling that the backbone was published with"),
    },
)


def create(name: str, sizes: FramesSpec | tuple[int, int], **options: Any) -> Pooler:
    """Builds a pooler by name for the frames of a backbone: its `spec.frames`, or plain `(layers, size)`."""
    from voxboard.backbones.base import FramesSpec

    return REGISTRY.create(name, FramesSpec.of(sizes), **options)


def names() -> list[str]:
    """All registered poolers, plugins included."""
    return REGISTRY.names()
