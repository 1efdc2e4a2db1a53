"""Tables and pictures of letters on a terminal, through rich: what is in them is text and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from voxboard.errors import printable


class Console(rich.console.Console):
    """rich's console without its markup and emoji codes, and with control characters written out.

    A system may be called `[link=https://…]`, `:smile:` or worse: the name is what is shown. Only escape sequences
    that styles of our own make reach the terminal.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text, lines=True), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text, lines=True), segment.style)
