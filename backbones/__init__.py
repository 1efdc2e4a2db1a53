"""The catalogue of backbones: audio to layered frames. A name's code is imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.backbones.base import Backbone

SSL = "voxboard.backbones.ssl:SSL"

REGISTRY = Registry(
    "backbone",
    {
        "fbank": Entry("voxboard.backbones.fbank:Fbank", "log-mel filter bank without weights, the floor"),
        "ecapa": Entry("voxboard.backbones.ecapa:Ecapa", "ECAPA-TDNN up to its pooling, 512 channels"),
        "ecapa-1024": Entry(
            "voxboard.backbones.ecapa:Ecapa",
            "the same with 1024 channels",
            {"channels": 1024},
        ),
        "xvector": Entry("voxboard.backbones.xvector:XVector", "TDNN of the x-vector up to its pooling"),
        "wav2vec2-base": Entry(SSL, "wav2vec 2.0, 12 layers of 768", {"cfg": "facebook/wav2vec2-base"}),
        "wav2vec2-large": Entry(SSL, "wav2vec 2.0, 24 layers of 1024", {"cfg": "facebook/wav2vec2-large"}),
        "wav2vec2-large-lv60": Entry(
            SSL, "wav2vec 2.0 on Libri-Light, 24 layers of 1024", {"cfg": "facebook/wav2vec2-large-lv60"}
        ),
        "wav2vec2-xlsr-53": Entry(
            SSL, "wav2vec 2.0 on 53 languages, 24 layers of 1024", {"cfg": "facebook/wav2vec2-large-xlsr-53"}
        ),
        "hubert-base": Entry(SSL, "HuBERT, 12 layers of 768", {"cfg": "facebook/hubert-base-ls960"}),
        "hubert-large": Entry(SSL, "HuBERT, 24 layers of 1024", {"cfg": "facebook/hubert-large-ll60k"}),
        "wavlm-base": Entry(SSL, "WavLM, 12 layers of 768", {"cfg": "microsoft/wavlm-base"}),
        "wavlm-base-plus": Entry(SSL, "WavLM on 94,000 hours, 12 layers of 768", {"cfg": "microsoft/wavlm-base-plus"}),
        "wavlm-large": Entry(SSL, "WavLM, 24 layers of 1024", {"cfg": "microsoft/wavlm-large"}),
        "data2vec-base": Entry(SSL, "data2vec, 12 layers of 768", {"cfg": "facebook/data2vec-audio-base"}),
        "data2vec-large": Entry(SSL, "data2vec, 24 layers of 1024", {"cfg": "facebook/data2vec-audio-large"}),
    },
    prefixes={"hf:": (Entry(SSL, "a hub id or local folder of one of these families"), "cfg")},
)


def create(name: str, **options: Any) -> Backbone:
    """Builds a backbone by name, randomly initialised unless an option says otherwise."""
    return REGISTRY.create(name, **options)


def names() -> list[str]:
    """All registered backbones, plugins included."""
    return REGISTRY.names()
