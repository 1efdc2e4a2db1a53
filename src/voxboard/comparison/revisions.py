"""Records as a git revision has them, read from its objects: nothing is checked out."""

from __future__ import annotations

from pathlib import Path

from voxboard.errors import UserError
from voxboard.files import parse_json
from voxboard.records import Filed, Record
from voxboard.records.provenance import git


def resolve(word: str) -> str:
    """The commit that a word names in the repository of the working directory; empty where it names none."""
    if not word or word.startswith("-"):
        return ""
    commit = _git("rev-parse", "--verify", "--quiet", f"{word}^{{commit}}")
    return commit.decode().strip() if commit else ""


def records_at(commit: str, folder: Path) -> list[Filed]:
    """The records below a folder (relative to the working directory) at a commit, in the order of their names.

    Raises `UserError` that names the file which is no valid record, and where there is no record at all.
    """
    listed = _git("ls-tree", "-r", "-z", commit, "--", f"{folder.as_posix()}/") or b""
    rows = [row.split("\t", 1) for row in listed.decode().split("\0") if row]
    blobs = {name: facts.split()[2] for facts, name in rows if name.endswith(".json") and facts.split()[1] == "blob"}
    if not blobs:
        raise UserError(f"{commit[:12]} has no records below {folder}.", "Name the folder with --records.")
    contents = _contents(list(blobs.values()))
    return [Filed(name, _parsed(data, f"{commit[:12]}:{name}")) for name, data in zip(blobs, contents, strict=True)]


def _parsed(data: bytes, where: str) -> Record:
    content = parse_json(data, where, unique=True)
    try:
        return Record.from_dict(content)
    except UserError as error:
        raise UserError(f"{where}: {error.problem}", error.advice) from error


def _contents(blobs: list[str]) -> list[bytes]:
    """`git cat-file --batch`: a line `<id> blob <size>`, the content, a newline, for every id."""
    stream = _git("cat-file", "--batch", given="".join(f"{blob}\n" for blob in blobs).encode()) or b""
    contents, place = [], 0
    for blob in blobs:
        head = stream[place : stream.find(b"\n", place)]
        if head.split()[1:2] != [b"blob"]:
            raise UserError(f"git cannot give the object {blob[:12]}.", "Check the repository with git fsck.")
        start = place + len(head) + 1
        place = start + int(head.split()[2]) + 1
        contents.append(stream[start : place - 1])
    return contents


def _git(*arguments: str, given: bytes = b"") -> bytes | None:
    """Output of a git command here, which may be long."""
    return git(*arguments, given=given, seconds=120.0)
