"""The decoder of a Whisper checkpoint: transformers' own texts, window by window, and through a whole evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from torch import Tensor
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers import WhisperTokenizer as Tokenizer

from tests.cuts import noise_cuts
from voxboard import heads, model, systems
from voxboard.backbones.frames import Frames
from voxboard.cli.eval import main
from voxboard.data.corpus import Corpus, CorpusInfo
from voxboard.errors import UserError

WINDOW = 32_000  # samples of the tiny checkpoint's 100 frames
SPECIAL = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>",
    "<|notimestamps|>",
)  # fmt: skip
TOKENS = {token: index for index, token in enumerate([*map(chr, range(97, 123)), "Ġ", *SPECIAL])}


def checkpoint(at: Path, multilingual: bool = True) -> WhisperForConditionalGeneration:
    """Saves a tiny Whisper of 2 s windows with random weights, and its tokenizer of letters."""
    tokenizer: Any = Tokenizer(vocab=TOKENS, merges=[])  # type: ignore[no-untyped-call]
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    tokenizer.save_pretrained(at)
    end, start = TOKENS["<|endoftext|>"], TOKENS["<|startoftranscript|>"]
    ends = {"pad_token_id": end, "eos_token_id": end, "bos_token_id": end, "decoder_start_token_id": start}
    sizes = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    sizes |= {"d_model": 32, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "num_mel_bins": 20}
    shape = WhisperConfig(
        **sizes, **ends, vocab_size=len(TOKENS), max_source_positions=100, max_target_positions=24,
        suppress_tokens=None, begin_suppress_tokens=None, init_std=0.5,
    )  # fmt: skip
    torch.manual_seed(0)
    made = WhisperForConditionalGeneration(shape).eval()
    known = {
        "is_multilingual": True,
        "lang_to_id": {name: TOKENS[name] for name in ("<|en|>", "<|de|>")},
        "task_to_id": {name: TOKENS[f"<|{name}|>"] for name in ("transcribe", "translate")},
    }
    plain = {"is_multilingual": False}
    made.generation_config = GenerationConfig(
        **ends, max_length=24, no_timestamps_token_id=TOKENS["<|notimestamps|>"], **(known if multilingual else plain)
    )
    made.save_pretrained(at)
    return made


def system(at: Path, whole: bool = True) -> systems.System:
    return systems.parse(f"whisper(cfg='{at}', use_pretrain=True, whole={whole})+frames+whisper:{at}")


def own_texts(made: Any, at: Path, waves: list[Tensor], **options: Any) -> list[str]:
    """What transformers' extractor, model and tokenizer make of waveforms of at most a window."""
    extract = WhisperFeatureExtractor(feature_size=20, chunk_length=2)
    mels = extract([wave.numpy() for wave in waves], sampling_rate=16_000, return_tensors="pt").input_features
    tokens = made.generate(mels, return_timestamps=False, **options)
    tokenizer = Tokenizer.from_pretrained(at)
    return [text.strip() for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]


@torch.inference_mode()
def test_texts_are_transformers_own_window_by_window(tmp_path: Path) -> None:
    made = checkpoint(tmp_path)
    network: Any = model.build(system(tmp_path), None, seed=0)
    network.encoder.eval()
    lengths = [WINDOW, 20_000, 2 * WINDOW + 9_000]
    generator = torch.Generator().manual_seed(1)
    waves = [0.1 * torch.randn(length, generator=generator) for length in lengths]
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    frames = network.encoder.sequence(batch, torch.tensor(lengths))
    for language, beam in (("en", 1), ("de", 1), ("", 1), ("en", 3)):
        told = {"task": "transcribe", "language": language or None, "num_beams": beam}
        pieces = own_texts(made, tmp_path, [waves[0], waves[1], *waves[2].split(WINDOW)], **told)
        expected = [pieces[0], pieces[1], " ".join(pieces[2:])]
        assert all(expected)
        assert network.head.texts(frames, language, beam) == expected
    with pytest.raises(UserError, match=r"fr.*not supported"):
        network.head.texts(frames, "fr")


@torch.inference_mode()
def test_an_english_checkpoint_is_told_nothing(tmp_path: Path) -> None:
    made = checkpoint(tmp_path, multilingual=False)
    network: Any = model.build(system(tmp_path), None, seed=0)
    wave = 0.1 * torch.randn(WINDOW, generator=torch.Generator().manual_seed(1))
    frames = network.encoder.eval().sequence(wave[None], torch.tensor([WINDOW]))
    assert network.head.texts(frames) == own_texts(made, tmp_path, [wave])
    with pytest.raises(UserError, match="knows English only"):
        network.head.texts(frames, "en")


def test_what_cannot_be_read_or_trained_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    name = f"whisper:{tmp_path}"
    with pytest.raises(UserError, match="not trained"):
        heads.create(name, 32, 5)
    with pytest.raises(UserError, match=r"size 32, the backbone gives 16"):
        heads.create(name, 16, None)
    with pytest.raises(UserError, match="There is no folder"):
        heads.create("whisper:/no/such/folder", 32, None)
    head: Any = heads.create(name, 32, None)
    for steps, lengths in ((120, [120, 60]), (200, [200, 60])):
        with pytest.raises(UserError, match="whole=True"):
            head.texts(Frames(torch.zeros(2, 1, steps, 32), torch.tensor(lengths), 0.02))
    for file in tmp_path.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(UserError, match="no tokenizer of Whisper"):
        heads.create(name, 32, None)


def test_a_checkpoint_is_evaluated_as_a_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audio").mkdir()
    made = checkpoint(tmp_path / "tiny")
    cuts = noise_cuts(tmp_path / "audio", [0.5, 1.5])
    for cut, text in zip(cuts, ("a b", ""), strict=True):
        cut.supervisions[0].text = text
    Corpus.write(tmp_path / "audio", CorpusInfo("Noise"), {"test": cuts}, tmp_path / "audio")
    monkeypatch.chdir(tmp_path)
    spec = system(Path("./tiny")).spec
    words = [str(tmp_path / "audio"), spec, "--task", "transcription", "--language", "en", "--replicates", "10"]
    main([*words, "--device", "cpu"])
    (file,) = (tmp_path / "results/records").rglob("*.json")
    record = json.loads(file.read_text())
    assert record["system"]["head"]["name"] == "whisper:tiny"
    assert record["protocol"]["options"]["language"] == "en"
    waves = [torch.from_numpy(soundfile.read(tmp_path / "audio" / f"{row}.wav", dtype="float32")[0]) for row in (0, 1)]
    written = own_texts(made, tmp_path / "tiny", waves, task="transcribe", language="en")
    assert "" not in written  # random letters without a space: one wrong word against two, one against none
    assert not any(" " in text for text in written)
    assert record["values"]["wer@basic"]["value"] == pytest.approx(3 / 2)
    with pytest.raises(UserError, match="writes its texts itself"):
        main([*words, "--beam", "2", "--lm", "model.arpa"])
