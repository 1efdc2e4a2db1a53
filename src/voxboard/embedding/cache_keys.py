"""Keys of cached embeddings: digests of all they depend on, weights, settings, code, device, audio, crop and batching.

A key that changes without need costs time; one that does not change with the numbers would be wrong for ever. So all
is taken in that may matter: sources of backbones and poolers, versions, buffers, every attribute of every layer.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import BuiltinFunctionType, CellType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from voxboard import code_digest

if TYPE_CHECKING:
    from lhotse.cut import Cut

FORMAT = 2  # of entries; another number finds none of the old ones
# What embeds nothing: the cache itself, catalogues, settings and messages.
_NO_NUMBER = """
    backbones poolers heads heads.* benchmarks.* registry systems errors progress files trust storage
    code_digest config_fields records.* settings devices tracking.* published published.*
    training.* embedding.cache embedding.cache_keys embedding.cache_entries
"""
_ASIDE = (
    "voxboard",
    *(f"voxboard.{name}" for name in _NO_NUMBER.split()),
)
_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_OWN = frozenset(vars(nn.Module()))  # PyTorch's bookkeeping, `training` too


def network(module: nn.Module, device: torch.device) -> str:
    """Of a backbone or pooler: its weights and buffers, the settings and code of all its layers, where it computes."""
    total = hashlib.sha256(repr((FORMAT, _place(device), _versions(), _sources())).encode())
    preprocessing = getattr(module, "preprocessing", dict)
    for word in (repr(sorted(preprocessing().items())), *_module(module, set())):
        total.update(f"{word}\n".encode())
    for name, digest in sorted(_code(module).items()):
        total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()


def utterances(
    groups: Sequence[Sequence[Cut]],
    contents: Callable[[set[Path]], Mapping[Path, str]],
    sample_rate: int,
    max_seconds: float,
) -> str:
    """Of the audio of every batch in its order, whatever the utterances are called, and of how it is read and cut.

    Batches are a part of it because the last bits of an embedding depend on its batch mates. `contents` gives what
    stands for the content of files. Raises `BadAudio` for a file that is not there.
    """
    digests = contents({Path(source.source) for group in groups for cut in group for source in cut.recording.sources})
    total = hashlib.sha256(repr((sample_rate, max_seconds)).encode())
    for group in groups:
        total.update(b"batch\n")
        for cut in group:
            files = [(digests[Path(source.source)], list(source.channels)) for source in cut.recording.sources]
            span = (round(cut.start * cut.sampling_rate), int(cut.num_samples), int(cut.sampling_rate), cut.channel)
            total.update(f"{span} {files}\n".encode())
    return total.hexdigest()


def batch(waveforms: Tensor, lengths: Tensor) -> str:
    """Of what goes into a backbone, [B, N] samples and lengths [B]."""
    return hashlib.sha256(_tensor(waveforms).encode() + _tensor(lengths).encode()).hexdigest()


def joined(*digests: str) -> str:
    """One digest of several."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _place(device: torch.device) -> tuple[Any, ...]:
    """Settings that decide about the last bits: the device and its precision."""
    autocast = torch.is_autocast_enabled(device.type) and torch.get_autocast_dtype(device.type)
    if device.type != "cuda":
        return device.type, autocast, torch.get_float32_matmul_precision()
    fast = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    return torch.cuda.get_device_name(device), autocast, torch.get_float32_matmul_precision(), *fast


@lru_cache(maxsize=1)
def _versions() -> tuple[str, ...]:
    """Of what decodes, resamples and computes."""
    import soundfile
    import torchaudio

    return np.__version__, torch.__version__, torchaudio.__version__, soundfile.__libsndfile_version__


def _sources() -> str:
    """Of voxboard's own code between a file and an embedding, whatever the parts."""
    return code_digest.digest(("voxboard.model", "voxboard.embedding.embed", "voxboard.data.audio"), (), _ASIDE)


def _code(module: nn.Module) -> dict[str, str]:
    """Python modules of the classes of all layers → version of the package, and digest of the code with its imports."""
    names = {kind.__module__ for part in module.modules() for kind in type(part).__mro__}
    return {name: _source(name) for name in names}


def _source(name: str) -> str:
    """Of a module: with what it imports, unless it is a library's."""
    if name.partition(".")[0] == code_digest.OWN:
        return code_digest.digest((name,), (), _ASIDE)
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or not Path(file).is_file() or code_digest.of_a_library(Path(file)):
        return _file(name)
    return code_digest.digest((), (Path(file),), _ASIDE)


@lru_cache(maxsize=1024)
def _file(name: str) -> str:
    """Of a library's module: the version of the library and the file."""
    version = getattr(sys.modules.get(name.partition(".")[0]), "__version__", "")
    path = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    return f"{version} {hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ''}"


def _module(module: nn.Module, seen: set[int]) -> Iterator[str]:
    """A line for every layer and every tensor, those outside the state dict too."""
    if id(module) in seen:
        return
    seen.add(id(module))
    yield _name(type(module))
    for key, value in sorted(vars(module).items()):
        if key not in _OWN:
            yield f"{key} = {_value(value, seen)}"
    for hooks in _HOOKS:
        yield f"{hooks} {[_value(hook, seen) for hook in getattr(module, hooks).values()]}"
    for key, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        yield f"{key} {_tensor(value)}"
    for key, part in module.named_children():
        yield f"{key}:"
        yield from _module(part, seen)


def _value(value: Any, seen: set[int]) -> str:
    """A setting as text; an object without a lasting description makes a key that is never met again."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, torch.dtype, torch.device)):
        return repr(value)
    if isinstance(value, type):
        return _name(value)
    if isinstance(value, (Tensor, np.ndarray)):
        return _tensor(torch.as_tensor(value))
    if id(value) in seen:
        return f"again {type(value).__qualname__}"
    if isinstance(value, nn.Module):
        return "\n".join(_module(value, seen))
    inside = _inside(value, seen | {id(value)})
    return repr(value) if inside is None else f"{_name(type(value))}({', '.join(inside)})"


def _inside(value: Any, seen: set[int]) -> Iterable[str] | None:
    """Members of an object; None for one that does not show them."""
    if isinstance(value, Mapping):
        return [f"{_value(key, seen)}: {_value(item, seen)}" for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return sorted(_value(item, seen) for item in value)
    if isinstance(value, (list, tuple)):
        return [_value(item, seen) for item in value]
    if isinstance(value, partial):
        return [_value(item, seen) for item in (value.func, value.args, value.keywords)]
    if isinstance(value, MethodType):
        return [_name(value.__func__), _value(value.__self__, seen)]
    if isinstance(value, FunctionType):
        bound = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
        return [_name(value), *(_value(item, seen) for item in (value.__defaults__, value.__kwdefaults__, bound))]
    if isinstance(value, BuiltinFunctionType):
        return [_name(value)]
    slots = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)}
    held = {**slots, **getattr(value, "__dict__", {})}
    return [f"{key} = {_value(item, seen)}" for key, item in sorted(held.items())] if held else None


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _tensor(value: Tensor) -> str:
    """Dtype, shape and digest of the bytes."""
    held = value.detach().cpu().contiguous()
    digest = hashlib.sha256(held.flatten().view(torch.uint8).numpy().data)
    return f"{held.dtype} {tuple(held.shape)} {digest.hexdigest()}"
