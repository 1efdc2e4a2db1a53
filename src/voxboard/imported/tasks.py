"""Scores, transcripts and turns that others computed → records, through the metrics of our own benchmarks."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from voxboard import records
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.embedding.embed import Spent
from voxboard.errors import UserError, printable
from voxboard.evaluation import code
from voxboard.imported import scores, speakers, texts
from voxboard.imported.record import ImportSource, checked, record_of
from voxboard.imported.speakers import Speakers
from voxboard.metrics import bootstrap
from voxboard.metrics.nist_text import Rules
from voxboard.parts import Part
from voxboard.settings import Evaluation
from voxboard.trials import Trials

if TYPE_CHECKING:
    from lhotse.cut import Cut

log = logging.getLogger("voxboard")

UNKNOWN = {"outputs": "imported"}  # in a protocol: nobody here knows how they were made


def verification(
    source: ImportSource,
    trials: Trials | None,
    path: Path,
    owners: Speakers | None,
    format: str = "",  # noqa: A002
) -> records.Record:
    """The record of a file of scores; without `trials` the list is what the file tells.

    Intervals resample `owners`, else groups of utterances that target trials link. Raises `UserError`.
    """
    from voxboard.benchmarks.trial_sets import TrialSet
    from voxboard.benchmarks.verification import Scored, Verification

    scored = scores.read(path, trials, format)
    source = replace(source, formats={"scores": scored.layout})
    trials = scored.trials() if trials is None else trials
    values = scored.of(trials)
    if not 0 < trials.targets < len(trials):
        raise UserError(f"{trials.name} has trials of one kind only.", "Pass a list with targets and non-targets.")
    named = scores.linked(trials).astype(str) if owners is None else speakers.of_each(trials.utterances, owners)
    items = TrialSet(_corpus(source), source.split, _cuts(trials.utterances, named), trials.digest(), trials)
    benchmark = Verification(Verification.Config())
    benchmark.clustered_by = "speaker" if owners else "linked utterances"
    outputs = Scored(items, Spent(), values)
    measured = benchmark.measure(outputs, None, source.replicates)
    if (measured.values[benchmark.main_metric].value or 0.0) > 0.5:
        log.warning(
            "The EER of %s is above 50 %%: are these distances? Higher scores must mean the same speaker.", path
        )
    protocol = benchmark.protocol(outputs, Evaluation(), None)
    if owners is None:
        protocol = replace(protocol, items=replace(protocol.items, speakers=None))
    protocol = replace(protocol, crop=records.Crop("unknown"), scoring=None, options=UNKNOWN)
    return record_of(source, benchmark, measured, protocol, partial(benchmark.save, outputs))


def transcription(
    source: ImportSource,
    hypotheses: Path,
    references: Path,
    owners: Speakers | None,
    normalizer: str = "none",
    rules: Rules | None = None,
    formats: tuple[str, str] = ("", ""),
) -> records.Record:
    """The record of hypotheses against references; intervals resample `owners`, else an STM's speakers, else single
    utterances. `formats` are those of references and hypotheses, where they are not to be found out.

    Raises `UserError` for ids that one side lacks, and where no reference holds a word.
    """
    from voxboard.benchmarks.transcription import Transcribed, Transcription
    from voxboard.benchmarks.utterances import Utterances
    from voxboard.imported.transcribed import ImportedTranscription

    pair = texts.pair(hypotheses, references, formats)
    true, written = pair.references, pair.hypotheses
    owners = owners or pair.speakers or None
    names = sorted(true)
    named = np.array(names) if owners is None else speakers.of_each(names, owners)
    labels = tuple(true[name] for name in names)
    # As a corpus's own utterances are digested.
    lines = "".join(f"{name}\t{text}\n" for name, text in zip(names, labels, strict=True))
    items_digest = hashlib.sha256(lines.encode()).hexdigest()
    items = Utterances(_corpus(source), source.split, _cuts(names, named), items_digest, labels)
    config, rules = Transcription.Config(normalizer=normalizer), replace(rules or Rules(), markup=pair.markup)
    benchmark = ImportedTranscription(config, rules)
    benchmark.clustered_by = "speaker" if owners else "utterance"
    outputs = Transcribed(items, Spent(), tuple(written[name] for name in names))
    measured = checked(benchmark.measure(outputs, None, source.replicates))
    protocol = benchmark.protocol(outputs, Evaluation(), None)
    if owners is None:
        protocol = replace(protocol, items=replace(protocol.items, speakers=None))
    protocol = replace(protocol, crop=records.Crop("unknown"), options={**protocol.options, **UNKNOWN})
    source = replace(source, formats=dict(zip(("references", "hypotheses"), pair.formats, strict=True)))
    return record_of(source, benchmark, measured, protocol, partial(benchmark.save, outputs))


def diarization(
    source: ImportSource,
    hypothesis: Path,
    reference: Path,
    uem: Path | None = None,
    collar: float = 0.25,
    skip_overlap: bool = False,
    mapping: Literal["scored", "all"] = "scored",
    merge_touching: bool = False,
    span: Literal["both", "reference"] = "both",
) -> records.Record:
    """The record of RTTM files against a reference; intervals resample recordings.

    Recordings that only the UEM names have no reference speech. Raises `UserError` for unknown recordings and where no
    reference speech is scored.
    """
    from voxboard.benchmarks.conversations import ERRORS, DiarizationScores
    from voxboard.benchmarks.diarization import DiarizationTask
    from voxboard.metrics import rttm
    from voxboard.metrics.diarization import score

    marked, hypothesised = rttm.read_reference(reference), rttm.read_reference(hypothesis).turns
    true = dict(marked.turns)
    regions = None if uem is None else _regions(rttm.read_uem(uem), true)
    if regions is not None and (silent := [name for name in regions if name not in true]):
        log.info("%d recordings of %s have no reference speech (first: %s).", len(silent), uem, printable(silent[0]))
        true |= {name: [] for name in silent}
    one = {name: [("one", start, end) for _, start, end in own] for name, own in true.items()}
    kinds: dict[str, Any] = {"mapping": mapping, "merge_touching": merge_touching}
    cut: dict[str, Any] = {"span": span} if span != "both" else {}
    try:
        given = replace(marked, turns=true)
        reports = [score(given, side, collar, skip_overlap, regions, **kinds, **cut) for side in (hypothesised, one)]
    except ValueError as error:
        raise UserError(f"{hypothesis} cannot be scored: {error}.", "Check the names of the recordings.") from error
    if not reports[0].total:
        raise UserError(f"No speech of {reference} is scored.", "Check the UEM, or lower --collar.")
    both = DiarizationScores(*reports)
    benchmark = DiarizationTask(DiarizationTask.Config(collar=collar, skip_overlap=skip_overlap))
    names = list(reports[0].files)
    resampling: dict[str, Any] = {"replicates": source.replicates, "scale": "log"}
    values = {
        metric: bootstrap.ratio(*both.columns(rate), clusters=np.array(names), **resampling)
        for rate, metric in benchmark.ids.items()
    }
    measured = records.Measured(benchmark.values(values))
    content = "".join(f"{name}\t{true.get(name)}\t{(regions or {}).get(name)}\n" for name in sorted(names))
    content += f"{marked.unevaluated}{marked.unscored}" if marked.unevaluated or marked.unscored else ""
    items_digest = hashlib.sha256(content.encode()).hexdigest()
    heard = {(name, speaker) for name, own in true.items() for speaker, _, _ in own}
    protocol = records.Protocol(
        items=records.Items(items_digest, len(names), "recordings", speakers=len(heard)),
        metrics={
            metric: dict(parameters) | ({} if metric.startswith("jer") else kinds) | cut
            for metric, parameters in benchmark.parameters.items()
        },
        crop=records.Crop("unknown"),
        options=UNKNOWN,
    )

    def save(folder: Path, stem: str) -> None:
        both.write(folder / f"recordings-{stem}.csv", ERRORS)

    return record_of(source, benchmark, checked(measured), protocol, save)


def diarizer(source: ImportSource, part: Part, collar: float = 0.25, skip_overlap: bool = False) -> records.Record:
    """The record of a diarizer with a pipeline of its own on the recordings of a prepared corpus.

    Raises `UserError` for a corpus without recordings and for turns that are none.
    """
    from voxboard.benchmarks.diarization import DiarizationTask, Diarized
    from voxboard.data.catalogue import find_corpus
    from voxboard.diarization import external

    benchmark = DiarizationTask(DiarizationTask.Config(collar=collar, skip_overlap=skip_overlap))
    items = benchmark.items(find_corpus(source.corpus), source.split)
    turns = external.diarized(external.REGISTRY.create(part.name, **part.options), items.conversations)
    outputs = Diarized(items, Spent(), turns, {})
    measured = checked(benchmark.measure(outputs, None, source.replicates))
    protocol = benchmark.protocol(outputs, Evaluation(), None)
    protocol = replace(protocol, crop=records.Crop("unknown"), options=UNKNOWN)
    own = code.user_digests([(part.name, part.options)])
    source = replace(
        source,
        outputs=hashlib.sha256(repr(sorted(turns.items())).encode()).hexdigest(),
        user_code=code.user_code(own) if own else "",
    )
    return record_of(source, benchmark, measured, protocol, partial(benchmark.save, outputs))


def _regions(
    regions: dict[str, list[tuple[float, float]]], recordings: Mapping[str, Any]
) -> dict[str, list[tuple[float, float]]]:
    """A UEM under the reference's names: md-eval takes folders and what follows the first dot off its names."""
    plain = {name.rpartition("/")[2].partition(".")[0]: own for name, own in regions.items()}
    bare = len(plain) == len(regions) and recordings.keys() <= plain.keys() and not recordings.keys() <= regions.keys()
    return plain if bare else regions


def _corpus(source: ImportSource) -> Corpus:
    """A name without audio: the outputs are here already."""
    return Corpus(Path(), CorpusInfo(source.corpus), {})


def _cuts(names: Sequence[str], owners: np.ndarray) -> tuple[Cut, ...]:
    """Utterances without audio that know their speaker."""
    from lhotse import MonoCut, SupervisionSegment

    return tuple(
        MonoCut(name, 0.0, 1.0, 0, supervisions=[SupervisionSegment(name, name, 0.0, 1.0, speaker=str(owner))])
        for name, owner in zip(names, owners.tolist(), strict=True)
    )
