"""Texts to vectors of unit length, by a frozen sentence encoder (Reimers and Gurevych, Sentence-BERT, EMNLP 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voxboard.errors import UserError, first_line
from voxboard.weights import folder, hub, weights_digest

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A network of sentence-transformers on the CPU, where its numbers depend on no accelerator."""

    name: str
    model: Any

    @property
    def size(self) -> int:
        """D, the number of values of a vector."""
        return int(self.model.get_embedding_dimension())

    @property
    def described(self) -> str:
        """Entry of a protocol: a hub id or a folder's name, and the digest of the weights."""
        name = Path(self.name).name if Path(self.name).expanduser().is_dir() else self.name
        return f"{name} {weights_digest(self.model)[:12]}"

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """n texts → [n, D] float32."""
        vectors: np.ndarray = self.model.encode(
            list(texts), convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors.astype(np.float32)


@lru_cache(maxsize=2)
def load(name: str) -> SentenceEncoder:
    """The sentence encoder of a local folder or a hub id. Raises `UserError` when it is not there."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise UserError(
            "Sentence encoders need the package sentence-transformers.", "pip install 'voxboard[sentences]'"
        ) from error
    if name.startswith(("/", ".", "~")) and not Path(folder(name)).is_dir():
        raise UserError(f"There is no folder {name}.", "Pass a hub id or a folder of sentence-transformers.")
    options: dict[str, Any] = {"model_kwargs": {"use_safetensors": True}, "trust_remote_code": False, **hub()}
    try:
        model = SentenceTransformer(folder(name), device="cpu", **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(
            f"The sentence encoder {name} cannot be loaded: {first_line(error)}",
            "Pass --sentence_encoder with a local folder or a hub id of sentence-transformers.",
        ) from error
    return SentenceEncoder(name, model.eval().requires_grad_(False))


@lru_cache(maxsize=2)
def vectors(name: str, texts: tuple[str, ...]) -> np.ndarray:
    """[n, D] for the same texts in the same order: encoded once, in the same batches."""
    return load(name)(texts)
