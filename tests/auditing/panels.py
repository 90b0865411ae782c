"""Small panels with scores, for the tests."""

from collections.abc import Sequence

import numpy as np

from gensr_pref.auditing.base import ScoredCandidates


def judged(
    clips: Sequence[np.ndarray],
    votes: Sequence[bool] | None = None,
    margin: Sequence[float] | None = None,
    ties: Sequence[bool] | None = None,
    within_bounds: Sequence[bool] | None = None,
    groups: Sequence[int] | None = None,
    extra: int = 0,
) -> ScoredCandidates:
    """Return a panel with values per clip [N, M]; `extra` clips have no candidates."""
    value = np.concatenate([np.asarray(clip, dtype=float) for clip in clips])
    clip = np.repeat(np.arange(len(clips)), [len(values) for values in clips])
    width = value.shape[1]
    return ScoredCandidates(
        value=value,
        clip=clip,
        group=clip if groups is None else np.asarray(groups),
        within_bounds=np.ones(len(value), dtype=bool)
        if within_bounds is None
        else np.asarray(within_bounds),
        clips=len(clips) + extra,
        names=[f"s{k}" for k in range(width)],
        votes=np.ones(width, dtype=bool) if votes is None else np.asarray(votes),
        margin=np.zeros(width) if margin is None else np.asarray(margin, dtype=float),
        ties=np.zeros(width, dtype=bool) if ties is None else np.asarray(ties),
        spreads=np.ones(width),
    )


def random_clips(seed: int, clips: int = 30, candidates: int = 5, scores: int = 3, levels: int = 6):
    """Return values per clip, in few levels, so that there are ties, and with some nulls."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(clips):
        value = rng.integers(0, levels, (candidates, scores)).astype(float)
        value[rng.random(value.shape) < 0.03] = np.nan
        values.append(value)
    return values
