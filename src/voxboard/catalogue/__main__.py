"""Measures parts and writes `parts.json` and `docs/parts`: `python -m voxboard.catalogue`, in the source tree.

With names, `python -m voxboard.catalogue speechbrain-resnet`, only those parts are measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxboard import catalogue
from voxboard.catalogue import measure
from voxboard.catalogue.pages import pages

DATA = Path(__file__).with_name("parts.json")
DOCS = Path(__file__).resolve().parents[3] / "docs"


def main() -> int:
    """Write both; returns 2 outside the source tree."""
    if not DOCS.is_dir():
        print(f"There is no folder {DOCS}. Run it in the source tree.", file=sys.stderr)
        return 2
    DATA.write_text(json.dumps(_measured(sys.argv[1:]), indent=1) + "\n", encoding="utf-8")
    catalogue.measured.cache_clear()
    print(f"{write_pages()} pages in {DOCS / 'parts'}")
    return 0


def _measured(names: Sequence[str]) -> dict[str, Any]:
    """Return every part's sizes, in the order of the catalogues; of all but the named parts those of before."""
    if not names:
        return measure.everything()
    sizes: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    for kind, of in (("backbone", measure.backbone), ("pooler", measure.pooler), ("head", measure.head)):
        listed = measure.catalogued(kind)
        latest = {**sizes[kind], **{name: of(name) for name in names if name in listed}}
        sizes[kind] = {name: latest[name] for name in listed if name in latest}
    return sizes


def write_pages() -> int:
    """Write `docs/parts` from `parts.json`, remove pages of what is gone, and return how many pages there are."""
    written = {DOCS / "parts" / path: text for path, text in pages().items()}
    for old in (DOCS / "parts").rglob("*.md"):
        if old not in written:
            old.unlink()
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return len(written)


if __name__ == "__main__":
    sys.exit(main())
