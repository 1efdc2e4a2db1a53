"""Transcription: from audio that spells its texts to error rates, tables and protocols, and who cannot write."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from lhotse import MonoCut, Recording, SupervisionSegment
from torch import Tensor, nn

from tests.decoding.test_ngram import ARPA
from voxboard import benchmarks, heads, model, systems
from voxboard.backbones.base import Backbone, BackboneSpec
from voxboard.backbones.frames import Frames, FramesSpec
from voxboard.benchmarks.transcription import Transcribed, Transcription
from voxboard.benchmarks.utterances import Utterances, utterances
from voxboard.cli.eval import main
from voxboard.data import tokens
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.data.targets import Targets, TokenTarget
from voxboard.errors import UserError
from voxboard.heads.ctc import CTC
from voxboard.model import EncoderModule, Network
from voxboard.poolers import create as pooler
from voxboard.settings import Evaluation

VOCABULARY = tokens.characters(["red fox", "dog"])
STEP, LEVEL = 160, 1 / 64  # samples per frame, amplitude per token
TOLD = Evaluation(replicates=50)
# id → what is said, what the corpus has
SAID = {
    "a": ("red fox", "red fox"),
    "b": ("re fox", "red fox"),  # one substitution
    "c": ("red", "red fox"),  # one deletion
    "d": ("dog", ""),  # one insertion
    "e": ("red red fox", "Red fox!"),  # one insertion once normalised
    "f": ("", "fox"),  # one deletion
}


class Spelling(Backbone):
    """Every 160 samples hold one token, as their amplitude."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = BackboneSpec(FramesSpec(1, len(VOCABULARY), STEP / 16_000), min_samples=STEP)

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Frames:
        steps = torch.div(lengths, STEP, rounding_mode="floor")
        heard = waveforms[:, : int(steps.max()) * STEP].unflatten(1, (-1, STEP)).mean(-1)
        classes = (heard / LEVEL).round().long().clamp(0, len(VOCABULARY) - 1)
        return Frames(nn.functional.one_hot(classes, len(VOCABULARY)).float()[:, None], steps, STEP / 16_000)


@pytest.fixture
def network() -> Network:
    """A network that writes what it hears."""
    head = heads.create("ctc", len(VOCABULARY), len(VOCABULARY))
    assert isinstance(head, CTC)
    with torch.no_grad():
        head.output.weight.copy_(12.0 * torch.eye(len(VOCABULARY)))
        head.output.bias.zero_()
    spec = FramesSpec(1, len(VOCABULARY), STEP / 16_000)
    encoder = EncoderModule(Spelling(), pooler("frames", spec))
    return Network(encoder, head, Targets({"text": TokenTarget("text", VOCABULARY)}))


def _wave(text: str) -> np.ndarray:
    path = [index for token in VOCABULARY.encode(text) for index in (token, token, 0)] or [0, 0]
    return np.repeat(np.array(path, dtype=np.float32) * LEVEL, STEP)


def _cut(folder: Path, name: str, wave: np.ndarray, text: str | None, speaker: str) -> MonoCut:
    soundfile.write(folder / f"{name}.wav", wave, 16_000)
    recording = Recording.from_file(folder / f"{name}.wav")
    speech = SupervisionSegment(name, recording.id, 0, recording.duration, text=text, speaker=speaker)
    return MonoCut(name, 0, recording.duration, 0, supervisions=[speech], recording=recording)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Six utterances of three speakers, and one without a text."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    cuts = [
        _cut(folder, name, _wave(said), text, "xyz"[row % 3]) for row, (name, (said, text)) in enumerate(SAID.items())
    ]
    cuts.append(_cut(folder, "z", _wave("dog"), None, "x"))
    return Corpus.write(folder, CorpusInfo("Spelt"), {"train": [], "test": cuts}, folder)


def _run(network: Network, corpus: Corpus, told: Evaluation = TOLD, **options: Any) -> tuple[Any, Transcribed]:
    benchmark: Any = benchmarks.create("transcription", **options)
    items = benchmark.items(corpus, "test")
    return benchmark, benchmark.run(network, items, told, show_progress=False)


def test_errors_are_counted_by_kind_over_the_corpus(network: Network, corpus: Corpus) -> None:
    benchmark, outputs = _run(network, corpus)
    assert list(outputs.texts) == [said for said, _ in SAID.values()]
    values = benchmark.measure(outputs, None, 50).values
    found = {metric: value.value for metric, value in values.items()}
    words = 2 + 2 + 2 + 0 + 2 + 1
    assert found == {
        "wer@basic": pytest.approx(5 / words),
        "substitutions@basic": pytest.approx(1 / words),
        "insertions@basic": pytest.approx(2 / words),
        "deletions@basic": pytest.approx(2 / words),
        "cer@basic": pytest.approx((0 + 1 + 4 + 3 + 4 + 3) / (7 + 7 + 7 + 0 + 7 + 3)),
    }
    assert set(found) == set(benchmark.parameters)
    assert values["wer@basic"].clusters == 3
    assert benchmark.fix(outputs).error == pytest.approx(found[benchmark.main_metric])


def test_the_frames_of_chunks_are_put_together_before_they_are_read(network: Network, corpus: Corpus) -> None:
    benchmark: Any = benchmarks.create("transcription")
    items = benchmark.items(corpus, "test").only([0])
    chunked = replace(TOLD, max_seconds=9 * STEP / 16_000)  # three chunks of 7 frames: the first ends inside the "d"
    assert benchmark.run(network, items, chunked, show_progress=False).texts == ("red fox",)


def test_the_table_has_every_utterance(network: Network, corpus: Corpus, tmp_path: Path) -> None:
    benchmark, outputs = _run(network, corpus)
    benchmark.save(outputs, tmp_path, "spelt-1234")
    rows = [json.loads(line) for line in (tmp_path / "texts-spelt-1234.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == list(SAID)
    assert rows[4] == {
        "id": "e", "reference": "red fox ", "hypothesis": "red red fox", "words": 2,
        "hits": 2, "substitutions": 0, "insertions": 1, "deletions": 0,
    }  # fmt: skip
    assert (rows[3]["reference"], rows[3]["insertions"]) == ("", 1)


def test_unreadable_audio_is_left_out_of_texts_and_protocol(network: Network, corpus: Corpus) -> None:
    benchmark, whole = _run(network, corpus)
    (corpus.folder / "b.wav").write_text("not audio at all")
    _, outputs = _run(network, corpus, replace(TOLD, skip_bad_audio=True))
    assert list(outputs.hypotheses) == ["a", "c", "d", "e", "f"]
    assert outputs.hypotheses["c"] == "red"
    ids = [benchmark.protocol(found, TOLD, None).id for found in (whole, outputs)]
    assert ids[0] != ids[1]


def test_a_protocol_names_what_fixes_the_numbers(network: Network, corpus: Corpus, tmp_path: Path) -> None:
    model_file = tmp_path / "model.arpa"
    model_file.write_text(ARPA)

    def protocol(**options: Any) -> Any:
        benchmark, outputs = _run(network, corpus, **options)
        return benchmark.protocol(outputs, TOLD, None)

    plain, raw, beam = protocol(), protocol(normalizer="none"), protocol(beam=5)
    helped = protocol(beam=5, lm=str(model_file), lm_weight=0.25)
    assert plain.options["normaliser"].startswith("basic@")
    assert set(raw.metrics) == {f"{kind}@none" for kind in ("wer", "cer", "substitutions", "insertions", "deletions")}
    assert plain.options.keys() == {"normaliser"}
    assert helped.options["language model"] == {
        "digest": hashlib.sha256(ARPA.encode()).hexdigest()[:12], "weight": 0.25, "word bonus": 1.0,
    }  # fmt: skip
    assert len({found.id for found in (plain, raw, beam, helped)}) == 4
    assert (plain.items.count, plain.items.speakers) == (6, 3)


def test_groups_of_enough_speakers_get_numbers(corpus: Corpus) -> None:
    cuts = []
    for number in range(70):
        speech = SupervisionSegment(str(number), str(number), 0, 1, speaker=str(number % 8), text="a b")
        cuts.append(MonoCut(str(number), 0, 1, 0, supervisions=[replace(speech, gender="fm"[number % 2])]))
    items = Utterances(corpus, "test", tuple(cuts), "0", ("a b",) * 70)
    texts = tuple("a b" if number % 2 else "a c" for number in range(70))
    benchmark = Transcription(Transcription.Config())
    measured = benchmark.measure(Transcribed(items, None, texts), None, 50)  # type: ignore[arg-type]
    found = {group.name: group.values["wer@basic"].value for group in measured.groups}
    assert found == {"gender=f": 0.5, "gender=m": 0.0}


def test_references_without_a_word_give_no_rate(corpus: Corpus) -> None:
    items = utterances(corpus, "test", "text").only([3])
    benchmark = Transcription(Transcription.Config())
    with pytest.raises(UserError, match="No reference holds a word"):
        benchmark.measure(Transcribed(items, None, ("dog",)), None, 50)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", ["fbank+frames+ctc", "fbank+statistics+softmax"])
def test_a_network_that_writes_nothing_is_refused(spec: str, corpus: Corpus) -> None:
    network = model.build(systems.parse(spec), None, seed=0)
    with pytest.raises(UserError, match="writes no text"):
        _run(network, corpus)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"normalizer": "kaldi"}, "kaldi"),
        ({"lm": "model.arpa"}, "best path cannot heed"),
        ({"language": "de"}, "training's language only"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    options: dict[str, Any], words: str, network: Network, corpus: Corpus
) -> None:
    with pytest.raises(UserError, match=words):
        _run(network, corpus, **options)


def test_a_run_is_evaluated_on_its_own_training_utterances(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxboard.cli import train

    folder = tmp_path / "own"
    folder.mkdir()
    cuts = [_cut(folder, name, _wave(said), said, name) for name, (said, _) in list(SAID.items())[:3]]
    Corpus.write(folder, CorpusInfo("Own"), {"train": cuts}, folder)
    monkeypatch.chdir(tmp_path)
    small = "--skiptest --train_max_sec 0 --batch_size 3 --nb_total_step 2 --nb_steps_eval 2 --workers 0 --device cpu"
    train.main([str(folder), "fbank(bins=8)+frames+ctc", "--task", "transcription", *small.split()])
    (run,) = (tmp_path / "results/runs").iterdir()
    with pytest.raises(UserError, match="test"):
        main(["_", "_", "--eval_path", str(run)])
    main(["_", "_", "--eval_path", str(run), "--split", "train", "--replicates", "10"])
    (record,) = (tmp_path / "results/records").rglob("*.json")
    content = json.loads(record.read_text())
    assert content["benchmark"]["split"] == "train"
    assert content["values"]["wer@basic"]["value"] > 0
    (table,) = run.glob("texts-*.jsonl")
    assert len(table.read_text().splitlines()) == 3
