"""DNSMOS P.835 and P.808: listeners' quality ratings, predicted without a reference.

The networks are those of the package `speechmos`, and the arithmetic is that of its ``dnsmos.run``:
a clip is doubled until it fills 9.01 s, windows of 9.01 s start every second, and the scores are
the means over windows.

    P.835: C. K. A. Reddy et al., "DNSMOS P.835", ICASSP 2022.
    P.808: C. K. A. Reddy et al., "DNSMOS", ICASSP 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate, chain

import numpy as np

from gensr_pref.audio import Wave
from gensr_pref.metrics.base import ClipSounds, MetricSpec, Score
from gensr_pref.metrics.dnsmos.networks import RATE, WINDOW, Array

WINDOW_SECONDS = 9.01

# Coefficients a, b, c of MOS = a x^2 + b x + c of a raw output x (speechmos 0.0.1.1, not
# personalised).
SIG = (-0.08397278, 1.22083953, 0.0052439)
BAK = (-0.13166888, 1.60915514, -0.39604546)
OVRL = (-0.06766283, 1.11546468, 0.04602535)

RawScores = Callable[[Sequence[Wave]], Sequence[Array]]


def _mos(name: str, votes: bool) -> Score:
    return Score(name, unit="MOS", low=1.0, high=5.0, votes=votes)


class Dnsmos:
    """DNSMOS: candidates one by one on the CPU, batches of their windows on a GPU."""

    spec = MetricSpec(
        name="dnsmos",
        scores=(
            _mos("dnsmos_sig", votes=True),
            _mos("dnsmos_bak", votes=True),
            _mos("dnsmos_ovrl", votes=True),
            _mos("dnsmos_p808", votes=False),
        ),
        sample_rate=RATE,
        model=f"speechmos {version('speechmos')}: sig_bak_ovr.onnx, model_v8.onnx",
        licence="MIT",
    )

    def load(self, device: str) -> None:
        """Read both networks; the CPU kernels are compiled on first use."""
        self._raw_scores = _cpu_scores() if device == "cpu" else _torch_scores(device)

    def score(self, clip: ClipSounds) -> list[dict[str, float]]:
        """Return four MOS per candidate; samples beyond full scale are clipped."""
        waves = [np.clip(candidate.wave, -1.0, 1.0) for candidate in clip.candidates]
        return [_scores(raw) for raw in self._raw_scores(waves)]


def _cpu_scores() -> RawScores:
    from gensr_pref.metrics.dnsmos.cpu import CpuNetworks

    networks = CpuNetworks()
    return lambda waves: [networks.raw_scores(wave, window_starts(len(wave))) for wave in waves]


def _torch_scores(device: str) -> RawScores:
    from gensr_pref.metrics.dnsmos.gpu import TorchNetworks

    networks = TorchNetworks(device)

    def raw_scores(waves: Sequence[Wave]) -> Sequence[Array]:
        ends = accumulate(len(window_starts(len(wave))) for wave in waves)
        outputs = networks.raw_scores(chain.from_iterable(map(split_windows, waves)))
        return np.split(outputs, list(ends)[:-1])

    return raw_scores


def _scores(raw: Array) -> dict[str, float]:
    """Map raw outputs [windows, 4] to MOS; return the means over windows."""
    sig, bak, ovrl, p808 = raw.astype(np.float64).T
    return {
        "dnsmos_sig": float(np.polyval(SIG, sig).mean()),
        "dnsmos_bak": float(np.polyval(BAK, bak).mean()),
        "dnsmos_ovrl": float(np.polyval(OVRL, ovrl).mean()),
        "dnsmos_p808": float(p808.mean()),
    }


def window_starts(samples: int) -> list[int]:
    """Return the start times of the windows, in seconds, of a clip of that many samples.

    speechmos computes the end of a window in floating point, and drops a window whose end is
    rounded down to 144159 samples: those that start 7 to 23 s into the repeated clip. They are
    dropped here too, so that the scores agree.
    """
    while samples < WINDOW:
        samples *= 2
    hops = int(samples // RATE - WINDOW_SECONDS) + 1
    ends = [int((hop + WINDOW_SECONDS) * RATE) for hop in range(hops)]
    return [hop for hop, end in enumerate(ends) if end - hop * RATE == WINDOW]


def split_windows(wave: Wave) -> Iterator[Wave]:
    """Yield the windows [144160] of a waveform [T] that are scored, for any T >= 1."""
    hops = window_starts(len(wave))
    repeated = wave if len(wave) >= WINDOW else np.resize(wave, hops[-1] * RATE + WINDOW)
    for hop in hops:
        yield repeated[hop * RATE :][:WINDOW]
