"""N-gram language model of a few texts, with interpolated Witten-Bell smoothing, in ARPA format.

    P(w | h) = (c(h w) + T(h) P(w | h')) / (c(h) + T(h))

with c(h) the number of words seen after the history h, T(h) the number of distinct ones, and h' the
history without its first word; unigrams are interpolated with the uniform distribution. A word
never seen after h gets T(h) / (c(h) + T(h)) P(w | h'), so that this factor is the back-off weight
of h.

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

from gensr_pref.metrics.wer.normalise import canonicalise

Gram = tuple[str, ...]
START, END = "<s>", "</s>"
NEVER = -99.0  # log10 of the probability of START, which follows nothing


@dataclass(frozen=True)
class Level:
    """N-grams of one length: the probability of each, and the back-off weight of each history."""

    probability: Mapping[Gram, float]
    backoff: Mapping[Gram, float]


def split_words(text: str) -> list[str]:
    """Split an English text into words, as a pronouncing dictionary spells them.

    >>> split_words("Don't say 'TWENTY-ONE'!")
    ["don't", 'say', 'twenty', 'one']
    """
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", canonicalise(text).lower())


def witten_bell(sentences: Sequence[Sequence[str]], order: int) -> list[Level]:
    """Return the levels of the model, unigrams first.

    Args:
        sentences: lists of words, at least one; their order does not matter.
        order: length of the longest n-gram.
    """
    levels: list[Level] = []
    for length in range(1, order + 1):
        counts = Counter(gram for sentence in sentences for gram in _grams(sentence, length))
        uniform: Mapping[Gram, float] = {(): 1 / len(counts)}
        levels.append(_level(counts, levels[-1].probability if levels else uniform))
    return levels


def arpa(sentences: Sequence[Sequence[str]], order: int = 2) -> str:
    """Return the model as the text of an ARPA file; arguments as in `witten_bell`."""
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
    """Yield every run of `length` words, except START alone."""
    marked = (START, *sentence, END)
    for first in range(length == 1, len(marked) - length + 1):
        yield marked[first : first + length]


def _level(counts: Counter[Gram], below: Mapping[Gram, float]) -> Level:
    total: Counter[Gram] = Counter()  # c(h)
    distinct: Counter[Gram] = Counter()  # T(h)
    for gram, count in counts.items():
        total[gram[:-1]] += count
        distinct[gram[:-1]] += 1
    backoff = {h: distinct[h] / (total[h] + distinct[h]) for h in total}
    probability = {
        gram: count / (total[gram[:-1]] + distinct[gram[:-1]])
        + backoff[gram[:-1]] * below[gram[1:]]
        for gram, count in counts.items()
    }
    return Level(probability, backoff)


def _row(log10: float, gram: Gram, backoff: Mapping[Gram, float]) -> str:
    """Return a line such as ``-1.2 the cat -0.3``; only a history has a back-off weight."""
    weight = f"\t{math.log10(backoff[gram]):.6f}" if gram in backoff else ""
    return f"{log10:.6f}\t{' '.join(gram)}{weight}\n"
