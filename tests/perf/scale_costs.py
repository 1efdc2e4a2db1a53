"""What VoxCeleb2 × 6 backbones × 6 poolers costs, worked out from docs/scale.json; docs/scale.md shows it.

Seconds are multiply-adds / (a GPU's peak × the share of the peak that was measured), the wait for audio where that is
longer, and the gradients' way over the link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE, MEASURED = ROOT / "docs" / "scale.md", ROOT / "docs" / "scale.json"

UTTERANCES = 1_092_009  # VoxCeleb2 dev
HOURS = 2_442 * UTTERANCES / 1_128_246  # of VoxCeleb2, dev and test, by the paper's table; dev's share by utterances
TESTED = 153_516  # utterances of VoxCeleb1, all of it: what Vox1-O, -E and -H name lies inside
TESTED_SECONDS = 8.28  # mean of VoxCeleb1's test part, from its list of durations
EPOCHS, CROP, BATCH = 5, 3.0, 128
STEPS = -(-EPOCHS * UTTERANCES // BATCH)
RATES = 3  # learning rates that every probe is trained with
BACKWARD = 3  # a step of an unfrozen network costs so many forwards
GPUS = (1, 8, 64)
PER_NODE = 8
FLOAT = 4

# Assumed, from NVIDIA's H100 SXM datasheet: 67 TFLOPS of float32, two per multiply-add; NVLink 900 GB/s, half each way.
PEAK = 67e12 / 2
NVLINK = 450e9
NETWORK = 50e9  # assumed: one 400 Gb/s adapter per GPU
CORES = 12  # assumed: CPU cores for reading, per GPU

Found = Mapping[str, Any]


def compute_seconds(one: Found, forwards: float, samples: float) -> float:
    """GPU seconds of so many crops of 3 s, `forwards` times each."""
    return samples * forwards * one["multiply_adds"] / (PEAK * one["share"])


def reading_seconds(found: Found, crops: float, gpus: int) -> float:
    """Seconds until the cores beside so many GPUs have read the crops, from FLAC."""
    return crops / (found["reading"]["flac"]["crops_per_core_second"] * CORES * gpus)


def exchange_seconds(parameters: float, gpus: int) -> float:
    """Of one step: a ring sends 2 (n - 1) / n of the gradient through every link, over the slowest of them."""
    link = NVLINK if gpus <= PER_NODE else NETWORK
    return 2 * (gpus - 1) / gpus * FLOAT * parameters / link


def probe_cost(pooler: Found, gpus: int = 1) -> float:
    """What a probe's step costs per crop, in forwards of the backbone; every GPU moves all weights for its crops."""
    return pooler["per_crop"] + pooler["per_step"] * gpus / BATCH


def probes_cost(one: Found, gpus: int = 1) -> float:
    """The same of all probes of a bank."""
    return RATES * sum(probe_cost(pooler, gpus) for pooler in one["poolers"].values())


def probe_parameters(one: Found) -> int:
    """Of all probes of a bank, heads included."""
    return RATES * sum(pooler["parameters"] for pooler in one["poolers"].values())


def tested_crops() -> float:
    """The audio of VoxCeleb1, in crops."""
    return TESTED * TESTED_SECONDS / CROP


def bank_hours(found: Found, name: str, gpus: int = 1) -> float:
    """A backbone's bank of 6 poolers × learning rates, and its test; on several GPUs by data parallelism."""
    one, crops = found["backbones"][name], STEPS * BATCH
    computed = compute_seconds(one, 1 + probes_cost(one, gpus), crops) / gpus
    trained = max(computed, reading_seconds(found, crops, gpus)) + STEPS * exchange_seconds(probe_parameters(one), gpus)
    return (trained + _tested(found, one, gpus)) / 3600


def single_hours(found: Found, name: str, pooler: str, frozen: bool, gpus: int = 1) -> float:
    """A single run and its test."""
    one, crops = found["backbones"][name], STEPS * BATCH
    own = one["poolers"][pooler]
    computed = compute_seconds(one, (1 if frozen else BACKWARD) + probe_cost(own, gpus), crops) / gpus
    weights = own["parameters"] + (0 if frozen else one["parameters"])
    trained = max(computed, reading_seconds(found, crops, gpus)) + STEPS * exchange_seconds(weights, gpus)
    return (trained + _tested(found, one, gpus)) / 3600


def _tested(found: Found, one: Found, gpus: int) -> float:
    heard = tested_crops()
    return max(compute_seconds(one, 1, heard) / gpus, reading_seconds(found, heard, gpus))


def runs(found: Found, frozen: bool) -> Iterator[tuple[str, float]]:
    """(backbone, hours on one GPU) of every run by itself: backbones × poolers × learning rates."""
    for name, one in found["backbones"].items():
        for pooler in one["poolers"]:
            for _ in range(RATES):
                yield name, single_hours(found, name, pooler, frozen)


def finished(jobs: Sequence[float], gpus: int) -> float:
    """Hours until jobs of one GPU each are done, the longest given out first."""
    busy = [0.0] * gpus
    for job in sorted(jobs, reverse=True):
        place = busy.index(min(busy))
        busy[place] += job
    return max(busy)


def days(hours: float) -> str:
    return f"{hours:,.1f} h" if hours < 48 else f"{hours / 24:,.1f} days"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def measured_table(found: Found) -> str:
    """What was measured of every backbone."""
    rows = []
    for name, one in found["backbones"].items():
        ratios = [f"{100 * probe_cost(pooler):.1f} %" for pooler in one["poolers"].values()]
        cost = f"{one['multiply_adds'] / 1e9:.2f}"
        rows.append([name, f"{one['parameters'] / 1e6:.1f}", cost, f"{100 * one['share']:.0f} %", *ratios])
    poolers = next(iter(found["backbones"].values()))["poolers"]
    return table(["backbone", "million weights", "10⁹ multiply-adds", "share of peak", *poolers], rows)


def reading_table(found: Found) -> str:
    """What one core reads."""
    rows = []
    for kind, one in found["reading"].items():
        rate = one["crops_per_core_second"]
        rows.append([kind, f"{rate:,.0f}", f"{rate * CROP / 3600:.2f}", f"{rate * CORES * PER_NODE:,.0f}"])
    return table(["files", "crops per core-second", "hours per core-second", "files/s per node"], rows)


def banks_table(found: Found) -> str:
    """Hours of every bank on one GPU, what it waits for, and its crops per second."""
    rows = []
    for name, one in found["backbones"].items():
        computed = compute_seconds(one, 1 + probes_cost(one), STEPS * BATCH) / 3600
        read = reading_seconds(found, STEPS * BATCH, 1) / 3600
        alone = sum(single_hours(found, name, pooler, True) for pooler in one["poolers"]) * RATES
        waits = "audio" if read > computed else "compute"
        rows.append([name, days(computed), days(read), waits, days(bank_hours(found, name)), days(alone)])
    return table(["backbone", "compute", "audio", "waits for", "bank with its test", "18 runs by themselves"], rows)


def gpus_table(found: Found) -> str:
    """Hours until everything is done, by the number of GPUs."""
    names = list(found["backbones"])
    banks = [bank_hours(found, name) for name in names]
    frozen, unfrozen = ([hours for _, hours in runs(found, kind)] for kind in (True, False))
    shared = {gpus: sum(bank_hours(found, name, gpus) for name in names) for gpus in GPUS}
    rows = [
        ["6 banks, frozen, one GPU each", *(days(finished(banks, gpus)) for gpus in GPUS)],
        ["6 banks, frozen, one after the other, each on all GPUs", *(days(shared[gpus]) for gpus in GPUS)],
        [f"{len(frozen)} frozen runs, one GPU each", *(days(finished(frozen, gpus)) for gpus in GPUS)],
        [f"{len(unfrozen)} unfrozen runs, one GPU each", *(days(finished(unfrozen, gpus)) for gpus in GPUS)],
    ]
    return table(["work", *(f"{gpus} GPU" + "s" * (gpus > 1) for gpus in GPUS)], rows)


def exchange_table(found: Found) -> str:
    """One unfrozen run with mean pooling under torchrun: the step, and the part of it that gradients take."""
    rows = []
    for name, one in found["backbones"].items():
        weights = one["parameters"] + one["poolers"]["mean"]["parameters"]
        cells = []
        for gpus in GPUS[1:]:
            forwards = BACKWARD + probe_cost(one["poolers"]["mean"], gpus)
            step, sent = compute_seconds(one, forwards, BATCH) / gpus, exchange_seconds(weights, gpus)
            cells += [f"{1000 * step:.1f} ms", f"{1000 * sent:.1f} ms"]
        rows.append([name, f"{FLOAT * weights / 1e9:.2f} GB", *cells])
    columns = [f"{word}, {gpus} GPUs" for gpus in GPUS[1:] for word in ("compute", "exchange")]
    return table(["backbone", "gradients a step", *columns], rows)


def disk_table(found: Found) -> str:
    """What stays on disk."""
    kinds = found["backbones"].values()
    trained = [pooler["parameters"] for one in kinds for pooler in one["poolers"].values()] * RATES
    whole = [one["parameters"] + p["parameters"] for one in kinds for p in one["poolers"].values()] * RATES
    rows = sum(pooler["embedding"] for one in kinds for pooler in one["poolers"].values())
    frames = max(one["frame_bytes_per_second"] for one in kinds) * TESTED * TESTED_SECONDS
    lines = {
        f"VoxCeleb2 dev as 16-bit WAV ({HOURS:,.0f} h)": HOURS * 3600 * 32_000,
        f"checkpoints of {len(trained)} frozen runs: the best, the last with two moments": sum(trained) * 4 * FLOAT,
        f"checkpoints of {len(whole)} unfrozen runs": sum(whole) * 4 * FLOAT,
        "embeddings of VoxCeleb1, 36 systems": rows * TESTED * FLOAT,
        "frames of VoxCeleb1, the largest backbone alone (`--cache_frames`)": frames,
        f"records of 36 systems × 3 lists, {found['record_bytes'] / 1000:.0f} kB each": 108 * found["record_bytes"],
    }
    return table(["what", "GB"], [[what, f"{size / 1e9:,.3g}" if size < 1e11 else f"{size / 1e9:,.0f}"]
                                 for what, size in lines.items()])  # fmt: skip


def machine(found: Found) -> str:
    """Where and how it was measured."""
    about = found["machine"]
    return (
        f"Measured on {about['cpu']}, one thread, torch {about['torch']}, {about['rounds']} rounds of {about['batch']} "
        f"crops of {about['seconds']:g} s, {about['load']:.1f} processes running beside; a float32 matrix product made "
        f"{found['matrix_product'] / 1e9:.1f} × 10⁹ multiply-adds a second."
    )


TABLES = {
    "machine": machine,
    "measured": measured_table,
    "reading": reading_table,
    "banks": banks_table,
    "gpus": gpus_table,
    "exchange": exchange_table,
    "disk": disk_table,
}


def filled(page: str, found: Found) -> str:
    """The page with what the measurements give between its comments `<!-- name -->` and `<!-- end -->`."""
    for name, make in TABLES.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if len(place.findall(page)) != 1:
            raise ValueError(f"The page has {len(place.findall(page))} places for {name}.")
        page = place.sub(rf"\g<1>\n{make(found)}\n\n\g<2>", page)
    return page


def read() -> Found:
    """The measurements."""
    return json.loads(MEASURED.read_text(encoding="utf-8"))
