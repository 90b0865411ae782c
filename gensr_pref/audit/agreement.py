"""How far scores agree on which of two candidates of a clip is better. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def signs(clips: Sequence[Array]) -> Array:
    """[P, M] the sign of the difference of every two candidates of a clip, all clips together.

    Args:
        clips: per clip [N, M], larger is better, NaN where null. N may differ.
    """
    width = clips[0].shape[1] if clips else 0
    found = [np.zeros((0, width))]
    for values in clips:
        first, second = np.triu_indices(len(values), k=1)
        found.append(np.sign(values[first] - values[second]))
    return np.concatenate(found)


def kendall_tau(sign: Array) -> Array:
    """[M, M] Kendall's tau-b of every two scores over the pairs within clips (Kendall 1945).

    ``tau_b = (C - D) / sqrt((C + D + T_x) (C + D + T_y))`` with C concordant and D discordant
    pairs, T_x those tied on y alone, T_y those tied on x alone; NaN where a score never differs.

    Args:
        sign: [P, M] from `signs`; pairs with a null on either score are left out.
    """
    known = np.isfinite(sign).astype(float)
    value = np.nan_to_num(sign)
    moves = np.abs(value)
    differs = moves.T @ known  # [x, y]: pairs known on both that differ on x
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((value.T @ value) / np.sqrt(differs * differs.T))


def agreement_rate(sign: Array) -> Array:
    """[M, M] share of the pairs on which both scores differ where they name the same winner."""
    value = np.nan_to_num(sign)
    both = np.abs(value).T @ np.abs(value)
    same = (both + value.T @ value) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(same / both)
