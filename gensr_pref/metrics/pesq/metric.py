"""PESQ: quality of a candidate relative to its clean clip, as predicted by ITU-T P.862.

Wide band is P.862.2, narrow band P.862 with the mapping of P.862.1. The code is the ITU's, in the
package `pesq`. It compensates delays itself. It was made for telephone codecs: generative outputs
that sound good can score low. A narrow-band score depends on the rate of the sounds: at 8 kHz it is
0.06 to 0.12 higher than at 16 kHz, the rate of published values, which is used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from gensr_pref.audio import Sound, Wave
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, score_each
from gensr_pref.metrics.clean_reference import candidate_signal, clean_signal
from gensr_pref.metrics.pesq.utterances import RATE, SAFE, TABLE, Mode, count_utterances
from gensr_pref.schema import Reason

# Value of the mapping at a raw score of 4.5.
HIGHEST: dict[Mode, float] = {"wb": 4.644, "nb": 4.549}

# The C code's table of 1000 intervals of bad frames suffices for any sound up to 95 s, as an
# interval and the gap after it take 6 frames of 16 ms. For its table of 50 utterances, see
# `gensr_pref.metrics.pesq.utterances`.
LONGEST = 60 * RATE


class Pesq:
    """PESQ of 16 kHz sounds, mapped to MOS-LQO.

    Args:
        mode: ``wb``, ``nb``, or both in a list: the scores `pesq_wb` and `pesq_nb`.
        align: whether the panel undoes each candidate's delay and polarity first
            (`gensr_pref.metrics.time_alignment`); PESQ compensates delays itself and is
            insensitive to polarity.

    Raises:
        ValueError: the mode is unknown, empty, or listed twice.
    """

    def __init__(self, mode: Mode | Sequence[Mode] = "wb", align: bool = False) -> None:
        self._modes: list[Mode] = _modes(mode)
        self.spec = MetricSpec(
            name="pesq",
            scores=tuple(_score(mode) for mode in self._modes),
            sample_rate=RATE,
            needs=frozenset({"clean"}),
            model=f"pesq {version('pesq')}",
            licence="MIT, around code of the ITU-T",
            notice="the ITU-T P.862 code in the package is for evaluation; commercial use needs a "
            "licence",
            longest_seconds=LONGEST / RATE,
            align=align,
        )

    def load(self, device: str) -> None:
        """Do nothing: there are no weights."""

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return one MOS-LQO per candidate and mode, equal to the package's.

        Raises:
            Unusable: NO_CLEAN.
        """
        clean = clean_signal(clip)
        return score_each(clip.candidates, lambda candidate: self._measure(clean, candidate))

    def _measure(self, clean: Wave, candidate: Sound) -> dict[str, float | Exception]:
        wave = candidate_signal(candidate, clean)
        values = {f"pesq_{mode}": _attempt(clean, wave, mode) for mode in self._modes}
        failures = [value for value in values.values() if isinstance(value, Exception)]
        if len(failures) == len(values):
            raise failures[0]
        return values


def _modes(mode: Mode | Sequence[Mode]) -> list[Mode]:
    modes: list[Mode] = [mode] if isinstance(mode, str) else list(mode)
    if not modes or len(set(modes)) < len(modes) or not set(modes) <= set(HIGHEST):
        raise ValueError(f"mode is {mode!r}; it must be 'wb', 'nb' or a list of both")
    return modes


def _score(mode: Mode) -> Score:
    return Score(f"pesq_{mode}", unit="MOS-LQO", low=1.0, high=HIGHEST[mode], votes=False)


def _attempt(clean: Wave, candidate: Wave, mode: Mode) -> float | Exception:
    try:
        return _pesq(clean, candidate, mode)
    except Unusable as error:
        return error


def _pesq(clean: Wave, candidate: Wave, mode: Mode) -> float:
    from pesq import PesqError, pesq

    if len(clean) > LONGEST:
        raise Unusable(Reason.TOO_LONG, f"longer than {LONGEST / RATE:g} s")
    # `pesq` does the same first; done here, so that the count below sees the same samples.
    peak = max(np.max(np.abs(clean)), np.max(np.abs(candidate)))
    clean, candidate = clean / peak, candidate / peak
    if len(clean) > SAFE:
        _require_room(clean, mode)
    value = pesq(RATE, clean, candidate, mode, on_error=PesqError.RETURN_VALUES)
    if value == PesqError.BUFFER_TOO_SHORT:
        raise Unusable(Reason.TOO_SHORT, "PESQ needs 0.25 s")
    if value == PesqError.NO_UTTERANCES_DETECTED:
        raise Unusable(Reason.NO_SPEECH, "PESQ found no utterance")
    if not value >= 0:
        raise Unusable(Reason.METRIC_ERROR, f"PESQ's code returned {value}")
    return float(value)


def _require_room(clean: Wave, mode: Mode) -> None:
    """Refuse a sound that may have more utterances than the ITU code's table can hold.

    The last row must stay free: the code begins a row before it knows whether it is needed.
    """
    try:
        count = count_utterances(clean, mode)
    except OSError as error:
        raise Unusable(Reason.TOO_LONG, f"longer than {SAFE / RATE} s, and {error}") from error
    if count >= TABLE:
        raise Unusable(Reason.TOO_LONG, f"PESQ's code has no room for {count} utterances")
