"""The measurements behind docs/scale.md: `python -m tests.perf.scale`, six minutes on a quiet machine.

Everything is processor time of one thread, or a ratio of such in the same rounds. Prints the measurements and the
tables; with `--write` they become docs/scale.json and the tables of docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from tests.cuts import noise_cuts
from tests.perf.measure import interleaved
from tests.perf.scale_costs import CROP, MEASURED, PAGE, TABLES, filled
from voxboard import backbones, catalogue, heads, poolers
from voxboard.backbones.base import Backbone
from voxboard.backbones.frames import Frames
from voxboard.data import targets, tokens
from voxboard.data.batches import Crops, batches, shuffled

BACKBONES = ("xvector", "ecapa", "zipformer", "wav2vec2-base", "wavlm-base-plus", "wavlm-large")
HEADS = 4  # the x-vector's 1,500 features have no 16 slices
POOLERS: dict[str, dict[str, Any]] = {
    **{"mean": {}, "statistics": {}, "asp": {}, "mha": {"heads": HEADS}, "double-mha": {"heads": HEADS}},
    "unipool": {},
}
SPEAKERS = 5_994
FEW = 2  # crops of a smaller batch, which tells apart what a step costs per crop and whatever the batch
PRODUCT = 2048  # rows of the matrices
FILES, FILE_SECONDS = 64, 8.0  # about VoxCeleb's mean
RATE = 16_000
RECORD_BYTES = 50_000  # with curves of ten thousand trials and more


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--write", action="store_true", help="docs/scale.json, and the tables of docs/scale.md")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = everything(asked.backbones, asked.batch, asked.rounds)
    if asked.write:
        MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    print("\n\n".join(make(found) for make in TABLES.values()))
    print(json.dumps(found))


def everything(names: list[str], batch: int, rounds: int) -> dict[str, Any]:
    """All measurements, as docs/scale.json has them."""
    matrix = torch.rand(PRODUCT, PRODUCT)
    load = os.getloadavg()[0]
    products: list[float] = []
    measured = {name: _backbone(name, batch, rounds, matrix, products) for name in names}
    return {
        "machine": {
            "cpu": _cpu(),
            "torch": torch.__version__.partition("+")[0],
            "batch": batch,
            "seconds": CROP,
            "rounds": rounds,
            "load": round(load, 1),
        },
        "matrix_product": round(float(np.median(products))),
        "backbones": measured,
        "reading": {kind: {"crops_per_core_second": round(_reading(kind, rounds), 1)} for kind in ("wav", "flac")},
        "record_bytes": RECORD_BYTES,
    }


def _backbone(name: str, batch: int, rounds: int, matrix: torch.Tensor, products: list[float]) -> dict[str, Any]:
    """One backbone's frozen forward against matrix products, and steps of probes against the forward."""
    torch.manual_seed(0)
    network: Backbone = backbones.create(name).requires_grad_(False).eval()
    samples = int(CROP * RATE)
    waveforms, lengths = 0.1 * torch.randn(batch, samples), torch.full((batch,), samples)
    with torch.no_grad():
        frames = network(waveforms, lengths)
    cost = catalogue.measured()["backbone"][name]["multiply_adds"]
    probes = {pooler: _probe(pooler, network, frames) for pooler in POOLERS}
    for step, _, _ in probes.values():
        step(batch)

    def forward() -> None:
        with torch.no_grad():
            network(waveforms, lengths)

    repeats = max(1, round(batch * cost / PRODUCT**3))  # as much work as the forward

    def product() -> None:
        for _ in range(repeats):
            matrix @ matrix

    ways: dict[str, Callable[[], object]] = {
        f"{pooler} {crops}": partial(step, crops) for pooler, (step, _, _) in probes.items() for crops in (batch, FEW)
    }
    took = interleaved(rounds, time.process_time, forward=forward, product=product, **ways)
    products.append(repeats * PRODUCT**3 / took["product"])
    spec = network.spec
    return {
        "parameters": spec.parameters,
        "multiply_adds": cost,
        "share": round(batch * cost / took["forward"] / products[-1], 4),
        "frame_bytes_per_second": round(4 * spec.frames.layers * spec.frames.size / spec.frames.hop),
        "poolers": {
            pooler: {
                **_parts(took[f"{pooler} {batch}"], took[f"{pooler} {FEW}"], batch, took["forward"] / batch),
                "parameters": parameters,
                "embedding": embedding,
            }
            for pooler, (_, parameters, embedding) in probes.items()
        },
    }


def _parts(many: float, few: float, batch: int, crop: float) -> dict[str, float]:
    """What a step costs per crop, and besides (weights are moved), in forwards of one crop."""
    each = (many - few) / (batch - FEW)
    return {"per_crop": round(each / crop, 4), "per_step": round((many - batch * each) / crop, 2)}


def _probe(name: str, network: Backbone, frames: Frames) -> tuple[Callable[[int], None], int, int]:
    """A training step on so many of known frames, the number of weights, and the embedding's size."""
    pooler = poolers.create(name, network.spec.frames, **POOLERS[name]).train()
    head = heads.create("aam", pooler.embedding_size, SPEAKERS).train()
    weights = [*pooler.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights)
    labels = torch.arange(len(frames.lengths)) % SPEAKERS

    def step(crops: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        some = Frames(frames.states[:crops], frames.lengths[:crops], frames.hop)
        head.loss(pooler(some), labels[:crops]).backward()
        optimizer.step()

    return step, sum(weight.numel() for weight in weights), pooler.embedding_size


def _reading(kind: str, rounds: int) -> float:
    """Crops of 3 s per second that one process reads of files of 8 s, which the system has in memory."""
    with tempfile.TemporaryDirectory() as place:
        cuts = noise_cuts(Path(place), [FILE_SECONDS] * FILES)
        for number, cut in enumerate(cuts):
            path = Path(place) / f"{number}.{kind}"
            soundfile.write(path, _speechlike(number), RATE)
            cut.recording.sources[0].source = str(path)
        learned = targets.learn({"speaker": "classes"}, cuts, lambda texts: tokens.make("characters", texts, "none"))
        crops = Crops(cuts, learned, int(CROP * RATE), RATE, seed=0, skip_bad=False)
        plan = shuffled(len(cuts), 8, 0)
        best = 0.0
        for _ in range(rounds + 1):  # the first fills the system's memory
            started = time.process_time()
            count = sum(len(batch.lengths) for batch in batches(crops, plan, 0, 4 * FILES // 8, 0))
            best = max(best, count / (time.process_time() - started))
    return best


def _speechlike(seed: int) -> np.ndarray:
    """Noise that falls with frequency and comes in bursts of 0.2 s: FLAC has something to predict."""
    noise = np.random.default_rng(seed).standard_normal(int(FILE_SECONDS * RATE))
    coloured = np.convolve(noise, np.exp(-np.arange(32) / 4), mode="same")
    envelope = np.abs(np.sin(np.arange(len(noise)) * np.pi / (0.2 * RATE)))
    return (0.05 * coloured * envelope).astype(np.float32)


def _cpu() -> str:
    """The processor's name, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
