"""`voxboard embed DATA`: embeddings of every utterance and speaker, as files or in one store."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from voxboard.cli.log import closing
from voxboard.cli.parse import own_advice, parse
from voxboard.errors import UserError
from voxboard.limits import Seconds, Seed
from voxboard.screen import print

if TYPE_CHECKING:
    from lhotse.cut import Cut

    from voxboard.data.scan import Scan
    from voxboard.embedding.export import EmbeddingWriter, Made
    from voxboard.model import Network
    from voxboard.systems import System

DESCRIPTION = """Embed every utterance of DATA, and average the embeddings of every speaker.

DATA is a prepared corpus or any folder of audio: VCTK (wav48/SPEAKER/...), LibriTTS (SPEAKER/CHAPTER/...), or
SPEAKER/... at any depth. Run again, it embeds only what is new or has changed.

  voxboard embed VCTK-Corpus --system speechbrain-ecapa+native --out vctk
  voxboard embed LibriTTS --eval_path RUN --format safetensors --plot speakers.png

files: STEM.NAME_embedding and SPEAKER.NAME_averaged_embedding, tensors [1, D], in the folders of the audio below --out;
parquet, safetensors: one file with both."""


@dataclass(frozen=True)
class Embed:
    """Input, encoder and output of an embedding command."""

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """Folder of audio, or prepared corpus."""
    system: str = ""
    """MODEL with the weights that it starts from: a named system, or backbone+pooler."""
    eval_path: str = ""
    """Run folder (a path, or its name below --runs)."""
    out: Path | None = None
    """Folder (files) or file to write. Default: results/embeddings/DATA-NAME, with the suffix of the format."""
    format: Literal["files", "parquet", "safetensors"] = "files"
    """One file per utterance and speaker, or one store."""
    beside: bool = False
    """Write the files beside the audio."""
    name: str = ""
    """The model's name in file names. Default: that of the system."""
    plot: Path | None = None
    """Picture of the embeddings to draw, .png or .svg."""
    projection: Literal["tsne", "umap"] = "tsne"
    """How the picture is made plane; umap needs umap-learn."""
    renormalise: bool = False
    """Scale the speakers' averages to unit length; without it they are plain means of unit vectors."""
    trim: bool = False
    """Leave out quiet samples (squares up to 0.001) at both ends, as the GE2E reference does. It takes soft sounds away
    too, and much of a quiet recording."""
    max_seconds: Seconds = 120.0
    """Longer utterances are embedded in equal pieces."""
    skip_bad_audio: bool = False
    """Leave out files that cannot be read, and count them."""
    overwrite: bool = False
    """Replace the embeddings of another model, and files that voxboard did not write."""
    device: str = "auto"
    """auto, cpu, cuda, mps, or the number of a GPU."""
    seed: Seed = 42
    """Seed of random weights and of the picture."""
    runs: Path = Path("results/runs")
    """Where run folders are."""
    trust_code: bool = False
    """Run code that the run names in a file, though nothing shows that it is yours."""


def main(argv: Sequence[str]) -> int:
    """Parse and embed. Returns 0."""
    args = parse(Embed, argv, prog="embed", description=DESCRIPTION)
    with own_advice(Embed):
        return run(args)


def run(args: Embed) -> int:
    """Embed and draw; notes go to stderr, what was written to stdout. Returns 0."""
    _check(args)
    from voxboard.devices import device_of
    from voxboard.embedding.export import ExportSettings, make

    device = device_of(args.device)
    cuts, root, notes = _found(args)
    network, system, about = _network(args)
    network.to(device)
    name = args.name or _slug(system.name)
    how = ExportSettings(args.trim, args.renormalise, args.max_seconds, args.skip_bad_audio, args.overwrite)
    made = make(network, about, cuts, root, _writer(args, root, name), how)
    for note in [*notes, *_said(made)]:
        print(f"  {note}", file=sys.stderr)
    print(made.path)
    if args.plot:
        print(_draw(args, made, f"{Path(os.path.abspath(args.data)).name}: {system.name}"))
    picture = "" if args.plot else " --plot voices.png draws them."
    closing(f"the embeddings lie in {made.path}; the same command adds what is new.{picture}")
    return 0


def _check(args: Embed) -> None:
    """Raise `UserError` for flags that contradict each other, before anything is read."""
    if bool(args.system) == bool(args.eval_path):
        raise UserError("Embedding needs one model.", "Name --system MODEL or --eval_path RUN.")
    if args.beside and (args.format != "files" or args.out):
        raise UserError("--beside writes files beside the audio.", "Leave --out and --format out.")
    if args.name and args.name != _file_name(args.name):
        raise UserError(f"{args.name!r} cannot be part of a file name.", "Use letters, digits, '-', '_', '+', '.'.")
    if args.plot and args.plot.suffix.lower() not in (".png", ".svg"):
        raise UserError(f"{args.plot} is neither PNG nor SVG.", "Name it with the suffix .png or .svg.")


def _found(args: Embed) -> tuple[list[Cut], Path, list[str]]:
    """The utterances of DATA, the folder that their audio lies in, and what there is to say about them."""
    from voxboard.data.catalogue import check_word, find_corpus
    from voxboard.data.corpus import DESCRIPTION as PREPARED

    check_word(args.data)
    folder = Path(os.path.abspath(args.data))
    if folder.is_dir() and not (folder / PREPARED).is_file():
        from voxboard.data.recipes import speaker_folders
        from voxboard.data.scan import to_cuts

        scan: Scan = speaker_folders.scan(folder)
        cuts, bad = to_cuts(scan.utterances, args.skip_bad_audio)
        notes = [f"{len(bad)} files cannot be read and are left out (e.g. {bad[0].problem})"] if bad else []
        return cuts, folder, [*scan.notes, *notes]
    corpus = find_corpus(args.data)
    return corpus.all_cuts(), corpus.audio_root, []


def _network(args: Embed) -> tuple[Network, System, dict[str, Any]]:
    """The network, its system, and what the metadata says of it."""
    from voxboard import model, systems
    from voxboard.evaluation.evaluate import weights_of

    if args.system:
        system = systems.check(systems.parse(args.system))
        network = model.build(system, None, args.seed)
        spec = f"{system.backbone}+{system.pooler}"
        weights = weights_of(network, system)
        about = {"system": system.name, "spec": spec, "seed": args.seed, "weights": weights}
        return network, system, about | {"pretrained": weights in ("none", "pretrained")}
    from voxboard.settings import Weights
    from voxboard.training import run_folder
    from voxboard.training.trained import network_of

    place = run_folder.find(args.eval_path, args.runs)
    config = run_folder.config_of(place)
    network, meta = network_of(config, place, Weights())
    about = {"system": config.system.name, "spec": config.system.spec, "run": place.name, "step": int(meta["step"])}
    return network, config.system, about | {"trained_on": config.corpus}


def _writer(args: Embed, root: Path, name: str) -> EmbeddingWriter:
    from voxboard.embedding.export_file import FileWriter
    from voxboard.embedding.export_folder import FolderWriter

    default = Path("results/embeddings") / f"{_file_name(Path(os.path.abspath(args.data)).name)}-{name}"
    if args.format == "files":
        return FolderWriter(root if args.beside else args.out or default, name, args.overwrite)
    path = args.out or default.with_name(f"{default.name}.{args.format}")
    if path.suffix != f".{args.format}":
        raise UserError(f"{path} does not end in .{args.format}.", "Name --out with the suffix of --format.")
    return FileWriter(path, args.overwrite)


_UNTRAINED = "Nothing is known to have trained these weights"
_DOUBTS = {
    "pretrained backbone": "The backbone's weights are loaded, the pooler's are new",
    "unknown": "Nothing tells where these weights come from",
}


def _said(made: Made) -> list[str]:
    stored = made.stored
    speakers = len(set(stored.speakers))
    words = [f"{len(stored.ids):,} utterances of {speakers:,} speakers, {stored.matrix.shape[1]} numbers each."]
    if made.kept:
        words.append(f"{made.kept:,} of them were there already.")
    if made.skipped:
        words.append(f"{len(made.skipped):,} files cannot be read and are left out (e.g. {made.skipped[0]}).")
    if stored.metadata.get("pretrained") is False:
        words.append(
            _DOUBTS.get(stored.metadata.get("weights", ""), _UNTRAINED) + f" (seed {stored.metadata['seed']})."
        )
    return words


def _draw(args: Embed, made: Made, title: str) -> Path:
    from voxboard.plots import save
    from voxboard.plots.embedding import scatter

    stored, genders = made.stored, made.stored.metadata["genders"]
    assert args.plot is not None
    try:
        figure = scatter(stored.matrix, stored.speakers, genders, args.projection, args.seed, title)
    except ValueError as error:
        raise UserError(f"{args.plot} cannot be drawn: {error}.", "The embeddings are written.") from error
    return save(figure, args.plot)


def _slug(text: str) -> str:
    from voxboard.records import slug

    return slug(text)


def _file_name(text: str) -> str:
    from voxboard.embedding.export_folder import safe

    return safe(text)
