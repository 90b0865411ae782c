"""PESQ, wide band: the quality of a candidate against its clean clip as ITU-T P.862.2 predicts it.

The code is the ITU's, in the package `pesq`. It finds delays by itself, and it was made for
telephone codecs: generative outputs that are good to the ear can score low.
"""

from __future__ import annotations

from importlib.metadata import version

from gensr_pref.audio import Sound, Wave
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, each
from gensr_pref.schema import Reason

RATE = 16_000

# The ITU's code has room for 50 utterances and does not look: a 25 s sound of 0.2 s bursts ends the
# process, and so do 4 minutes of speech. Utterance and pause last 0.2 s at least, so 20 s are safe.
LONGEST = 20 * RATE


class Pesq:
    """PESQ of 16 kHz sounds, mapped to MOS-LQO."""

    spec = MetricSpec(
        name="pesq",
        scores=(Score("pesq_wb", unit="MOS-LQO", low=1.0, high=4.644, votes=False),),
        sample_rate=RATE,
        needs=frozenset({"clean"}),
        model=f"pesq {version('pesq')}",
        licence="MIT; the ITU-T P.862 code in it: evaluation only, commercial use needs a licence",
    )

    def load(self) -> None:
        """Nothing to load."""

    def score(self, clip: ClipSounds) -> list[Answer]:
        """One MOS-LQO per candidate."""
        reference = clip.reference().wave
        return each(clip.candidates, lambda candidate: {"pesq_wb": _pesq_wb(reference, candidate)})


def _pesq_wb(reference: Wave, candidate: Sound) -> float:
    from pesq import PesqError, pesq

    if len(reference) > LONGEST:
        raise Unusable(Reason.TOO_LONG, "longer than 20 s, which can crash the ITU's code")
    value = pesq(RATE, reference, candidate.wave, "wb", on_error=PesqError.RETURN_VALUES)
    if value == PesqError.BUFFER_TOO_SHORT:
        raise Unusable(Reason.TOO_SHORT, "PESQ needs 0.25 s")
    if value == PesqError.NO_UTTERANCES_DETECTED:
        raise Unusable(Reason.NO_SPEECH, "PESQ found no utterance")
    if value < 0:
        raise Unusable(Reason.METRIC_ERROR, f"PESQ's code returned {value}")
    return float(value)
