"""GE2E voice encoder of the package `resemblyzer`, with its voice activity detector.

Without the detector cosines change by up to 0.065. A sound quieter than -30 dBFS is amplified to
that level, pauses of more than 0.2 s are removed, and segments of 1.6 s that start every 0.77 s are
embedded by an LSTM; the sound's embedding is their mean, scaled to norm 1.

    L. Wan et al., "Generalized end-to-end loss for speaker verification", ICASSP 2018.

Segments of different sounds are not put into one batch. On a CPU that was 0.9 to 1.2 times as fast
for sounds with three segments or more (1.6 to 2 times with one or two), and no library guarantees
that the rows of a matrix product are independent of each other to the last bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound, Wave
from gensr_pref.errors import Unusable
from gensr_pref.metrics import torch_checkpoint
from gensr_pref.metrics.speaker.encoder import Embedding
from gensr_pref.schema import Reason
from gensr_pref.weights import catalogue

RATE = 16_000
LOUDNESS = -30  # dBFS
FULL_SCALE = 32767
VAD_MODE = 3  # webrtcvad's strictest
VAD_FRAME = 480  # samples: 30 ms
VAD_SMOOTHED = 8  # frames of the moving average; voiced if more than half of them are
VAD_REACH = 7  # frames around a voiced frame that become voiced too
VAD_CHUNK = 1000 * VAD_FRAME  # samples that are converted to 16 bits at a time

MEL_FRAME, MEL_HOP, MELS = 400, 160, 40
SEGMENT = 160  # mel frames of a segment: 1.6 s
SEGMENTS_PER_SECOND = 1.3
LEAST_COVERED = 0.75  # of the last segment
# A sound with fewer segments (50 s of voice) is embedded in one batch, as in the package.
SEGMENTS_PER_BATCH = 64


class ResemblyzerEncoder:
    """Resemblyzer's `VoiceEncoder`; the values agree to 1e-6.

    Args:
        checkpoint: weights in the format of its ``pretrained.pt``; absent = that file.

    Raises:
        MissingWeightsError: the file does not exist.
    """

    sample_rate = RATE
    lowest = 0.0  # the last layer is a ReLU
    longest_seconds = None
    licence = "Apache-2.0"

    def __init__(self, checkpoint: str | Path | None = None) -> None:
        self._checkpoint = checkpoint and catalogue.find_weights("resemblyzer", checkpoint)
        name = "pretrained.pt"
        if self._checkpoint:
            name = f"{self._checkpoint.name}, SHA-256 {catalogue.sha256_of(self._checkpoint)[:16]}"
            self.licence = "the file's own"
        self.model = f"resemblyzer {version('resemblyzer')}: {name}"

    def load(self, device: str) -> None:
        """Load the encoder (5 MB) onto a torch device.

        Raises:
            InputError: the checkpoint does not belong to this encoder.
        """
        with _silence_known_warnings():
            from resemblyzer import VoiceEncoder

        self._encoder = VoiceEncoder(device, verbose=False)
        if self._checkpoint:
            torch_checkpoint.read_checkpoint(
                self._checkpoint, "a checkpoint of resemblyzer's encoder", self._fill
            )

    def _fill(self, content: Any) -> None:
        """Load a checkpoint's weights; the package would leave missing ones random."""
        missing, _ = self._encoder.load_state_dict(content["model_state"], strict=False)
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")

    def embed(self, sounds: Sequence[Sound]) -> list[Embedding | Unusable]:
        """Return one unit vector [256] per sound, or NO_SPEECH if the detector finds no voice."""
        return [self._embed(sound) for sound in sounds]

    def _embed(self, sound: Sound) -> Embedding | Unusable:
        voice = remove_pauses(sound.wave)
        if len(voice) == 0:
            return Unusable(Reason.NO_SPEECH, "no voice was found")
        _, segments = self._encoder.compute_partial_slices(
            len(voice), SEGMENTS_PER_SECOND, LEAST_COVERED
        )
        starts = [segment.start for segment in segments]
        parts = [
            self._forward(voice, starts[first : first + SEGMENTS_PER_BATCH])
            for first in range(0, len(starts), SEGMENTS_PER_BATCH)
        ]
        mean = np.mean(np.concatenate(parts), axis=0)
        return np.asarray(mean / np.linalg.norm(mean, 2), np.float32)

    def _forward(self, voice: Wave, starts: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the embeddings [starts, 256] of the segments that start at these mel frames."""
        import torch

        end, last = starts[-1] + SEGMENT, len(voice) // MEL_HOP
        if end <= last < end + SEGMENT:
            end = last  # not embedded, but products have the package's size and rounding then
        mel = _mel(voice, starts[0], end)
        batch = np.stack([mel[start - starts[0] :][:SEGMENT] for start in starts])
        with torch.no_grad():
            embedded = self._encoder(torch.from_numpy(batch).to(self._encoder.device))
        return np.asarray(embedded.cpu().numpy(), np.float32)


def remove_pauses(wave: Wave) -> Wave:
    """Amplify a waveform [T] at 16 kHz and remove its pauses, as resemblyzer's ``preprocess_wav``.

    The result is equal to the last bit.
    """
    from resemblyzer.audio import normalize_volume
    from scipy.ndimage import binary_dilation

    wave = np.asarray(normalize_volume(wave, LOUDNESS, increase_only=True), np.float32)
    flags = _voice_flags(wave)
    if len(flags) == 0:
        return wave[:0]
    padded = np.pad(flags, ((VAD_SMOOTHED - 1) // 2, VAD_SMOOTHED // 2))
    smoothed = np.convolve(padded, np.ones(VAD_SMOOTHED, int), "valid") > VAD_SMOOTHED // 2
    mask = binary_dilation(smoothed, np.ones(VAD_REACH))
    return np.compress(np.repeat(mask, VAD_FRAME), wave[: len(mask) * VAD_FRAME])


def _voice_flags(wave: Wave) -> npt.NDArray[np.int_]:
    """Return 1 for each frame of 30 ms with voice, else 0; an incomplete last frame is left out."""
    from resemblyzer.audio import webrtcvad  # it warns on its first import; see load()

    detector = webrtcvad.Vad(VAD_MODE)
    flags = []
    for start in range(0, len(wave) // VAD_FRAME * VAD_FRAME, VAD_CHUNK):
        # A lone click can exceed 16 bits once a quiet clip is raised to -30 dBFS.
        with np.errstate(invalid="ignore"):
            samples = np.round(wave[start : start + VAD_CHUNK] * FULL_SCALE).astype(np.int16)
        for frame in samples[: len(samples) // VAD_FRAME * VAD_FRAME].reshape(-1, VAD_FRAME):
            flags.append(detector.is_speech(frame.tobytes(), RATE))  # noqa: PERF401
    return np.asarray(flags, int)


def _mel(voice: Wave, first: int, last: int) -> npt.NDArray[np.float32]:
    """Return the mel power of frames `first` to `last` [frames, 40], zeros beyond the ends."""
    import librosa

    start, stop = first * MEL_HOP - MEL_FRAME // 2, last * MEL_HOP + MEL_FRAME // 2
    inside = voice[max(start, 0) : stop]
    before = max(-start, 0)
    samples = np.pad(inside, (before, stop - start - before - len(inside)))
    mel = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_fft=MEL_FRAME, hop_length=MEL_HOP, n_mels=MELS, center=False
    )
    return np.asarray(mel, np.float32).T


@contextmanager
def _silence_known_warnings() -> Iterator[None]:
    """Silence the known warnings of importing resemblyzer 0.1.4 and webrtcvad 2.0.10."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Please import `binary_dilation`", DeprecationWarning)
        warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
        yield
