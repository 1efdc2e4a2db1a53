"""SpeechBrain's hub checkpoints give SpeechBrain's embeddings, alone and in a padded batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests import peers
from tests.contracts import small
from voxboard import backbones
from voxboard.backbones import speechbrain_checkpoints
from voxboard.backbones.speechbrain_checkpoints import KNOWN, fetch, sizes_of
from voxboard.errors import UserError

BINS = {"ecapa": 40, "xvector": 24}


def published(kind: str, folder: Path) -> nn.Module:
    """SpeechBrain's own network with random weights and statistics, saved as the hub has it."""
    torch.manual_seed(0)
    if kind == "ecapa":
        sizes = {"attention_channels": 8, "res2net_scale": 4, "se_channels": 8, "lin_neurons": 12}
        model = peers.ECAPA_TDNN(BINS[kind], channels=[16, 16, 16, 16, 24], **sizes)
    else:
        model = peers.Xvector(in_channels=BINS[kind], tdnn_channels=[16, 16, 16, 16, 24], lin_neurons=12)
    small.settle(model)
    torch.save(model.state_dict(), folder / "embedding_model.ckpt")
    return model


def embed(model: nn.Module, bins: int, waveform: Tensor) -> Tensor:
    """SpeechBrain's pipeline: its features, its mean normalisation, its network; [1, E]."""
    features = peers.Fbank(n_mels=bins)(waveform)
    normalize = peers.InputNormalization(norm_type="sentence", std_norm=False)
    return model(normalize(features, torch.ones(len(waveform))))[:, 0]


@pytest.fixture(params=["ecapa", "xvector"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which network; SpeechBrain's x-vector adds noise of up to 9e-5 to every mean, which is left out here."""
    silent = lambda self, size, device="cpu": torch.zeros(size, device=device)  # noqa: E731
    monkeypatch.setattr(peers.StatisticsPooling, "_get_gauss_noise", silent)
    return request.param


@pytest.mark.smoke
@torch.no_grad()
def test_embeds_as_speechbrain_alone_and_in_a_padded_batch(kind: str, tmp_path: Path) -> None:
    model = published(kind, tmp_path)
    backbone = backbones.create(f"speechbrain:{tmp_path}", use_pretrain=True).eval()
    pooler = backbone.native_pooler()
    assert pooler is not None
    pooler.eval()
    lengths = [20_000, 16_123, 3_000, 1_600]
    waveforms, counts = small.audio(*lengths)
    together = pooler(backbone(waveforms, counts))
    for row, length in enumerate(lengths):
        waveform = waveforms[row : row + 1, :length]
        expected = embed(model, BINS[kind], waveform)
        small.assert_close(pooler(backbone(waveform, counts[row : row + 1])), expected)
        small.assert_close(together[row : row + 1], expected)


@pytest.mark.parametrize("level", [1.0, 1e-3, 0.0])
def test_features_are_speechbrains(level: float) -> None:
    from voxboard.backbones.speechbrain_layers import DecibelFbank

    waveform = level * small.audio(12_345)[0]
    features, frames = DecibelFbank(80)(waveform, torch.tensor([12_345]))
    assert frames.tolist() == [78]
    assert torch.allclose(features, peers.Fbank(n_mels=80)(waveform), atol=1e-4)


def test_sizes_come_from_the_checkpoint(kind: str, tmp_path: Path) -> None:
    published(kind, tmp_path)
    random, loaded = (backbones.create(f"speechbrain:{tmp_path}", use_pretrain=use).eval() for use in (False, True))
    assert random.spec.frames == loaded.spec.frames
    assert random.spec.frames.size == 24
    assert random.fingerprint() != loaded.fingerprint()
    assert loaded.spec.weights_licence == "see the checkpoint's card"
    assert loaded.features.mel.shape == (201, BINS[kind])


def test_the_known_checkpoints_have_speechbrains_default_sizes() -> None:
    ecapa = peers.ECAPA_TDNN(80, channels=[1024, 1024, 1024, 1024, 3072])
    assert sizes_of(ecapa.state_dict(), "") == KNOWN["speechbrain/spkrec-ecapa-voxceleb"]
    assert sizes_of(peers.Xvector(in_channels=24).state_dict(), "") == KNOWN["speechbrain/spkrec-xvect-voxceleb"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("speechbrain-ecapa", {"use_pretrain": True}, "Cannot fetch embedding_model.ckpt"),
        ("speechbrain:org/name", {}, "speechbrain:/path/to/folder"),
        ("speechbrain:/no/such/folder", {}, "There is no file /no/such/folder/embedding_model.ckpt"),
        ("speechbrain-xvector", {"scale": 4}, "The x-vector has no scale"),
        ("speechbrain-ecapa", {"channels": 20}, "cannot be cut into 8 groups"),
    ],
)
def test_mistakes_are_explained(
    name: str, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(speechbrain_checkpoints, "hub", lambda: {"local_files_only": True})
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=words):
        backbones.create(name, **options)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2, 3)}, tmp_path / "embedding_model.ckpt")
    with pytest.raises(UserError, match="neither SpeechBrain's ECAPA-TDNN nor its x-vector"):
        backbones.create(f"speechbrain:{tmp_path}")
    torch.save({"fc.weight": nn.Linear}, tmp_path / "embedding_model.ckpt")
    with pytest.raises(UserError, match="would have to execute code"):
        fetch(str(tmp_path))
    published("ecapa", tmp_path)
    with pytest.raises(UserError, match="keeps its sizes"):
        backbones.create(f"speechbrain:{tmp_path}", use_pretrain=True, channels=32)
