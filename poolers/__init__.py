"""The catalogue of poolers: layered frames to one embedding. Code is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.backbones.frames import FramesSpec
    from voxboard.poolers.base import Pooler

ATTENTIVE = "voxboard.poolers.attentive:AttentiveStatistics"

REGISTRY = Registry(
    "pooler",
    {
        "mean": Entry(
            "voxboard.poolers.mean:Mean",
            "mean over time of one layer",
            source="arithmetic mean; ExploreWV2 of UniPool-SV pools so",
            parity=("explorewv2",),
        ),
        "max": Entry("voxboard.poolers.max:Max", "maximum over time of one layer", source="arithmetic maximum"),
        "statistics": Entry(
            "voxboard.poolers.statistics:Statistics",
            "mean and standard deviation over time",
            source="Snyder et al., X-vectors, ICASSP 2018, section 2",
            parity=("xvector", "weighted_stats_pool"),
        ),
        "asp": Entry(
            ATTENTIVE,
            "attentive statistics: weighted mean and deviation, one weight per frame",
            source="Okabe et al., Attentive Statistics Pooling, Interspeech 2018, equations 2 to 6",
        ),
        "ecapa-asp": Entry(
            ATTENTIVE,
            "ECAPA-TDNN's pooling: a weight per channel, which sees the whole utterance's statistics",
            {"per_channel": True, "context": True, "bottleneck": 256, "norm": True, "project": 192},
            source="Desplanques et al., ECAPA-TDNN, Interspeech 2020, section 3.1, arXiv 2005.07143",
            parity=("ecapa",),
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
            source="Desplanques et al., ECAPA-TDNN, Interspeech 2020, section 3.1, as in SpeechBrain",
            parity=("ge2e_ecapa",),
        ),
        "self-attentive": Entry(
            "voxboard.poolers.selfattentive:SelfAttentive",
            "weighted mean: a small network scores the frames",
            source="Cai et al., Odyssey 2018; several hops: Lin et al., ICLR 2017, equations 5 and 6",
        ),
        "attention": Entry(
            "voxboard.poolers.selfattentive:SelfAttentive",
            "weighted mean: one vector scores the frames",
            {"hidden": 0},
            source="the attention baseline of India et al., Double Multi-Head Attention, ICASSP 2021, arXiv 2007.13199",
            parity=("attention_pooling", "dmha_model"),
        ),
        "mha": Entry(
            "voxboard.poolers.multihead:MultiHead",
            "multi-head attention: a query per slice of the features",
            source="India et al., Double Multi-Head Attention, ICASSP 2021, arXiv 2007.13199",
            parity=("mha_pooling", "dmha_model", "dmha_resnet"),
        ),
        "double-mha": Entry(
            "voxboard.poolers.multihead:DoubleMultiHead",
            "double multi-head attention: over time, then over the heads",
            source="India et al., Double Multi-Head Attention, ICASSP 2021, arXiv 2007.13199",
            parity=("dmha_pooling", "dmha_model", "dmha_resnet"),
        ),
        "mqmha": Entry(
            "voxboard.poolers.multiquery:MultiQuery",
            "multi-query multi-head attention: weighted statistics per slice of the features and query",
            source="Zhao et al., Multi-query Multi-head Attention Pooling, ICASSP 2022, arXiv 2110.05042",
        ),
        "mhfa": Entry(
            "voxboard.poolers.mhfa:MHFA",
            "multi-head factorized attention: keys and values from sums over all layers",
            source="Peng et al., MHFA, SLT 2022, arXiv 2210.01273",
            parity=("mhfa",),
        ),
        "campplus-dense": Entry(
            "voxboard.poolers.campplus_dense:CampplusDense",
            "CAM++'s pooling: mean and deviation, a linear map and a batch norm without weights",
            source="Wang et al., CAM++, Interspeech 2023, arXiv 2303.00332, as in 3D-Speaker",
            parity=("campplus",),
        ),
        "tstp": Entry(
            "voxboard.poolers.tstp:TSTP",
            "mean and deviation, then one or two linear maps: the end of speaker ResNets",
            source="Wang et al., WeSpeaker, ICASSP 2023, arXiv 2210.17016; 3D-Speaker's ERes2Net",
            parity=("eres2net", "eres2netv2", "wespeaker_resnet"),
        ),
        "redimnet-pool": Entry(
            "voxboard.poolers.redimnet_pool:ReDimNetPool",
            "ReDimNet's pooling: attentive statistics with context, batch norm, linear map",
            source="Yakovlev et al., ReDimNet, Interspeech 2024, arXiv 2407.18223",
            parity=("redimnet",),
        ),
        "token": Entry(
            "voxboard.poolers.token:Token",
            "one frame of one layer: the first (CLS) or the last",
            source="Vaessen & van Leeuwen, Fine-tuning wav2vec2 for Speaker Recognition, ICASSP 2022",
            parity=("finetunewv2",),
        ),
        "xvector-head": Entry(
            "voxboard.poolers.xvector_head:XVectorHead",
            "TDNN, statistics and a linear map: the head of WavLM's speaker verification checkpoints",
            source="Yang et al., SUPERB, Interspeech 2021, section 3, in the layout of transformers' WavLMForXVector",
            parity=("ge2e_wavlm",),
        ),
        "weighted": Entry(
            "voxboard.poolers.weighted:Weighted",
            "learned weighted sum of all layers, then any pooler of one layer",
            source="Yang et al., SUPERB, Interspeech 2021, section 3",
        ),
        "mlp": Entry(
            "voxboard.poolers.mlp:MLP",
            "any pooler, then two dense layers and a batch norm",
            source="India et al., Double Multi-Head Attention, ICASSP 2021, section 4, arXiv 2007.13199",
            parity=("dmha_model", "dmha_resnet"),
        ),
        "projected": Entry(
            "voxboard.poolers.projected:Projected",
            "any pooler, then the embedding layer that poolers on a frozen backbone share",
            source="Desplanques et al., ECAPA-TDNN, Interspeech 2020, section 3: batch norm, linear map, batch norm",
        ),
        "unipool": Entry(
            "voxboard.poolers.unipool:UniPool",
            "all layers: dense net over (layer, time), then attention",
            source="Kim et al., Universal Pooling Method of Multi-layer Features, arXiv 2409.07770",
            parity=("unipool_backend", "unipool_full"),
        ),
        "frames": Entry(
            "voxboard.poolers.mean:Mean",
            "no pooling, for heads that read frames; as an embedding, their mean",
            source="no pooling",
        ),
        "native": Entry(
            "voxboard.poolers.native:Native",
            "the pooling that the backbone was published with",
            source="the backbone's publication",
        ),
    },
)


def create(name: str, sizes: FramesSpec | tuple[int, int], **options: Any) -> Pooler:
    """Build a pooler by name for the frames of a backbone: its `spec.frames`, or plain `(layers, size)`."""
    from voxboard.backbones.frames import FramesSpec

    return REGISTRY.create(name, FramesSpec.of(sizes), **options)


def names() -> list[str]:
    """All registered poolers, plugins included."""
    return REGISTRY.names()
