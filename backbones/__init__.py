"""The catalogue of backbones: audio to layered frames. A name's code is imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.backbones.base import Backbone

SSL = "voxboard.backbones.ssl:SSL"
SPEECHBRAIN = "voxboard.backbones.speechbrain:SpeechBrain"
ZIPFORMER = "voxboard.backbones.zipformer:Zipformer"
WHISPER = "voxboard.backbones.whisper:Whisper"

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
        "sincnet": Entry("voxboard.backbones.sincnet:SincNet", "learned band-pass filters over windows of raw audio"),
        "vgg": Entry("voxboard.backbones.vgg:VGG", "VGG4L over a log-mel picture, 1024 channels"),
        "vgg3l": Entry("voxboard.backbones.vgg:VGG", "the same with 3 blocks", {"blocks": 3}),
        "resnet": Entry("voxboard.backbones.resnet:ResNet", "small residual network over a log-mel picture"),
        "zipformer": Entry(ZIPFORMER, "Zipformer in plain torch, Auden's small one of 512; opens checkpoints"),
        "zipformer-large": Entry(
            ZIPFORMER,
            "the same with 768, as the published Auden-Voice",
            {
                "num_encoder_layers": (2, 2, 4, 5, 4, 2),
                "encoder_dim": (192, 256, 512, 768, 512, 256),
                "feedforward_dim": (576, 768, 1536, 2304, 1536, 768),
            },
        ),
        "zipformer-causal": Entry(ZIPFORMER, "the small one for streaming in chunks", {"causal": True}),
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
        "whisper": Entry(WHISPER, "Whisper's encoder, base: 6 layers of 512", {"cfg": "openai/whisper-base"}),
        "whisper-tiny": Entry(WHISPER, "Whisper's encoder, 4 layers of 384", {"cfg": "openai/whisper-tiny"}),
        "whisper-small": Entry(WHISPER, "Whisper's encoder, 12 layers of 768", {"cfg": "openai/whisper-small"}),
        "whisper-medium": Entry(WHISPER, "Whisper's encoder, 24 layers of 1024", {"cfg": "openai/whisper-medium"}),
        "whisper-large-v3": Entry(WHISPER, "Whisper's encoder, 32 layers of 1280", {"cfg": "openai/whisper-large-v3"}),
        "speechbrain-ecapa": Entry(
            SPEECHBRAIN, "ECAPA-TDNN of SpeechBrain's hub, 1024 channels", {"cfg": "speechbrain/spkrec-ecapa-voxceleb"}
        ),
        "speechbrain-xvector": Entry(
            SPEECHBRAIN, "x-vector of SpeechBrain's hub", {"cfg": "speechbrain/spkrec-xvect-voxceleb"}
        ),
    },
    prefixes={
        "hf:": (Entry(SSL, "a hub id or local folder of one of these families"), "cfg"),
        "speechbrain:": (Entry(SPEECHBRAIN, "a hub id or local folder of one of these two networks"), "cfg"),
        "s3prl:": (Entry("voxboard.backbones.s3prl:S3prl", "an upstream of S3PRL's hub"), "upstream"),
    },
)


def create(name: str, **options: Any) -> Backbone:
    """Builds a backbone by name, randomly initialised unless an option says otherwise."""
    return REGISTRY.create(name, **options)


def names() -> list[str]:
    """All registered backbones, plugins included."""
    return REGISTRY.names()
