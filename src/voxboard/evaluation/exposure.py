"""Exposure of an encoder's weights to the items that it is tested on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard import ledger
from voxboard.records import Exposure

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.benchmarks.base import Benchmark, Items
    from voxboard.data.corpus import Corpus
    from voxboard.evaluation.encoder import Encoder

SUBSETS = "LibriSpeech"  # the corpus whose folders are its splits
UNKNOWN = "nobody says what its weights have seen"


def exposure(encoder: Encoder, benchmark: Benchmark, test: Items) -> Exposure:
    """Return the worst relation of all that trained the encoder, here and before, to the test items."""
    tested = splits_of(test.corpus, test.split, test.cuts)
    spec, training, home = encoder.network.encoder.backbone.spec, encoder.training, encoder.home
    before = ledger.named(spec.trained_on)
    here: tuple[str, ...] = ()
    if training is not None and home is not None:
        here = splits_of(home, "train", home.cuts("train"))
    seen = (*here, *before)
    hidden = spec.weights == "unknown" or (spec.weights == "pretrained" and not before)
    relations = [ledger.relation(before, tested)]
    if hidden:
        relations.append(("unknown", UNKNOWN))
    if here:
        relations.append(_here(here, tested, home, test, benchmark))
    relation, reason = min(relations, key=lambda pair: ledger.WORST_FIRST.index(pair[0]))
    return Exposure(relation, reason, seen, tested)


def _here(
    here: tuple[str, ...], tested: tuple[str, ...], home: Corpus | None, test: Items, benchmark: Benchmark
) -> tuple[ledger.Relation, str]:
    """The relation of the training here: of one corpus, whose splits voxboard has made or checked itself."""
    assert home is not None
    if home.audio_root != test.corpus.audio_root and home.name != test.corpus.name:
        return ledger.relation(here, tested)
    if test.split == "train":
        return "same utterances", f"the training split of {home.name} is tested"
    if benchmark.disjoint:
        return "same corpus, other speakers", f"{home.name} was trained on, its test speakers left out"
    return "same speakers", f"{home.name} was trained on, with other utterances of its test speakers"


def splits_of(corpus: Corpus, split: str, cuts: Iterable[Cut]) -> tuple[str, ...]:
    """Return the names in the ledger's vocabulary of what a split of a prepared corpus holds.

    A corpus that was prepared under a longer name, "LibriSpeech-mini", is known by its beginning.
    """
    name = _corpus(corpus.name)
    if name == SUBSETS:
        folders = {part for cut in cuts for part in _folders(cut)} & set(ledger.CORPORA[SUBSETS])
        return tuple(f"{name}/{folder}" for folder in sorted(folders)) or (name,)
    if name in ("VoxCeleb1", "VoxCeleb2"):  # trained and validated on dev, tested on test
        return (f"{name}/{'test' if split == 'test' else 'dev'}",)
    return (name,)


def _corpus(name: str) -> str:
    """The vocabulary's name of a prepared corpus, by the words that its name begins with, whatever their case."""
    names = {**{corpus: corpus for corpus in ledger.CORPORA}, **ledger.ALIASES}
    given = _parts(name)
    fits = [word for word in names if given[: len(_parts(word))] == _parts(word)]
    return names[max(fits, key=len)] if fits else name


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[\W_]+", name.lower()) if part]


def _folders(cut: Cut) -> tuple[str, ...]:
    source = cut.recording.sources[0].source if cut.has_recording else ""
    return Path(str(source)).parts
