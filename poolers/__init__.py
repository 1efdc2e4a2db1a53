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
        "max": Entry("voxboard.poolers.max:Max", "maximum over time of one layer"),
        "statistics": Entry("voxboard.poolers.statistics:Statistics", "mean and standard deviation over time"),
        "asp": Entry(ATTENTIVE, "attentive statistics: weighted mean and deviation, one weight per frame"),
        "ecapa-asp": Entry(
            ATTENTIVE,
            "ECAPA-TDNN's pooling: a weight per channel, which sees the whole utterance's statistics",
            {"per_channel": True, "context": True, "bottleneck": 256, "norm": True, "project": 192},
        ),
        "speechbrain-asp": Entry(
            ATTENTIVE,
            "ecapa-asp as SpeechBrain has it, without a batch norm at the end",
            {
                "per_channel": True,
                "context": True,
                "bottleneck": 128,
                "norm": True,
                "last_norm": False,
                "unbiased": False,
                "floor": 1e-12,
                "project": 192,
            },
        ),
        "self-attentive": Entry(
            "voxboard.poolers.selfattentive:SelfAttentive", "weighted mean: a small network scores the frames"
        ),
        "attention": Entry(
            "voxboard.poolers.selfattentive:SelfAttentive", "weighted mean: one vector scores the frames", {"hidden": 0}
        ),
        "mha": Entry("voxboard.poolers.multihead:MultiHead", "multi-head attention: a query per slice of the features"),
        "double-mha": Entry(
            "voxboard.poolers.multihead:DoubleMultiHead", "double multi-head attention: over time, then over the heads"
        ),
        "mqmha": Entry(
            "voxboard.poolers.multiquery:MultiQuery",
            "multi-query multi-head attention: weighted statistics per slice of the features and query",
        ),
        "token": Entry("voxboard.poolers.token:Token", "one frame of one layer: the first (CLS) or the last"),
        "weighted": Entry(
            "voxboard.poolers.weighted:Weighted", "learned weighted sum of all layers, then any pooler of one layer"
        ),
        "mlp": Entry("voxboard.poolers.mlp:MLP", "any pooler, then two dense layers and a batch norm"),
        "unipool": Entry(
            "voxboard.poolers.unipool:UniPool", "all layers: dense net over (layer, time), then attention"
        ),
        "frames": Entry(
            "voxboard.poolers.mean:Mean", "no pooling, for heads that read frames; as an embedding, their mean"
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
