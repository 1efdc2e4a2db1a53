"""The catalogue of backbones: audio to layered frames. A name's code is imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voxboard.errors import UserError
from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.backbones.base import Backbone
    from voxboard.backbones.utterance import UtteranceEncoder

SSL = "voxboard.backbones.ssl:SSL"
SPEECHBRAIN = "voxboard.backbones.speechbrain:SpeechBrain"
SPEECHBRAIN_ENCODER = "voxboard.backbones.speechbrain_encoder:SpeechBrainEncoder"
ZIPFORMER = "voxboard.backbones.zipformer:Zipformer"
WHISPER = "voxboard.backbones.whisper:Whisper"
ERES2NET = "voxboard.backbones.eres2net:ERes2Net"
WESPEAKER = (
    (18, "basic", (2, 2, 2, 2)),
    (34, "basic", (3, 4, 6, 3)),
    (50, "bottleneck", (3, 4, 6, 3)),
    (101, "bottleneck", (3, 4, 23, 3)),
    (152, "bottleneck", (3, 8, 36, 3)),
    (221, "bottleneck", (6, 16, 48, 3)),
    (293, "bottleneck", (10, 20, 64, 3)),
)

ECAPA_PAPER = "Desplanques et al., ECAPA-TDNN, Interspeech 2020, arXiv 2005.07143, in the layout of UniPool-SV"
VGG_PAPER = "India et al., Double Multi-Head Attention, ICASSP 2021, section 2, arXiv 2007.13199"
ZIPFORMER_PAPER = "Yao et al., Zipformer, ICLR 2024, arXiv 2310.11230, in the layout of icefall and Auden"
WAV2VEC2_PAPER = "Baevski et al., wav2vec 2.0, NeurIPS 2020, arXiv 2006.11477"
HUBERT_PAPER = "Hsu et al., HuBERT, IEEE/ACM TASLP 2021, arXiv 2106.07447"
WAVLM_PAPER = "Chen et al., WavLM, IEEE JSTSP 2022, arXiv 2110.13900"
DATA2VEC_PAPER = "Baevski et al., data2vec, ICML 2022, arXiv 2202.03555"
WHISPER_PAPER = "Radford et al., Whisper, ICML 2023, section 2.2, arXiv 2212.04356"

UNIPOOL = ("unipool_full",)
ZIPFORMER_PARITY = (
    "zipformer_ops",
    "zipformer_subsampling",
    "zipformer_layer",
    "zipformer_encoder",
    "auden_fbank",
    "auden_voice_heads",
)

REGISTRY = Registry(
    "backbone",
    {
        "fbank": Entry(
            "voxboard.backbones.fbank:Fbank",
            "log-mel filter bank without weights, the floor",
            source="Kaldi's compute-fbank-feats",
        ),
        "campplus": Entry(
            "voxboard.backbones.campplus:Campplus",
            "CAM++: dense time-delay layers with context masks; published weights of 3D-Speaker",
            source="Wang et al., CAM++, Interspeech 2023, arXiv 2303.00332, in the layout of 3D-Speaker",
            parity=("campplus", "campplus_real"),
            weights="Apache-2.0",
        ),
        "resemblyzer": Entry(
            "voxboard.backbones.resemblyzer:Resemblyzer",
            "Resemblyzer's voice encoder: an LSTM over windows of 1.6 s; published weights",
            source="Wan et al., Generalized End-to-End Loss, ICASSP 2018, in the layout of Resemblyzer 0.1.4",
            parity=("resemblyzer", "resemblyzer_real"),
            weights="Apache-2.0",
        ),
        "eres2net": Entry(
            ERES2NET,
            "ERes2Net: Res2 blocks, and stages that are fused by attention",
            source="Chen et al., ERes2Net, Interspeech 2023, arXiv 2305.12838, in the layout of 3D-Speaker",
            parity=("eres2net",),
        ),
        "eres2netv2": Entry(
            ERES2NET,
            "ERes2NetV2: wider, and only the last two stages are fused",
            {"v2": True, "channels": 64, "width": 26},
            source="Chen et al., ERes2NetV2, Interspeech 2024, arXiv 2406.02167, in the layout of 3D-Speaker",
            parity=("eres2netv2",),
        ),
        **{
            f"wespeaker-resnet{depth}": Entry(
                "voxboard.backbones.wespeaker:WeSpeakerResNet",
                f"ResNet-{depth} of log-mel pictures, as WeSpeaker has it",
                {"block": block, "blocks": blocks},
                source="Wang et al., WeSpeaker, ICASSP 2023, arXiv 2210.17016",
                parity=("wespeaker_resnet",),
            )
            for depth, block, blocks in WESPEAKER
        },
        "redimnet": Entry(
            "voxboard.backbones.redimnet:ReDimNet",
            "ReDimNet b2, or with size b0 to b6: pictures and frames in turn",
            source="Yakovlev et al., ReDimNet, Interspeech 2024, arXiv 2407.18223",
            parity=("redimnet",),
        ),
        "ecapa": Entry(
            "voxboard.backbones.ecapa:Ecapa",
            "ECAPA-TDNN up to its pooling, 512 channels",
            source=ECAPA_PAPER,
            parity=("ecapa",),
        ),
        "ecapa-1024": Entry(
            "voxboard.backbones.ecapa:Ecapa",
            "the same with 1024 channels",
            {"channels": 1024},
            source=ECAPA_PAPER,
            parity=("ecapa",),
        ),
        "xvector": Entry(
            "voxboard.backbones.xvector:XVector",
            "TDNN of the x-vector up to its pooling",
            source="Snyder et al., X-vectors, ICASSP 2018, table 1",
            parity=("xvector",),
        ),
        "sincnet": Entry(
            "voxboard.backbones.sincnet:SincNet",
            "learned band-pass filters over windows of raw audio",
            source="Ravanelli & Bengio, Speaker Recognition from Raw Waveform with SincNet, SLT 2018, as in UniPool-SV",
            parity=("sincnet",),
        ),
        "vgg": Entry(
            "voxboard.backbones.vgg:VGG",
            "VGG4L over a log-mel picture, 1024 channels",
            source=VGG_PAPER,
            parity=("dmha_logmel", "vgg_frontend", "dmha_model"),
        ),
        "vgg3l": Entry(
            "voxboard.backbones.vgg:VGG",
            "the same with 3 blocks",
            {"blocks": 3},
            source=VGG_PAPER,
            parity=("dmha_logmel", "vgg_frontend", "dmha_model"),
        ),
        "resnet": Entry(
            "voxboard.backbones.resnet:ResNet",
            "small residual network over a log-mel picture",
            source="He et al., Deep Residual Learning, CVPR 2016, as in Double-MHA's age classifier",
            parity=("dmha_logmel", "dmha_resnet"),
        ),
        "zipformer": Entry(
            ZIPFORMER,
            "Zipformer in plain torch, Auden's small one of 512; opens checkpoints",
            source=ZIPFORMER_PAPER,
            parity=ZIPFORMER_PARITY,
            weights="see the checkpoint's card",
        ),
        "zipformer-large": Entry(
            ZIPFORMER,
            "the same with 768, as the published Auden-Voice",
            {
                "num_encoder_layers": (2, 2, 4, 5, 4, 2),
                "encoder_dim": (192, 256, 512, 768, 512, 256),
                "feedforward_dim": (576, 768, 1536, 2304, 1536, 768),
            },
            source=ZIPFORMER_PAPER,
            parity=ZIPFORMER_PARITY,
            weights="see the checkpoint's card",
        ),
        "zipformer-causal": Entry(
            ZIPFORMER,
            "the small one for streaming in chunks",
            {"causal": True},
            source=ZIPFORMER_PAPER,
            parity=ZIPFORMER_PARITY,
            weights="see the checkpoint's card",
        ),
        "wav2vec2-base": Entry(
            SSL,
            "wav2vec 2.0, 12 layers of 768",
            {"cfg": "facebook/wav2vec2-base"},
            source=WAV2VEC2_PAPER,
            parity=("unipool_full", "explorewv2", "finetunewv2"),
            weights="Apache-2.0",
        ),
        "wav2vec2-large": Entry(
            SSL,
            "wav2vec 2.0, 24 layers of 1024",
            {"cfg": "facebook/wav2vec2-large"},
            source=WAV2VEC2_PAPER,
            parity=UNIPOOL,
            weights="Apache-2.0",
        ),
        "wav2vec2-large-lv60": Entry(
            SSL,
            "wav2vec 2.0 on Libri-Light, 24 layers of 1024",
            {"cfg": "facebook/wav2vec2-large-lv60"},
            source=WAV2VEC2_PAPER,
            parity=UNIPOOL,
            weights="Apache-2.0",
        ),
        "wav2vec2-xlsr-53": Entry(
            SSL,
            "wav2vec 2.0 on 53 languages, 24 layers of 1024",
            {"cfg": "facebook/wav2vec2-large-xlsr-53"},
            source="Conneau et al., XLSR, arXiv 2006.13979",
            parity=UNIPOOL,
            weights="Apache-2.0",
        ),
        "hubert-base": Entry(
            SSL,
            "HuBERT, 12 layers of 768",
            {"cfg": "facebook/hubert-base-ls960"},
            source=HUBERT_PAPER,
            parity=UNIPOOL,
            weights="Apache-2.0",
        ),
        "hubert-large": Entry(
            SSL,
            "HuBERT, 24 layers of 1024",
            {"cfg": "facebook/hubert-large-ll60k"},
            source=HUBERT_PAPER,
            parity=UNIPOOL,
            weights="Apache-2.0",
        ),
        "wavlm-base": Entry(
            SSL,
            "WavLM, 12 layers of 768",
            {"cfg": "microsoft/wavlm-base"},
            source=WAVLM_PAPER,
            parity=UNIPOOL,
            weights="CC-BY-SA-3.0",
        ),
        "wavlm-base-plus": Entry(
            SSL,
            "WavLM on 94,000 hours, 12 layers of 768",
            {"cfg": "microsoft/wavlm-base-plus"},
            source=WAVLM_PAPER,
            parity=UNIPOOL,
            weights="CC-BY-SA-3.0",
        ),
        "wavlm-base-sv": Entry(
            SSL,
            "WavLM for speaker verification, with its x-vector head",
            {"cfg": "microsoft/wavlm-base-sv"},
            source=WAVLM_PAPER,
            parity=("ge2e_wavlm",),
            weights="CC-BY-SA-3.0",
        ),
        "wavlm-base-plus-sv": Entry(
            SSL,
            "the same on 94,000 hours, with its x-vector head",
            {"cfg": "microsoft/wavlm-base-plus-sv"},
            source=WAVLM_PAPER,
            parity=("ge2e_wavlm",),
            weights="CC-BY-SA-3.0",
        ),
        "wavlm-large": Entry(
            SSL,
            "WavLM, 24 layers of 1024",
            {"cfg": "microsoft/wavlm-large"},
            source=WAVLM_PAPER,
            parity=UNIPOOL,
            weights="CC-BY-SA-3.0",
        ),
        "data2vec-base": Entry(
            SSL,
            "data2vec, 12 layers of 768",
            {"cfg": "facebook/data2vec-audio-base"},
            source=DATA2VEC_PAPER,
            weights="Apache-2.0",
        ),
        "data2vec-large": Entry(
            SSL,
            "data2vec, 24 layers of 1024",
            {"cfg": "facebook/data2vec-audio-large"},
            source=DATA2VEC_PAPER,
            weights="Apache-2.0",
        ),
        "whisper": Entry(
            WHISPER,
            "Whisper's encoder, base: 6 layers of 512",
            {"cfg": "openai/whisper-base"},
            source=WHISPER_PAPER,
            parity=("whisper_intensity",),
            weights="Apache-2.0",
        ),
        "whisper-tiny": Entry(
            WHISPER,
            "Whisper's encoder, 4 layers of 384",
            {"cfg": "openai/whisper-tiny"},
            source=WHISPER_PAPER,
            parity=("whisper_intensity",),
            weights="Apache-2.0",
        ),
        "whisper-tiny.en": Entry(
            WHISPER,
            "the same for English alone",
            {"cfg": "openai/whisper-tiny.en"},
            source=WHISPER_PAPER,
            parity=("whisper_intensity",),
            weights="MIT",
        ),
        "whisper-small": Entry(
            WHISPER,
            "Whisper's encoder, 12 layers of 768",
            {"cfg": "openai/whisper-small"},
            source=WHISPER_PAPER,
            parity=("whisper_intensity",),
            weights="Apache-2.0",
        ),
        "whisper-medium": Entry(
            WHISPER,
            "Whisper's encoder, 24 layers of 1024",
            {"cfg": "openai/whisper-medium"},
            source=WHISPER_PAPER,
            parity=("whisper_intensity",),
            weights="Apache-2.0",
        ),
        "whisper-large-v3": Entry(
            WHISPER,
            "Whisper's encoder, 32 layers of 1280",
            {"cfg": "openai/whisper-large-v3"},
            source=WHISPER_PAPER,
            parity=("whisper_intensity",),
            weights="Apache-2.0",
        ),
        "whisper-large-v3-turbo": Entry(
            WHISPER,
            "the same encoder, trained with a decoder of 4 layers",
            {"cfg": "openai/whisper-large-v3-turbo"},
            source=WHISPER_PAPER,
            parity=("whisper_intensity",),
            weights="MIT",
        ),
        "speechbrain-ecapa": Entry(
            SPEECHBRAIN,
            "ECAPA-TDNN of SpeechBrain's hub, 1024 channels",
            {"cfg": "speechbrain/spkrec-ecapa-voxceleb"},
            source="Desplanques et al., ECAPA-TDNN, Interspeech 2020, arXiv 2005.07143, as in SpeechBrain",
            parity=("ge2e_ecapa",),
            weights="Apache-2.0",
        ),
        "speechbrain-xvector": Entry(
            SPEECHBRAIN,
            "x-vector of SpeechBrain's hub",
            {"cfg": "speechbrain/spkrec-xvect-voxceleb"},
            source="Snyder et al., X-vectors, ICASSP 2018, table 1, as in SpeechBrain",
            weights="Apache-2.0",
        ),
        "speechbrain-resnet": Entry(
            SPEECHBRAIN_ENCODER,
            "ResNet of SpeechBrain's hub by its own class",
            {"encoder": "speechbrain.lobes.models.ResNet:ResNet", "cfg": "speechbrain/spkrec-resnet-voxceleb"},
            source="Villalba et al., Speaker recognition in SRE18 and SITW, CSL 60, 2020, as in SpeechBrain",
            weights="Apache-2.0",
        ),
        "speechbrain": Entry(
            SPEECHBRAIN_ENCODER,
            "any encoder of SpeechBrain's by its own class",
            source="Ravanelli et al., SpeechBrain, arXiv 2106.04624",
            weights="see the checkpoint's card",
        ),
    },
    prefixes={
        # Whoever names a folder means the weights in it; use_pretrain=False asks for random ones.
        "hf:": (Entry(SSL, "a hub id or local folder of one of these families", {"use_pretrain": True}), "cfg"),
        "speechbrain:": (
            Entry(SPEECHBRAIN, "a hub id or local folder of one of these two networks", {"use_pretrain": True}),
            "cfg",
        ),
        "onnx:": (Entry("voxboard.backbones.onnx:Onnx", "an ONNX graph from waveforms to embeddings"), "file"),
        "python:": (Entry("voxboard.backbones.wrapped:Wrapped", "a module or callable of a Python program"), "target"),
        "s3prl:": (Entry("voxboard.backbones.s3prl:S3prl", "an upstream of S3PRL's hub"), "upstream"),
    },
)


def create(name: str, **options: Any) -> Backbone | UtteranceEncoder:
    """Build a backbone by name, with random weights unless the name or an option says otherwise.

    Raises `UserError` for a class of a user's that is no backbone.
    """
    from voxboard.backbones.base import AudioSpec

    made: Backbone | UtteranceEncoder = REGISTRY.create(name, **options)
    if not isinstance(getattr(made, "spec", None), AudioSpec):
        raise UserError(
            f"{name} has no spec, so it is no backbone of voxboard's yet.",
            "Derive it from voxboard.backbones.base.Backbone, set self.spec and implement encode: docs/extending.md.",
        )
    return made


def framed(name: str, **options: Any) -> Backbone:
    """Build a backbone as `create` does. Raises `UserError` for an encoder of utterances, which has no frames."""
    from voxboard.backbones.base import Backbone

    made = create(name, **options)
    if not isinstance(made, Backbone):
        raise UserError(f"{name} gives one embedding per utterance, and no frames.", "Name a backbone.")
    return made


def names() -> list[str]:
    """All registered backbones, plugins included."""
    return REGISTRY.names()
