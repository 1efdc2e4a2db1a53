"""From a folder that the user has to a corpus that runs use: what a recipe scans, in splits, with its trial lists."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.catalogue import check_word, corpora_root, how_to_get, known_name, names, recipe, title
from voxboard.data.corpus import SPLITS, Corpus, CorpusInfo
from voxboard.data.prepare_options import PrepareOptions
from voxboard.data.recipe import Recipe, call
from voxboard.errors import UserError, unknown

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.data.manifest import Kind
    from voxboard.data.recordings import Recordings
    from voxboard.data.scan import Scan, Utterance

# What is said about one kind of corpus only, and refused of the other.
_ONLY: Mapping[Kind, tuple[str, ...]] = {
    "recordings": (
        "metadata",
        "columns",
        "subsets",
        "valid_trials",
        "test_trials",
        "filter_trials",
        "seed",
        "valid_speakers",
        "test_speakers",
        "mixture",
    ),
    "utterances": ("rttm", "uem", "valid_recordings"),
}


def prepare(
    data: str, data_path: Path | None = None, out: Path | None = None, options: PrepareOptions | None = None
) -> Corpus:
    """Make the corpus DATA, a known name or a folder with a table, and write it to `out`.

    `data_path` is the folder with its audio, `out` by default `corpora_root() / name`. Raises `UserError` for what is
    missing and `BadAudio` for files that cannot be read.
    """
    options = options or PrepareOptions()
    check_word(data)
    if options.split is not None and options.split not in SPLITS:
        raise unknown("split", options.split, SPLITS)
    _check_speakers(options)
    if options.audio_root and options.mixture is None:
        raise UserError("--audio_root says nothing about one corpus.", "Name the folder of its audio as --data_path.")
    if options.mixture is not None:
        return _mixture(data, data_path, out, options)
    name = known_name(data)
    entry = recipe(name) if name is not None else None
    if name is not None and entry is not None and entry.make:
        return _made(name, entry, data_path, out, options)
    if options.speakers is not None or options.utterances is not None:
        raise UserError(f"{data} has the speakers that it has.", "Leave --speakers and --utterances out.")
    if name is None or entry is None:
        return _prepare_folder(data, data_path, out, options)
    return _prepare_known(name, entry, data_path, out, options)


def _prepare_known(
    name: str, recipe: Recipe, data_path: Path | None, out: Path | None, options: PrepareOptions
) -> Corpus:
    _check_kind(name, recipe.kind, options)
    if recipe.kind == "recordings" and (options.rttm or options.uem or options.valid_recordings or options.split):
        raise UserError(
            f"{name} brings its annotation and its splits along.",
            "Leave --rttm, --uem, --split and --valid_recordings out.",
        )
    called = _checked(options.name or title(name))
    folder = _audio_folder(name, recipe, data_path, options)
    scan = _scanned(name, call(recipe.scan, folder, _located(options, folder)), recipe.kind)
    info = CorpusInfo(called, version=scan.version, licence=recipe.licence, source=recipe.source)
    return _write(scan, info, out, options)


def _scanned(name: str, scan: object, kind: Kind) -> Scan | Recordings:
    """Check the result of a recipe's `scan`. Raises `UserError` where that is of another type than its kind says."""
    from voxboard.data.recordings import Recordings
    from voxboard.data.scan import Scan

    wanted = Scan if kind == "utterances" else Recordings
    if isinstance(scan, (Scan, Recordings)) and isinstance(scan, wanted):
        return scan
    raise UserError(
        f"The recipe {name} of {kind} gives {type(scan).__name__} for {wanted.__name__}.",
        f"Return a {wanted.__name__} from its scan: docs/extending.md has an example.",
    )


def _prepare_folder(data: str, data_path: Path | None, out: Path | None, options: PrepareOptions) -> Corpus:
    from voxboard.data import recordings
    from voxboard.data.recipes import metadata_table as tables
    from voxboard.data.recipes import speaker_folders

    folder = Path(os.path.abspath(data))
    if not folder.is_dir():
        if os.sep in data:
            raise UserError(f"There is no folder {data}.", "Name a corpus, or a folder that has a table of its files.")
        raise unknown("corpus", data, names())
    if data_path is not None:
        raise UserError(f"{data} is a folder, so --data_path says nothing.", "Leave --data_path out.")
    if options.download:
        raise UserError(f"{data} is a folder: nothing is known to download.", "Leave --download out.")
    name = _checked(options.name or folder.name)
    if options.name is None and known_name(name):
        raise UserError(
            f"{data} has the name of a corpus that voxboard knows.",
            f"Run: voxboard prepare {known_name(name)} --data_path {data} (or choose another --name).",
        )
    _check_kind(data, "recordings" if options.rttm else "utterances", options)
    options = _located(options, folder)
    scan: Scan | Recordings
    if options.rttm:
        scan = recordings.scan(folder, options)
    elif options.metadata is None and tables.find_table(folder) is None:
        scan = speaker_folders.scan(folder)
    else:
        scan = tables.scan(folder, options)
    return _write(scan, CorpusInfo(name, source=str(folder)), out, options)


def _check_speakers(options: PrepareOptions) -> None:
    """Raise `UserError` where the speakers of splits are named and something else says who is in them, too."""
    if options.valid_speakers and not options.test_speakers:
        raise UserError("Validation speakers are named, and no test speakers.", "Add --test_speakers NAME …")
    for name in ("split", "valid_trials", "test_trials", "seed"):
        if options.test_speakers and getattr(options, name) is not None:
            raise UserError(
                f"--test_speakers and --{name} both say who is in which split.", "Leave one of the two out."
            )


def _mixture(data: str, data_path: Path | None, out: Path | None, options: PrepareOptions) -> Corpus:
    """Put corpora together under the name DATA."""
    from voxboard.data import mixture

    given = replace(options, mixture=None, name=None, audio_root=())
    if given != PrepareOptions() or data_path is not None:
        raise UserError("A mixture is all in its file.", "Leave the flags beside --mixture, --out and --name out.")
    name = _checked(options.name or data)
    if known_name(name):
        raise UserError(f"{name} is the name of a corpus that voxboard knows.", "Choose another for the mixture.")
    assert options.mixture is not None
    return mixture.mix(options.mixture, name, out or corpora_root() / name, options.audio_root)


def _check_kind(data: str, kind: Kind, options: PrepareOptions) -> None:
    """Raise `UserError` for what says nothing about a corpus of this kind."""
    for name in _ONLY[kind]:
        if getattr(options, name):
            advice = "Leave it out." if kind == "recordings" else "Leave it out, or pass --rttm for recordings."
            raise UserError(f"--{name} says nothing about {kind}, which {data} holds.", advice)


def _made(name: str, recipe: Recipe, data_path: Path | None, out: Path | None, options: PrepareOptions) -> Corpus:
    """Make a corpus that is not read, such as Voices."""
    for field_ in fields(options):
        if field_.name not in recipe.takes and getattr(options, field_.name):
            raise UserError(f"{name} is made, not read: --{field_.name} says nothing.", "Leave it out.")
    if data_path is not None:
        raise UserError(f"{name} is made, not read: --data_path says nothing.", "Name the folder to make as --out.")
    corpus: Corpus = call(recipe.make, out or corpora_root() / title(name), options)
    return corpus


def _audio_folder(name: str, recipe: Recipe, data_path: Path | None, options: PrepareOptions) -> Path:
    """The folder with a known corpus's audio, downloaded first where that is asked for."""
    if options.download:
        if not recipe.fetch:
            raise UserError(f"{name} is not openly licensed, so voxboard does not download it.", how_to_get(name))
        where = data_path or corpora_root() / "downloads" / title(name)
        return Path(os.path.abspath(call(recipe.fetch, where, options)))
    if data_path is None:
        raise UserError(f"The folder with the audio of {name} is not named.", how_to_get(name))
    if not data_path.is_dir():
        raise UserError(f"There is no folder {data_path}.", how_to_get(name))
    return Path(os.path.abspath(data_path))


def _located(options: PrepareOptions, folder: Path) -> PrepareOptions:
    """The options with their files found: relative to the folder, else to where the user is."""
    for name in ("metadata", "rttm", "uem"):
        given = getattr(options, name)
        if given is None:
            continue
        path = next((place for place in (folder / given, given) if place.exists()), None)
        if path is None or (name == "metadata" and not path.is_file()):
            what = "table" if name == "metadata" else name.upper()
            raise UserError(f"There is no {what} {given}, neither here nor in {folder}.", f"Check --{name}.")
        options = replace(options, **{name: path})
    return options


def _checked(name: str) -> str:
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UserError(f"A corpus cannot be called {name!r}.", "Choose letters, digits, '-', '_' and '.' with --name.")
    return name


def _write(scan: Scan | Recordings, info: CorpusInfo, out: Path | None, options: PrepareOptions) -> Corpus:
    """Read the headers, split the speakers, and write the corpus with its trial lists."""
    from voxboard.data import advice, recordings
    from voxboard.data.earlier import earlier
    from voxboard.data.scan import to_cuts
    from voxboard.trials import corpus_lists

    if isinstance(scan, recordings.Recordings):
        return recordings.write(scan, info, out or corpora_root() / info.name, options)

    cuts, bad = to_cuts(scan.utterances, options.skip_bad_audio)
    readable = {cut.id for cut in cuts}
    utterances = [utterance for utterance in scan.utterances if utterance.id in readable]
    if not utterances:
        raise UserError(f"None of the {len(bad)} audio files of {info.name} can be read.", "Check the folder.")
    folder = out or corpora_root() / info.name
    before = earlier(folder, options.split, info, readable)
    given = corpus_lists.given(scan.trials, options)
    splits, notes = _splits(scan, utterances, given, options)
    by_split: dict[str, list[Cut]] = {split: [] for split in SPLITS}
    for cut in cuts:
        by_split[splits[cut.id]].append(cut)
    by_split |= {split: list(some) for split, some in before.splits.items()}
    if bad:
        notes = [*notes, f"{len(bad)} audio files cannot be read and are left out (e.g. {bad[0].problem})"]
    advice.warn_few_speakers(by_split["valid"])
    notes = [*notes, *advice.shared_speakers(by_split, before.splits)]
    if not given:
        notes += corpus_lists.beside(scan.root)
    copied, sentences = corpus_lists.copy(given, folder, utterances, splits, options)
    info = replace(info, trials=copied, notes=(*scan.notes, *notes, *sentences), skipped=len(bad))
    corpus = Corpus.write(folder, before.joined(info), by_split, before.root(scan.root), before.roots(scan.root))
    corpus_lists.tidy(folder, corpus.info.trials)
    return corpus


def _splits(
    scan: Scan, utterances: Sequence[Utterance], given: Mapping[str, Path], options: PrepareOptions
) -> tuple[dict[str, str], list[str]]:
    """Utterance → split, and what there is to say about it."""
    from voxboard.data import splits
    from voxboard.data.scan import people
    from voxboard.trials import corpus_lists

    seed = splits.SEED if options.seed is None else options.seed
    if options.split is not None:
        return {utterance.id: options.split for utterance in utterances}, []
    if options.test_speakers:
        named = splits.named(people(utterances), options.valid_speakers, options.test_speakers)
        return {u.id: named[u.speaker] for u in utterances}, [f"Tested on {', '.join(options.test_speakers)} as asked."]
    chosen = {utterance.id: utterance.split for utterance in utterances if utterance.split is not None}
    if not chosen:
        fixed = {} if options.filter_trials else corpus_lists.speakers(given, utterances)
        speakers = splits.assign(people(utterances), fixed, scan.splitter, seed)
        how = "as the trial lists say" if fixed else "by voxboard"
        return {u.id: speakers[u.speaker] for u in utterances}, [f"The speakers were split {how} (seed {seed})."]
    return _held_out(utterances, chosen, seed)


def _held_out(utterances: Sequence[Utterance], chosen: dict[str, str], seed: int) -> tuple[dict[str, str], list[str]]:
    """The corpus's own split, with validation speakers held out of the training speakers where it has none."""
    from voxboard.data import splits
    from voxboard.data.scan import people

    training = people(utterance for utterance in utterances if chosen[utterance.id] == "train")
    if not training or "valid" in chosen.values():
        return chosen, _shared(utterances, chosen)
    try:
        valid = splits.hold_out(training, seed=seed)
    except UserError as error:
        return chosen, [error.problem]
    held = {
        utterance.id: "valid"
        for utterance in utterances
        if chosen[utterance.id] == "train" and utterance.speaker in valid
    }
    note = f"{len(valid)} of {len(training)} training speakers are held out for validation (seed {seed})."
    return chosen | held, [note, *_shared(utterances, chosen | held)]


def _shared(utterances: Sequence[Utterance], chosen: Mapping[str, str]) -> list[str]:
    """A warning where the corpus's own split has speakers in two splits; runs refuse it."""
    places: dict[str, set[str]] = {}
    for utterance in utterances:
        places.setdefault(utterance.speaker, set()).add(chosen[utterance.id])
    shared = sorted(speaker for speaker, splits in places.items() if len(splits) > 1)
    if not shared:
        return []
    return [
        f"{len(shared)} speakers are in more than one split (e.g. {', '.join(shared[:3])}): runs refuse this corpus; "
        "--columns split= splits by speaker instead."
    ]
