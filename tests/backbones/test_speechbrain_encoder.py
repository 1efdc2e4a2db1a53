"""SpeechBrain's own classes as backbones: its embeddings, beside any others, and no other code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests import peers
from tests.contracts import small
from voxboard import backbones
from voxboard.errors import UserError

BINS = 24
TDNN = {"tdnn_channels": [16, 16, 16, 16, 24], "lin_neurons": 12}
CASES: dict[str, tuple[str, type[nn.Module], dict[str, Any]]] = {
    "resnet": ("ResNet:ResNet", peers.ResNet, json.loads(small.RESNET)),
    "ecapa": ("ECAPA_TDNN:ECAPA_TDNN", peers.ECAPA_TDNN, {"channels": [16] * 4 + [24], "lin_neurons": 12}),
    "xvector": ("Xvector:Xvector", peers.Xvector, TDNN),
}


def named(encoder: str, **options: Any) -> backbones.base.Backbone:
    return backbones.create("speechbrain", encoder=f"speechbrain.lobes.models.{encoder}", bins=BINS, **options)


def embed(model: nn.Module, waveform: Tensor) -> Tensor:
    """Return [1, E] by SpeechBrain's pipeline: its features, its mean normalization, its network."""
    features = peers.Fbank(n_mels=BINS)(waveform)
    normalize = peers.InputNormalization(norm_type="sentence", std_norm=False)
    return model(normalize(features, torch.ones(len(waveform)))).reshape(len(waveform), -1)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_a_checkpoint_gives_speechbrains_embeddings_also_beside_longer_utterances(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = lambda self, size, device="cpu": torch.zeros(size, device=device)  # noqa: E731
    monkeypatch.setattr(peers.StatisticsPooling, "_get_gauss_noise", silent)
    encoder, made, options = CASES[case]
    size = "in_channels" if case == "xvector" else "input_size"
    torch.manual_seed(0)
    model = small.settle(made(**{size: BINS}, **options))
    torch.save(model.state_dict(), tmp_path / "embedding_model.ckpt")
    backbone = named(encoder, options=json.dumps(options), cfg=str(tmp_path), use_pretrain=True).eval()
    pooler = backbone.native_pooler()
    assert pooler is not None
    lengths = [20_000, 16_123, 3_000, 1_600]
    waveforms, counts = small.audio(*lengths)
    together = pooler.eval()(backbone(waveforms, counts))
    for row, length in enumerate(lengths):
        small.assert_close(together[row : row + 1], embed(model, waveforms[row : row + 1, :length]))


def test_the_resnet_of_the_hub_is_the_class_at_its_defaults() -> None:
    backbone = backbones.create("speechbrain-resnet")
    assert {key.removeprefix("network."): value.shape for key, value in backbone.state_dict().items()} == {
        key: value.shape for key, value in peers.ResNet().state_dict().items()
    }
    assert backbone.spec.batching == "equal-length"
    assert backbone.spec.frames.size == 256


def test_an_encoder_that_does_not_pool_gives_frames_at_its_own_rate() -> None:
    options = {"input_shape": [None, None, BINS], "cnn_blocks": 1, "cnn_channels": [4], "rnn_layers": 1}
    options |= {"rnn_neurons": 8, "time_pooling": True, "time_pooling_size": 4}
    backbone = named("CRDNN:CRDNN", options=json.dumps(options)).eval()
    frames = backbone(*small.audio(16_000, 8_000))
    assert backbone.spec.frames.native is None
    assert backbone.spec.frames.hop == pytest.approx(0.04)
    assert frames.lengths[0] * frames.hop == pytest.approx(1.0, abs=0.1)
    assert frames.lengths[0] > frames.lengths[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": "os:system"}, "is no encoder of SpeechBrain's"),
        ({"encoder": "speechbrain.lobes.models.ResNet.os:system"}, "cannot be imported"),
        ({"encoder": "speechbrain.lobes.models.ResNet:conv3x3"}, "is no network"),
        ({"encoder": "speechbrain.lobes.models.ResNet:Linear"}, "is no network"),
        ({"encoder": "speechbrain.lobes.models.NoSuch:Net"}, "cannot be imported"),
        ({"options": "{"}, "no JSON"),
        ({"options": "[1]"}, "no JSON object"),
        ({"options": '{"chanels": [1]}'}, "did you mean 'channels'|channels"),
        ({"options": '{"device": "/tmp/x"}'}, "name no files"),
        ({"options": '{"channels": [8]}'}, "cannot be built"),
        ({"encoder": "speechbrain.lobes.models.ResNet:BasicBlock"}, "cannot be built"),
        ({"use_pretrain": True, "cfg": "/no/such/folder"}, "There is no file /no/such/folder/embedding_model.ckpt"),
    ],
)
def test_mistakes_are_explained(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        backbones.create("speechbrain", **options)


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"fc_embed.weight": nn.Linear}, tmp_path / "embedding_model.ckpt")
    with pytest.raises(UserError, match="would have to execute code"):
        backbones.create("speechbrain-resnet", cfg=str(tmp_path), use_pretrain=True)


def test_importing_speechbrain_changes_nothing_of_this_process() -> None:
    code = (
        "import torch, sys, os; from voxboard.backbones.speechbrain_encoder import encoder_class; "
        "before = dict(os.environ), torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32; "
        "encoder_class('speechbrain.lobes.models.ResNet:ResNet'); "
        "after = dict(os.environ), torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32; "
        "assert before == after; "
        "assert not [n for n, m in sys.modules.items() if type(m).__name__.endswith('LazyModule')"
        " and n.startswith('speechbrain')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
