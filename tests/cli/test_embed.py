"""`voxboard embed` as a person meets it: what is written, kept, refused and drawn."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from voxboard import model, systems
from voxboard.cli import main
from voxboard.data.prepare_options import PrepareOptions
from voxboard.embedding import export
from voxboard.embedding.embed import embed as embed_cuts
from voxboard.embedding.export import load
from voxboard.model import normalize
from voxboard.preparation import prepare

SYSTEM = "fbank+statistics"
NAME = "fbank-statistics"
# Another format, width and rate in every file.
FORMATS = {
    "wav48/p225/p225_001.wav": ("PCM_16", 16_000),
    "wav48/p225/p225_002.wav": ("PCM_U8", 22_050),
    "wav48/p225/p225_003.flac": ("PCM_24", 48_000),
    "wav48/p226/p226_001.wav": ("FLOAT", 8_000),
    "wav48/p226/p226_002.wav": ("PCM_16", 24_000),
}


@pytest.fixture
def audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in VCTK's layout; the working folder is empty."""
    for number, (name, (subtype, rate)) in enumerate(FORMATS.items()):
        path = tmp_path / "audio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, rate // 2)
        soundfile.write(path, samples, rate, subtype)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "audio"


def _run(audio: Path, *words: str, system: str = SYSTEM) -> int:
    return main(["embed", str(audio), "--system", system, "--device", "cpu", *words])


def _tensor(path: Path) -> np.ndarray:
    found = torch.load(path, weights_only=True)
    assert (found.dtype, found.shape[0]) == (torch.float32, 1)
    return np.asarray(found[0].numpy())


def test_files_have_the_reference_s_names_and_hold_the_embeddings(
    audio: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path for path in audio.rglob("*"))
    assert _run(audio, "--out", "out") == 0
    shown = capsys.readouterr()
    assert shown.out == f"out/{NAME}_embeddings.json\n"
    assert "5 utterances of 2 speakers, 160 numbers each." in shown.err
    assert sorted(path for path in audio.rglob("*")) == before
    written = sorted(str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file())
    stems = [name.rpartition(".")[0] for name in FORMATS]
    averaged = [f"wav48/{speaker}/{speaker}.{NAME}_averaged_embedding" for speaker in ("p225", "p226")]
    assert written == sorted([f"{NAME}_embeddings.json", *averaged, *(f"{stem}.{NAME}_embedding" for stem in stems)])
    rows = {stem: _tensor(Path(f"out/{stem}.{NAME}_embedding")) for stem in stems}
    np.testing.assert_allclose([np.linalg.norm(row) for row in rows.values()], 1.0, atol=1e-6)
    own = np.stack([row for stem, row in rows.items() if "p225/" in stem])
    np.testing.assert_allclose(_tensor(Path("out") / averaged[0]), own.mean(0), atol=1e-7)
    samples, rate = soundfile.read(audio / "wav48/p225/p225_001.wav", dtype="float32")
    assert rate == 16_000
    encoder = model.build(systems.parse(SYSTEM), None, 42).encoder.eval()
    with torch.inference_mode():
        alone = normalize(encoder(torch.from_numpy(samples)[None], torch.tensor([len(samples)])))
    np.testing.assert_allclose(rows["wav48/p225/p225_001"], alone[0].numpy(), atol=1e-5)


def test_every_format_holds_the_same(audio: Path) -> None:
    assert _run(audio) == 0
    assert _run(audio, "--format", "safetensors") == 0
    default = Path("results/embeddings") / f"audio-{NAME}"
    files, single = load(default), load(f"{default}.safetensors")
    assert files.ids == single.ids == tuple(sorted(name.rpartition(".")[0] for name in FORMATS))
    assert (files.speakers, files.stamps) == (single.speakers, single.stamps)
    assert files.metadata == single.metadata
    np.testing.assert_array_equal(files.matrix, single.matrix)
    assert single.metadata["sample_rate"] == 16_000
    encoder = model.build(systems.parse(SYSTEM), None, 42).encoder
    assert single.metadata["digest"] == encoder.fingerprint()
    assert not Path(f"results/embeddings/.audio-{NAME}.safetensors.parts").exists()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The utterances that a network has heard; the third block of one utterance is not reached."""
    heard: list[str] = []

    def counting(encoder: object, cuts: list, **options: object) -> object:
        if len(heard) == 2 and os.environ.get("STOP"):
            raise KeyboardInterrupt
        heard.extend(cut.id for cut in cuts)
        return embed_cuts(encoder, cuts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(export, "embed", counting)
    monkeypatch.setattr(export, "BLOCK", 1)
    return heard


@pytest.mark.parametrize("out", ["out", "out.safetensors"])
def test_an_interrupted_run_goes_on_and_what_changed_is_made_again(
    out: str, audio: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", out, "--format", Path(out).suffix[1:] or "files"]
    monkeypatch.setenv("STOP", "1")
    assert _run(audio, *words) == 130
    monkeypatch.delenv("STOP")
    assert _run(audio, *words) == 0
    assert counted == sorted(name.rpartition(".")[0] for name in FORMATS)  # each of them once
    assert "2 of them were there already." in capsys.readouterr().err
    whole = load(out)
    assert _run(audio, "--out", f"straight{Path(out).suffix}", *words[2:]) == 0
    np.testing.assert_array_equal(load(f"straight{Path(out).suffix}").matrix, whole.matrix)

    counted.clear()
    changed = audio / "wav48/p226/p226_002.wav"
    soundfile.write(changed, np.random.default_rng(9).uniform(-0.5, 0.5, 9_000), 24_000)
    shutil.copy(changed, audio / "wav48/p226/p226_009.wav")
    (audio / "wav48/p225/p225_001.wav").unlink()
    assert _run(audio, *words) == 0
    assert counted == ["wav48/p226/p226_002", "wav48/p226/p226_009"]
    found = load(out)
    assert "wav48/p225/p225_001" not in found.ids
    kept = [name for name in found.ids if name not in counted]
    for name in kept:
        np.testing.assert_array_equal(
            found.matrix[found.ids.index(name)], whole.matrix[whole.ids.index(name)], err_msg=name
        )
    assert np.abs(found.matrix[found.ids.index(counted[0])] - whole.matrix[whole.ids.index(counted[0])]).max() > 1e-3


@pytest.mark.parametrize("out", ["out", "out.safetensors"])
def test_another_model_s_embeddings_are_refused_or_replaced(
    out: str, audio: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", out, "--format", Path(out).suffix[1:] or "files", "--name", "m"]
    assert _run(audio, *words) == 0
    before = load(out)
    assert _run(audio, *words, "--trim") == 2
    assert "made with another trim (False, not True)" in capsys.readouterr().err
    assert _run(audio, *words, system="fbank+mean") == 2
    assert "made with another spec (fbank+statistics, not fbank+mean)" in capsys.readouterr().err
    np.testing.assert_array_equal(load(out).matrix, before.matrix)
    assert _run(audio, *words, "--overwrite", system="fbank+mean") == 0
    assert load(out).matrix.shape == (5, 80)
    assert load(out).metadata["spec"] == "fbank+mean"


def test_files_of_others_are_never_overwritten(audio: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = audio / f"wav48/p225/p225_001.{NAME}_embedding"
    foreign.write_text("mine")
    assert _run(audio, "--beside") == 2
    assert "p225_001.fbank-statistics_embedding is there and was not written by voxboard" in capsys.readouterr().err
    assert foreign.read_text() == "mine"
    assert sorted(path.name for path in audio.rglob("*embedding*")) == [foreign.name]
    foreign.unlink()
    assert _run(audio, "--beside") == 0
    assert _tensor(foreign).shape == (160,)
    Path("taken.safetensors").write_text("mine")
    assert _run(audio, "--format", "safetensors", "--out", "taken.safetensors") == 2
    assert Path("taken.safetensors").read_text() == "mine"


def test_trimming_takes_what_is_quiet_at_both_ends(audio: Path) -> None:
    path = audio / "wav48/p225/p225_001.wav"
    loud = np.random.default_rng(0).uniform(-0.5, 0.5, 8_000)
    loud[[0, -1]] = 0.5
    quiet = np.full(4_000, 0.03)
    soundfile.write(path, np.concatenate([quiet, loud, quiet]), 16_000)
    soundfile.write(audio / "wav48/p225/p225_002.wav", loud, 16_000)
    soundfile.write(audio / "wav48/p226/p226_001.wav", np.tile(quiet, 2), 16_000)  # nothing would be left of it
    assert _run(audio, "--trim", "--format", "safetensors", "--out", "a.safetensors") == 0
    found = load("a.safetensors")
    rows = dict(zip(found.ids, found.matrix, strict=True))
    np.testing.assert_allclose(rows["wav48/p225/p225_001"], rows["wav48/p225/p225_002"], atol=1e-5)
    assert np.isfinite(found.matrix).all()


def test_bad_audio_is_named_or_left_out(audio: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (audio / "wav48/p226/p226_005.wav").write_bytes(b"RIFF of nothing")
    damaged = audio / "wav48/p226/p226_006.wav"
    samples = np.full(8_000, np.nan, dtype=np.float32)  # its header is sound
    soundfile.write(damaged, samples, 16_000, "FLOAT")
    assert _run(audio) == 2
    assert "p226_005.wav is not audio that can be read" in capsys.readouterr().err
    assert _run(audio, "--skip_bad_audio") == 0
    said = capsys.readouterr().err
    assert "1 files cannot be read and are left out" in said
    assert "(e.g. wav48/p226/p226_006)" in said
    assert "5 utterances of 2 speakers" in said
    index = json.loads(next(Path("results/embeddings").rglob("*.json")).read_text())
    assert not any("_006" in entry["file"] for entry in index["utterances"].values())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Embedding needs one model"),
        (["--system", SYSTEM, "--eval_path", "run"], "Embedding needs one model"),
        (["--system", SYSTEM, "--beside", "--out", "x"], "--beside writes files beside the audio"),
        (["--system", SYSTEM, "--name", "a/b"], "cannot be part of a file name"),
        (["--system", SYSTEM, "--plot", "x.pdf"], "neither PNG nor SVG"),
        (["--system", SYSTEM, "--format", "safetensors", "--out", "x.npz"], "does not end in .safetensors"),
        (["--system", "fbnk+mean"], "Did you mean fbank"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], says: str, audio: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", str(audio), *words]) == 2
    assert says in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == []


def test_a_picture_is_drawn_beside_the_embeddings(audio: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(audio, "--plot", "picture.svg") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "picture.svg"
    assert Path("picture.svg").read_text(encoding="utf-8").startswith("<?xml")
    (audio / "wav48/p225/p225_001.wav").unlink()
    assert _run(audio, "--plot", "four.svg") == 2
    assert "at least 5 utterances, there are 4" in capsys.readouterr().err


def test_a_run_embeds_a_prepared_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXBOARD_CORPORA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    prepare("Voices", None, tmp_path / "Voices", PrepareOptions(speakers=12, utterances=2))
    words = "--channels 16 --frame_size 32 --batch_size 4 --train_max_sec 0.5 --workers 0 --device cpu --skiptest"
    words += " --nb_total_step 2 --nb_steps_eval 2"
    assert main(["train", "Voices", "ecapa+native+aam", *words.split()]) == 0
    (run,) = Path("results/runs").iterdir()
    assert main(["embed", "Voices", "--eval_path", run.name, "--name", "mine", "--device", "cpu"]) == 0
    found = load("results/embeddings/Voices-mine")
    assert len(found.ids) == 24
    assert (found.metadata["run"], found.metadata["trained_on"]) == (run.name, "Voices")
    assert set(found.metadata["genders"].values()) == {"female", "male"}


def test_the_python_of_the_page_runs(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    assert _run(shared_data / "vctk-mini" / "VCTK", "--out", "vctk", "--name", "ecapa") == 0
    names: dict[str, Any] = {}
    exec(compile(code, str(page), "exec"), names)
    assert names["one"].shape == (1, 160)
    assert names["averages"].shape == (2, 160)


def test_vctk_itself(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(shared_data / "vctk-mini" / "VCTK", "--out", "out") == 0
    found = load("out")
    assert (len(found.ids), sorted(set(found.speakers))) == (20, ["p225", "p226"])
    assert found.metadata["genders"] == {"p225": "female", "p226": "male"}
    assert _tensor(Path(f"out/wav16/p225/p225.{NAME}_averaged_embedding")).shape == (160,)
    cosines = found.matrix @ found.matrix.T
    same = np.array(found.speakers)[:, None] == np.array(found.speakers)
    assert cosines[same].mean() > cosines[~same].mean()
