"""`voxboard doctor backbone MODEL --against FILE`: does it give the embeddings that its reference gives?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from voxboard.errors import UserError
from voxboard.limits import NotNegative, Seed
from voxboard.screen import dumps, print

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voxboard.evaluation.encoder import Encoder

    Rows = dict[str, NDArray[np.float64]]

FORMAT = "Give it `files` [U] and `embeddings` [U, E], or one array [E] for every file, under the file's path."


@dataclass(frozen=True)
class Against:
    """Settings of a comparison with the embeddings of a reference."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """MODEL that embeds: an encoder of utterances, or backbone+pooler; options stand in brackets."""
    against: Path = Path("embeddings.npz")
    """Embeddings of the reference, an array [E] under the path of every audio file (seen from the npz), or `files` and
    `embeddings` [U, E]."""
    tolerance: NotNegative = 1e-4
    """Largest difference of a number, and of the cosine from 1, that passes."""
    seed: Seed = 42
    """Seed of random weights."""
    device: str = "cpu"
    """cpu, cuda, mps, auto, or the number of a GPU."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class EmbeddingDifference:
    """Distance of an embedding from the reference's: largest difference of a number, and one minus the cosine."""

    file: str
    absolute: float
    cosine: float

    @property
    def worst(self) -> float:
        return max(self.absolute, self.cosine)


def run(args: Against) -> int:
    """Print the differences of every file. Return 0 where none is above the tolerance, else 1."""
    from voxboard.api import load

    reference = read(args.against)
    encoder = load(_model(args.model), seed=args.seed, device=args.device)
    differences = compare(encoder, args.against.parent, reference)
    passed = all(one.worst <= args.tolerance for one in differences)
    if args.json:
        rows = [asdict(one) for one in differences]
        print(dumps({"name": args.model, "passed": passed, "tolerance": args.tolerance, "files": rows}))
    else:
        _print(args, differences, passed)
    return 0 if passed else 1


def read(path: Path) -> Rows:
    """Return the embeddings [E] of a file by the paths of the audio. Raises `UserError` for what holds none."""
    import zipfile

    import numpy as np

    if not path.is_file():
        raise UserError(f"There is no file {path}.", "Name an .npz of the reference's embeddings.")
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: np.asarray(content[name]) for name in content.files}
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as .npz without pickle.", FORMAT) from error
    if set(arrays) == {"files", "embeddings"}:
        arrays = _named(path, arrays["files"], arrays["embeddings"])
    if not arrays:
        raise UserError(f"{path} holds no embeddings.", FORMAT)
    return {name: _row(path, name, values) for name, values in arrays.items()}


def compare(encoder: Encoder, folder: Path, reference: Rows) -> list[EmbeddingDifference]:
    """Return the differences of an encoder's embeddings, not normalised, of the audio files seen from `folder`."""
    from voxboard.data.scan import cuts_of
    from voxboard.embedding.embed import embed
    from voxboard.files import existing

    cuts = cuts_of([existing(folder / name) for name in reference])
    matrix = embed(encoder.network.encoder, cuts, normalized=False, show_progress=False).matrix
    return [_difference(name, row, expected) for (name, expected), row in zip(reference.items(), matrix, strict=True)]


def _model(name: str) -> str:
    """A backbone that is named alone embeds by the pooling that it was published with."""
    from voxboard import systems
    from voxboard.parts import Part

    alone = len(systems.pieces(name)) == 1 and name.lower() not in {one.lower() for one in systems.named()}
    backbone = Part.parse(name).name if alone else ""
    is_backbone = alone and (backbone in systems.registry("backbone").names() or ".py:" in backbone)
    return f"{name}+native" if is_backbone and not systems.is_whole(backbone) else name


def _named(path: Path, files: Any, embeddings: Any) -> dict[str, Any]:
    if files.ndim != 1 or files.dtype.kind != "U" or embeddings.ndim != 2 or len(files) != len(embeddings):
        raise UserError(f"{path} has files {files.shape} and embeddings {embeddings.shape}.", FORMAT)
    rows = dict(zip(files.tolist(), embeddings, strict=True))
    if len(rows) < len(files):
        raise UserError(f"{path} names a file twice.", "Give each file one embedding.")
    return rows


def _row(path: Path, name: str, values: Any) -> Any:
    import numpy as np

    row = values.reshape(-1) if values.ndim == 2 and len(values) == 1 else values
    if row.ndim != 1 or row.dtype.kind not in "fiu" or not np.isfinite(row).all():
        raise UserError(f"{name} of {path} is no embedding of finite numbers [E].", FORMAT)
    return row.astype(np.float64)


def _difference(name: str, embedding: Any, expected: Any) -> EmbeddingDifference:
    import numpy as np

    if embedding.shape != expected.shape:
        raise UserError(
            f"{name} has {len(expected):,} numbers in the reference, {len(embedding):,} here.",
            "Compare the same output of the same network.",
        )
    here = embedding.astype(np.float64)
    lengths = float(np.linalg.norm(here) * np.linalg.norm(expected))
    cosine = float(here @ expected) / lengths if lengths else float(np.array_equal(here, expected))
    return EmbeddingDifference(name, float(np.abs(here - expected).max()), max(0.0, 1.0 - cosine))


def _print(args: Against, differences: Sequence[EmbeddingDifference], passed: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from voxboard.console import Console

    title = f"{args.model} against {args.against}"
    table = Table("file", "", "largest difference", "1 - cosine", title=Text(title), title_justify="left", box=None)
    for one in differences:
        mark = "passed" if one.worst <= args.tolerance else "FAILED"
        table.add_row(*map(Text, (one.file, mark, f"{one.absolute:.2e}", f"{one.cosine:.2e}")))
    Console().print(table)
    worst = max(differences, key=lambda one: one.worst)
    print(
        f"Worst: {worst.file}, {worst.absolute:.2e} apart, 1 - cosine {worst.cosine:.2e} "
        f"(limit {args.tolerance:g}): {'passed' if passed else 'FAILED'}."
    )
