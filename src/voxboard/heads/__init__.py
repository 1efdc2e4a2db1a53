"""The catalogue of heads: embeddings and labels to a loss. Code is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voxboard.registry import Entry, Registry

if TYPE_CHECKING:
    from voxboard.heads.base import Head

REGISTRY = Registry(
    "head",
    {
        "aam": Entry(
            "voxboard.heads.aam:AAM",
            "additive angular margin softmax, also multi-head and sub-center",
            source="Deng et al., ArcFace, CVPR 2019, equation 3; several heads: UniPool, arXiv 2409.07770",
            parity=("aam_softmax", "multihead_aam", "unipool_full", "ecapa", "finetunewv2"),
        ),
        "am": Entry(
            "voxboard.heads.am:AM",
            "additive margin softmax, also annealed",
            source="Wang et al., Additive Margin Softmax for Face Verification, arXiv 1801.05599; annealed: Double-MHA",
            parity=("am_softmax_dmha", "am_softmax_explore", "dmha_model", "dmha_resnet", "explorewv2"),
        ),
        "contrastive": Entry(
            "voxboard.heads.contrastive:Contrastive",
            "embeddings and captions in one space, softmax or sigmoid",
            source="Elizalde et al., CLAP, ICASSP 2023, eq. 3; sigmoid: Zhai et al., SigLIP, ICCV 2023, algorithm 1",
        ),
        "ctc": Entry(
            "voxboard.heads.ctc:CTC",
            "connectionist temporal classification of frames into tokens",
            source="Graves et al., Connectionist Temporal Classification, ICML 2006",
        ),
        "ge2e": Entry(
            "voxboard.heads.ge2e:GE2E",
            "generalised end-to-end loss, softmax",
            source="Wan et al., Generalized End-to-End Loss, ICASSP 2018, equations 5 and 6",
            parity=("ge2e_softmax", "ge2e_contrast"),
        ),
        "ge2e-contrast": Entry(
            "voxboard.heads.ge2e:GE2E",
            "generalised end-to-end loss, contrast",
            {"form": "contrast"},
            source="Wan et al., Generalized End-to-End Loss, ICASSP 2018, equations 5 and 7",
            parity=("ge2e_contrast",),
        ),
        "multi-task": Entry(
            "voxboard.heads.multitask:MultiTask",
            "weighted sum of classifications, labels may be missing",
            source="as in Auden-Voice",
            parity=("auden_voice_heads",),
        ),
        "ordinal": Entry(
            "voxboard.heads.ordinal:Ordinal",
            "linear classifier of ordered classes, cumulative",
            source="as in Double-MHA's age classifier",
            parity=("ordinal_losses",),
        ),
        "ordinal-distance": Entry(
            "voxboard.heads.ordinal:Ordinal",
            "linear classifier of ordered classes, by distance",
            {"form": "distance"},
            source="as in Double-MHA's age classifier",
        ),
        "question-answer": Entry(
            "voxboard.heads.question_answer:QuestionAnswer",
            "projector of frames into a frozen chat model that answers a question",
            source="as in Auden's LALM: frames side by side, linear, ReLU, linear",
        ),
        "regression": Entry(
            "voxboard.heads.regression:Regression",
            "linear map to numbers, squared or absolute error",
            source="least squares, or least absolute error",
        ),
        "softmax": Entry(
            "voxboard.heads.softmax:Softmax",
            "linear classifier with cross entropy, weighted or focal",
            source="logistic regression; hidden layer: Snyder et al., ICASSP 2018; focal: Lin et al., ICCV 2017, eq. 4",
            parity=("sincnet", "xvector", "ordinal_losses", "finetunewv2"),
        ),
        "whisper-intensity": Entry(
            "voxboard.heads.whisper_intensity:WhisperIntensity",
            "Whisper's decoder and a regression of loudness, over the frames of its encoder",
            source="Radford et al., Whisper, ICML 2023; speech2text-intensity-regression (MIT)",
            parity=("whisper_intensity",),
        ),
    },
    prefixes={
        "whisper:": (
            Entry(
                "voxboard.heads.seq2seq:WhisperTexts",
                "the decoder of a Whisper checkpoint, a hub id or local folder: writes texts, is not trained",
                source="Radford et al., Whisper, ICML 2023",
            ),
            "cfg",
        ),
    },
)


def create(name: str, embedding_size: int, n_classes: int | Mapping[str, int] | None, **options: Any) -> Head:
    """Build a head by name for embeddings of a size and a number of classes (one per task, for several tasks)."""
    return REGISTRY.create(name, embedding_size, n_classes, **options)


def names() -> list[str]:
    """All registered heads, plugins included."""
    return REGISTRY.names()
