"""From where a corpus may read audio: from its own folder, and from folders that somebody named on this machine.

A corpus folder is data, perhaps somebody else's, and its description names the folder of its audio. `voxboard prepare`
remembers the audio folders that it was given, `--audio_root` names one for a command, and `VOXBOARD_AUDIO_ROOTS`
(joined like `PATH`) for all, also on other machines. From everywhere else nothing is read, also not through links.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from voxboard.data.corpus_path import inside
from voxboard.errors import UserError, printable
from voxboard.files import write_atomically
from voxboard.storage import config

log = logging.getLogger("voxboard")

VARIABLE = "VOXBOARD_AUDIO_ROOTS"


def remember(roots: Iterable[Path]) -> None:
    """Note that audio may be read from these folders on this machine. Only `prepare` does, of what the user named."""
    for root in roots:
        path = os.path.realpath(root)
        name = os.fsencode(path)
        file = _remembered() / hashlib.sha256(name).hexdigest()[:16]
        try:
            if not file.is_file():
                write_atomically({file: name})
        except (UserError, OSError) as error:
            reason = error.problem if isinstance(error, UserError) else f"{file} cannot be written: {error}."
            log.warning("%s The corpus can be used with --audio_root %s.", reason, printable(path))


def trusted() -> list[str]:
    """The real paths of the folders that were named on this machine."""
    named = [
        os.path.abspath(os.path.expanduser(root)) for root in os.environ.get(VARIABLE, "").split(os.pathsep) if root
    ]
    try:
        files = sorted(_remembered().iterdir())
        noted = [os.fsdecode(file.read_bytes()) for file in files if file.is_file() and not file.name.startswith(".")]
    except FileNotFoundError:
        noted = []
    except OSError as error:
        log.warning("%s cannot be read: %s.", _remembered(), error.strerror)
        noted = []
    return [os.path.realpath(root) for root in (*named, *noted) if os.path.isabs(root) and "\0" not in root]


@dataclass
class Reach:
    """The audio of one corpus: names relative to `root`, allowed below `home`, its folder, and below trusted folders.

    With `named`, the user gave `root`, and all below it is the user's own doing, links too.
    """

    root: Path
    home: Path
    named: bool = False
    _folders: dict[str, str] = field(default_factory=dict)  # folder → where it really is

    def __call__(self, name: str) -> Path:
        """The absolute path of a file that a manifest names. Raises `UserError` for one out of reach."""
        path = inside(self.root, name)
        if self._free or self._allowed(self._real(path)):
            return path
        raise self._refused(path)

    @cached_property
    def _trusted(self) -> list[str]:
        return trusted()

    @cached_property
    def _free(self) -> bool:
        return self.named or _below(os.path.realpath(self.root), self._trusted)

    @cached_property
    def _home(self) -> str:
        return os.path.realpath(self.home)

    def _allowed(self, real: str) -> bool:
        return _below(real, [self._home, *self._trusted])

    def _real(self, path: Path) -> str:
        """Like `realpath`, which would ask the disk for every folder on the way, for every file anew."""
        if os.path.islink(path):
            return os.path.realpath(path)
        above = str(path.parent)
        if above not in self._folders:
            self._folders[above] = os.path.realpath(above)
        return os.path.join(self._folders[above], path.name)

    def _refused(self, path: Path) -> UserError:
        why = (
            f"{self.home} reads its audio from {self.root}, outside its folder, and was not prepared on this machine"
            if not _below(os.path.realpath(self.root), [self._home])
            else f"{path} in {self.home} is a link that leads out of that folder"
        )
        return UserError(
            f"{printable(why)}.",
            f"Where you trust it, pass --audio_root {printable(str(self.root))} or put that folder into {VARIABLE}; "
            "else prepare the corpus from the audio yourself.",
        )


def _remembered() -> Path:
    return config() / "audio_roots"


def _below(real: str, roots: Iterable[str]) -> bool:
    return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
