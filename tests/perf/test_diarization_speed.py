"""DER and JER of a corpus: ratios to spy-der (C++), pyannote.metrics and simpleder on VoxConverse dev, 216 files."""

from __future__ import annotations

import pytest
import simpleder
import simpleder.jer
import spyder
from pyannote.core import Annotation
from pyannote.metrics.diarization import DiarizationErrorRate

from tests.metrics.diarized import Corpus, annotation, perturbed
from tests.perf.measure import interleaved, report
from voxboard.metrics.diarization import der, jer
from voxboard.metrics.rttm import read_rttm

pytestmark = pytest.mark.perf
ROUNDS = 5


@pytest.fixture(scope="module")
def voxconverse() -> tuple[Corpus, Corpus]:
    from tests.conftest import DATA

    if not DATA.is_dir():
        pytest.skip("no real data: VOXBOARD_DATA names no folder")
    reference = read_rttm(DATA / "diarization" / "voxconverse" / "dev")
    hypothesis = perturbed(reference, seed=0)
    jer(reference, hypothesis)  # imports SciPy
    return reference, hypothesis


@pytest.mark.filterwarnings("ignore")  # pyannote: that a UEM was made up
@pytest.mark.parametrize("collar", [0.0, 0.25])
def test_der_takes_less_time_than_the_fastest_peer(collar: float, voxconverse: tuple[Corpus, Corpus]) -> None:
    annotations: list[dict[str, Annotation]] = [
        {name: annotation(turns) for name, turns in side.items()} for side in voxconverse
    ]

    def pyannote() -> float:
        metric = DiarizationErrorRate(collar=2 * collar)
        for name, expected in annotations[0].items():
            metric(expected, annotations[1][name])
        return float(abs(metric))

    def spy() -> float:
        return float(spyder.DER(*voxconverse, collar=collar)["Overall"].der)

    assert der(*voxconverse, collar) == pytest.approx(pyannote(), abs=1e-9)
    assert der(*voxconverse, collar, mapping="all", merge_touching=True) == pytest.approx(spy(), abs=1e-9)
    fast = {"ours": lambda: der(*voxconverse, collar), "spy-der": spy}
    slow = {"pyannote": pyannote, "simpleder": lambda: simpleder.corpus_der(*voxconverse, collar=collar)}
    took = interleaved(ROUNDS, **fast)
    # Seconds each, far from the target: once is enough.
    took |= {name: interleaved(1, way=way)["way"] for name, way in slow.items()}
    report(f"DER, VoxConverse dev, collar {collar:g}", took, "≤ 0.6 × spy-der, ≥ 40 × pyannote")
    assert took["ours"] <= 0.6 * took["spy-der"]
    assert took["pyannote"] >= 40 * took["ours"]


def test_jer_takes_a_tenth_of_simpleder(voxconverse: tuple[Corpus, Corpus]) -> None:
    assert jer(*voxconverse) == pytest.approx(simpleder.jer.corpus_jer(*voxconverse), abs=1e-9)
    took = interleaved(3, ours=lambda: jer(*voxconverse), simpleder=lambda: simpleder.jer.corpus_jer(*voxconverse))
    report("JER, VoxConverse dev", took, "≥ 10 × simpleder")
    assert took["simpleder"] >= 10 * took["ours"]
