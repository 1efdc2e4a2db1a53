"""How the encoders of today are run on voxboard's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.conftest import DATA
from tests.parity.reference_fixture import Fixture
from voxboard import backbones, poolers, published
from voxboard.backbones import resemblyzer as voice
from voxboard.backbones.campplus import Campplus
from voxboard.backbones.features import normalize
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.backbones.redimnet import ReDimNetShape, pooling_of
from voxboard.backbones.resemblyzer import Resemblyzer
from voxboard.poolers.statistics import weighted_statistics
from voxboard.reference_weights import load_reference

Outputs = Mapping[str, Any]
BLOCK = 480  # samples of a window of the voice activity detector, 30 ms


def campplus(fixture: Fixture) -> Outputs:
    """Waveforms [B, N] → every stage of CAM++."""
    ctor = fixture.ctor
    size = ctor["embedding_size"]
    backbone = backbones.create(
        "campplus",
        weights="random",
        bins=ctor["feat_dim"],
        growth=ctor.get("growth_rate", 32),
        bottleneck=ctor.get("bn_size", 4),
        channels=ctor.get("init_channels", 128),
        embedding=size,
    ).eval()
    assert isinstance(backbone, Campplus)
    pooler = backbone.native_pooler()
    assert pooler is not None
    load_reference("campplus", fixture.weights, backbone=backbone, pooler=pooler.eval())
    waves, lengths = _batch(fixture)
    fbank, steps = backbone.features(waves, lengths)
    features = normalize(fbank, steps, "mean")
    head = backbone.head(features.transpose(1, 2)[:, None], _padded(steps, features.shape[1]))
    stages = backbone.xvector(head, (steps - 1) // 2 + 1)
    frames = backbone(waves, lengths)
    inner: Any = pooler.pooler  # type: ignore[union-attr]
    outputs = {"fbank": fbank, "features": features, "head": head, **stages, "embedding": pooler(frames)}
    return {**outputs, "stats": inner.statistics(frames.states[:, 0], frames.mask)}


def _padded(steps: Tensor, longest: int) -> Tensor | None:
    mask = torch.arange(longest)[None] >= steps[:, None]
    return mask if bool(mask.any()) else None


def _batch(fixture: Fixture) -> tuple[Tensor, Tensor]:
    """Waveforms [B, N] and lengths [B]: those of the fixture, else all of a row."""
    waves = fixture.inputs["waveform"]
    whole = torch.full((len(waves),), waves.shape[1])
    return waves, fixture.inputs.get("lengths", whole)


def campplus_real(fixture: Fixture) -> Outputs:
    """Utterances of a data pack → the published network's embeddings and their cosines."""
    backbone = _published(fixture, "campplus")
    pooler = backbone.native_pooler().eval()
    rows = [pooler(backbone(wave[None], torch.tensor([len(wave)])))[0] for wave in _utterances(fixture)]
    return {"embedding": torch.stack(rows), "cosine": _cosines(rows)}


def resemblyzer(fixture: Fixture) -> Outputs:
    """Waveforms and decisions of a voice activity detector → every stage, with and without trimming."""
    ctor = fixture.ctor
    backbone = backbones.create(
        "resemblyzer",
        weights="random",
        rate=ctor["rate"],
        coverage=ctor["min_coverage"],
        hidden=ctor["model_hidden_size"],
        layers=ctor["model_num_layers"],
        embedding=ctor["model_embedding_size"],
    ).eval()
    load_reference("resemblyzer", fixture.weights, backbone=backbone)
    outputs: dict[str, Any] = {}
    number = 0
    while f"waveform{number}" in fixture.inputs:
        wave, flags = fixture.inputs[f"waveform{number}"], fixture.inputs[f"vad_flags{number}"]
        trimmed = _trimmed(wave, flags)
        stages = {
            "gain": voice.gain(wave[None], torch.tensor([len(wave)])),
            "kept_samples": np.array([len(trimmed)]),
            **_stages(backbone, trimmed),
            "embedding_untrimmed": _embedded(backbone, _raised(wave)),
        }
        first = len(fixture.outputs.get(f"mel{number}", ()))  # some fixtures keep the first frames alone
        stages["mel"] = stages["mel"][:first]
        outputs |= {f"{name}{number}": value for name, value in stages.items()}
        number += 1
    return outputs


def resemblyzer_real(fixture: Fixture) -> Outputs:
    """Utterances of a data pack → the published network's embeddings, with and without trimming."""
    backbone = _published(fixture, "resemblyzer")
    waves = _utterances(fixture)
    trimmed = [_trimmed(wave, fixture.inputs[f"vad_flags{number}"]) for number, wave in enumerate(waves)]
    rows = [_embedded(backbone, wave) for wave in trimmed]
    return {
        "kept_samples": np.array([len(wave) for wave in trimmed]),
        "embedding": torch.stack(rows),
        "embedding_untrimmed": torch.stack([_embedded(backbone, _raised(wave)) for wave in waves]),
        "cosine": _cosines(rows),
    }


def _raised(wave: Tensor) -> Tensor:
    return voice.raised(wave[None], torch.tensor([len(wave)]))[0]


def _trimmed(wave: Tensor, flags: Tensor) -> Tensor:
    """A raised waveform [N] without the blocks that a voice activity detector calls silent, as Resemblyzer smooths."""
    loud = _raised(wave)
    loud = loud[: len(loud) // BLOCK * BLOCK]
    means = F.pad(flags.double(), (3, 4)).unfold(0, 8, 1).mean(-1)
    speech = F.pad(means.round(), (3, 3)).unfold(0, 7, 1).amax(-1) > 0
    return loud.unflatten(0, (-1, BLOCK))[speech].flatten()


def _stages(backbone: Resemblyzer, wave: Tensor) -> dict[str, Any]:
    """What becomes of a waveform that is raised already."""
    lengths = torch.tensor([len(wave)])
    starts = np.arange(int(backbone.windows(lengths))) * backbone.step * voice.HOP
    padded = F.pad(wave, (0, max(0, int(starts[-1]) + voice.WINDOW * voice.HOP - len(wave))))
    mels = backbone.mels(padded[None])[0]
    windows = torch.stack([mels[start // voice.HOP :][: voice.WINDOW] for start in starts])
    partials = backbone.partials(windows)
    return {"mel": mels, "starts": starts, "partials": partials, "embedding": F.normalize(partials.mean(0), dim=0)}


def _embedded(backbone: Resemblyzer, wave: Tensor) -> Tensor:
    """The embedding [E] by the backbone's own way; raising twice changes nothing."""
    frames = backbone(wave[None], torch.tensor([len(wave)]))
    return F.normalize(frames.states[0, 0].mean(0), dim=0)


def _published(fixture: Fixture, name: str) -> Any:
    if not published.is_here(name):
        pytest.skip(f"the published weights are not here: {published.entry(name).command}")
    source = published.entry(name).source
    assert fixture.config["weights"]["sha256"] in {file.sha256 for file in source.files}
    return backbones.create(name).eval()


def _utterances(fixture: Fixture) -> list[Tensor]:
    """The waveforms that a fixture names by their ids."""
    folder = DATA / fixture.config["data"]
    if not folder.is_dir():
        pytest.skip("no real data: VOXBOARD_DATA names no folder")
    waves = [_read(folder, name) for name in fixture.config["utterances"]]
    assert [len(wave) for wave in waves] == fixture.inputs["samples"].tolist()
    return waves


def _read(folder: Path, name: str) -> Tensor:
    path = folder / name
    if not path.is_file():
        (path,) = (file for file in folder.rglob(f"{name}.*") if file.suffix in (".flac", ".wav"))
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == voice.RATE
    return torch.from_numpy(samples[:, 0].copy())


def _cosines(rows: Sequence[Tensor]) -> Tensor:
    unit = F.normalize(torch.stack(list(rows)), dim=-1)
    return unit @ unit.T


def speaker_resnet(fixture: Fixture) -> Outputs:
    """Waveforms [B, N] → every stage of ERes2Net, ERes2NetV2 or a ResNet of WeSpeaker's."""
    ctor = fixture.ctor
    options: dict[str, Any] = {
        "channels": ctor.get("m_channels", 32),
        "blocks": tuple(ctor.get("num_blocks", (3, 4, 6, 3))),
        "bins": ctor.get("feat_dim", 80),
        "embedding": fixture.option("embedding_size", "embed_dim", default=192),
        "second": bool(ctor.get("two_emb_layer", False)),
    }
    name = "wespeaker-resnet34"
    if fixture.component == "wespeaker_resnet":
        options["block"] = "bottleneck" if "ottle" in ctor.get("block", "BasicBlock") else "basic"
    else:
        name = fixture.component
        usual = (26, 2, 2) if name == "eres2netv2" else (32, 2, 2)
        for ours, theirs, default in zip(
            ("width", "scale", "expansion"), ("baseWidth", "scale", "expansion"), usual, strict=True
        ):
            options[ours] = ctor.get(theirs, default)
    backbone: Any = backbones.create(name, weights="random", **options).eval()
    pooler: Any = backbone.native_pooler().eval()
    load_reference("speaker-resnet", fixture.weights, backbone=backbone, pooler=pooler)
    waves, lengths = _batch(fixture)
    fbank, steps = backbone.features(waves, lengths)
    features = normalize(fbank, steps, "mean")
    maps, _ = backbone.stages(features.transpose(1, 2)[:, None], steps)
    frames = backbone(waves, lengths)
    pool = pooler.pooler.statistics(frames.states[:, 0].masked_fill(~frames.mask[..., None], 0.0), frames.mask)
    embedding = pooler(frames)
    return {
        "fbank": fbank,
        "features": features,
        **maps,
        "pool": pool,
        "embedding_a": pooler.pooler.seg_1(pool),
        "embedding": embedding,
    }


def wespeaker_onnx(fixture: Fixture) -> Outputs:
    """Waveforms [B, N] → features and embeddings of a file whose metadata names its toolkit."""
    encoder: Any = backbones.create(f"onnx:{fixture.folder / fixture.config['weights']['file']}")
    waves, lengths = _batch(fixture)
    features, frames = encoder.fbank(waves, lengths)
    return {"features": normalize(features, frames, "mean"), "embedding": encoder(waves, lengths)}


def redimnet(fixture: Fixture) -> Outputs:
    """Waveforms [B, N], of `lengths` [B] where they are given → every stage of ReDimNet."""
    backbone: Any = backbones.create("redimnet", size="b0")
    shape = ReDimNetShape.of(fixture.ctor)
    backbone.build(shape)
    spec = FramesSpec(1, backbone.size, shape.hop / 16_000)
    backbone.spec = replace(backbone.spec, frames=spec)
    backbone.eval()
    pooler: Any = poolers.create("redimnet-pool", spec, **pooling_of(shape)).eval()
    load_reference("redimnet", fixture.weights, backbone=backbone, pooler=pooler)
    waves, lengths = _batch(fixture)
    frames = backbone(waves, lengths)
    pool = pooler.statistics(frames.states[:, 0], frames.mask)
    normed = pooler.bn(pool)
    outputs = {"pool": pool, "bn": normed, "linear": pooler.linear(normed), "embedding": pooler(frames)}
    if bool((lengths == waves.shape[1]).all()):
        features = backbone.features(waves)
        outputs |= {"features": features, **backbone.backbone(features)}
    return outputs


def weighted_stats_pool(fixture: Fixture) -> Outputs:
    """Sequences [B, C, T] and weights [B, S, T'] → statistics without weights, and of every speaker."""
    sequences, weights = fixture.inputs["sequences"], fixture.inputs["weights"]
    return {
        "unweighted": weighted_statistics(sequences, None),
        "weighted": weighted_statistics(sequences, weights),
    }


def mhfa(fixture: Fixture) -> Outputs:
    """Hidden states [L, B, T, D] → attention, pooled values and embedding."""
    ctor = fixture.ctor
    states = fixture.inputs["hidden_states"].transpose(0, 1)
    spec = FramesSpec(states.shape[1], states.shape[3], input_layer=True)
    sizes = {"heads": ctor["head_nb"], "compression": ctor["compression_dim"], "project": ctor["outputs_dim"]}
    pooler: Any = poolers.create("mhfa", spec, **sizes).eval()
    load_reference("mhfa", fixture.weights, pooler=pooler)
    lengths = fixture.inputs.get("lengths", torch.full((len(states),), states.shape[2]))
    frames = Frames(states, lengths, spec.hop)
    attention = pooler.attention(states, frames.mask)
    return {"attention": attention, "pooled": pooler.pool(states, attention), "embedding": pooler(frames)}


ADAPTERS: dict[str, Callable[[Fixture], Outputs]] = {
    "campplus": campplus,
    "campplus_real": campplus_real,
    "resemblyzer": resemblyzer,
    "resemblyzer_real": resemblyzer_real,
    "eres2net": speaker_resnet,
    "eres2netv2": speaker_resnet,
    "wespeaker_resnet": speaker_resnet,
    "redimnet": redimnet,
    "wespeaker_onnx": wespeaker_onnx,
    "weighted_stats_pool": weighted_stats_pool,
    "mhfa": mhfa,
}
