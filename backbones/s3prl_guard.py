"""A guard around S3PRL: upstreams whose code runs nothing of a checkpoint, and checkpoints with nothing to run.

S3PRL hands strings of a checkpoint's configuration to Python's `eval` (`conv_feature_layers` of fairseq's family), so
even a file of tensors and plain values can run code there. While an upstream is built, `torch.load` is the one here:
it reads tensors and plain values only, whatever S3PRL asks for, and works the evaluated strings out itself.
"""

from __future__ import annotations

import ast
import operator
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any

import torch

from voxboard.errors import UserError, printable

# Upstreams of s3prl 0.4.18 that build nothing but networks, out of what `torch.load` gives them.
# fmt: off
CLEAN = frozenset({
    "apc", "ast", "audio_albert", "baseline", "byol_a", "byol_s", "cpc", "data2vec", "decoar", "decoar2",
    "decoar_layers", "distiller", "hubert", "lighthubert", "log_stft", "mae_ast", "mockingjay",
    "mos_prediction", "multires_hubert", "npc", "passt", "spec_augment", "ssast", "tera", "unispeech_sat",
    "vggish", "vq_apc", "vq_wav2vec", "wav2vec", "wav2vec2", "wavlm",
})
# fmt: on
REFUSED = {
    "espnet_hubert": "it builds the classes that a YAML file names",
    "example": "it downloads code and runs it",
    "hf_hubert": "transformers reads such a folder itself: write hf:/path/to/folder",
    "hf_wav2vec2": "transformers reads such a folder itself: write hf:/path/to/folder",
    "pase": "it needs a package that nobody has looked through",
    "roberta": "it unpickles, and unpacks what it downloads in a shell",
}
# Fields whose strings S3PRL evaluates.
EVALUATED = frozenset(
    {
        "conv_feature_layers",
        "conv_aggregator_layers",
        "extractor_conv_feature_layers",
        "override_encoder_layers",
        "xformers_att_config",
    }
)
LONGEST = 1_000  # characters of such a string, and values that it may stand for
LARGEST = 10**6  # of its numbers
OPERATORS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


def admit(module: str) -> None:
    """Raise `UserError` for an upstream that is not on the list of those that run nothing."""
    if module not in CLEAN:
        reason = REFUSED.get(module, "nobody has looked whether it runs code of a checkpoint")
        raise UserError(f"S3PRL's upstream {module} is not opened: {reason}.", "Use another upstream.")


@contextmanager
def guarded() -> Iterator[None]:
    """Let every `torch.load` in between read plain content only, checked by `disarmed`."""
    original: Any = torch.load

    def load(file: Any, *args: Any, **options: Any) -> Any:
        try:
            content = original(file, *args, **{**options, "weights_only": True})
        except UnpicklingError as error:
            raise _unsafe(file) from error
        return disarmed(content, str(file))

    torch.load = load  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.load = original


def disarmed(content: Any, name: str) -> Any:
    """Return a checkpoint's content with every string that S3PRL evaluates written out as a plain literal.

    Raises `UserError` where one is more than numbers, lists and tuples, their sums and products, or where any other
    string of the configuration holds a call.
    """
    if isinstance(content, Mapping):
        values = {key: _disarmed_field(key, value, name) for key, value in content.items()}
        return OrderedDict(values) if isinstance(content, OrderedDict) else values
    if isinstance(content, list | tuple):
        return type(content)(disarmed(value, name) for value in content) if type(content) in (list, tuple) else content
    if isinstance(content, str | bytes) and _calls(content):
        raise _armed(name, "a string", content)
    return content


def _disarmed_field(key: Any, value: Any, name: str) -> Any:
    if key in EVALUATED and isinstance(value, str | bytes):
        try:
            return repr(numbers(value))
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise _armed(name, str(key), value) from error
    return disarmed(value, name)


def numbers(text: str | bytes) -> Any:
    """The value of an expression of numbers, lists and tuples with +, - and *, as `[(512, 3, 2)] * 4`.

    Raises ValueError or SyntaxError for anything else, for a long text and for a large value.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError("too long, or no text")
    return _value(ast.parse(text.strip(), mode="eval").body)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and (node.value is None or type(node.value) in (int, float, bool)):
        return _bounded(node.value)
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(item) for item in node.elts]
        return _bounded(values if isinstance(node, ast.List) else tuple(values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(_value(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return _combined(node.op, _value(node.left), _value(node.right))
    raise ValueError(f"{type(node).__name__} is no number")


def _combined(op: ast.operator, left: Any, right: Any) -> Any:
    """The sum, difference or product; the length of a repeated list is bounded before it is made."""
    sequences = [side for side in (left, right) if isinstance(side, list | tuple)]
    if isinstance(op, ast.Add) and len(sequences) == 2 and type(left) is type(right):
        return _bounded(left + right)
    if isinstance(op, ast.Mult) and len(sequences) == 1:
        times = right if isinstance(left, list | tuple) else left
        if type(times) is not int or _size(sequences[0]) * times > LONGEST:
            raise ValueError("too many values")
        return sequences[0] * times
    return _bounded(OPERATORS[type(op)](_number(left), _number(right)))


def _number(value: Any) -> Any:
    if type(value) not in (int, float):
        raise ValueError("no number")
    return value


def _size(value: Any) -> int:
    return 1 + sum(map(_size, value)) if isinstance(value, list | tuple) else 1


def _bounded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if _size(value) > LONGEST:
            raise ValueError("too many values")
    elif value is not None and not abs(value) <= LARGEST:
        raise ValueError("too large")
    return value


def _calls(text: str | bytes) -> bool:
    """True if a text, read as Python, would call something: no field of a configuration needs that."""
    words = text if isinstance(text, str) else text.decode("latin-1")
    if "(" not in words and "`" not in words and "__" not in words:
        return False
    try:
        tree = ast.parse(words.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return True
    return any(isinstance(node, ast.Call | ast.Await | ast.Yield | ast.GeneratorExp) for node in ast.walk(tree))


def _armed(name: str, field: str, text: str | bytes) -> UserError:
    shown = printable(str(text))[:60]
    return UserError(
        f"{name} is refused: S3PRL would evaluate {field} of it, which is no literal of numbers: {shown!r}.",
        "Take the checkpoint from a source that you trust.",
    )


def _unsafe(file: Any) -> UserError:
    return UserError(
        f"{file} is no checkpoint of tensors and plain values: reading it could run code.",
        "Convert it to S3PRL's own form in a process that you trust, or use another file.",
    )
