"""How the GE2E reference's own embeddings are averaged and scored by voxboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.parity.reference_fixture import Fixture
from voxboard.embedding.export_file import averages
from voxboard.metrics import reference
from voxboard.scoring.cosine import cosine
from voxboard.scoring.rows import unit

Outputs = Mapping[str, Any]


def real_ecapa_embeddings(fixture: Fixture) -> Outputs:
    """Embeddings [U, D] → the speakers' means [S, D], and the EER and cutoff over all pairs."""
    matrix, speaker = fixture.inputs["embeddings"].numpy(), fixture.inputs["speaker_index"].numpy()
    names, means = averages(matrix, [fixture.config["speakers"][place] for place in speaker])
    scores, labels = all_pairs(matrix, speaker)
    eer, cutoff = reference.ge2e_eer(scores, labels)
    order = [names.index(name) for name in fixture.config["averaged_order"]]
    return {"eer_all_pairs": eer, "cutoff": cutoff, "averaged_recomputed": means[order]}


def all_pairs(matrix: np.ndarray, speaker: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and labels of all unordered pairs of rows."""
    one, other = np.triu_indices(len(matrix), 1)
    return cosine(unit(matrix.astype(np.float64)), one, other), speaker[one] == speaker[other]


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {"real_ecapa_embeddings": real_ecapa_embeddings}
