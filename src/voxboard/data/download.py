"""Fetching openly licensed corpora: resumable, verified by digest, unpacked without leaving the folder.

Not Lhotse's downloaders: they append a whole file to a half one when a server ignores the request to go on, check no
digest, and unpack links unchecked.
"""

from __future__ import annotations

import hashlib
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.unpack import unpack
from voxboard.errors import UserError, unknown
from voxboard.progress import bar

CHUNK = 1 << 20
PATIENCE = 60  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    """A file to fetch; `sha256` as published with torchaudio's readers of the same corpora."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]


def _openslr(subset: str, sha256: str) -> Archive:
    return Archive(f"https://www.openslr.org/resources/12/{subset}.tar.gz", sha256)


ARCHIVES: Mapping[str, Mapping[str, Archive]] = {
    "LibriSpeech": {
        name: _openslr(name, sha256)
        for name, sha256 in (
            ("train-clean-100", "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"),
            ("train-clean-360", "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"),
            ("train-other-500", "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"),
            ("dev-clean", "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),
            ("dev-other", "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),
            ("test-clean", "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),
            ("test-other", "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"),
        )
    },
    "VCTK": {
        "0.92": Archive(
            "https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
            "f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
        )
    },
}


def download(name: str, folder: Path, subsets: Sequence[str] = ()) -> Path:
    """Fetch and unpack a corpus, or some of its subsets, into `folder`, and return that.

    What is there already is not fetched again; a broken-off file is gone on with. Raises one `UserError` when the
    network or the disk fails.
    """
    archives = ARCHIVES[name]
    for subset in subsets:
        if subset not in archives:
            raise unknown(f"subset of {name}", subset, archives)
    for subset in subsets or archives:
        fetch_and_unpack(archives[subset], folder)
    return folder


def librispeech(folder: Path, options: PrepareOptions) -> Path:
    """Fetch LibriSpeech, or the subsets that are asked for."""
    return download("LibriSpeech", folder, options.subsets)


def vctk(folder: Path, options: PrepareOptions) -> Path:
    """Fetch VCTK."""
    return download("VCTK", folder, options.subsets)


def fetch_and_unpack(archive: Archive, folder: Path) -> None:
    """Fetch an archive, unpack it beside the others, and leave a mark instead of the archive."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".{archive.name}.unpacked"
    if mark.exists():
        return
    file = folder / archive.name
    if file.exists():
        check(archive, file)
    else:
        fetch(archive, file)
    unpack(file, folder)
    mark.touch()
    file.unlink()


def fetch(archive: Archive, file: Path) -> None:
    """Fetch an archive to `file`, which appears whole or not at all; going on with `file.part` where it is there."""
    part = file.with_name(f"{file.name}.part")
    try:
        _receive(archive.url, part)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise UserError(
            f"{archive.url} cannot be downloaded: {getattr(error, 'reason', None) or error}.",
            "Run the command again to go on where it stopped, or download it by hand and pass its folder as "
            "--data_path.",
        ) from error
    digest = _sha256(part)
    if digest != archive.sha256:
        part.unlink()
        raise UserError(
            f"{archive.name} arrived damaged: its sha256 is {digest[:12]}…, not {archive.sha256[:12]}….",
            "Run the command again.",
        )
    part.replace(file)


def check(archive: Archive, file: Path) -> None:
    """Raise `UserError` unless a file that lies there already is the archive that was published."""
    if not file.is_file():
        raise UserError(f"{file} is no file.", "Move it away, and run the command again.")
    if (digest := _sha256(file)) != archive.sha256:
        raise UserError(
            f"{file} is damaged or another file: its sha256 is {digest[:12]}…, not {archive.sha256[:12]}….",
            "Delete it and run the command again, or unpack it yourself and pass its folder as --data_path.",
        )


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from error


def _receive(url: str, part: Path) -> None:
    """Write what is still missing of a URL's content to `part`."""
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416 and there:  # nothing is missing; a wrong rest shows in the digest
            return
        raise
    with answer:
        if answer.status != 206:  # the server does not go on but starts again
            there = 0
        missing = int(answer.headers.get("Content-Length") or 0)
        _check_space(part, missing)
        with part.open("ab" if there else "wb") as out, bar(part.stem, there + missing, unit="bytes") as advance:
            advance(there)
            received = 0
            while chunk := answer.read(CHUNK):
                out.write(chunk)
                received += len(chunk)
                advance(len(chunk))
    if received < missing:  # http.client ends a broken-off read(n) silently
        raise ConnectionError(f"the connection ended after {there + received:,} of {there + missing:,} bytes")


def _check_space(part: Path, missing: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if 2 * missing > free:  # the archive and what it unpacks to
        raise UserError(
            f"{part.parent} has {free / 1e9:.1f} GB free; the archive and its content need {2 * missing / 1e9:.1f} GB.",
            "Name a larger disk with --data_path.",
        )
