"""Text that may leave the machine: without secrets, and without paths that tell where somebody's files lie.

The rule for paths: relative ones stay as they were typed; an absolute one below the working directory becomes
relative; any other becomes `$DATA/<last part>`, and a command still runs after `export DATA=/where/it/lies`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLACEHOLDER = "$DATA"
HIDDEN = "HIDDEN"

_SECRET_FLAG = re.compile(r"(^|[-_])(token|secret|password|passwd|credentials?|key)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"\b(hf_|ghp_|github_pat_|sk-|AKIA|eyJ)[A-Za-z0-9_\-.=]{12,}")
_URL_USER = re.compile(r"(?<=://)[^/@\s]+@")
_URL_QUERY = re.compile(r"(\w+://[^\s?\"'<>]+)\?[^\s\"'<>)]*")
# An absolute path inside other text: it starts where a word could start and has at least two parts.
_PATH = re.compile(r"(?<![^\s=,:;(\[{\"'`<])(?:file://)?/[^\s/,:;()\[\]{}\"'`<>]+(?:/[^\s/,:;()\[\]{}\"'`<>]*)+")
_QUOTED = re.compile(r"(?<=['\"`])(?:file://)?/[^/'\"`\n][^'\"`\n]*/[^'\"`\n]*(?=['\"`])")
_HOME = re.compile(r"(?<![^\s=,:;(\[{\"'`<])~(?:[A-Za-z_][\w.-]*)?/[^\s,:;()\[\]{}\"'`<>]*")


def portable(text: str) -> str:
    """The text without secrets, and with its absolute paths shortened as the module says."""
    text = _URL_QUERY.sub(r"\1", _URL_USER.sub("", _SECRET_TEXT.sub(HIDDEN, text)))
    for pattern in (_QUOTED, _PATH, _HOME):
        text = pattern.sub(_shorten, text)
    return text


def portable_values(data: Any) -> Any:
    """`portable` on every text of a JSON value, keys included; not on evidence, which is numbers in base64."""
    if isinstance(data, dict):
        return {portable(key): item if key == "evidence" else portable_values(item) for key, item in data.items()}
    if isinstance(data, list):
        return [portable_values(item) for item in data]
    return portable(data) if isinstance(data, str) else data


def portable_command(arguments: Sequence[str]) -> str:
    """`voxboard <arguments>` as a line for a shell, with absolute paths shortened and secrets hidden."""
    words, hide = [], False
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if hide and not argument.startswith("-"):
            words.append(HIDDEN)
        elif argument.startswith("-") and equals and _SECRET_FLAG.search(flag):
            words.append(f"{flag}={HIDDEN}")
        elif argument.startswith("-") and equals:
            words.append(f"{_quote(flag)}={_quote(_argument(value))}")
        else:
            words.append(_quote(_argument(argument)))
        hide = argument.startswith("--") and not equals and bool(_SECRET_FLAG.search(argument))
    return " ".join(["voxboard", *words])


def _argument(value: str) -> str:
    """An argument that is one absolute path may hold spaces; in others paths are searched for."""
    return _short(value) if re.match(r"/[^/]", value) else portable(value)


def _shorten(match: re.Match[str]) -> str:
    return _short(match.group().removeprefix("file://"))


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the working directory is gone
        return f"{PLACEHOLDER}/{Path(path).name}".rstrip("/")


def _quote(word: str) -> str:
    """Quote for a shell, but lets it replace the placeholder."""
    if PLACEHOLDER not in word:
        return shlex.quote(word)
    if re.fullmatch(r"[\w@%+=:,./-]+", word.replace(PLACEHOLDER, "")):
        return word
    pieces = (re.sub(r'([\\"`$])', r"\\\1", piece) for piece in word.split(PLACEHOLDER))
    return f'"{PLACEHOLDER.join(pieces)}"'
