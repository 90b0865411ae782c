"""NISQA v2: listeners' overall rating and four quality dimensions, predicted without a reference.

It was trained on 6 to 12 s of speech transmitted over a network. Features and scores are those of
the official predictor, which takes a file at its own rate. Three things change a score although
they should not: the rate, even if resampling adds nothing; the level; and the position of the 40 ms
grid of segments (docs/metrics.md has figures).

    G. Mittag, B. Naderi, A. Chehadi, S. Möller, "NISQA: A deep CNN-self-attention model for
    multidimensional speech quality prediction with crowdsourced datasets", Interspeech 2021.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics import torch_checkpoint
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, score_each
from gensr_pref.schema import Reason
from gensr_pref.weights import catalogue

if TYPE_CHECKING:
    from gensr_pref.metrics.nisqa.network import NisqaNetwork

Features = npt.NDArray[np.float32]

# Mel features and segments of nisqa.tar: hop and window in seconds, segments in frames.
N_FFT, HOP, WINDOW = 4096, 0.01, 0.02
BANDS, HIGHEST_HZ = 48, 20_000
SEGMENT, SEGMENT_HOP, MOST_SEGMENTS = 15, 4, 1300

# Settings that a checkpoint must state to fit this code. Widths are checked by the shapes of its
# weights, and no score depends on its limit of segments.
ARGS: Mapping[str, Any] = {
    "model": "NISQA_DIM",
    "double_ended": False,
    "ms_sr": None,
    "ms_n_fft": N_FFT,
    "ms_hop_length": HOP,
    "ms_win_length": WINDOW,
    "ms_n_mels": BANDS,
    "ms_fmax": HIGHEST_HZ,
    "ms_seg_length": SEGMENT,
    "ms_seg_hop_length": SEGMENT_HOP,
    "cnn_model": "adapt",
    "cnn_pool_1": [24, 7],
    "cnn_pool_2": [12, 5],
    "cnn_pool_3": [6, 3],
    "td": "self_att",
    "td_sa_nhead": 1,
    "td_sa_pos_enc": False,
    "td_2": "skip",
    "pool": "att",
}


def _mos(name: str, votes: bool = False) -> Score:
    return Score(name, unit="MOS", votes=votes)  # about 1 to 5, but unbounded


class Nisqa:
    """NISQA v2, on the CPU, where it costs about as much as PESQ.

    Args:
        checkpoint: path of ``nisqa.tar``; absent = the file in the cache.

    Raises:
        MissingWeightsError: the file does not exist.
    """

    paths = ("checkpoint",)
    spec = MetricSpec(
        name="nisqa",
        scores=(
            _mos("nisqa", votes=True),
            _mos("nisqa_noisiness"),
            _mos("nisqa_discontinuity"),
            _mos("nisqa_coloration"),
            _mos("nisqa_loudness"),
        ),
        sample_rate=None,
        model="NISQA v2.0 (nisqa.tar)",
        licence=catalogue.get_checkpoint("nisqa").licence,
        notice=catalogue.get_checkpoint("nisqa").notice,
        longest_seconds=52.13,  # 1300 segments
    )

    def __init__(self, checkpoint: str | None = None) -> None:
        self._checkpoint = catalogue.find_weights("nisqa", checkpoint)
        self.spec = replace(self.spec, model=catalogue.describe_weights("nisqa", checkpoint))

    def load(self, device: str) -> None:
        """Load the weights, onto the CPU whatever the device.

        Raises:
            InputError: the file is not a NISQA_DIM checkpoint, or not safe to load.
        """
        expected = "nisqa.tar of NISQA v2.0 (download it with: gensr-pref fetch nisqa)"
        self._network = torch_checkpoint.read_checkpoint(self._checkpoint, expected, _network)

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return five MOS per candidate.

        Higher is better in all of them: a noisiness of 4 means little noise.
        """
        return score_each(clip.candidates, self._measure)

    def _measure(self, candidate: Sound) -> dict[str, float]:
        import torch

        mos = self._network(torch.from_numpy(split_segments(mel_decibel(candidate))))
        names = (score.name for score in self.spec.scores)
        return dict(zip(names, mos.tolist(), strict=True))


def mel_decibel(sound: Sound) -> Features:
    """Return mel magnitudes [48, 1 + T // hop] in dB, at least -80 and 80 below the loudest.

    They equal librosa's ``melspectrogram(power=1)`` at the sound's own rate; bands above half that
    rate are empty and lie on the floor. The ends are reflected here because ``librosa.stft`` warns
    if the sound is shorter than an FFT.
    """
    import librosa

    padded = np.pad(sound.wave, N_FFT // 2, mode="reflect")
    spectrum = librosa.stft(
        padded,
        n_fft=N_FFT,
        hop_length=int(sound.rate * HOP),
        win_length=int(sound.rate * WINDOW),
        center=False,
    )
    mel = _mel_filters(sound.rate) @ np.abs(spectrum)
    return np.asarray(librosa.amplitude_to_db(mel, ref=1.0, amin=1e-4, top_db=80.0), np.float32)


def split_segments(features: Features) -> Features:
    """Cut features [48, F] into overlapping segments [N, 48, 15], one every 4 frames.

    Raises:
        Unusable: TOO_SHORT for one segment, or TOO_LONG for 1300 of them.
    """
    if features.shape[1] < SEGMENT:
        raise Unusable(Reason.TOO_SHORT, "NISQA needs 0.14 s")
    views = np.lib.stride_tricks.sliding_window_view(features, SEGMENT, axis=1)[:, ::SEGMENT_HOP]
    if views.shape[1] > MOST_SEGMENTS:
        raise Unusable(Reason.TOO_LONG, f"{views.shape[1]} segments; NISQA takes {MOST_SEGMENTS}")
    return np.array(views.swapaxes(0, 1))


@lru_cache
def _mel_filters(rate: int) -> Features:
    """Return the filter bank [48, 2049], without librosa's warning of empty bands at a low rate."""
    import librosa

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters detected", UserWarning)
        bank = librosa.filters.mel(sr=rate, n_fft=N_FFT, n_mels=BANDS, fmax=HIGHEST_HZ)
    return np.asarray(bank, np.float32)


def _network(content: Any) -> NisqaNetwork:
    """Make the network of a checkpoint; may raise anything if it is another network's."""
    import torch

    from gensr_pref.metrics.nisqa.network import NisqaNetwork

    _require_same(content["args"])
    with torch.device("meta"):  # draws no random weights: the process's random state is unchanged
        network = NisqaNetwork()
    network.load_published(content["model_state_dict"])
    return network.float().eval().requires_grad_(False)


def _require_same(args: Mapping[str, Any]) -> None:
    for name, ours in ARGS.items():
        if args.get(name) != ours:
            raise ValueError(f"its {name} is {args.get(name)!r}, not {ours!r}")
