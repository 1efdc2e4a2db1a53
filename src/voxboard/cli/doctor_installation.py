"""Checks of an installation, one by one."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.errors import UserError

if TYPE_CHECKING:
    from voxboard.contracts import Finding

_PAIR = "Install both as voxboard asks for them: pip install torch==2.11.0 torchaudio==2.11.0."
FORMATS = ("WAV", "FLAC", "OGG", "MP3")


class _Lacking(Exception):
    """A missing piece, and what to do; `needed` is False where only a part of voxboard goes without."""

    def __init__(self, problem: str, advice: str, needed: bool = True) -> None:
        super().__init__(problem)
        self.problem, self.advice, self.needed = problem, advice, needed


def findings() -> Iterator[Finding]:
    """Look at Python, torch, devices, audio, eSpeak, ffmpeg and the plugins."""
    try:
        from voxboard.contracts import Finding
    except ImportError as error:
        raise UserError(f"torch cannot be used: {error}.", "Install voxboard again.") from error

    for name, meaning, look in (*LOOKS, *_plugins()):
        try:
            yield Finding(name, meaning, True, look())
        except _Lacking as lacking:
            passed = False if lacking.needed else None
            yield Finding(name, meaning, passed, lacking.problem, advice=lacking.advice)
        except Exception as error:  # a broken library raises anything
            yield Finding(name, meaning, False, f"{type(error).__name__}: {error}", advice="Install it again.")


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _torch() -> str:
    # torchaudio loads a library as it is imported, which fails where torch was built for another CUDA.
    import torch

    built = _built("torchaudio")
    pair = f"torch {torch.__version__} and torchaudio {version('torchaudio')}"
    for release, other in ((_release(torch.__version__), _release(version("torchaudio"))), (torch.version.cuda, built)):
        if release and other and release.split(".")[:2] != other.split(".")[:2]:
            about = f" (CUDA {torch.version.cuda} and {built})" if built else ""
            raise _Lacking(f"{pair}{about} are no pair", _PAIR)
    try:
        import torchaudio
    except (ImportError, OSError, RuntimeError) as error:
        raise _Lacking(f"{pair} are no pair: {next(iter(str(error).splitlines()), '')}", _PAIR) from error
    cuda = f", CUDA {torch.version.cuda}" if torch.version.cuda else ", no CUDA"
    return f"torch {torch.__version__}, torchaudio {torchaudio.__version__}{cuda}"


def _release(word: str) -> str:
    """`2.11.0+cu130` → `2.11.0`."""
    return word.partition("+")[0]


def _built(name: str) -> str | None:
    """The CUDA that a package was built for, by its `version.py`, without importing it; None where it does not say."""
    spec = find_spec(name)
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    text = file.read_text(encoding="utf-8", errors="replace") if file and file.is_file() else ""
    digits = re.search(r"\+cu(\d+)(\d)\b", text)
    return f"{digits.group(1)}.{digits.group(2)}" if digits else None


def _devices() -> str:
    import torch

    devices = [f"CPU, {torch.get_num_threads()} threads"]
    devices += [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return "; ".join(devices)


def _audio() -> str:
    import soundfile

    missing = [name for name in FORMATS if name not in soundfile.available_formats()]
    if missing:
        raise _Lacking(f"no {', '.join(missing)} in libsndfile", "Install soundfile again, or libsndfile 1.1 or later.")
    return f"{', '.join(FORMATS)}, libsndfile {soundfile.__libsndfile_version__}"


def _ffmpeg() -> str:
    program = shutil.which("ffmpeg")
    if program is None:
        raise _Lacking("not installed", "Only .m4a files (VoxCeleb 2) need it: install ffmpeg for them.", needed=False)
    return program


def _espeak() -> str:
    from voxboard.data.voices import espeak

    if find_spec("espeakng_loader") is None:
        advice = "Only the corpus Voices and the demo need it: pip install 'voxboard[voices]'."
        raise _Lacking("not installed", advice, needed=False)
    return f"eSpeak NG {espeak.version()}, {len(espeak.variants())} voices"


def _libraries() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("transformers", "lhotse", "safetensors"))


LOOKS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("python", "3.11 or later", _python),
    ("torch", "torch and torchaudio of one version and one CUDA", _torch),
    ("devices", "where networks can run", _devices),
    ("libraries", "what backbones and corpora are built on", _libraries),
    ("audio", "formats that can be read", _audio),
    ("ffmpeg", "reads .m4a", _ffmpeg),
    ("espeak", "speaks the corpus Voices", _espeak),
)


def _plugins() -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Every part of another distribution: it must at least be imported."""
    for kind in ("backbone", "pooler", "head"):
        for point in entry_points(group=f"voxboard.{kind}s"):

            def look(kind: str = kind, point: object = point) -> str:
                from voxboard import systems

                cls, _ = systems.registry(kind).resolve(point.name)  # type: ignore[attr-defined]
                return f"{cls.__module__}:{cls.__qualname__} in {_folder(cls)}"

            yield f"{kind} {point.name}", "a plugin that is installed", look
    for point in entry_points(group="voxboard.corpora"):
        yield f"corpus {point.name}", "a plugin that is installed", partial(_corpus, point.name)


def _corpus(name: str) -> str:
    from voxboard.data.catalogue import recipe

    return recipe(name).summary


def _folder(cls: type) -> str:
    return str(getattr(sys.modules[cls.__module__], "__file__", "?"))
