"""Speed of single parts on one thread, beside plain versions, their matrix products, SpeechBrain: `make bench`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from tests.peers import ECAPA_TDNN
from tests.perf.measure import interleaved, report
from voxboard import backbones, poolers
from voxboard.backbones.frames import Frames, FramesSpec

pytestmark = pytest.mark.perf


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


class PlainUniPool:
    """UniPool as its description reads (arXiv 2409.07770), step by step on [B, C, L, T], in evaluation."""

    def __init__(self, weights: dict[str, Tensor], layers: int) -> None:
        self.weights = weights
        self.layers = layers

    def __call__(self, states: Tensor) -> Tensor:
        """Layers [B, L, T, D] → [B, pool_dim]."""
        net = "d3net.densenet.0.m."
        x = self.norm("d3net.projection.1", self.conv("d3net.projection.0", states.permute(0, 3, 1, 2)))
        x = self.speech(x)
        done = [self.conv(f"{net}0.projection", x)]
        for stage in range(3):
            branches = [self.branch(f"{net}0.dense.{stage}.mdconv.{j}", done[j], 2**j) for j in range(stage + 1)]
            done.append(torch.stack(branches).sum(0))
        dense = torch.cat(done, 1)
        scale = self.squeeze(f"{net}1.avg_se", dense.mean((2, 3), keepdim=True))
        scale = scale + self.squeeze(f"{net}1.max_se", dense.amax((2, 3), keepdim=True))
        return self.over_time(self.over_layers(2 * x + dense * scale.sigmoid()))

    def speech(self, x: Tensor) -> Tensor:
        block = "d3net.vadnet.0"
        mixed = []
        for layer in range(self.layers):
            weight = self.weights[f"{block}.superb.{layer}.score_vector"].softmax(0)
            mixed.append((x * weight[:, None]).sum(2))
        x = torch.stack(mixed, 2)
        logits = (x * self.weights[f"{block}.weight"].permute(1, 0, 2)).sum(1) + self.weights[f"{block}.bias"][..., 0]
        return x * logits.sigmoid()[:, None]

    def branch(self, name: str, x: Tensor, dilation: int) -> Tensor:
        return self.conv(f"{name}.2", self.norm(f"{name}.0", x).relu(), padding=dilation, dilation=dilation)

    def squeeze(self, name: str, x: Tensor) -> Tensor:
        return self.conv(f"{name}.4", self.norm(f"{name}.3", self.conv(f"{name}.1", x).relu()))

    def over_layers(self, x: Tensor) -> Tensor:
        x = self.conv("l_pool.in_projection.1", self.norm("l_pool.in_projection.0", x))
        heads = x.unflatten(1, (4, -1))  # [B, H, C / H, L, T]
        scores = self.mlp(heads.mean(2)) + self.mlp(heads.amax(2))
        x = (heads * scores.sigmoid()[:, :, None]).amax(3).flatten(1, 2)
        return self.norm("l_pool.out_projection.1", self.conv("l_pool.out_projection.0", x))

    def mlp(self, x: Tensor) -> Tensor:
        w1, b1, w2, b2 = (self.weights[f"l_pool.{name}"] for name in ("W1", "b1", "W2", "b2"))
        return ((x.transpose(2, 3) @ w1 + b1).relu() @ w2 + b2).transpose(2, 3)

    def over_time(self, x: Tensor) -> Tensor:
        mean, deviation = x.mean(2, keepdim=True), x.std(2, keepdim=True)
        context = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], 1)
        hidden = self.norm("t_pool.attention.2", self.conv("t_pool.attention.0", context).relu())
        weights = self.conv("t_pool.attention.3", hidden).softmax(2)
        mu = (weights * x).sum(2)
        sigma = ((weights * x.square()).sum(2) - mu.square()).clamp(min=1e-4).sqrt()
        pooled = self.norm("t_pool.attn_norm", torch.cat([mu, sigma], 1))
        pooled = F.linear(pooled, self.weights["t_pool.out_proj.weight"], self.weights["t_pool.out_proj.bias"])
        return self.norm("t_pool.out_norm", pooled)

    def conv(self, name: str, x: Tensor, **options: int) -> Tensor:
        function: Callable[..., Tensor] = F.conv2d if x.ndim == 4 else F.conv1d
        return function(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"), **options)

    def norm(self, name: str, x: Tensor) -> Tensor:
        values = (self.weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *values)


def test_unipool_is_faster_than_its_description() -> None:
    pooler = poolers.create("unipool", FramesSpec(13, 768, input_layer=True)).eval()
    plain = PlainUniPool(dict(pooler.state_dict()), 12)
    frames = Frames(torch.randn(1, 13, 149, 768), torch.tensor([149]), 0.02)
    with torch.inference_mode():
        assert (pooler(frames) - plain(frames.states[:, 1:])).abs().max() < 1e-5
        took = interleaved(15, ours=lambda: pooler(frames), plain=lambda: plain(frames.states[:, 1:]))
    report("UniPool, 3 s of 12 × 768, 1 thread", took, "≥ 1.3 × plain")
    assert took["plain"] > 1.3 * took["ours"]


class Products(TorchDispatchMode):
    """Notes every matrix product and convolution, to be done again on random tensors of the same shapes."""

    OPERATIONS = frozenset(
        getattr(torch.ops.aten, name).default for name in ("addmm", "mm", "bmm", "baddbmm", "convolution")
    )

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, list[Any]]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in self.OPERATIONS:
            random = [torch.randn(each.shape) if isinstance(each, Tensor) else each for each in args]
            self.calls.append((function, random))
        return function(*args, **(kwargs or {}))

    def again(self) -> None:
        for function, args in self.calls:
            function(*args)


@pytest.mark.parametrize("seconds", [3, 10])
def test_zipformer_takes_little_more_than_its_matrix_products(seconds: int) -> None:
    backbone = backbones.create("zipformer").eval()
    waveforms, lengths = 0.1 * torch.randn(1, 16_000 * seconds), torch.tensor([16_000 * seconds])
    with torch.no_grad(), Products() as products:
        backbone(waveforms, lengths)
    assert len(products.calls) > 400
    with torch.inference_mode():
        took = interleaved(9, ours=lambda: backbone(waveforms, lengths), products=products.again)
    report(f"Zipformer small, {seconds} s, 1 thread", took, f"≤ {ZIPFORMER} × its products")
    assert took["ours"] < ZIPFORMER * took["products"]


# Half of what goes beyond the products is the softplus of every hidden value: two transcendental functions each.
ZIPFORMER = 1.5


def _plain_sincnet(backbone: nn.Module, windows: Tensor) -> Tensor:
    """The whole batch at once through every layer."""
    net = backbone.sincnet
    x = F.conv1d(net.ln0(windows)[:, None], net.filters()).abs()
    for index, (norm, activation) in enumerate(zip(net.ln, net.activations, strict=True)):
        x = net.conv[index](x) if index else x
        x = activation(norm(F.max_pool1d(x, net.pools[index])))
    return backbone.dnn1(x.flatten(1))


def test_a_training_step_of_sincnet_is_faster_in_pieces() -> None:
    backbone = backbones.create("sincnet").train()
    windows = 0.1 * torch.randn(128, 6_000)
    target = torch.randn(128, 2_048)
    with torch.no_grad():
        assert (backbone.embed(windows[:9]) - _plain_sincnet(backbone, windows[:9])).abs().max() < 1e-4

    def step(embed: Callable[[Tensor], Tensor]) -> None:
        backbone.zero_grad()
        (embed(windows) * target).sum().backward()

    took = interleaved(3, ours=lambda: step(backbone.embed), plain=lambda: step(lambda x: _plain_sincnet(backbone, x)))
    report("SincNet, forward and backward of 128 windows, 1 thread", took, "≥ 1.2 × plain")
    assert took["plain"] > 1.2 * took["ours"]


def test_a_training_step_of_ecapa_is_not_slower_than_speechbrains() -> None:
    backbone = backbones.create("ecapa").train()
    pooler = poolers.create("native", backbone.spec.frames).train()
    sizes = {"channels": [512] * 4 + [1536], "kernel_sizes": [5, 3, 3, 3, 1], "dilations": [1, 2, 3, 4, 1]}
    peer = ECAPA_TDNN(80, attention_channels=256, lin_neurons=192, **sizes)
    features, lengths = torch.randn(32, 300, 80), torch.full((32,), 300)
    optimisers = [
        torch.optim.Adam([*backbone.parameters(), *pooler.parameters()]),
        torch.optim.Adam(peer.train().parameters()),
    ]

    def embed() -> Tensor:
        frames = backbone.frames(features.transpose(1, 2), lengths)
        return pooler(Frames(frames.transpose(1, 2)[:, None], lengths, 0.01))

    def step(network: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        network().square().sum().backward()
        optimizer.step()

    ways = {
        "ours": lambda: step(embed, optimisers[0]),
        "speechbrain": lambda: step(lambda: peer(features), optimisers[1]),
    }
    for way in ways.values():
        way()
    took = interleaved(3, **ways)
    report("ECAPA-TDNN, training step of 32 × 3 s, 1 thread", took, "≤ 1 × SpeechBrain")
    assert took["ours"] < took["speechbrain"]
