"""Can a simple probe tell chosen from rejected on clips that it has not seen?

Pairs whose sides differ by luck alone teach a model nothing: it fits them and forgets. The probe is
ridge regression without intercept on the difference of both sides' features (Hoerl & Kennard 1970);
turning a pair round turns its difference round, so there is no class to favour. It sees what the
generator's own likelihood or error is computed on: of a latent the mean and deviation over frames
per channel, of tokens how often each code occurs. What a model could learn beyond a linear function
of these it does not see; a probe at chance is a warning, not a proof.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.auditing.base import Array, Rows
from gensr_pref.statistics.intervals import share_interval

FOLDS = 5
SHUFFLES = 99  # so that the smallest p value is .01
MIN_PAIRS = 20  # fewer tell nothing
MIN_SPEAKERS = 10  # to keep speakers apart, and not only clips
MAX_CODES = 512  # columns of a token histogram, the most frequent codes of the pairs at hand
_RESULTS = (
    *("apart", "accuracy", "low", "high"),
    *("shuffled", "shuffled_low", "shuffled_high", "p_value"),
)
_RIDGE = (1e-2, 1e-1, 1.0, 1e1, 1e2)  # times the mean eigenvalue


def latent_features(latent: npt.NDArray[np.floating]) -> Array:
    """[2 K] mean and deviation over frames of a latent [frames, K]."""
    value = latent.astype(np.float64)
    return np.concatenate([value.mean(axis=0), value.std(axis=0)])


def token_features(tokens: list[list[list[int]]]) -> Array:
    """[S, D] per side the share of frames with each code, of each codebook, the commonest codes.

    Args:
        tokens: per side [codebooks][frames].
    """
    found: list[dict[tuple[int, int], float]] = []
    total: dict[tuple[int, int], float] = {}
    for side in tokens:
        shares: dict[tuple[int, int], float] = {}
        for book, frames in enumerate(side):
            codes, count = np.unique(np.asarray(frames), return_counts=True)
            for code, often in zip(codes.tolist(), count.tolist(), strict=True):
                shares[book, code] = often / max(len(frames), 1)
        for key, share in shares.items():
            total[key] = total.get(key, 0.0) + share
        found.append(shares)
    kept = sorted(total, key=lambda key: (-total[key], key))[:MAX_CODES]
    return np.array([[side.get(key, 0.0) for key in kept] for side in found]).reshape(
        len(found), len(kept)
    )


def learnability(
    difference: Array, clip: Rows, speaker: Rows | None = None, seed: int = 0
) -> dict[str, Any]:
    """How often a probe that was trained on other clips' pairs names the chosen.

    Grouped cross-validation in five folds: no clip, and where ten or more speakers are known for
    all pairs no speaker, is in training and test at once. Beside it the same with the sides of
    pairs swapped by a coin per clip (99 times; a clip's pairs may share candidates): what the
    procedure gives where there is nothing to learn.

    Args:
        difference: [P, D] features of chosen minus those of rejected, finite.
        clip: [P] of each pair.
        speaker: [P], -1 where unknown.

    Returns:
        ``pairs`` and ``clips``; ``apart``: speaker or clip; ``accuracy`` with ``low`` and ``high``
        over clips; ``shuffled`` with ``shuffled_low`` and ``shuffled_high`` (5 and 95 % of the
        shuffles); ``p_value``, one-sided, of the permutation test: (1 + shuffles that are as
        accurate) / (1 + shuffles) (Phipson & Smyth 2010). All but the first two are None where
        there are fewer than 20 pairs, or 5 clips.
    """
    counts = {"pairs": len(difference), "clips": len(np.unique(clip))}
    if len(difference) < MIN_PAIRS or counts["clips"] < FOLDS:
        return {**counts, **dict.fromkeys(_RESULTS)}
    apart = speaker if speaker is not None and _enough_speakers(speaker) else None
    fold = assign_folds(clip if apart is None else apart, seed)
    number = np.unique(clip, return_inverse=True)[1]
    coins = np.random.default_rng(seed).choice([-1.0, 1.0], size=(number.max() + 1, SHUFFLES))
    hits = held_out_hits(difference, np.c_[np.ones(len(difference)), coins[number]], fold)
    found = share_interval(number, hits[:, 0])
    right, luck = hits[:, 0].mean(), hits[:, 1:].mean(axis=0)
    return {
        **counts,
        "apart": "clip" if apart is None else "speaker",
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
        "shuffled": float(luck.mean()),
        "shuffled_low": float(np.quantile(luck, 0.05)),
        "shuffled_high": float(np.quantile(luck, 0.95)),
        "p_value": float(1 + (luck >= right).sum()) / (1 + SHUFFLES),
    }


def _enough_speakers(speaker: Rows) -> bool:
    return bool((speaker >= 0).all()) and len(np.unique(speaker)) >= MIN_SPEAKERS


def assign_folds(group: Rows, seed: int = 0) -> Rows:
    """[P] one of `FOLDS` folds; rows of a group are in one, folds are about equally large."""
    _, number, count = np.unique(group, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(count))
    order = order[np.argsort(-count[order], kind="stable")]
    size, of_group = np.zeros(FOLDS), np.zeros(len(count), dtype=np.int64)
    for one in order:  # the largest first, each into the smallest fold
        of_group[one] = int(size.argmin())
        size[of_group[one]] += count[one]
    return np.asarray(of_group[number])


def held_out_hits(difference: Array, labels: Array, fold: Rows) -> Array:
    """[P, L] 1 where the probe names the side that a label says, 0.5 where it cannot tell.

    Args:
        difference: [P, D].
        labels: [P, L] 1 or -1: which side is to be found, in L experiments.
        fold: [P].
    """
    hits = np.zeros(labels.shape)
    for one in np.unique(fold):
        train, test = fold != one, fold == one
        scale = np.sqrt((difference[train] ** 2).mean(axis=0))
        x = np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0)
        said = x[test] @ ridge_weights(x[train], labels[train])
        hits[test] = (np.sign(said * labels[test]) + 1) / 2
    return hits


def ridge_weights(x: Array, y: Array) -> Array:
    """[D, L] ``argmin |x w - y|^2 + k |w|^2``, k by generalised cross-validation per column.

    ``GCV(k) = n |y - y_k|^2 / (n - tr H_k)^2`` (Golub, Heath & Wahba 1979), over five k in units of
    the mean squared singular value.
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
