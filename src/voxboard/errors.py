"""What a user can get wrong, said in one sentence, with what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's, not of the code: the command line prints it without a traceback, exit code 2.

    `problem` says what is wrong in one sentence, `advice` what to do next.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(f"{problem} {advice}".strip())
        self.problem = problem
        self.advice = advice


class BadAudio(UserError):
    """An audio file that cannot be read or cannot be used; `--skip_bad_audio` counts and skips it."""


class Diverged(UserError):
    """A network whose numbers are none any more."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that nothing is registered under, with the nearest matches."""
    options = sorted(set(known))
    folded = {option.lower(): option for option in options}
    near = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)]
    if near:
        advice = f"Did you mean {' or '.join(near)}?"
    elif options:
        advice = f"Known: {', '.join(options[:20])}{' …' if len(options) > 20 else ''}."
    else:
        advice = "None is registered."
    return UserError(f"Unknown {kind} {name!r}.", advice)
