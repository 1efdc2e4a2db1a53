"""An encoder with published weights takes them from where they lie, and names the command where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import voxboard as vb
from tests.published.test_get import Listed
from tests.published.wheels import MEMBER, entry_of, file_of, saved, wheel
from voxboard import published
from voxboard.errors import UserError

TINY = '''
from dataclasses import dataclass

import torch

from voxboard import published
from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec


class Tiny(UtteranceEncoder):
    """The published weights times the level."""

    @dataclass(frozen=True)
    class Config:
        """No options."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        known = published.entry("tiny")
        self.weight = torch.nn.Parameter(published.weights("tiny")["layer.weight"])
        self.spec = UtteranceSpec(
            embedding_size=len(self.weight),
            weights="pretrained",
            weights_licence=known.licence,
            trained_on=known.seen,
            source=known.source.where,
        )

    def embed(self, waveforms, lengths):
        return waveforms.abs().sum(1, keepdim=True) / lengths[:, None] * self.weight
'''


def test_weights_are_found_or_the_command_is_named(
    index: Path, listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.py").write_text(TINY)
    content = saved({"layer.weight": torch.tensor([3.0, 0.0, 4.0])})
    wheel(index, {MEMBER: content})
    listed(entry_of(file_of(content), seen=("VoxCeleb2/dev",)))
    with pytest.raises(
        UserError, match=r"published weights of tiny are not on this machine\. Run: voxboard weights get"
    ):
        vb.load("tiny.py:Tiny+native")
    published.get(["tiny"])
    encoder = vb.load("tiny.py:Tiny+native")
    soundfile.write("a.wav", 0.1 * np.ones(8000), 16_000)
    assert encoder.embed(["a.wav"]) == pytest.approx(np.array([[0.6, 0.0, 0.8]]), abs=1e-6)
    spec = encoder.network.encoder.backbone.spec
    assert (spec.weights_licence, spec.trained_on) == ("MIT", ("VoxCeleb2/dev",))
