"""What `test_processes.py` has done by one process and by several: runs, and embeddings of sets of awkward sizes.

`python -m tests.training.shared_work OUT` does it alone, `torchrun … -m tests.training.shared_work OUT` together.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lhotse import MonoCut
from lhotse.utils import fastcopy

from tests.cuts import noise_cuts
from voxboard import model, parallel, systems
from voxboard.cli.train import read
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.embedding.cache import Memory
from voxboard.embedding.embed import embed
from voxboard.errors import UserError
from voxboard.training.config import RunConfig
from voxboard.training.run import train_bank
from voxboard.training.trainee import Trainee

SMALL = (
    "--batch_size 8 --train_max_sec 0.2 --workers 0 --device cpu --nb_total_step 20 --nb_steps_eval 10 --max_lr 0.01 "
    "--replicates 100"
)
ECAPA = "ecapa(channels=8, frame_size=16)"
RUNS = {
    "batch-norm": f"{ECAPA}+asp(bottleneck=4)+aam",
    "ge2e": f"{ECAPA}+statistics+ge2e(speakers=4, utterances=2)",
    "accumulated": f"{ECAPA}+statistics+softmax --accumulate 2 --optimizer sgd --frozen_share 0.5",
    "frames": "fbank+frames+ctc(layers=1, hidden=8, stack=2) --task transcription --train_max_sec 0",
}
BANK = {
    "bank-mean": f"{ECAPA}+mean+aam --frz_pretrain",
    "bank-asp": f"{ECAPA}+asp(bottleneck=4)+softmax --frz_pretrain",
}
SIZES = (1, 2, 13)


def write_corpus(place: Path) -> None:
    """Noise of 8 speakers × 2 to train on, 4 × 3 to validate, 13 utterances of 5 to test."""
    place.mkdir()
    cuts = noise_cuts(place, [0.3 + 0.01 * (n % 5) for n in range(41)])
    parts = {"train": (cuts[:16], 2, "a"), "valid": (cuts[16:28], 3, "b"), "test": (cuts[28:], 3, "c")}
    splits = {
        name: [_of(cut, f"{who}{n // each}") for n, cut in enumerate(some)] for name, (some, each, who) in parts.items()
    }
    Corpus.write(place / "c", CorpusInfo("c"), splits, place)


def _of(cut: MonoCut, speaker: str) -> MonoCut:
    said = fastcopy(cut.supervisions[0], speaker=speaker, text=f"it is {speaker}")
    return replace(cut, supervisions=[said])


def main(out: Path) -> None:
    """Leaves run folders, records, and an `embeddings.npz`."""
    torch.set_num_threads(1)
    place = out / "corpus" / "c"
    for name, words in RUNS.items():
        train_bank([_config(place, words, out)], [out / name], show_progress=False)
    bank = [_config(place, words, out) for words in BANK.values()]
    train_bank(bank, [out / name for name in BANK], show_progress=False)
    _interrupted(_config(place, f"{RUNS['batch-norm']} --skiptest", out), out / "resumed")
    embedded = _embedded(Corpus.open(place))
    told = parallel.gathered([parallel.rank(), _refused(_config(place, f"{RUNS['batch-norm']} --batch_size 3", out))])
    if parallel.first():
        np.savez(out / "embeddings.npz", **embedded)
        (out / "processes.json").write_text(json.dumps(told))
    parallel.leave()


def _config(place: Path, words: str, out: Path) -> RunConfig:
    spec, _, more = words.partition(" ")
    while spec.count("(") != spec.count(")"):
        word, _, more = more.partition(" ")
        spec = f"{spec} {word}"
    config = read([str(place), spec, *SMALL.split(), *more.split()])
    return replace(config, general=replace(config.general, records=out / "records", runs=out / "runs"))


def _interrupted(config: RunConfig, run: Path) -> None:
    """A run that is broken off after its first checkpoint, and gone on with."""
    save = Trainee.save

    def broken_off(self: Trainee) -> None:
        save(self)
        raise InterruptedError

    Trainee.save = broken_off  # type: ignore[method-assign]
    try:
        train_bank([config], [run], show_progress=False)
    except InterruptedError:
        Trainee.save = save  # type: ignore[method-assign]
        train_bank([config], [run], show_progress=False)


def _refused(config: RunConfig) -> str:
    """Why a run is refused; empty where it is not, with one process."""
    try:
        train_bank([replace(config, general=replace(config.general, skiptest=True))], show_progress=False)
    except UserError as error:
        return error.problem
    return ""


def _embedded(corpus: Corpus) -> dict[str, np.ndarray]:
    """Embeddings of sets with fewer utterances than processes, and of a prime number; once more from a store."""
    network = model.build(systems.parse(f"{ECAPA}+asp(bottleneck=4)"), None, 1)
    cuts, found, store = list(corpus.cuts("test")), {}, Memory()
    for size in SIZES:
        rows = embed(network.encoder, cuts[:size], batch_seconds=0.7, show_progress=False)
        again = [embed(network.encoder, cuts[:size], cache=store, batch_seconds=0.7, show_progress=False) for _ in "ab"]
        assert rows.ids == tuple(cut.id for cut in cuts[:size])
        assert again[1].spent.cached == size
        found |= {f"{size}": rows.matrix, f"{size}-kept": again[1].matrix}
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
