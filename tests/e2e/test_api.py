"""`import voxboard as vb`: a notebook's way through loading, evaluating, training, comparing and boards."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn
from transformers import WavLMConfig, WavLMModel

import voxboard as vb
from voxboard.api import configure, measure
from voxboard.cli import main
from voxboard.errors import UserError
from voxboard.evaluation.encoder import Encoder
from voxboard.records import Record, load
from voxboard.systems import parse

FAST = {"replicates": 20, "device": "cpu"}
TRAINING = {"nb_total_step": 4, "nb_steps_eval": 2, "batch_size": 4, "workers": 0, "device": "cpu", "replicates": 20}
OWN = '''
from dataclasses import dataclass
from voxboard.backbones.utterance import UtteranceEncoder, UtteranceSpec

class Levels(UtteranceEncoder):
    @dataclass(frozen=True)
    class Config:
        size: int = 8
        """How many."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.spec = UtteranceSpec(embedding_size=config.size, min_samples=400, batching="equal-length", weights="none")

    def embed(self, waveforms, lengths):
        frames = waveforms.unfold(1, 400, 160).square().mean(-1)
        return (frames.sort(-1).values.flip(-1)[:, : self.config.size] + 1e-6).log()
'''


class Net(nn.Module):
    """Ten numbers of a waveform."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(1, 10, 400, 160)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        return self.layer(waveforms[:, None]).relu().mean(-1)  # type: ignore[no-any-return]


@pytest.fixture
def files(here: Path) -> list[str]:
    """Two recordings at different rates, one of them stereo."""
    noise = np.random.default_rng(0)
    soundfile.write(here / "a.wav", 0.1 * noise.standard_normal(16_000), 16_000)
    soundfile.write(here / "b.flac", 0.1 * noise.standard_normal((22_050, 2)), 44_100)
    return ["a.wav", "b.flac"]


def eer(record: Record) -> float:
    value = record.values["eer@interpolated"].value
    assert value is not None
    return value


def test_a_spec_embeds_files_in_their_order_at_unit_length(files: list[str]) -> None:
    encoder = vb.load("fbank+statistics")
    matrix = encoder.embed(files)
    assert matrix.shape == (2, 160)
    assert np.linalg.norm(matrix, axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert np.array_equal(vb.embed(encoder, files[::-1]), matrix[::-1])
    assert np.array_equal(vb.embed("fbank+statistics", [Path(file) for file in files]), matrix)


def onnx_file(path: Path) -> Path:
    """Mean and largest sample of a waveform."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["wave"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("ReduceL2", ["wave"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["mean", "norm"], ["embedding"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "levels",
        [helper.make_tensor_value_info("wave", kind, ["B", "N"])],
        [helper.make_tensor_value_info("embedding", kind, ["B", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def hf_folder(path: Path) -> Path:
    config = WavLMConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    WavLMModel(config).save_pretrained(path)
    (path / "preprocessor_config.json").write_text('{"do_normalize": false}')
    return path


def own_file(path: Path) -> str:
    path.write_text(OWN)
    return f"{path}:Levels"


KINDS: dict[str, tuple[Callable[[Path], object], int]] = {
    "module": (lambda _: Net(), 10),
    "function": (lambda _: lambda waveforms: waveforms[:, :7], 7),
    "onnx": (lambda here: onnx_file(here / "levels.onnx"), 2),
    "hugging face": (lambda here: hf_folder(here / "wavlm"), 16),
    "file": (lambda here: own_file(here / "levels.py"), 8),
    "system": (lambda _: parse("fbank+mean"), 80),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_embeds_and_is_evaluated(kind: str, here: Path, files: list[str]) -> None:
    make, size = KINDS[kind]
    encoder = vb.load(make(here), device="cpu")  # type: ignore[arg-type]
    assert vb.embed(encoder, files).shape == (2, size)
    record = vb.evaluate(encoder, "Voices", **FAST)
    assert 0 <= eer(record) <= 1
    assert record.system.head is None
    assert load(here / "results" / "records")[0].values == record.values
    json.dumps(record.to_dict())


def test_an_object_of_a_program_is_marked_as_of_unknown_weights(here: Path) -> None:
    torch.manual_seed(0)
    record = vb.evaluate(vb.load(Net(), name="mine", device="cpu"), "Voices", **FAST)
    assert (record.system.name, record.system.weights) == ("mine", "unknown")
    assert record.system.backbone.name == f"python:{Net.__module__}.Net"
    assert record.provenance.digests["user_code"]
    with pytest.raises(UserError, match="object of a Python program"):
        vb.evaluate(parse(f"python:{Net.__module__}.Net"), "Voices", **FAST)


@pytest.mark.parametrize("made", [3, lambda waveforms, lengths: 3, lambda waveforms: waveforms[0]])
def test_what_gives_no_embeddings_is_refused(made: object) -> None:
    with pytest.raises(UserError, match="encoder|embeddings"):
        vb.load(made)  # type: ignore[arg-type]


def test_python_and_the_command_line_make_the_same_record(here: Path) -> None:
    record = vb.evaluate("fbank+statistics", "Voices", records="python", **FAST)
    words = ["eval", "Voices", "fbank+statistics", "--seed", "42", "--replicates", "20"]
    assert main([*words, "--device", "cpu", "--records", "cli"]) == 0
    (other,) = load(here / "cli")
    assert record.provenance.command == f"voxboard {' '.join(words)}"
    assert (record.values, record.protocol, record.row, record.cell) == (
        other.values,
        other.protocol,
        other.row,
        other.cell,
    )


def test_several_benchmarks_give_a_list(here: Path) -> None:
    first, second = vb.evaluate("fbank+mean", ["Voices", "voices-gender"], **FAST)
    assert (first.benchmark.task, second.benchmark.task) == ("verification", "attributes")


def test_a_run_is_trained_loaded_evaluated_and_gone_on_with(here: Path, files: list[str]) -> None:
    run = vb.train("Voices", "xvector(channels=16)+mean+softmax", **TRAINING)
    assert run.record is not None
    assert run.path.parent == Path("results/runs")
    encoder = vb.load(run.path.name)
    assert encoder.run == run.path
    assert encoder.embed(files).shape[0] == 2
    again = vb.evaluate(encoder, records="again", **FAST)
    assert (again.values, again.system) == (run.record.values, run.record.system)
    assert again.provenance.command.startswith("voxboard eval _ _ --eval_path ")
    assert vb.load(encoder) is encoder


def test_settings_are_the_flags_and_unknown_ones_are_named() -> None:
    config = configure("Voices", "ECAPA-TDNN", max_lr=0.003, frz_pretrain=True, score_norm="s-norm", label_maps="maps")
    assert (config.training.max_lr, config.general.frz_pretrain) == (0.003, True)
    assert config.benchmark.options == {"score_norm": "s-norm"}
    assert config.training.label_maps == Path("maps")
    for make in (
        lambda: configure("Voices", "ECAPA-TDNN", max_lrr=0.003),
        lambda: vb.evaluate("fbank+mean", "Voices", replicate=3),
        lambda: vb.compare("a", "b", levle=0.9),
        lambda: vb.score(score="x"),
    ):
        with pytest.raises(UserError, match="Did you mean|max_lr"):
            make()
    with pytest.raises(UserError, match="Did you mean ecapa"):
        vb.load("ecappa+mean")
    with pytest.raises(UserError, match="Name the corpus"):
        vb.evaluate("fbank+mean")


def test_records_comparisons_and_boards_show_themselves(here: Path) -> None:
    records = [vb.evaluate(f"fbank+{pooler}", "Voices", **FAST) for pooler in ("mean", "statistics")]
    comparison = vb.compare(*records)
    assert {row.metric for row in comparison.rows} >= {"eer@interpolated", "min_dcf@p=0.01"}
    frame = comparison.frame()
    assert frame.loc[0, "difference"] == pytest.approx(eer(records[1]) - eer(records[0]))
    board = vb.board("results/records", out="board")
    assert (here / "board" / "index.html").is_file()
    assert vb.board(records).frame().equals(board.frame())
    assert sorted(board.frame()["eer@interpolated"]) == sorted(map(eer, records))
    for shown, metric in ((records[0], "EER"), (comparison, "eer@interpolated"), (board, "EER")):
        assert "<table" in shown._repr_html_()
        assert metric in shown._repr_html_()
    assert "eer@interpolated" in str(comparison)
    assert str(records[0]).startswith("fbank+mean on Voices verification")


def test_names_are_no_markup_in_a_notebook(here: Path) -> None:
    torch.manual_seed(0)
    record = vb.evaluate(vb.load(Net(), name="<script>x</script>", device="cpu"), "Voices", **FAST)
    for shown in (record, vb.board([record])):
        assert "<script" not in shown._repr_html_()


def test_scores_of_others_become_a_record(here: Path) -> None:
    lines = [f"{'target' if same else 'nontarget'}" for same in (1, 0) for _ in range(40)]
    rows = [
        f"s{n % 10}-{n} s{(n + (kind != 'target')) % 10}-b{n} {n % 7 + 3 * (kind == 'target')} {kind}"
        for n, kind in enumerate(lines)
    ]
    (here / "scores.txt").write_text("\n".join(rows) + "\n")
    record = vb.score(scores="scores.txt", corpus="Vox1", system="theirs", replicates=20)
    assert (record.status, record.system.name, record.benchmark.corpus) == ("imported", "theirs", "Vox1")
    assert not math.isnan(eer(record))
    assert record.provenance.command.startswith("voxboard score --scores ")


def test_code_that_a_run_names_runs_only_when_it_is_trusted(here: Path, files: list[str]) -> None:
    marker = here / "ran"
    (here / "own.py").write_text(OWN)
    run = vb.train("Voices", f"{here / 'own.py'}:Levels+native+softmax", skiptest=True, frz_pretrain=True, **TRAINING)
    (here / "own.py").write_text(f"open({str(marker)!r}, 'w').close()\n{OWN}")
    with pytest.raises(UserError, match="trust_code"):
        vb.load(run.path)
    assert not marker.exists()
    assert vb.load(run.path, trust_code=True).embed(files).shape == (2, 192)
    assert marker.exists()


def test_importing_the_package_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    words = "import sys, voxboard; assert not {'torch', 'numpy', 'lhotse'} & set(sys.modules); print(*dir(voxboard))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert {"load", "evaluate", "train", "embed", "compare", "score", "board"} <= set(done.stdout.split())


def test_measure_takes_whole_settings(here: Path) -> None:
    from voxboard.settings import Eval, Evaluation, Weights

    record = measure("fbank+mean", "Voices", None, Eval(device="cpu"), Evaluation(replicates=20), Weights())
    assert isinstance(record, Record)
    assert isinstance(vb.load("fbank+mean"), Encoder)
