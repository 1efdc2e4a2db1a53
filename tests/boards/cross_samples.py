"""Records of systems that met several test corpora."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.records.record_samples import EER, make_record
from voxboard.records import Benchmark, Items, Record, Scoring, Training, Value

ACCURACY = "balanced_accuracy@macro"


def met(name: str, trained_on: str, tested_on: str, value: float, half: float | None = 0.02, **changes: Any) -> Record:
    """A verification record of a system that was trained on one corpus (or on nothing) and tested on another."""
    bounds = (None, None) if half is None else (max(0.0, value - half), min(1.0, value + half))
    base = make_record(
        name,
        groups=(),
        system__training=Training(trained_on, "cd" * 32) if trained_on else None,
        benchmark=Benchmark(
            f"{tested_on} verification", "verification", tested_on, EER, synthetic=tested_on == "Voices"
        ),
        provenance__digests={"weights": f"{name} {trained_on}"},
        values={EER: Value(value, low=bounds[0], high=bounds[1], clusters=24)},
        **changes,
    )
    assert base.protocol
    items = Items(tested_on.encode().hex(), 6000, "trials", "trials.txt", 3000, 24)
    return replace(base, protocol=replace(base.protocol, items=items))


def by_cohort(record: Record, cohort: str) -> Record:
    """The same numbers, normalised against a cohort."""
    assert record.protocol
    return replace(record, protocol=replace(record.protocol, scoring=Scoring("cosine", False, "s-norm", cohort)))


def told(record: Record, value: float, corpus: str) -> Record:
    """A record of a label, where higher is better."""
    assert record.protocol
    return replace(
        record,
        benchmark=Benchmark(f"{corpus} gender", "attributes", corpus, ACCURACY),
        protocol=replace(
            record.protocol,
            metrics={ACCURACY: {}},
            items=Items(corpus.encode().hex(), 400, "utterances", speakers=20),
            options={"label": "gender"},
        ),
        values={ACCURACY: Value(value, "higher", low=value - 0.03, high=value + 0.03, clusters=20)},
    )


def many() -> list[Record]:
    """A matrix with all that one can have: home, foreign, untrained, failed, and not run."""
    corpora = {"LibriSpeech": 0.05, "VCTK": 0.07, "Vox1": 0.12, "Voices": 0.02}
    records = []
    for shift, trained_on in enumerate(corpora):
        for step, name in enumerate(("ecapa-tdnn+attentive+aam", "wavlm-base-plus+double-mha+aam")):
            for place, (tested_on, hard) in enumerate(corpora.items()):
                away = 0.0 if trained_on == tested_on else 0.06 + 0.013 * ((shift + 2 * place) % 3)
                records.append(met(name, trained_on, tested_on, hard + away - 0.008 * step, 0.012 + 0.01 * hard))
    records += [met("fbank+mean", "", corpus, 0.25 + hard, 0.04) for corpus, hard in corpora.items()]
    records.remove(next(r for r in records if (r.system.corpus, r.benchmark.corpus) == ("Vox1", "VCTK")))
    lost = next(r for r in records if (r.system.corpus, r.benchmark.corpus) == ("Voices", "Vox1"))
    records[records.index(lost)] = replace(
        lost, status="failed", reason="not enough memory", values={}, provenance=replace(lost.provenance, digests={})
    )
    return records
