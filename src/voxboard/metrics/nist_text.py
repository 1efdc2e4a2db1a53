"""NIST's way of writing what may be said in several ways, as a graph of words.

    { a b / c / @ }    any one branch, `@` being no word; branches may hold further braces
    (word)             a word that may be left out, where that is asked for; else an ordinary one
    wor-               a fragment: any word that begins with `wor` matches it, where that is asked for

Source: NIST SCTK, the transcript formats of sclite (`trn`, `stm`) and its options -D, -F and -s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Costs = Literal["minimal", "nist"]
DEEPEST = 100  # braces within braces
_MARKS = re.compile(r"[{}]")


@dataclass(frozen=True)
class Rules:
    """Rules of comparing texts beyond word for word."""

    costs: Costs = "minimal"
    """minimal: the fewest errors; nist: sclite's costs, 4 for a substitution, 3 for a deletion or an insertion."""
    markup: bool = False
    """Whether braces and brackets are NIST's."""
    optional: bool = False
    """Whether a word in brackets may be missing; it counts as a correct word of the reference then."""
    fragments: bool = False
    """Whether `wor-` matches every word that begins with `wor`."""
    fold_case: bool = False
    """Whether upper and lower case are the same."""

    @property
    def plain(self) -> bool:
        """True if words are compared one by one, at the least number of errors."""
        return self == Rules()


class Arc(NamedTuple):
    """A way from one node to a later one: a word, or nothing."""

    start: int
    end: int
    word: str | None
    optional: bool = False


@dataclass
class Graph:
    """The ways through a text: nodes 0 … `last`, of which every arc leads to a higher one."""

    arcs: list[Arc] = field(default_factory=list)
    last: int = 0

    def entering(self) -> list[list[Arc]]:
        """The arcs that end in each node, as written."""
        arcs: list[list[Arc]] = [[] for _ in range(self.last + 1)]
        for arc in self.arcs:
            arcs[arc.end].append(arc)
        return arcs


def graph(text: str, rules: Rules, normalize: Callable[[str], str] = str) -> Graph:
    """The graph of a text; what stands between the marks is normalised as a text of its own.

    Raises `ValueError` for braces that do not match or are nested too deeply.
    """
    if not rules.markup:
        return _words(Graph(), normalize(text).split(), rules)
    return _Reader(rules, normalize).read(_MARKS.sub(lambda mark: f" {mark[0]} ", text).split())


def chain(words: Iterable[str]) -> Graph:
    """The graph of plain words."""
    return _words(Graph(), words, Rules())


def marked(text: str) -> bool:
    """True if a text holds anything that NIST's markup would read otherwise than as words."""
    return bool(re.search(r"[{}]|(?:^|\s)(?:@|\(\S+\))(?=\s|$)", text))


def _words(graph: Graph, words: Iterable[str], rules: Rules, optional: bool = False) -> Graph:
    for word in words:
        graph.arcs.append(Arc(graph.last, graph.last + 1, word.lower() if rules.fold_case else word, optional))
        graph.last += 1
    return graph


@dataclass
class _Branches:
    """An open brace: where it began, the ends of its finished branches."""

    start: int
    ends: list[int]


class _Reader:
    def __init__(self, rules: Rules, normalize: Callable[[str], str]) -> None:
        self.rules, self.normalize = rules, normalize
        self.graph = Graph()
        self.open: list[_Branches] = []
        self.run: list[str] = []

    def read(self, tokens: list[str]) -> Graph:
        for token in tokens:
            if token == "{":
                self._begin()
            elif token == "/" and self.open:
                self._branch()
            elif token == "}":
                self._end()
            elif token == "@":
                self._flush()
            elif len(token) > 2 and token[0] == "(" and token[-1] == ")":
                self._bracketed(token[1:-1])
            else:
                self.run.append(token)
        if self.open:
            raise ValueError("a brace is not closed")
        self._flush()
        return self.graph

    def _flush(self) -> None:
        _words(self.graph, self.normalize(" ".join(self.run)).split(), self.rules)
        self.run.clear()

    def _bracketed(self, word: str) -> None:
        if not self.rules.optional:
            self.run.append(word)
            return
        self._flush()
        _words(self.graph, self.normalize(word).split(), self.rules, optional=True)

    def _begin(self) -> None:
        if len(self.open) == DEEPEST:
            raise ValueError(f"braces are nested more than {DEEPEST} deep")
        self._flush()
        self.open.append(_Branches(self.graph.last, []))
        self._start_branch()

    def _start_branch(self) -> None:
        """A node of its own, so that nothing leads from one branch into the next."""
        self.graph.last += 1
        self.graph.arcs.append(Arc(self.open[-1].start, self.graph.last, None))

    def _branch(self) -> None:
        self._flush()
        self.open[-1].ends.append(self.graph.last)
        self._start_branch()

    def _end(self) -> None:
        if not self.open:
            raise ValueError("a brace is closed that was never opened")
        self._flush()
        branches = self.open.pop()
        ends = [*branches.ends, self.graph.last]
        self.graph.last += 1
        self.graph.arcs += [Arc(end, self.graph.last, None) for end in ends]
