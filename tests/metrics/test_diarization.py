"""Diarization metrics against other scorers, against counting frames, and on inputs that must be refused."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyannote.core import Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate
from simpleder import DER, JER
from simpleder.jer import corpus_jer

from tests.metrics.diarized import Corpus, Turns, annotation, perturbed
from voxboard.metrics.diarization import Errors, Region, der, jer, score
from voxboard.metrics.rttm import read_rttm, write_rttm, write_uem

REFERENCE: Turns = [("A", 0.0, 5.0), ("B", 5.0, 9.0), ("A", 10.0, 12.0)]
HYPOTHESIS: Turns = [("1", 0.0, 5.5), ("2", 5.5, 9.0), ("1", 10.0, 11.5)]


def without_self_overlap(turns: list[tuple[str, int, int]]) -> Turns:
    kept: list[tuple[str, int, int]] = []
    for speaker, start, end in turns:
        if all(speaker != other or end <= first or last <= start for other, first, last in kept):
            kept.append((speaker, start, end))
    return [(speaker, start / 10, end / 10) for speaker, start, end in kept]


def turns(speakers: str) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    one = st.tuples(st.sampled_from(speakers), st.integers(0, 100), st.integers(1, 40))
    return st.lists(one.map(lambda turn: (turn[0], turn[1], turn[1] + turn[2])), max_size=8)


FILE = st.tuples(turns("ABC").map(without_self_overlap), turns("1234").map(without_self_overlap))
FILES = st.lists(FILE, min_size=1, max_size=3).map(
    lambda files: ({str(n): one for n, (one, _) in enumerate(files)}, {str(n): two for n, (_, two) in enumerate(files)})
)
REGION = st.tuples(st.integers(0, 60), st.integers(1, 60)).map(lambda pair: (pair[0] / 10, (pair[0] + pair[1]) / 10))
REGIONS = st.lists(REGION, min_size=1, max_size=3)
COLLARS = st.sampled_from([0.0, 0.1, 0.25, 1.0])


def pyannote_components(
    reference: Corpus, hypothesis: Corpus, collar: float, skip: bool, uem: Mapping[str, Sequence[Region]] | None
) -> list[float]:
    metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=skip)
    for name, rows in reference.items():
        regions = None if uem is None else Timeline([Segment(*region) for region in uem[name]]).support()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric(annotation(rows, name), annotation(hypothesis.get(name, [])), uem=regions)
    return [metric[name] for name in ("total", "missed detection", "false alarm", "confusion")]


def components(found: Errors) -> list[float]:
    return [found.total, found.miss, found.false_alarm, found.confusion]


@given(FILES, COLLARS, st.booleans(), st.none() | st.lists(REGIONS, min_size=3, max_size=3))
@settings(max_examples=80)
def test_components_are_those_of_pyannote(
    files: tuple[Corpus, Corpus], collar: float, skip: bool, regions: list[list[Region]] | None
) -> None:
    reference, hypothesis = files
    uem = None if regions is None else {name: regions[int(name)] for name in reference}
    theirs = pyannote_components(reference, hypothesis, collar, skip, uem)
    ours = score(reference, hypothesis, collar, skip, uem)
    assert components(ours) == pytest.approx(theirs, abs=1e-9)
    if theirs[0] > 1e-9:
        assert der(reference, hypothesis, collar, skip, uem) == pytest.approx(sum(theirs[1:]) / theirs[0], abs=1e-9)


@given(FILE, COLLARS, st.booleans())
def test_der_of_a_file_is_that_of_simpleder(file: tuple[Turns, Turns], collar: float, skip: bool) -> None:
    theirs = DER(*file, collar=collar, skip_overlap=skip, detailed=True)
    ours = score(*file, collar, skip, merge_touching=True)
    names = ("ref_length", "miss", "false_alarm", "confusion")
    assert components(ours) == pytest.approx([theirs[name] for name in names], abs=1e-9)


@given(FILES)
def test_jer_is_that_of_simpleder(files: tuple[Corpus, Corpus]) -> None:
    found = score(*files)
    if found.speakers:
        assert jer(*files) == pytest.approx(corpus_jer(*files), abs=1e-12)
        assert found.jer == pytest.approx(corpus_jer(*files), abs=1e-12)
    for name, errors in found.files.items():
        if errors.speakers:
            assert errors.jer == pytest.approx(JER(files[0][name], files[1][name]), abs=1e-12)


def by_frames(
    file: tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]],
    collar: int,
    skip: bool,
    regions: list[tuple[int, int]] | None,
) -> dict[str, set[int]]:
    """Confusion by trying every mapping on whole frames: what the best on scored and on all time may leave."""
    frames = range(-20, 160)
    spoken = [[{s for s, a, b in side if a <= frame < b} for frame in frames] for side in file]
    inside = [regions is None or any(a <= frame < b for a, b in regions) for frame in frames]
    bounds = {edge for speaker in {s for s, *_ in file[0]} for edge in boundaries(file[0], speaker)}
    scored = [
        ok and not any(edge - collar <= frame < edge + collar for edge in bounds) and not (skip and len(who) > 1)
        for frame, ok, who in zip(frames, inside, spoken[0], strict=True)
    ]
    speakers = [sorted({s for s, *_ in side}) for side in file]
    padded = [*speakers[1], *[None] * len(speakers[0])]
    agreed: list[tuple[int, int]] = []
    for chosen in set(itertools.permutations(padded, len(speakers[0]))):
        pairs = list(zip(speakers[0], chosen, strict=True))
        hits = [sum(r in one and h in two for r, h in pairs) for one, two in zip(*spoken, strict=True)]
        agreed.append((sum(itertools.compress(hits, scored)), sum(itertools.compress(hits, inside))))
    both = sum(min(len(a), len(b)) for a, b, ok in zip(*spoken, scored, strict=True) if ok)
    best = max(found for _, found in agreed)
    return {
        "scored": {both - max(found for found, _ in agreed)},
        "all": {both - found for found, everywhere in agreed if everywhere == best},
    }


def boundaries(rows: list[tuple[str, int, int]], speaker: str) -> set[int]:
    """Where a speaker starts or stops to be heard, and where two turns touch that no third one covers."""
    own = [(a, b) for s, a, b in rows if s == speaker]
    return {edge for turn in own for edge in turn if not any(a < edge < b for a, b in own)}


@given(st.tuples(turns("AB"), turns("123")), st.sampled_from([0, 1, 3]), st.booleans(), st.none() | REGIONS)
@settings(max_examples=60)
def test_both_mappings_are_those_of_counting_frames(
    file: tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]],
    collar: int,
    skip: bool,
    regions: list[Region] | None,
) -> None:
    whole = None if regions is None else [(round(10 * a), round(10 * b)) for a, b in regions]
    expected = by_frames(file, collar, skip, whole)
    for mapping in ("scored", "all"):
        found = score(*file, float(collar), skip, whole, mapping=mapping)
        assert round(found.confusion, 9) in expected[mapping]


@given(FILES, COLLARS)
def test_mapping_on_all_time_never_scores_better(files: tuple[Corpus, Corpus], collar: float) -> None:
    ours, theirs = score(*files, collar), score(*files, collar, mapping="all")
    assert theirs.confusion >= ours.confusion
    assert components(theirs)[:3] == components(ours)[:3]


@given(FILES)
def test_names_and_order_do_not_matter(files: tuple[Corpus, Corpus]) -> None:
    reference, hypothesis = files
    renamed = {name: [(f"x{speaker}", a, b) for speaker, a, b in reversed(rows)] for name, rows in hypothesis.items()}
    turned = dict(reversed(reference.items()))
    one, other = score(reference, hypothesis), score(turned, renamed)
    assert components(one) == components(other)
    assert one.files == other.files


@given(FILES, COLLARS)
def test_files_add_up(files: tuple[Corpus, Corpus], collar: float) -> None:
    reference, hypothesis = files
    found = score(reference, hypothesis, collar)
    for name, errors in found.files.items():
        alone = score(reference[name], hypothesis[name], collar)
        assert alone.files == {"": errors}
    assert components(found) == pytest.approx(np.sum([components(each) for each in found.files.values()], axis=0))


def test_a_turn_cut_by_the_uem_has_no_collar_there() -> None:
    found = score([("A", 0, 10)], [("1", 6, 10)], collar=1, uem=[(5, 20)])
    assert components(found) == [4.0, 1.0, 0.0, 0.0]


def test_turns_of_one_speaker_that_touch_keep_their_collar_unless_merged() -> None:
    reference, hypothesis = [("A", 0, 5), ("A", 5, 10)], [("1", 0, 4.5), ("1", 5.5, 10)]
    assert components(score(reference, hypothesis)) == [9.0, 0.5, 0.0, 0.0]
    assert components(score(reference, hypothesis, merge_touching=True)) == [9.5, 1.0, 0.0, 0.0]


def test_touching_is_seen_through_the_rounding_of_floats() -> None:
    assert 131.6 + 305.84 != 437.44
    reference = [("A", 131.6, 131.6 + 305.84), ("A", 437.44, 500.0)]
    assert score(reference, reference).total == pytest.approx(368.4 - 4 * 0.25)


def test_turns_of_one_speaker_that_overlap_count_once() -> None:
    found = score([("A", 0, 6), ("A", 4, 10), ("A", 4, 5)], [("1", 0, 10), ("1", 2, 3)])
    assert components(found) == [9.5, 0.0, 0.0, 0.0]


def test_a_file_without_hypothesis_is_missed() -> None:
    found = score({"a": REFERENCE, "b": [("A", 0, 3)]}, {"a": HYPOTHESIS}, collar=0)
    assert components(found) == [14.0, 3.5, 0.0, 0.5]
    assert found.files["b"] == Errors(3.0, 3.0, 0.0, 0.0, 1, 1.0)
    assert found.files["b"].der == 1.0
    assert found.files["b"].jer == 1.0


def test_a_file_that_only_the_uem_names_has_no_reference_speech() -> None:
    found = score({"a": REFERENCE}, {"a": REFERENCE, "b": [("1", 0, 3)]}, 0, uem={"a": [(0, 12)], "b": [(1, 9)]})
    assert components(found) == [11.0, 0.0, 2.0, 0.0]
    assert math.isnan(found.files["b"].der)
    assert math.isnan(found.files["b"].jer)


def test_a_speaker_outside_the_uem_is_no_speaker_of_jer() -> None:
    assert jer([("A", 0, 5), ("B", 8, 9)], [("1", 0, 5)]) == 0.5
    assert jer([("A", 0, 5), ("B", 8, 9)], [("1", 0, 5)], uem=[(0, 6)]) == 0.0


@pytest.mark.parametrize("reference", [[], [("A", 1, 1)], {"a": [], "b": []}])
def test_a_reference_without_speech_has_components_but_no_rate(reference: object) -> None:
    for metric in (der, jer):
        with pytest.raises(ValueError, match="reference"):
            metric(reference, [] if isinstance(reference, list) else {"a": [("1", 0, 2)]})  # type: ignore[operator]
    found = score(reference, [] if isinstance(reference, list) else {"a": [("1", 0, 2)]})  # type: ignore[arg-type]
    assert math.isnan(found.der)
    assert found.false_alarm == (0.0 if isinstance(reference, list) else 2.0)


@pytest.mark.parametrize(("collar", "uem"), [(0.25, None), (0.0, [(1, 2)]), (0.0, [])])
def test_collars_and_uem_may_leave_nothing(collar: float, uem: list[Region] | None) -> None:
    with pytest.raises(ValueError, match="no reference speech is scored"):
        der([("A", 0, 0.5)], [("1", 0, 3)], collar, uem=uem)


def test_a_hypothesis_for_an_unknown_file_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"about 'dev0O', which the reference does not have \(did you mean 'dev00'"):
        der({"dev00": REFERENCE, "x": REFERENCE}, {"dev0O": HYPOTHESIS})
    with pytest.raises(ValueError, match="the reference has 2 files"):
        der({"a": REFERENCE, "b": REFERENCE}, HYPOTHESIS)
    with pytest.raises(ValueError, match="what to score of 'b'"):
        der({"a": REFERENCE, "b": REFERENCE}, {}, uem={"a": [(0, 9)]})
    with pytest.raises(ValueError, match="has no files"):
        der({}, {})


@pytest.mark.parametrize(
    ("turn", "problem"),
    [
        (("A", 5.0, 4.0), "ends before it starts"),
        (("A", math.nan, 4.0), "finite"),
        (("A", 0.0, math.inf), "finite"),
        (("A", 0.0, 1e12), "seconds"),
        (("A", 0.0), "are due"),
        (("A", 0.0, 1.0, 2.0), "are due"),
        (("A", "zero", 1.0), "are due"),
        ((["A"], 0.0, 1.0), "are due"),
        (3.0, "are due"),
    ],
)
def test_a_bad_turn_is_named_with_its_file(turn: object, problem: str) -> None:
    good = {"a": REFERENCE, "b": REFERENCE}
    bad = {"a": REFERENCE, "b": [("A", 0.0, 1.0), turn]}
    with pytest.raises(ValueError, match=rf"reference, file 'b', turn 1, .*{problem}"):
        der(bad, good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"hypothesis, file 'b', turn 1, .*{problem}"):
        jer(good, bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("uem", [(0, 10), [(3.0, 2.0)], [(0.0, 1.0, 2.0)]])
def test_a_bad_region_is_named(uem: object) -> None:
    with pytest.raises(ValueError, match="uem, region 0"):
        der(REFERENCE, HYPOTHESIS, uem=uem)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"collar": -0.1}, {"collar": math.nan}, {"collar": math.inf}, {"mapping": "best"}])
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        der(REFERENCE, HYPOTHESIS, **options)  # type: ignore[arg-type]


def test_all_forms_of_the_same_turns_give_the_same_number(tmp_path: Path) -> None:
    expected = der(REFERENCE, HYPOTHESIS, uem=[(1, 11)])
    write_rttm({"a": REFERENCE}, tmp_path / "ref.rttm")
    write_rttm({"a": HYPOTHESIS}, tmp_path / "hyp")
    write_uem({"a": [(1, 11)]}, tmp_path / "a.uem")
    timeline = Timeline([Segment(1, 11)])
    assert der({"a": REFERENCE}, {"a": HYPOTHESIS}, uem={"a": timeline}) == expected
    assert der(tmp_path / "ref.rttm", str(tmp_path / "hyp"), uem=tmp_path / "a.uem") == expected
    assert der(annotation(REFERENCE, "a"), annotation(HYPOTHESIS, "b"), uem=timeline) == expected
    assert der([annotation(REFERENCE, "a")], [annotation(HYPOTHESIS, "a")], uem={"a": [(1, 11)]}) == expected
    assert der(REFERENCE, {"a": annotation(HYPOTHESIS)}, uem=np.array([[1, 11]])) == expected
    assert list(score(annotation(REFERENCE, "a"), HYPOTHESIS).files) == ["a"]


def test_annotations_without_a_uri_of_their_own_are_refused() -> None:
    for second in ("a", None):
        with pytest.raises(ValueError, match="need a uri"):
            der([annotation(REFERENCE, "a"), annotation(REFERENCE, second)], {})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be turns"):
        der(3, [])  # type: ignore[arg-type]


def test_times_need_not_start_at_zero() -> None:
    epoch = 1e8
    later = {
        name: [(who, epoch + a, epoch + b) for who, a, b in side]
        for name, side in {"r": REFERENCE, "h": HYPOTHESIS}.items()
    }
    assert der(later["r"], later["h"]) == pytest.approx(der(REFERENCE, HYPOTHESIS), abs=1e-6)
    earlier = {name: [(who, a - 50, b - 50) for who, a, b in side] for name, side in later.items()}
    assert der({"a": later["r"], "b": earlier["r"]}, {"a": later["h"], "b": earlier["h"]}) == pytest.approx(
        der(REFERENCE, HYPOTHESIS), abs=1e-6
    )


# Published: README of BUTSpeechFIT/VBx (full, fair, forgiving) and of desh2608/dover-lap (MS, FA, Conf, DER), in %.
PROTOCOLS = {"full": (0.0, False), "fair": (0.25, False), "forgiving": (0.25, True)}
VBX = {
    "AMI_Mix-Headset": {"full": 16.33, "fair": 9.68, "forgiving": 1.56},
    "AMI_beamformed": {"full": 17.66, "fair": 10.81, "forgiving": 2.80},
}
DOVER_LAP = {
    "rttm_test_vb": (9.84, 2.06, 9.60, 21.50),
    "rttm_test_sc": (11.48, 2.27, 9.81, 23.56),
    "rttm_test_rpn": (9.49, 7.68, 8.25, 25.43),
    "rttm_dl_test": (9.96, 2.16, 7.75, 19.86),
}


@pytest.mark.parametrize("system", VBX)
def test_published_der_of_vbx_on_ami(system: str, shared_data: Path) -> None:
    folder = shared_data / "diarization" / "ami"
    reference, uem = folder / "ref" / "rttm" / "dev", folder / "ref" / "uem" / "dev"
    for protocol, (collar, skip) in PROTOCOLS.items():
        found = der(reference, folder / "hyp-vbx" / system, collar, skip, uem)
        assert round(100 * found, 2) == VBX[system][protocol]


@pytest.mark.parametrize("system", DOVER_LAP)
def test_published_components_of_dover_lap_on_ami(system: str, shared_data: Path) -> None:
    folder = shared_data / "diarization" / "ami-dover-lap"
    found = score(folder / "ref_rttm_test.rttm.gz", folder / f"{system}.rttm.gz", collar=0)
    rates = [part / found.total for part in (found.miss, found.false_alarm, found.confusion)]
    assert tuple(round(100 * rate, 2) for rate in (*rates, found.der)) == DOVER_LAP[system]


@pytest.fixture(scope="module")
def voxconverse(shared_data: Path) -> tuple[Corpus, Corpus]:
    """A ninth of VoxConverse dev, and a hypothesis made of it."""
    reference = read_rttm(shared_data / "diarization" / "voxconverse" / "dev")
    some = {name: reference[name] for name in sorted(reference)[::9]}
    return some, perturbed(some, seed=0)


@pytest.mark.parametrize(("collar", "skip"), [(0.0, False), (0.25, False), (0.25, True)])
def test_voxconverse_is_scored_as_pyannote_does(collar: float, skip: bool, voxconverse: tuple[Corpus, Corpus]) -> None:
    theirs = pyannote_components(*voxconverse, collar, skip, None)
    assert components(score(*voxconverse, collar, skip)) == pytest.approx(theirs, abs=1e-8)
    assert der(*voxconverse, collar, skip) == pytest.approx(sum(theirs[1:]) / theirs[0], abs=1e-9)


@pytest.mark.parametrize(("collar", "regions"), [(0.0, "all"), (0.25, "all"), (0.25, "nonoverlap")])
def test_voxconverse_mapped_on_all_time_is_scored_as_spy_der_does(
    collar: float, regions: str, voxconverse: tuple[Corpus, Corpus]
) -> None:
    import spyder

    theirs = spyder.DER(*voxconverse, collar=collar, regions=regions)["Overall"]
    ours = score(*voxconverse, collar, regions == "nonoverlap", mapping="all", merge_touching=True)
    assert ours.der == pytest.approx(theirs.der, abs=1e-9)
    assert ours.confusion / ours.total == pytest.approx(theirs.conf, abs=1e-9)


def test_voxconverse_jer_is_that_of_simpleder(voxconverse: tuple[Corpus, Corpus]) -> None:
    assert jer(*voxconverse) == pytest.approx(corpus_jer(*voxconverse), abs=1e-9)
