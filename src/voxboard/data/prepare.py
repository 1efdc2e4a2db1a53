"""From a folder that the user has to a corpus that runs use, and back from a name on the command line to the corpus."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxboard.data.catalogue import CORPORA, Known, check_word, corpora_root, find_corpus, how_to_get, known_name
from voxboard.data.corpus import SPLITS, Corpus, CorpusInfo
from voxboard.errors import UserError, unknown

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.data.manifest import Kind
    from voxboard.data.recordings import Recordings
    from voxboard.data.scan import Scan, Utterance

__all__ = ["CORPORA", "Options", "corpora_root", "find_corpus", "prepare"]

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


@dataclass(frozen=True)
class Options:
    """What a user can say about a corpus that is prepared."""

    metadata: Path | None = None  # a table of the files (folders) or of the speakers (VoxCeleb)
    columns: Mapping[str, str] = field(default_factory=dict)  # our name of a column → the table's
    subsets: tuple[str, ...] = ()  # of LibriSpeech; empty: all that are there
    split: str | None = None  # puts everything into this one
    name: str | None = None  # of the prepared corpus; None: the corpus's or the folder's
    seed: int | None = None  # of the split, or of Voices; None: their own
    valid_trials: Path | None = None
    test_trials: Path | None = None
    filter_trials: bool = False  # keep the trials between held-out speakers instead of holding out a list's speakers
    skip_bad_audio: bool = False
    download: bool = False
    speakers: int | None = None  # of Voices
    utterances: int | None = None  # of Voices, per speaker
    rttm: Path | None = None  # of a folder of recordings: who speaks when
    uem: Path | None = None  # what is scored of them; None: all
    valid_recordings: tuple[str, ...] = ()  # patterns of the names of those for validation
    valid_speakers: tuple[str, ...] = ()  # whom the validation split consists of; needs test speakers
    test_speakers: tuple[str, ...] = ()  # whom the test split consists of; all others are trained on
    mixture: Path | None = None  # a list of corpora that are put together
    audio_root: tuple[Path, ...] = ()  # folders from which the corpora of a mixture may read


def prepare(
    data: str, data_path: Path | None = None, out: Path | None = None, options: Options | None = None
) -> Corpus:
    """Makes the corpus DATA, a known name or a folder with a table, and writes it to `out`.

    `data_path` is the folder with its audio, `out` by default `corpora_root() / name`. Raises `UserError` for what is
    missing and `BadAudio` for files that cannot be read.
    """
    options = options or Options()
    check_word(data)
    if options.split is not None and options.split not in SPLITS:
        raise unknown("split", options.split, SPLITS)
    _check_speakers(options)
    if options.audio_root and options.mixture is None:
        raise UserError("--audio_root says nothing about one corpus.", "Name the folder of its audio as --data_path.")
    if options.mixture is not None:
        return _mixture(data, data_path, out, options)
    name = known_name(data)
    if name is not None and not CORPORA[name].scan:
        return _made(name, data_path, out, options)
    if options.speakers is not None or options.utterances is not None:
        raise UserError(f"{data} has the speakers that it has.", "Leave --speakers and --utterances out.")
    if name is None:
        return _prepare_folder(data, data_path, out, options)
    known = CORPORA[name]
    _check_kind(name, known.kind, options)
    if known.kind == "recordings" and (options.rttm or options.uem or options.valid_recordings or options.split):
        raise UserError(
            f"{name} brings its annotation and its splits along.",
            "Leave --rttm, --uem, --split and --valid_recordings out.",
        )
    folder = _audio_folder(name, known, data_path, options)
    module, _, function = known.scan.partition(":")
    scan: Scan | Recordings = getattr(importlib.import_module(module), function)(folder, _located(options, folder))
    info = CorpusInfo(_checked(options.name or name), version=scan.version, licence=known.licence, source=known.source)
    return _write(scan, info, out, options)


def _prepare_folder(data: str, data_path: Path | None, out: Path | None, options: Options) -> Corpus:
    from voxboard.data import recordings
    from voxboard.data.recipes import metadata_table as tables
    from voxboard.data.recipes import speaker_folders

    folder = Path(os.path.abspath(data))
    if not folder.is_dir():
        if os.sep in data:
            raise UserError(f"There is no folder {data}.", "Name a corpus, or a folder that has a table of its files.")
        raise unknown("corpus", data, CORPORA)
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


def _check_speakers(options: Options) -> None:
    """Raises `UserError` where the speakers of splits are named and something else says who is in them, too."""
    if options.valid_speakers and not options.test_speakers:
        raise UserError("Validation speakers are named, and no test speakers.", "Add --test_speakers NAME …")
    for name in ("split", "valid_trials", "test_trials", "seed"):
        if options.test_speakers and getattr(options, name) is not None:
            raise UserError(
                f"--test_speakers and --{name} both say who is in which split.", "Leave one of the two out."
            )


def _mixture(data: str, data_path: Path | None, out: Path | None, options: Options) -> Corpus:
    """Puts corpora together under the name DATA."""
    from voxboard.data import mixture

    given = replace(options, mixture=None, name=None, audio_root=())
    if given != Options() or data_path is not None:
        raise UserError("A mixture is all in its file.", "Leave the flags beside --mixture, --out and --name out.")
    name = _checked(options.name or data)
    if known_name(name):
        raise UserError(f"{name} is the name of a corpus that voxboard knows.", "Choose another for the mixture.")
    assert options.mixture is not None
    return mixture.mix(options.mixture, name, out or corpora_root() / name, options.audio_root)


def _check_kind(data: str, kind: Kind, options: Options) -> None:
    """Raises `UserError` for what says nothing about a corpus of this kind."""
    for name in _ONLY[kind]:
        if getattr(options, name):
            advice = "Leave it out." if kind == "recordings" else "Leave it out, or pass --rttm for recordings."
            raise UserError(f"--{name} says nothing about {kind}, which {data} holds.", advice)


def _made(name: str, data_path: Path | None, out: Path | None, options: Options) -> Corpus:
    """Makes Voices, or what is made of it."""
    from voxboard.data.voices.corpus import make_voices
    from voxboard.data.voices.meetings import make_meetings
    from voxboard.data.voices.sessions import make_sessions

    known = {"Voices": ("speakers", "utterances", "seed"), "Voices-meetings": ("seed",)}.get(name, ())
    for field_ in fields(options):
        if field_.name not in known and getattr(options, field_.name):
            raise UserError(f"{name} is made, not read: --{field_.name} says nothing.", "Leave it out.")
    if data_path is not None:
        raise UserError(f"{name} is made, not read: --data_path says nothing.", "Name the folder to make as --out.")
    folder = out or corpora_root() / name
    if name == "Voices-sessions":
        return make_sessions(folder)
    if name == "Voices-meetings":
        return make_meetings(folder, seed=options.seed or 0)
    given = {"speakers": options.speakers, "utterances": options.utterances, "seed": options.seed}
    numbers = {key: value for key, value in given.items() if value is not None}
    return make_voices(folder, progress=True, **numbers)


def _audio_folder(name: str, known: Known, data_path: Path | None, options: Options) -> Path:
    """The folder with a known corpus's audio, downloaded first where that is asked for."""
    if options.download:
        if not known.download:
            raise UserError(f"{name} is not openly licensed, so voxboard does not download it.", how_to_get(name))
        from voxboard.data.download import download

        return Path(os.path.abspath(download(name, data_path or corpora_root() / "downloads" / name, options.subsets)))
    if data_path is None:
        raise UserError(f"The folder with the audio of {name} is not named.", how_to_get(name))
    if not data_path.is_dir():
        raise UserError(f"There is no folder {data_path}.", how_to_get(name))
    return Path(os.path.abspath(data_path))


def _located(options: Options, folder: Path) -> Options:
    """The options with their files found: relative to the folder, else to where the user is."""
    for name in ("metadata", "rttm", "uem"):
        given = getattr(options, name)
        if given is None:
            continue
        found = next((place for place in (folder / given, given) if place.exists()), None)
        if found is None or (name == "metadata" and not found.is_file()):
            what = "table" if name == "metadata" else name.upper()
            raise UserError(f"There is no {what} {given}, neither here nor in {folder}.", f"Check --{name}.")
        options = replace(options, **{name: found})
    return options


def _checked(name: str) -> str:
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UserError(f"A corpus cannot be called {name!r}.", "Choose letters, digits, '-', '_' and '.' with --name.")
    return name


def _write(scan: Scan | Recordings, info: CorpusInfo, out: Path | None, options: Options) -> Corpus:
    """Reads the headers, splits the speakers, and writes the corpus with its trial lists."""
    from voxboard.data import advice, corpus_trials, recordings
    from voxboard.data.earlier import earlier
    from voxboard.data.scan import to_cuts

    if isinstance(scan, recordings.Recordings):
        return recordings.write(scan, info, out or corpora_root() / info.name, options)

    cuts, bad = to_cuts(scan.utterances, options.skip_bad_audio)
    readable = {cut.id for cut in cuts}
    utterances = [utterance for utterance in scan.utterances if utterance.id in readable]
    if not utterances:
        raise UserError(f"None of the {len(bad)} audio files of {info.name} can be read.", "Check the folder.")
    folder = out or corpora_root() / info.name
    before = earlier(folder, options.split, info, readable)
    given = corpus_trials.given(scan.trials, options)
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
        notes += corpus_trials.beside(scan.root)
    copied, said = corpus_trials.copy(given, folder, utterances, splits, options)
    info = replace(info, trials=copied, notes=(*scan.notes, *notes, *said), skipped=len(bad))
    corpus = Corpus.write(folder, before.joined(info), by_split, before.root(scan.root), before.roots(scan.root))
    corpus_trials.tidy(folder, corpus.info.trials)
    return corpus


def _splits(
    scan: Scan, utterances: Sequence[Utterance], given: Mapping[str, Path], options: Options
) -> tuple[dict[str, str], list[str]]:
    """Utterance → split, and what there is to say about it."""
    from voxboard.data import corpus_trials, splits
    from voxboard.data.scan import people

    seed = splits.SEED if options.seed is None else options.seed
    if options.split is not None:
        return {utterance.id: options.split for utterance in utterances}, []
    if options.test_speakers:
        named = splits.named(people(utterances), options.valid_speakers, options.test_speakers)
        return {u.id: named[u.speaker] for u in utterances}, [f"Tested on {', '.join(options.test_speakers)} as asked."]
    chosen = {utterance.id: utterance.split for utterance in utterances if utterance.split is not None}
    if not chosen:
        fixed = {} if options.filter_trials else corpus_trials.speakers(given, utterances)
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
