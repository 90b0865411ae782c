"""DNSMOS P.835 and P.808: the quality listeners would give, predicted without a reference.

The ONNX graphs are those that the package `speechmos` carries, and the arithmetic is that of its
``dnsmos.run``: a clip is doubled until it fills 9.01 s, windows of 9.01 s hop by 1 s, and the
scores are the means over windows.

    P.835: C. K. A. Reddy et al., "DNSMOS P.835", ICASSP 2022.
    P.808: C. K. A. Reddy et al., "DNSMOS", ICASSP 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound, Wave
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, each

RATE = 16_000
WINDOW_SECONDS = 9.01
WINDOW = 144_160  # samples
P808_TAIL = 160  # samples at a window's end that the P.808 features leave out

# Raw outputs to MOS: a x^2 + b x + c, highest power first (speechmos 0.0.1.1, not personalised).
SIG = (-0.08397278, 1.22083953, 0.0052439)
BAK = (-0.13166888, 1.60915514, -0.39604546)
OVRL = (-0.06766283, 1.11546468, 0.04602535)


def _mos(name: str, votes: bool) -> Score:
    return Score(name, unit="MOS", low=1.0, high=5.0, votes=votes)


class Dnsmos:
    """DNSMOS on one thread of the CPU."""

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

    def load(self) -> None:
        """Open both graphs."""
        self._p835 = _session("sig_bak_ovr.onnx")
        self._p808 = _session("model_v8.onnx")

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Four MOS per candidate; samples beyond full scale are clipped."""
        return each(clip.candidates, self._measure)

    def _measure(self, candidate: Sound) -> dict[str, float]:
        rows = [self._window(window) for window in windows(np.clip(candidate.wave, -1.0, 1.0))]
        sig, bak, ovrl, p808 = np.mean(rows, axis=0)
        return {
            "dnsmos_sig": float(sig),
            "dnsmos_bak": float(bak),
            "dnsmos_ovrl": float(ovrl),
            "dnsmos_p808": float(p808),
        }

    def _window(self, window: Wave) -> list[float]:
        sig, bak, ovrl = self._p835.run(None, {"input_1": window[None]})[0][0]
        p808 = self._p808.run(None, {"input_1": log_mel(window[:-P808_TAIL])[None]})[0][0][0]
        return [
            float(np.polyval(SIG, sig)),
            float(np.polyval(BAK, bak)),
            float(np.polyval(OVRL, ovrl)),
            float(p808),
        ]


def windows(wave: Wave) -> Iterator[Wave]:
    """The windows [144160] that are scored, of a waveform [T] of any T >= 1.

    speechmos finds a window's end in floating point, and drops a window whose end is rounded down
    to 144159 samples: those that start 7 to 23 s into the repeated clip. So do we.
    """
    while len(wave) < WINDOW:
        wave = np.append(wave, wave)
    hops = int(len(wave) // RATE - WINDOW_SECONDS) + 1
    for hop in range(hops):
        window = wave[hop * RATE : int((hop + WINDOW_SECONDS) * RATE)]
        if len(window) == WINDOW:
            yield window


def log_mel(wave: Wave) -> npt.NDArray[np.float32]:
    """The features of the P.808 graph [frames, 120]: dB below the loudest bin, (dB + 40) / 40."""
    import librosa

    power = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=321, hop_length=160, n_mels=120)
    decibel = librosa.power_to_db(power, ref=np.max)
    return np.asarray((decibel + 40) / 40, np.float32).T


def _session(graph: str) -> Any:
    """One of speechmos's graphs, on one thread: the same floats however many cores there are."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    model = files("speechmos") / "dnsmos_models" / graph
    return onnxruntime.InferenceSession(
        model.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
