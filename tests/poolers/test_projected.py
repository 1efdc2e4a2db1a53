"""The embedding layer behind poolers on frozen backbones."""

from __future__ import annotations

import pytest

from voxboard import model, systems
from voxboard.api import configure
from voxboard.cli.train import read

ECAPA = "ecapa(channels=8, frame_size=16)"


@pytest.mark.parametrize("pooler", ["mean", "statistics", "asp(bottleneck=4)", "weighted(pooler='asp(bottleneck=4)')"])
def test_every_pooler_on_a_frozen_backbone_gets_the_same_layer(pooler: str) -> None:
    config = configure("Voices", f"{ECAPA}+{pooler}", frz_pretrain=True)
    network = model.build(config.system, 3, seed=0, frozen=True)
    layer = [parameter for name, parameter in network.encoder.named_parameters() if name.startswith("pooler.layer")]
    assert network.encoder.pooler.embedding_size == 192
    assert sum(p.numel() for p in layer if p.requires_grad) > 192 * 16
    assert "projected" in config.system.spec
    assert systems.parse(config.system.spec).pooler == config.system.pooler  # its text says all of it


def test_the_layer_is_left_out_on_request_and_where_the_backbone_learns() -> None:
    assert configure("Voices", f"{ECAPA}+asp", frz_pretrain=True, embedding_layer=0).system.pooler.name == "asp"
    assert configure("Voices", f"{ECAPA}+asp").system.pooler.name == "asp"
    assert configure("Voices", f"{ECAPA}+projected(size=8)", frz_pretrain=True).system.embedding_layer == 8


def test_a_named_system_stays_as_it_was_published() -> None:
    assert configure("Voices", "UniPool", frz_pretrain=True).system.pooler.name == "unipool"


def test_the_command_of_a_run_gives_the_layer_again() -> None:
    config = configure("Voices", f"{ECAPA}+mean", frz_pretrain=True, embedding_layer=64)
    words = config.command()
    assert "projected" not in " ".join(words)
    assert read(words[1:]).system == config.system
