"""Checkpoints and folders of weights that want code to be run, or files elsewhere to be read: none of it happens."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from tests.language_models import chat_model, sentence_encoder
from tests.security.conftest import Arena
from voxboard import backbones
from voxboard.data import sentences
from voxboard.errors import UserError
from voxboard.heads import chat_model as chats
from voxboard.reference_weights import read_weights

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


class Payload:
    """Pickled, it runs a shell command where it is opened."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def folder(arena: Arena, **changes: Any) -> Path:
    """A tiny wav2vec2 with its feature extractor, and changed entries of its config.json."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    shape = transformers.Wav2Vec2Config(**sizes, conv_dim=(8,) * 7, num_conv_pos_embedding_groups=4)
    place = arena.work / "model"
    transformers.Wav2Vec2Model(shape).save_pretrained(place)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(place)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, **changes}))
    (place / "evil.py").write_text(f"{arena.python}\nclass Model: pass\nclass Config: pass\n")
    return place


def opened(place: Path) -> torch.Tensor:
    """The states of a second of noise."""
    noise = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return backbones.create(f"hf:{place}").eval()(noise, torch.tensor([16_000])).states


S3PRL = [
    ("wavlm_local", lambda text: {"cfg": {"conv_feature_layers": text}, "model": {}}),
    ("unispeech_sat_local", lambda text: {"cfg": {"conv_feature_layers": text}, "model": {}}),
    ("hubert_local", lambda text: {"task_cfg": {}, "model_cfg": {"conv_feature_layers": text}, "model_weight": {}}),
    ("wav2vec2_local", lambda text: {"task_cfg": {}, "model_cfg": {"conv_feature_layers": text}, "model_weight": {}}),
    ("wav2vec2_local", lambda text: {"task_cfg": {}, "model_cfg": {"xformers_att_config": text}, "model_weight": {}}),
    ("data2vec_local", lambda text: {"task_cfg": {}, "model_cfg": {"conv_feature_layers": text}, "model_weight": {}}),
    ("multires_hubert_local", lambda text: {"task_cfg": {}, "model_cfg": {"override_encoder_layers": text}}),
    ("lighthubert_local", lambda text: {"cfg": {"model": {"conv_feature_layers": text}}, "model": {}}),
    ("wav2vec_local", lambda text: {"model_cfg": {"conv_aggregator_layers": text}, "model_weight": {}}),
    ("distilhubert", lambda text: {"Config": {"distiller": {"extractor_conv_feature_layers": text}}}),
    ("mockingjay_local", lambda text: {"Config": {"transformer": {}, "audio": {"kaldi": {"feat_type": text}}}}),
]


@pytest.mark.parametrize(("upstream", "content"), S3PRL)
@pytest.mark.parametrize("form", ["{}", "[(8, 10, 5)] + [{}]", "[x for x in [{}]]", "f'''{{{}}}'''"])
def test_s3prl_evaluates_no_string_of_a_checkpoint(
    arena: Arena, upstream: str, content: Callable[[str], Any], form: str
) -> None:
    torch.save(content(form.format(arena.python)), "evil.pt")
    with pytest.raises(UserError, match=r"evil\.pt is refused: S3PRL would evaluate"):
        backbones.create(f"s3prl:{upstream}", ckpt="evil.pt")


@pytest.mark.parametrize(
    "text", ["[0]*10**9", "[[0]*999]*999", "9**9**9", "((0,)*900)*900", "[1]*-(-10**9)", "(" * 900]
)
def test_s3prls_strings_are_bounded(arena: Arena, text: str) -> None:
    torch.save({"cfg": {"conv_feature_layers": text}, "model": {}}, "large.pt")
    with pytest.raises(UserError, match="no literal of numbers"):
        backbones.create("s3prl:wavlm_local", ckpt="large.pt")


@pytest.mark.parametrize(
    "upstream", ["vq_wav2vec_kmeans_roberta", "customized_upstream", "hf_wav2vec2_custom", "cvhubert"]
)
def test_upstreams_that_run_code_are_not_opened(arena: Arena, upstream: str) -> None:
    with pytest.raises(UserError, match="is not opened"):
        backbones.create(f"s3prl:{upstream}")


@pytest.mark.parametrize("upstream", ["wavlm_local", "mockingjay_local", "apc_local", "cpc_local", "tera_local"])
def test_s3prl_unpickles_nothing_whatever_it_asks_for(arena: Arena, upstream: str) -> None:
    torch.save({"Config": Payload(arena.shell)}, "evil.ckpt")
    with pytest.raises(UserError, match="could run code"):
        backbones.create(f"s3prl:{upstream}", ckpt="evil.ckpt")


def test_a_download_of_s3prls_is_guarded_like_a_file(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3prl.upstream.wavlm import hubconf

    torch.save({"cfg": {"conv_feature_layers": arena.python}, "model": {}}, "poisoned.pt")
    monkeypatch.setattr(hubconf, "_urls_to_filepaths", lambda *_, **__: "poisoned.pt")
    with pytest.raises(UserError, match="would evaluate conv_feature_layers"):
        backbones.create("s3prl:wavlm_base")


@pytest.mark.parametrize("suffix", ["pt", "ckpt", "bin", "pth"])
def test_pickles_are_not_opened(arena: Arena, suffix: str) -> None:
    torch.save({"model": Payload(arena.shell)}, f"evil.{suffix}")
    with pytest.raises(UserError, match="execute code"):
        read_weights(f"evil.{suffix}")


def test_pickles_in_folders_are_not_opened(arena: Arena) -> None:
    place = folder(arena)
    (place / "model.safetensors").unlink()
    torch.save({"masked_spec_embed": Payload(arena.shell)}, place / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        opened(place)
    torch.save({"fc.weight": Payload(arena.shell)}, "embedding_model.ckpt")
    Path("hyperparams.yaml").write_text(f"run: !apply:os.system [{arena.shell!r}]\n")
    with pytest.raises(UserError, match="execute code"):
        backbones.create(f"speechbrain:{arena.work}")


def test_speechbrains_hyperparams_are_never_read(arena: Arena) -> None:
    torch.save({"fc.weight": torch.zeros(2, 3)}, "embedding_model.ckpt")
    Path("hyperparams.yaml").write_text(f"run: !!python/object/apply:os.system [{arena.shell!r}]\n")
    with pytest.raises(UserError, match="neither SpeechBrain's ECAPA-TDNN"):
        backbones.create(f"speechbrain:{arena.work}")


AUTO = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": ["evil.Model", None]}


def test_a_known_familys_own_code_is_ignored(arena: Arena) -> None:
    place = folder(arena)
    plain = opened(place)
    changes = {"auto_map": AUTO, "_attn_implementation": "someone/kernel", "transformers_weights": "../outside.bin"}
    assert torch.equal(opened(folder(arena, **changes)), plain)


@pytest.mark.parametrize("family", ["evil", "whisper2", ""])
def test_an_unknown_familys_own_code_is_refused_without_a_question(arena: Arena, family: str) -> None:
    place = folder(arena, model_type=family, auto_map=AUTO)
    for name in (f"hf:{place}", "whisper"):
        with pytest.raises(UserError, match="code of its own"):
            backbones.create(name, **({"cfg": str(place)} if name == "whisper" else {}))


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_chat_models_own_code_is_refused(arena: Arena, file: str) -> None:
    place = Path(chat_model(arena.work / "chat"))
    (place / "evil.py").write_text(arena.python)
    content = json.loads((place / file).read_text())
    (place / file).write_text(json.dumps({**content, "auto_map": AUTO}))
    with pytest.raises(UserError, match="code of its own"):
        chats.load(str(place))


def test_a_sentence_encoders_own_code_is_refused(arena: Arena) -> None:
    place = Path(sentence_encoder(arena.work / "sentences", ["a", "b"]))
    (place / "evil.py").write_text(arena.python)
    modules = json.loads((place / "modules.json").read_text())
    modules[1]["type"] = "evil.Model"
    (place / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match="cannot be loaded"):
        sentences.load(str(place))


def test_an_index_names_no_weights_elsewhere(arena: Arena) -> None:
    place = folder(arena)
    weights = load_file(place / "model.safetensors")
    (place / "model.safetensors").rename(arena.work / "elsewhere.safetensors")
    for where in ("../elsewhere.safetensors", str(arena.secret)):
        index = {"metadata": {}, "weight_map": dict.fromkeys(weights, where)}
        (place / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(UserError, match="names weights elsewhere"):
            opened(place)


@pytest.mark.parametrize("size", [2**62, 2**40, 10**8 + 1, 3])
def test_a_header_of_any_size_is_one_sentence(arena: Arena, size: int) -> None:
    place = folder(arena)
    (place / "model.safetensors").write_bytes(struct.pack("<Q", size) + b'{"a')
    with pytest.raises(UserError, match="cannot be loaded"):
        opened(place)
    with pytest.raises(UserError, match="Cannot read"):
        read_weights(place / "model.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": "x"},
        {"num_hidden_layers": -1},
        {"conv_dim": 3},
        {"conv_dim": [], "conv_kernel": [], "conv_stride": []},
        {"num_attention_heads": 0},
        {"hidden_act": "\x1b[31mno such"},
        {"conv_stride": [[]] * 7},
        {"quantization_config": {"load_in_8bit": True}},
        {"hidden_size": 10**7},
        {"num_hidden_layers": 10**12},
    ],
)
def test_a_config_of_the_wrong_form_is_one_sentence(arena: Arena, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError) as raised:
        opened(folder(arena, **changes))
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("text", ['{"a":' * 200_000, "[" * 200_000, "[1, 2]", "nonsense", '"text"', "", "\udcff"])
@pytest.mark.parametrize("kind", ["hf", "zipformer", "whisper"])
def test_a_config_that_is_no_object_is_one_sentence(arena: Arena, text: str, kind: str) -> None:
    Path("config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    options = {"hf": {}, "zipformer": {"checkpoint": str(arena.work)}, "whisper": {"cfg": str(arena.work)}}[kind]
    with pytest.raises(UserError, match=r"config\.json"):
        backbones.create(f"hf:{arena.work}" if kind == "hf" else kind, **options)


@pytest.mark.parametrize(
    "entry",
    [
        {"encoder_dim": "x"},
        {"encoder_dim": [10**12]},
        {"num_heads": [None] * 6},
        {"causal": 3},
        {"encoder_config": [1]},
    ],
)
def test_a_zipformers_config_of_the_wrong_form_is_one_sentence(arena: Arena, entry: dict[str, Any]) -> None:
    Path("config.json").write_text(json.dumps(entry))
    with pytest.raises(UserError, match=r"config\.json"):
        backbones.create("zipformer", checkpoint=str(arena.work))


def test_a_pipe_in_place_of_a_file_is_not_waited_for(arena: Arena) -> None:
    place = folder(arena)
    (place / "config.json").unlink()
    os.mkfifo(place / "config.json")
    with pytest.raises(UserError, match="no regular file"):
        opened(place)


def test_names_with_escape_sequences_reach_no_terminal(arena: Arena) -> None:
    place = folder(arena, model_type="\x1b]0;owned\x07")
    with pytest.raises(UserError) as raised:
        opened(place)
    assert "\x1b" not in str(raised.value)


def _damaged() -> list[bytes]:
    """Bytes at which torch's unpickler stumbles in many ways: seeded changes of a small checkpoint, and text."""
    import io
    import pickle
    import random

    whole = io.BytesIO()
    torch.save({"model": {"w": torch.zeros(3)}, "cfg": {"a": [1, 2]}}, whole)
    draw, texts = random.Random(0), [b"a=" + b"[" * 2000, b"{}", b"]", b"}\n.", pickle.dumps({"a": 1})[:-1]]
    for number in range(60):
        changed = bytearray(pickle.dumps({"a": [1, (2, "b")]}, 2) if number % 2 else whole.getvalue())
        for _ in range(4):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        texts.append(bytes(changed))
    return texts


def test_damaged_checkpoints_are_refused_or_hold_plain_values(arena: Arena) -> None:
    from voxboard.backbones.s3prl import harmless
    from voxboard.training.averaging import _read

    refused = 0
    for number, data in enumerate(_damaged()):
        path = arena.work / f"{number}.pt"
        path.write_bytes(data)
        for read in (harmless, _read):
            try:
                read(path)
            except UserError:
                refused += 1
    assert refused > 60
