"""eSpeak NG in this process: text → 16-bit samples at 22,050 Hz, the same samples for the same request, always.

The library comes with the wheel `espeakng_loader`, which the extra `voices` installs, and is driven through ctypes.
eSpeak NG is GPL-3.0: voxboard neither contains, links nor requires it; it is loaded at run time, and only to synthesise
the corpus `Voices`.

The library keeps state between utterances (flutter and wave phases, echo and breath buffers, two random number
generators), so that an utterance would depend on those before it. Terminating and initialising again clears only a
part of that; loading the library afresh for every utterance clears it all and costs a millisecond.
"""

from __future__ import annotations

import ctypes
import os
from _ctypes import dlclose
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from threading import Lock
from types import ModuleType

import numpy as np
import numpy.typing as npt

from voxboard.errors import UserError, unknown

SAMPLE_RATE = 22050
PITCH_UNITS = 64.6  # steps of `pitch` per octave, measured on 1.52 between 25 and 75

# From espeak_ng/speak_lib.h.
_SYNCHRONOUS, _DONT_EXIT, _UTF8 = 2, 0x8000, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_SEED = 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

_lock = Lock()  # the library is one global state


@dataclass(frozen=True)
class Voice:
    """Settings of speech: a language (`en-us`), one of `variants()`, and three knobs of eSpeak's."""

    language: str
    variant: str
    rate: int = 175  # words per minute, 80 to 450
    pitch: int = 50  # 0 to 99; 50 is the variant's own base pitch, `PITCH_UNITS` make an octave
    range: int = 50  # 0 (monotone) to 99; 50 is the variant's own


@cache
def variants() -> frozenset[str]:
    """The voice variants in the wheel: the names after `+` in eSpeak's notation."""
    return frozenset(file.name for file in (_data() / "voices" / "!v").iterdir())


def wheel_version() -> str:
    """Return the version of the package that brings the library."""
    return metadata.version(_loader().__name__)


@cache
def version() -> str:
    """The version of the library, e.g. `1.52.0`."""
    with _lock:
        library = ctypes.CDLL(_library())
        library.espeak_Info.restype = ctypes.c_char_p
        version = library.espeak_Info(None).decode()
        dlclose(library._handle)
    return str(version)


def speak(text: str, voice: Voice) -> npt.NDArray[np.int16]:
    """Synthesize a text: samples [N] at `SAMPLE_RATE`, with eSpeak's silence around them.

    Raises `UserError` for a variant or a language that eSpeak does not have.
    """
    # eSpeak itself would silently speak with the plain voice.
    if voice.variant not in variants():
        raise unknown("eSpeak variant", voice.variant, variants())
    with _loaded() as library:
        return _speak(library, text, voice)


def _speak(library: ctypes.CDLL, text: str, voice: Voice) -> npt.NDArray[np.int16]:
    pieces: list[bytes] = []

    def receive(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _Callback(receive)  # held until the synthesis is over: the library keeps only the address
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(f"{voice.language}+{voice.variant}".encode()) != 0:
        raise UserError(f"eSpeak has no language {voice.language!r}.", "Use one of its own names, e.g. en-us.")
    for parameter, value in ((_RATE, voice.rate), (_PITCH, voice.pitch), (_RANGE, voice.range)):
        library.espeak_SetParameter(parameter, value, 0)
    data = text.encode()
    status = library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, _UTF8, None, None)
    if status != 0:
        raise RuntimeError(f"espeak_Synth returned {status}")
    return np.frombuffer(b"".join(pieces), dtype=np.int16)


@contextmanager
def _loaded() -> Iterator[ctypes.CDLL]:
    """The library in its first state, for one caller at a time."""
    with _lock:
        if _held(_library()):
            raise UserError(
                "Another part of this process holds libespeak-ng, whose state would leak into the voices.",
                "Speak in another process; make_voices does with two workers or more.",
            )
        library = ctypes.CDLL(_library())
        try:
            # Without _DONT_EXIT the library would end the process when it misses its data.
            if library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(_data()), _DONT_EXIT) != SAMPLE_RATE:
                raise UserError(
                    f"eSpeak NG cannot read its data in {_data()}.",
                    "Such a path may have 159 characters: put the Python environment into a shorter one.",
                )
            library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
            ctypes.CDLL(None).srand(_SEED)  # the breath of the Klatt voices comes from C's rand()
            yield library
            library.espeak_Terminate()
        finally:
            dlclose(library._handle)


def _held(path: str) -> bool:
    """True if a library is loaded already; it would then survive our dlclose with its state."""
    try:
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    dlclose(library._handle)
    return True


def _library() -> str:
    return str(_loader().get_library_path())


def _data() -> Path:
    return Path(_loader().get_data_path())


def _loader() -> ModuleType:
    """Return the package that brings the library. Raises `UserError` where the extra `voices` is not installed."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise UserError(
            "Voices is spoken by eSpeak NG, which is not installed.", "Run: pip install 'voxboard[voices]'."
        ) from error
    return espeakng_loader
