"""What holds for every encoder of utterances, and that its checks tell one that breaks them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from voxboard import contracts, trust

ENCODERS = '''
from dataclasses import dataclass
import torch
from torch import nn
from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec


class Good(UtteranceEncoder):
    """The mean of what a convolution hears of an utterance."""

    batching, extra = "exact", 0

    @dataclass(frozen=True)
    class Config:
        size: int = 6
        """Numbers of an embedding."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.layer = nn.Conv1d(1, config.size, 400, 160)
        count = sum(weight.numel() for weight in self.parameters()) + self.extra
        self.spec = UtteranceSpec(
            embedding_size=config.size, parameters=count, batching=self.batching, weights="random",
            exports=("torch.export",) if type(self) is Good else (),
        )

    def embed(self, waveforms, lengths):
        x = self.layer(waveforms[:, None]).tanh()
        steps = (lengths - 400) // 160 + 1
        mask = torch.arange(x.shape[-1])[None] < steps[:, None]
        return (x * mask[:, None]).sum(-1) / steps[:, None]


class Padded(Good):
    """Counts padding as sound."""

    def embed(self, waveforms, lengths):
        return self.layer(waveforms[:, None]).tanh().mean(-1)


class PaddedAndSaysSo(Padded):
    """The same with the batching that it needs."""

    batching = "equal-length"


class Neighbors(Good):
    """Divides by the largest of its batch."""

    batching = "equal-length"

    def embed(self, waveforms, lengths):
        x = super().embed(waveforms, lengths)
        return x / (x.abs().max() + 1e-6)


class Double(Good):
    """Embeddings of another type."""

    def embed(self, waveforms, lengths):
        return super().embed(waveforms, lengths).double()


class Wide(Good):
    """One number more than the spec says."""

    def embed(self, waveforms, lengths):
        return nn.functional.pad(super().embed(waveforms, lengths), (0, 1))


class Uncounted(Good):
    """A spec that miscounts."""

    extra = 1


class Loudness(Good):
    """The logarithm of silence."""

    def embed(self, waveforms, lengths):
        return super().embed(waveforms, lengths) + waveforms.square().sum(-1, keepdim=True).log()


class Impatient(Good):
    """Stops where there is less than a tenth of a second."""

    def forward(self, waveforms, lengths):
        out = super().forward(waveforms, lengths)
        return torch.where(lengths[:, None] < 1600, torch.nan, out)


class Dither(Good):
    """Draws in evaluation mode."""

    def embed(self, waveforms, lengths):
        return super().embed(waveforms + 0.1 * torch.randn_like(waveforms), lengths)


class Unregistered(Good):
    """A drawn number that no state holds."""

    def __init__(self, config):
        super().__init__(config)
        self.scale = torch.rand(()) + 0.5

    def embed(self, waveforms, lengths):
        return self.scale * super().embed(waveforms, lengths)


class Writes(Good):
    """Changes what it is given."""

    def forward(self, waveforms, lengths):
        return super().forward(waveforms.mul_(0.5), lengths)
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoders") / "encoders.py"
    path.write_text(ENCODERS)
    return path


def examined(file: Path, name: str, **options: int) -> dict[str, contracts.Finding]:
    with trust.command([f"{file}:{name}"]):
        findings = contracts.examine("backbone", f"{file}:{name}", **options)
    return {finding.check: finding for finding in findings}


@pytest.mark.parametrize(("name", "options"), [("Good", {}), ("Good", {"size": 9}), ("PaddedAndSaysSo", {})])
def test_a_good_encoder_passes(file: Path, name: str, options: dict[str, int]) -> None:
    findings = examined(file, name, **options)
    assert not [finding for finding in findings.values() if finding.passed is False]
    assert [check for check, finding in findings.items() if finding.passed is None] == ["export"][name == "Good" :]
    assert findings["shapes"].value == options.get("size", 6)


@pytest.mark.parametrize(
    ("name", "check", "says"),
    [
        ("Padded", "batch mates", "beside longer ones, which pad it"),
        ("Neighbors", "batch mates", "beside others of its length"),
        ("Double", "shapes", "float64"),
        ("Wide", "shapes", r"gives \(2, 7\) for 2 utterances"),
        ("Uncounted", "parameters", "says 2,407 parameters, there are 2,406"),
        ("Loudness", "silence", "NaN or infinite"),
        ("Impatient", "short", "of 1 samples: 6 of 6"),
        ("Dither", "seed", "different embeddings"),
        ("Unregistered", "saved weights", "other embeddings"),
        ("Writes", "shapes", "changes the waveforms"),
    ],
)
def test_a_broken_encoder_is_told(file: Path, name: str, check: str, says: str) -> None:
    finding = examined(file, name)[check]
    assert finding.passed is False
    assert re.search(says, finding.measured), finding
    assert finding.advice
