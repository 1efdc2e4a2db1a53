"""The corpora that have names: those that voxboard knows, and those that are prepared on this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from voxboard import trust
from voxboard.data.corpus import DESCRIPTION, Corpus
from voxboard.data.recipe import Recipe
from voxboard.errors import UserError, unknown
from voxboard.registry import Registry

VOXCELEB = "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/"
CORPORA: Mapping[str, Recipe] = {
    "Voices": Recipe(
        "synthetic voices of eSpeak NG, made on this machine",
        make="voxboard.data.voices.corpus:make",
        takes=("speakers", "utterances", "seed"),
    ),
    "Voices-meetings": Recipe(
        "mixtures of Voices with pauses and overlap, for diarization",
        make="voxboard.data.voices.meetings:make",
        takes=("seed",),
        licence="MIT",
        kind="recordings",
    ),
    "Voices-sessions": Recipe(
        "the training speakers of Voices by session, for identification",
        make="voxboard.data.voices.sessions:make",
        licence="MIT",
    ),
    "LibriSpeech": Recipe(
        "read English, 2,484 speakers, 960 h for training",
        "voxboard.data.recipes.librispeech:scan",
        licence="CC-BY-4.0",
        source="https://www.openslr.org/12",
        fetch="voxboard.data.download:librispeech",
    ),
    "VCTK": Recipe(
        "read English in many accents, 110 speakers, 44 h",
        "voxboard.data.recipes.vctk:scan",
        aliases=("VCTK-Corpus",),
        licence="CC-BY-4.0",
        source="https://datashare.ed.ac.uk/handle/10283/3443",
        fetch="voxboard.data.download:vctk",
    ),
    "Vox1": Recipe(
        "VoxCeleb 1: interviews, 1,251 celebrities, 352 h",
        "voxboard.data.recipes.voxceleb:scan1",
        aliases=("VoxCeleb1", "VoxCeleb"),
        licence="CC-BY-4.0 (annotation; the videos belong to their owners)",
        source=VOXCELEB,
    ),
    "Vox2": Recipe(
        "VoxCeleb 2: interviews, 6,112 celebrities, 2,442 h",
        "voxboard.data.recipes.voxceleb:scan2",
        aliases=("VoxCeleb2",),
        licence="CC-BY-4.0 (annotation; the videos belong to their owners)",
        source=VOXCELEB,
    ),
    "CREMA-D": Recipe(
        "acted emotions in English, 91 actors of 20 to 74 years, 12 sentences, 5 h",
        "voxboard.data.recipes.emotional:crema_d",
        aliases=("CREMAD", "CREMA"),
        licence="ODbL-1.0",
        source="https://github.com/CheyneyComputerScience/CREMA-D",
    ),
    "RAVDESS": Recipe(
        "acted emotions in English, 24 actors, 2 sentences, 1.5 h",
        "voxboard.data.recipes.emotional:ravdess",
        licence="CC-BY-NC-SA-4.0",
        source="https://zenodo.org/records/1188976",
    ),
    "TESS": Recipe(
        "acted emotions in English, 2 women of 26 and 64 years, 200 words, 1.6 h",
        "voxboard.data.recipes.emotional:tess",
        licence="CC-BY-NC-ND-4.0",
        source="https://doi.org/10.5683/SP2/E8H2MF",
    ),
    "EMO-DB": Recipe(
        "acted emotions in German, 10 actors, 10 sentences, 0.4 h",
        "voxboard.data.recipes.emotional:emo_db",
        licence="CC0-1.0",
        source="https://github.com/audeering/emodb",
    ),
    "IEMOCAP": Recipe(
        "acted and improvised dialogues in English, 10 actors, 12 h",
        "voxboard.data.recipes.iemocap:scan",
        licence="its own, for research",
        source="https://sail.usc.edu/iemocap/",
    ),
    "CommonVoice": Recipe(
        "read sentences of volunteers, one language at a time",
        "voxboard.data.recipes.commonvoice:scan",
        aliases=("Common-Voice", "CV"),
        licence="CC0-1.0",
        source="https://commonvoice.mozilla.org",
    ),
    "AMI": Recipe(
        "meetings of four, mixed from headsets, 100 h, for diarization",
        "voxboard.data.recipes.meetings:ami",
        licence="CC-BY-4.0",
        source="https://groups.inf.ed.ac.uk/ami/corpus/",
        kind="recordings",
    ),
    "VoxConverse": Recipe(
        "debates and news on video, 1 to 21 speakers, 64 h, for diarization",
        "voxboard.data.recipes.meetings:voxconverse",
        licence="CC-BY-4.0 (annotation; the videos belong to their owners)",
        source="https://www.robots.ox.ac.uk/~vgg/data/voxconverse/",
        kind="recordings",
    ),
}


# The recipes of other packages and of users' files.
OUTSIDE = Registry("corpus", {}, plural="corpora", made_of=Recipe)


def names() -> list[str]:
    """Return the names of all recipes, in-tree first, then those of installed packages."""
    return [*CORPORA, *(name for name in OUTSIDE.names() if name not in CORPORA)]


def recipe(name: str) -> Recipe:
    """Return the recipe of a name or of `path/to/file.py:NAME`. Raises `UserError` for one that is not there."""
    recipe: Recipe = CORPORA[name] if name in CORPORA else OUTSIDE.outside(name)
    return recipe


def summary(name: str) -> str:
    """Return a line about the recipe of a name; nothing of another package is imported for it."""
    return CORPORA[name].summary if name in CORPORA else OUTSIDE.summary(name)


def title(name: str) -> str:
    """Return what a corpus is called unless the user says otherwise: the name of its recipe, without the file."""
    pair = trust.split(name)
    return pair[1] if pair else name


def corpora_root() -> Path:
    """Folder of prepared corpora: `$VOXBOARD_CORPORA`, else `./data`."""
    return Path(os.environ.get("VOXBOARD_CORPORA") or "data")


def known_name(data: str) -> str | None:
    """The name under which a corpus is known, for any case and alias; None for a name that is not.

    That of a recipe in a file is `path/to/file.py:NAME`.
    """
    if trust.split(data):
        return data
    own = {word.lower(): name for name, recipe in CORPORA.items() for word in (name, *recipe.aliases)}
    return ({name.lower(): name for name in OUTSIDE.names()} | own).get(data.lower())


def find_corpus(name_or_path: str | Path, audio_root: str | Path | None = None) -> Corpus:
    """The corpus that a command names: a prepared one by name, its folder, or a manifest `*.jsonl.gz`.

    Raises `UserError` with the command that prepares it, where it is known or lies there unprepared.
    """
    text, path = str(name_or_path), Path(name_or_path)
    check_word(text)
    if (path / DESCRIPTION).is_file() or path.name.endswith((".jsonl", ".jsonl.gz")):
        return Corpus.open(path, audio_root)
    prepared = _prepared()
    registered = known_name(text)
    name = title(registered or text)
    if name.lower() in prepared:
        return Corpus.open(prepared[name.lower()], audio_root)
    if path.is_dir():
        folder = prepared.get(path.absolute().name.lower())
        if folder is not None and _is_of(folder, path):
            return Corpus.open(folder, audio_root)
        raise _unprepared_folder(path)
    if registered:
        raise UserError(f"{name} is not prepared under {corpora_root()}.", how_to_get(registered))
    if os.sep in text:
        raise UserError(f"There is no corpus at {text}.", "Name a prepared corpus, its folder or a manifest.")
    raise unknown("corpus", text, [*names(), *(folder.name for folder in prepared.values())])


def check_word(data: str) -> None:
    """Raise `UserError` for a word that names no corpus and no folder."""
    if not data.strip() or "\0" in data:
        raise UserError("DATA is empty." if not data.strip() else "DATA has a NUL in it.", "Name a corpus or a folder.")


def how_to_get(name: str) -> str:
    """The command that prepares a known corpus, and where its audio comes from."""
    entry, command = recipe(name), f"Run: voxboard prepare {shlex.quote(name)}"
    if entry.make:
        return command
    if entry.fetch:
        where = f"; it is at {entry.source}" if entry.source else ""
        return f"{command} --data_path DIR (its folder{where}), or with --download."
    where = f"; it is registered for at {entry.source}" if entry.source else ""
    return f"{command} --data_path DIR (its folder{where})."


def _prepared() -> dict[str, Path]:
    """The prepared corpora under the root, by name in lower case."""
    return {file.parent.name.lower(): file.parent for file in sorted(corpora_root().glob(f"*/{DESCRIPTION}"))}


def _is_of(prepared: Path, audio: Path) -> bool:
    """True if a prepared corpus was made of this folder."""
    return Corpus.open(prepared).audio_root.resolve().is_relative_to(audio.resolve())


def _unprepared_folder(path: Path) -> UserError:
    from voxboard.data.recipes.metadata_table import find_table

    table = find_table(path)
    name = known_name(path.absolute().name)
    if name is not None:
        return UserError(f"{path} is not prepared.", f"Run: voxboard prepare {name} --data_path {path}")
    if table is None:
        return UserError(
            f"{path} is neither a prepared corpus nor a folder with a table of its files.",
            f"Run: voxboard prepare DATA --data_path {path}, DATA one of {', '.join(names())}; or prepare {path} "
            "--metadata TABLE.csv",
        )
    return UserError(f"{path} is not prepared.", f"Run: voxboard prepare {path} --metadata {table.name}")
