"""An n-gram language model of a few texts, interpolated Witten-Bell, in the ARPA format.

    P(w | h) = (c(h w) + T(h) P(w | h')) / (c(h) + T(h))

with c(h) the words seen after the history h, T(h) how many of them differ, and h' the history
without its first word; below the unigrams lies the uniform distribution. A word never seen after h
gets T(h) / (c(h) + T(h)) P(w | h'), so that factor is h's back-off weight.

    I. H. Witten and T. C. Bell, "The zero-frequency problem", IEEE Trans. Inf. Theory 37(4), 1991;
    S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language modeling",
    1998, section 2.4.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gensr_pref.metrics.wer.normalise import canonical

Gram = tuple[str, ...]
START, END = "<s>", "</s>"
NEVER = -99.0  # log10 of the probability of START, which follows nothing


@dataclass(frozen=True)
class Level:
    """The n-grams of one length: P of each, and the back-off weight of each history."""

    probability: Mapping[Gram, float]
    backoff: Mapping[Gram, float]


def split_words(text: str) -> list[str]:
    """The words of an English text as a pronouncing dictionary spells them.

    >>> words("Don't say 'TWENTY-ONE'!")
    ["don't", 'say', 'twenty', 'one']
    """
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", canonical(text).lower())


def witten_bell(sentences: Sequence[Sequence[str]], order: int) -> list[Level]:
    """The levels of the model, unigrams first.

    Args:
        sentences: lists of words, one at least; their order is of no concern.
        order: how long the longest n-gram is.
    """
    levels: list[Level] = []
    for length in range(1, order + 1):
        counts = Counter(gram for sentence in sentences for gram in _grams(sentence, length))
        uniform: Mapping[Gram, float] = {(): 1 / len(counts)}
        levels.append(_level(counts, levels[-1].probability if levels else uniform))
    return levels


def arpa(sentences: Sequence[Sequence[str]], order: int = 2) -> str:
    """The model as the text of an ARPA file; arguments as for `witten_bell`."""
    levels = witten_bell(sentences, order)
    weights: list[Mapping[Gram, float]] = [*(level.backoff for level in levels[1:]), {}]
    rows = [
        [_row(math.log10(p), gram, weight) for gram, p in level.probability.items()]
        for level, weight in zip(levels, weights, strict=True)
    ]
    rows[0].append(_row(NEVER, (START,), weights[0]))
    counts = "".join(f"ngram {n}={len(grams)}\n" for n, grams in enumerate(rows, 1))
    sections = (f"\n\\{n}-grams:\n" + "".join(sorted(grams)) for n, grams in enumerate(rows, 1))
    return f"\\data\\\n{counts}{''.join(sections)}\n\\end\\\n"


def _grams(sentence: Sequence[str], length: int) -> Iterator[Gram]:
    """Every run of `length` words, but never START by itself."""
    marked = (START, *sentence, END)
    for first in range(length == 1, len(marked) - length + 1):
        yield marked[first : first + length]


def _level(counts: Counter[Gram], below: Mapping[Gram, float]) -> Level:
    followed: Counter[Gram] = Counter()  # c(h)
    differing: Counter[Gram] = Counter()  # T(h)
    for gram, count in counts.items():
        followed[gram[:-1]] += count
        differing[gram[:-1]] += 1
    backoff = {h: differing[h] / (followed[h] + differing[h]) for h in followed}
    probability = {
        gram: count / (followed[gram[:-1]] + differing[gram[:-1]])
        + backoff[gram[:-1]] * below[gram[1:]]
        for gram, count in counts.items()
    }
    return Level(probability, backoff)


def _row(log10: float, gram: Gram, backoff: Mapping[Gram, float]) -> str:
    """Such as ``-1.2 the cat -0.3``; the back-off weight only where `gram` is a history."""
    weight = f"\t{math.log10(backoff[gram]):.6f}" if gram in backoff else ""
    return f"{log10:.6f}\t{' '.join(gram)}{weight}\n"
