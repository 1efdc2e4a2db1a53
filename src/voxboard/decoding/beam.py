"""Prefix beam search over CTC's log-probabilities (Graves and Jaitly 2014; Hannun et al. 2014), with words' n-grams.

A prefix collects the probability of all alignments that spell it, those that end in a blank apart from those that end
in its last token: only the former may be followed by the same token as a new one. Prefixes are nodes of a tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxboard.data.vocabulary import BLANK
from voxboard.decoding.ngram import NGram

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Hypothesis(NamedTuple):
    """Token indices, and their log-probability [nats] with what the language model adds."""

    tokens: list[int]
    score: float


class ShallowFusion(NamedTuple):
    """A language model of words, the factor of its log-probabilities, and what every word adds [nats]."""

    lm: NGram
    weight: float
    bonus: float


class Beam(NamedTuple):
    """Prefixes [W] as nodes, and the log-probability of their alignments that end in a blank and in the last token."""

    nodes: Indices
    blank: Floats
    token: Floats


def search(
    log_probs: Floats, tokens: Sequence[str], width: int, floor: float = 0.0, fusion: ShallowFusion | None = None
) -> list[Hypothesis]:
    """[T, C] and what every class spells → the `width` best prefixes after the last frame, the best one first.

    A class that spells nothing counts as the blank. In a frame only classes of a probability of at least `floor` are
    tried, and the likeliest in any case.
    """
    silent = np.array([not token for token in tokens])
    frames = np.where(silent, -np.inf, log_probs)
    frames[:, BLANK] = np.logaddexp.reduce(log_probs[:, silent], axis=1)
    tree = _Tree(tokens, len(frames) * width + 1, fusion)
    beam = Beam(np.zeros(1, np.int64), np.zeros(1), np.full(1, -np.inf))
    least = np.log(floor) if floor else -np.inf
    for frame in frames:
        allowed = np.flatnonzero((frame >= min(least, frame.max())) & ~silent)
        beam = _advance(tree, beam, frame, allowed, width)
    scores = np.logaddexp(beam.blank, beam.token) + [tree.finished(node) for node in beam.nodes]
    return [Hypothesis(tree.spelled(beam.nodes[row]), float(scores[row])) for row in _best(scores, width)]


def _advance(tree: _Tree, beam: Beam, frame: Floats, tokens: Indices, width: int) -> Beam:
    """The beam after one more frame [C], of whose tokens the `kept` [K] may follow."""
    last = tree.token[beam.nodes]
    total = np.logaddexp(beam.blank, beam.token)
    blank, token = total + frame[BLANK], beam.token + frame[last]
    grown = np.where(tokens == last[:, None], beam.blank[:, None], total[:, None]) + frame[tokens]  # [W, K]

    # A prefix that grows into one of the beam adds to it.
    column = np.full(len(frame), -1)
    column[tokens] = np.arange(len(tokens))
    rows, columns = tree.rows_of_parents(beam.nodes), column[last]
    met = np.flatnonzero((rows >= 0) & (columns >= 0))
    token[met] = np.logaddexp(token[met], grown[rows[met], columns[met]])
    grown[rows[met], columns[met]] = -np.inf

    scores = np.concatenate(
        [np.logaddexp(blank, token) + tree.score[beam.nodes], (grown + tree.grown_scores(beam.nodes, tokens)).ravel()]
    )
    best = _best(scores, width)
    stay, new = best[best < len(last)], best[best >= len(last)] - len(last)
    nodes = [tree.child(int(beam.nodes[cell // len(tokens)]), int(tokens[cell % len(tokens)])) for cell in new]
    return Beam(
        np.concatenate([beam.nodes[stay], np.array(nodes, np.int64)]),
        np.concatenate([blank[stay], np.full(len(new), -np.inf)]),
        np.concatenate([token[stay], grown.ravel()[new]]),
    )


def _best(scores: Floats, width: int) -> Indices:
    """Places of the `width` largest scores, the largest first, equal ones in their order; without those of -inf."""
    width = min(width, len(scores))
    least = np.partition(scores, -width)[-width]
    places = np.flatnonzero((scores >= least) & (scores > -np.inf))
    return places[np.argsort(-scores[places], kind="stable")[:width]]


class _Tree:
    """All prefixes that were in the beam: parent, last token, and what the language model gives their words.

    `score` holds the words that are complete, `closed` also the last one, as if it ended here (NaN: not asked yet).
    """

    def __init__(self, tokens: Sequence[str], size: int, fusion: ShallowFusion | None) -> None:
        self.tokens = tokens
        self.fusion = fusion
        self.opens = np.array([token.startswith(" ") for token in tokens])
        self.parent = np.zeros(size, np.int64)
        self.token = np.full(size, BLANK)
        self.row = np.full(size, -1)
        self.score = np.zeros(size)
        self.closed = np.full(size, np.nan)
        self.children: dict[tuple[int, int], int] = {}
        self.context = [fusion.lm.start if fusion else ()]
        self.word = [""]

    def rows_of_parents(self, nodes: Indices) -> Indices:
        """Position in the beam of each prefix's parent, -1 for one that is not in it."""
        self.row[nodes] = np.arange(len(nodes))
        rows = self.row[self.parent[nodes]]
        self.row[nodes] = -1
        return rows

    def child(self, node: int, token: int) -> int:
        """The prefix that is one token longer: always the same node, so that its alignments meet there."""
        child = self.children.setdefault((node, token), len(self.children) + 1)
        if child == len(self.word):
            self.parent[child], self.token[child] = node, token
            self.score[child], context, word = self.score[node], self.context[node], self.word[node]
            if self.fusion and self.opens[token]:
                self.score[child], context, word = self.close(node), self._next(node), ""
            self.context.append(context)
            self.word.append(word + self.tokens[token].strip())
        return child

    def close(self, node: int) -> float:
        """The score of a prefix's words, the last one included."""
        if np.isnan(self.closed[node]):
            self.closed[node] = self.score[node]
            if self.fusion and self.word[node]:
                lm, weight, bonus = self.fusion
                self.closed[node] += bonus + weight * lm.log_prob(lm.word(self.word[node]), self.context[node])
        return float(self.closed[node])

    def grown_scores(self, nodes: Indices, tokens: Indices) -> Floats:
        """[W, K]: the score of every prefix with every token after it."""
        scores = self.score[nodes][:, None]
        if not self.fusion or not self.opens[tokens].any():
            return scores
        closed = np.array([self.close(node) for node in nodes.tolist()])
        return np.where(self.opens[tokens], closed[:, None], scores)

    def finished(self, node: int) -> float:
        """The score of a prefix that is the whole text, with the end of its sentence."""
        score = self.close(node)
        if self.fusion and self.fusion.lm.end is not None:
            score += self.fusion.weight * self.fusion.lm.log_prob(self.fusion.lm.end, self._next(node))
        return score

    def spelled(self, node: int) -> list[int]:
        """The tokens from the root to a node."""
        pieces = []
        while node:
            pieces.append(int(self.token[node]))
            node = int(self.parent[node])
        return pieces[::-1]

    def _next(self, node: int) -> tuple[int, ...]:
        """The context of the word after a node's last word."""
        if not self.fusion or not self.word[node]:
            return self.context[node]
        return self.fusion.lm.after(self.fusion.lm.word(self.word[node]), self.context[node])
