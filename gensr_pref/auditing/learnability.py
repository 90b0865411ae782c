"""Tests whether a simple probe can tell chosen from rejected on clips it was not trained on.

A model learns nothing from pairs whose candidates differ only by chance. The probe is ridge
regression without intercept on the difference of the two candidates' features (Hoerl & Kennard
1970). Swapping a pair changes the sign of its difference, so no class is favoured. The features
come from the representation on which the generator's likelihood or error is computed: for a latent,
the mean and the standard deviation over frames per channel; for tokens, the frequency of each code.
The probe cannot use more than a linear function of these, so a probe at chance level is a warning,
not a proof.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import Array, Rows
from gensr_pref.statistics.intervals import share_interval

FOLDS = 5
SHUFFLES = 99  # so that the smallest p value is .01
MIN_PAIRS = 20  # fewer are not informative
MIN_SPEAKERS = 10  # for folds by speaker; with fewer, folds are by clip
MAX_CODES = 512  # columns of a token histogram, the most frequent codes of the pairs at hand
_RIDGE = (1e-2, 1e-1, 1.0, 1e1, 1e2)  # times the mean eigenvalue


class Learnability(TypedDict):
    """The accuracy with which the probe identifies the chosen candidate; see `learnability`."""

    pairs: int
    clips: int
    apart: str | None
    accuracy: float | None
    low: float | None
    high: float | None
    shuffled: float | None
    shuffled_low: float | None
    shuffled_high: float | None
    p_value: float | None


class GeneratorProbe(Learnability):
    """The probe of one generator's pairs; ``features`` is latent or tokens."""

    generator: str
    features: str


def latent_features(latent: npt.NDArray[np.floating]) -> Array:
    """Return [2 K] mean and standard deviation over frames of a latent [frames, K]."""
    value = latent.astype(np.float64)
    return np.concatenate([value.mean(axis=0), value.std(axis=0)])


def token_features(tokens: list[list[list[int]]]) -> Array:
    """Return [S, D] the share of frames with each code per candidate, for the most frequent codes.

    Args:
        tokens: [codebooks][frames] per candidate.
    """
    histograms: list[dict[tuple[int, int], float]] = []
    total: dict[tuple[int, int], float] = {}
    for candidate in tokens:
        shares: dict[tuple[int, int], float] = {}
        for book, frames in enumerate(candidate):
            codes, count = np.unique(np.asarray(frames), return_counts=True)
            for code, number in zip(codes.tolist(), count.tolist(), strict=True):
                shares[book, code] = number / max(len(frames), 1)
        for key, share in shares.items():
            total[key] = total.get(key, 0.0) + share
        histograms.append(shares)
    frequent = sorted(total, key=lambda key: (-total[key], key))[:MAX_CODES]
    rows = [[shares.get(key, 0.0) for key in frequent] for shares in histograms]
    return np.array(rows).reshape(len(histograms), len(frequent))


def learnability(
    difference: Array, clip: Rows, speaker: Rows | None = None, seed: int = 0
) -> Learnability:
    """Measure how often a probe trained on other clips' pairs identifies the chosen candidate.

    It uses cross-validation in five folds. Training and test never share a clip, nor a speaker if
    ten or more speakers are known for all pairs. The same procedure is repeated 99 times with
    chosen and rejected swapped at random per clip (pairs of a clip may share candidates). That
    gives its accuracy if there is nothing to learn.

    Args:
        difference: [P, D] features of chosen minus those of rejected, finite.
        clip: [P] clip number of each pair.
        speaker: [P] speaker number, -1 where unknown.

    Returns:
        ``pairs`` and ``clips``; ``apart``: speaker or clip; ``accuracy`` with ``low`` and ``high``
        over clips; ``shuffled`` with ``shuffled_low`` and ``shuffled_high`` (5 % and 95 % of the
        shuffles); ``p_value``, one-sided, of the permutation test: (1 + shuffles that are at least
        as accurate) / (1 + shuffles) (Phipson & Smyth 2010). All but the first two are None with
        fewer than 20 pairs or 5 clips.
    """
    clips = len(np.unique(clip))
    if len(difference) < MIN_PAIRS or clips < FOLDS:
        return {
            "pairs": len(difference),
            "clips": clips,
            "apart": None,
            "accuracy": None,
            "low": None,
            "high": None,
            "shuffled": None,
            "shuffled_low": None,
            "shuffled_high": None,
            "p_value": None,
        }
    apart = speaker if speaker is not None and _enough_speakers(speaker) else None
    fold = assign_folds(clip if apart is None else apart, seed)
    number = np.unique(clip, return_inverse=True)[1]
    coins = np.random.default_rng(seed).choice([-1.0, 1.0], size=(number.max() + 1, SHUFFLES))
    hits = held_out_hits(difference, np.c_[np.ones(len(difference)), coins[number]], fold)
    accuracy = share_interval(number, hits[:, 0])
    right, chance = hits[:, 0].mean(), hits[:, 1:].mean(axis=0)
    return {
        "pairs": len(difference),
        "clips": clips,
        "apart": "clip" if apart is None else "speaker",
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "shuffled": float(chance.mean()),
        "shuffled_low": float(np.quantile(chance, 0.05)),
        "shuffled_high": float(np.quantile(chance, 0.95)),
        "p_value": float(1 + (chance >= right).sum()) / (1 + SHUFFLES),
    }


def _enough_speakers(speaker: Rows) -> bool:
    return bool((speaker >= 0).all()) and len(np.unique(speaker)) >= MIN_SPEAKERS


def assign_folds(group: Rows, seed: int = 0) -> Rows:
    """Return [P] a fold number below `FOLDS`; a group is in one fold, folds have similar sizes."""
    _, number, count = np.unique(group, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(count))
    order = order[np.argsort(-count[order], kind="stable")]
    size, fold = np.zeros(FOLDS), np.zeros(len(count), dtype=np.int64)
    for index in order:  # the largest group first, each into the smallest fold
        fold[index] = int(size.argmin())
        size[fold[index]] += count[index]
    return np.asarray(fold[number])


def held_out_hits(difference: Array, labels: Array, fold: Rows) -> Array:
    """Return [P, L] 1 where the probe predicts the label of a held-out pair, 0.5 where it is 0.

    Args:
        difference: [P, D] features of chosen minus those of rejected.
        labels: [P, L] 1 or -1, in L experiments.
        fold: [P] from `assign_folds`.
    """
    hits = np.zeros(labels.shape)
    for number in np.unique(fold):
        train, test = fold != number, fold == number
        scale = np.sqrt((difference[train] ** 2).mean(axis=0))
        x = np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0)
        predicted = x[test] @ ridge_weights(x[train], labels[train])
        hits[test] = (np.sign(predicted * labels[test]) + 1) / 2
    return hits


def ridge_weights(x: Array, y: Array) -> Array:
    """Return [D, L] ``argmin |x w - y|^2 + k |w|^2``.

    Generalised cross-validation selects k per column:
    ``GCV(k) = n |y - y_k|^2 / (n - tr H_k)^2`` (Golub, Heath & Wahba 1979), over five values of k
    in units of the mean squared singular value.
    """
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    mean = float((s**2).mean())
    if mean == 0:
        return np.zeros((x.shape[1], y.shape[1]))
    projected, rest = u.T @ y, (y**2).sum(axis=0)
    best = np.full(y.shape[1], np.inf)
    weight = np.zeros((len(s), y.shape[1]))
    for strength in _RIDGE:
        shrink = s**2 / (s**2 + strength * mean)
        error = rest - ((2 * shrink - shrink**2)[:, None] * projected**2).sum(axis=0)
        score = len(y) * error / max(len(y) - shrink.sum(), 1e-9) ** 2
        better = score < best
        slope = np.divide(shrink, s, out=np.zeros_like(s), where=s > 0)
        weight[:, better] = (slope[:, None] * projected)[:, better]
        best = np.where(better, score, best)
    return np.asarray(vt.T @ weight)
