"""DER and JER beside pyannote.metrics, simpleder and spy-der, on the same turns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import simpleder
import simpleder.jer
import spyder
from pyannote.core import Segment, Timeline
from pyannote.metrics.base import BaseMetric
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

from tests.conformance.section import Answer, Row, Section, answer
from tests.metrics.diarized import annotation
from voxboard.metrics import diarization
from voxboard.metrics.diarization import Mapper, Region, Turn

Corpus = Mapping[str, list[Turn]]
Uem = Mapping[str, Sequence[Region]] | None

TEXT = """
**DER** = (miss + false alarm + confusion) / reference speech, in speaker time over all files (NIST RT-09). **JER** =
the mean over reference speakers of 1 − |r ∩ h| / |r ∪ h| (DIHARD II). Conventions of ours: the collar is in seconds on
each side of a reference boundary; overlap is scored unless it is skipped; speakers are mapped on scored time
(`mapping="all"`: on all time of the UEM); a speaker's overlapping turns are merged, those that only touch are not
(`merge_touching`); without a UEM a file goes from the first to the last turn of both sides; a file without hypothesis
is missed, one without reference is refused; JER has no collar and is mapped on itself.

spy-der stands for the family of md-eval and dscore, which map on all time too. spy-der and simpleder always merge
turns that touch. On a file without reference speech it ends the process, so that row has no number.
The published DERs of VBx and of DOVER-Lap on AMI, 22 numbers of two systems' pages, are reproduced to 0.01 % by
`tests/metrics/test_diarization.py`.
"""

MOVED: Corpus = {"f": [("A", 0, 5), ("B", 5, 9), ("A", 10, 12)]}
LATE: Corpus = {"f": [("1", 0, 5.5), ("2", 5.5, 9), ("1", 10, 11.5)]}
OVERLAP: Corpus = {"f": [("A", 0, 6), ("B", 4, 10)]}
TAKING_TURNS: Corpus = {"f": [("1", 0, 5), ("2", 5, 10)]}
IN_COLLARS: Corpus = {"f": [("A", 0, 4), ("B", 3, 13)]}
SWAPPED: Corpus = {"f": [("x", 0, 10), ("y", 9, 14)]}
TOUCHING: Corpus = {"f": [("A", 0, 5), ("A", 5, 10)]}
GAP: Corpus = {"f": [("1", 0, 4.5), ("1", 5.5, 10)]}
TWICE: Corpus = {"f": [("A", 0, 5), ("A", 4, 10)]}
WHOLE: Corpus = {"f": [("1", 0, 9)]}
FILES: Corpus = {**MOVED, "g": [("C", 1, 4)]}
NOBODY: Corpus = {"f": []}
BACKWARDS: Corpus = {"f": [("A", 0, 5), ("B", 7, 6)]}
UNEQUAL: Corpus = {"f": [("A", 0, 4), ("B", 4, 24)]}
SPLIT: Corpus = {"f": [("1", 0, 2), ("2", 2, 10), ("1", 10, 24)]}
SHORT: Corpus = {"f": [("A", 0, 6), ("B", 6, 24)]}
LONG: Corpus = {"f": [("1", 0, 18), ("2", 18, 23), ("1", 23, 30)]}

MAPPED = (
    "md-eval and spy-der map speakers on all time of the UEM, collars included; pyannote and simpleder on scored time"
)
KEPT = "spy-der and simpleder merge turns that touch; pyannote and md-eval keep the collar between them"
COUNTED_TWICE = "pyannote counts the speaker twice; all others merge"


def section() -> Section:
    return Section("Diarization", TEXT, [*_der_rows(), *_jer_rows()])


def _der_rows() -> list[Row]:
    cut = {"f": [(5.0, 20.0)]}
    return [
        _der("a late boundary, collar 0", MOVED, LATE),
        _der("the same, collar 0.25", MOVED, LATE, 0.25),
        _width("the same, `collar=0.25` passed to pyannote as it is", MOVED, LATE, 0.25),
        _der("overlap, collar 0.25", OVERLAP, TAKING_TURNS, 0.25),
        _der("overlap skipped", OVERLAP, TAKING_TURNS, skip=True),
        _der("speakers who share most time in collars, collar 1", IN_COLLARS, SWAPPED, 1.0, reason=MAPPED),
        _der('the same, `mapping="all"`', IN_COLLARS, SWAPPED, 1.0, mapping="all", reason=MAPPED),
        _der("touching turns of a speaker, collar 0.25", TOUCHING, GAP, 0.25, reason=KEPT),
        _der("the same, `merge_touching`", TOUCHING, GAP, 0.25, merge_touching=True, reason=KEPT),
        _der("turns of a speaker that overlap", TWICE, WHOLE, reason=COUNTED_TWICE),
        _der(
            "a file without hypothesis", FILES, LATE,
            reason="simpleder wants the same files on both sides; in pyannote the caller passes an empty annotation",
        ),
        _der(
            "a hypothesis for an unknown file", LATE, FILES,
            reason="spy-der drops it without a word: a misspelt name would vanish; pyannote is called file by file",
        ),
        _der("a turn cut by the UEM, collar 1", {"f": [("A", 0, 10)]}, {"f": [("1", 6, 10)]}, 1.0, uem=cut),
        _der(
            "no reference speech", NOBODY, WHOLE,
            reason="nothing to divide by: pyannote says 1, simpleder 0; ours refuses, and `score` gives the seconds",
        ),
        _der("a turn that ends before it starts", BACKWARDS, WHOLE, reason="pyannote passes over it"),
    ]  # fmt: skip


def _jer_rows() -> list[Row]:
    best = "pyannote maps on co-occurrence, as for DER, which is not the mapping with the smallest JER"
    return [
        _jer("JER, two speakers mixed up in part", UNEQUAL, SPLIT),
        _jer("JER, a speaker without partner", MOVED, WHOLE),
        _jer("JER, the most shared time is not the best ratio", SHORT, LONG, best),
        _jer("JER, a file without hypothesis", FILES, LATE, "simpleder wants the same files on both sides"),
    ]


def _der(
    case: str,
    reference: Corpus,
    hypothesis: Corpus,
    collar: float = 0.0,
    skip: bool = False,
    uem: Uem = None,
    mapping: Mapper = "scored",
    merge_touching: bool = False,
    reason: str = "",
) -> Row:
    def ours() -> float:
        return diarization.der(
            reference, hypothesis, collar, skip, uem, mapping=mapping, merge_touching=merge_touching
        )  # fmt: skip

    def spy() -> float:
        regions = "nonoverlap" if skip else "all"
        copies = dict(reference), dict(hypothesis)  # it adds missing files to what it is given
        return spyder.DER(*copies, uem=uem, regions=regions, collar=collar)["Overall"].der

    metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=skip)
    peers: dict[str, Answer] = {}
    if set(hypothesis) <= set(reference):
        peers["pyannote.metrics"] = answer(lambda: _pyannote(metric, reference, hypothesis, uem))
    if uem is None:
        peers["simpleder"] = answer(
            lambda: simpleder.corpus_der(_tuples(reference), _tuples(hypothesis), collar=collar, skip_overlap=skip)
        )
    if any(reference.values()):
        peers["spy-der"] = answer(spy)
    return Row(case, answer(ours), peers, reason)


def _width(case: str, reference: Corpus, hypothesis: Corpus, collar: float) -> Row:
    theirs = _pyannote(DiarizationErrorRate(collar=collar), reference, hypothesis, None)
    ours = diarization.der(reference, hypothesis, collar)
    return Row(case, ours, {"pyannote.metrics": theirs}, "pyannote's collar is the whole width, ours one side")


def _jer(case: str, reference: Corpus, hypothesis: Corpus, reason: str = "") -> Row:
    peers = {
        "pyannote.metrics": answer(lambda: _pyannote(JaccardErrorRate(), reference, hypothesis, None)),
        "simpleder": answer(lambda: simpleder.jer.corpus_jer(_tuples(reference), _tuples(hypothesis))),
    }
    return Row(case, answer(lambda: diarization.jer(reference, hypothesis)), peers, reason)


def _pyannote(metric: BaseMetric, reference: Corpus, hypothesis: Corpus, uem: Uem) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a UEM was made up
        for name, turns in reference.items():
            regions = None if uem is None else Timeline([Segment(*region) for region in uem[name]])
            metric(annotation(turns), annotation(hypothesis.get(name, [])), uem=regions)
    return float(abs(metric))


def _tuples(corpus: Corpus) -> dict[str, Any]:
    return {
        name: [(speaker, float(start), float(end)) for speaker, start, end in turns] for name, turns in corpus.items()
    }
