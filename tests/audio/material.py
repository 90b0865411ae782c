"""Makes audio files for the tests, in every format."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float32]
FFMPEG = shutil.which("ffmpeg")
NEVER_READ = {"RAW", "SD2"}  # no header; the header is in another file


class InOrder(soundfile.SoundFile):
    """File that is written and read without seeking, which some codecs do not support."""

    def seekable(self) -> bool:
        return False


def kinds() -> list[tuple[str, str]]:
    """Return every format and subtype that libsndfile writes and reads."""
    return [
        (form, subtype)
        for form in soundfile.available_formats()
        for subtype in soundfile.available_subtypes(form)
        if form not in NEVER_READ and encode(np.zeros((1600, 1), np.float32), 8000, form, subtype)
    ]


def noise(frames: int, channels: int = 1, seed: int = 0) -> Samples:
    """Make a tone in noise [frames, channels], well below full scale."""
    rng = np.random.default_rng(seed)
    tone = 0.2 * np.sin(0.3 * np.arange(frames))[:, None]
    return (tone + rng.uniform(-0.1, 0.1, (frames, channels))).astype(np.float32)


def encode(wave: Samples, rate: int, form: str, subtype: str) -> bytes | None:
    """Return the bytes of a file; None if libsndfile does not write that kind."""
    buffer = io.BytesIO()
    try:
        with InOrder(buffer, "w", rate, wave.shape[1], subtype, format=form) as file:
            for start in range(0, len(wave), 4000):  # its encoders overflow on long blocks
                file.write(wave[start : start + 4000])
    except (soundfile.LibsndfileError, ValueError):
        return None
    return buffer.getvalue()


def decode(data: bytes) -> Samples:
    """Decode a file in one call of libsndfile, averaged over its channels."""
    with InOrder(io.BytesIO(data)) as file:
        whole = file.read(max(1, file.frames), dtype="float32", always_2d=True)
    return np.asarray(whole.mean(axis=1), np.float32)


def encode_by_ffmpeg(wave: Samples, rate: int, target: Path, *options: str) -> bytes | None:
    """Return the bytes of a file that FFmpeg encodes; None if it has no such encoder."""
    assert FFMPEG is not None
    command = [FFMPEG, "-y", "-nostdin", "-v", "error", "-f", "f32le", "-ar", str(rate)]
    command += ["-ac", str(wave.shape[1]), "-i", "pipe:0", *options, str(target)]
    done = subprocess.run(command, input=wave.tobytes(), capture_output=True, check=False)
    return target.read_bytes() if done.returncode == 0 else None


def decode_by_ffmpeg(file: Path) -> tuple[Samples, int, str]:
    """Decode a file by FFmpeg; return the mono waveform, its rate, and FFmpeg's errors."""
    assert FFMPEG is not None
    command = [FFMPEG, "-nostdin", "-v", "error", "-i", str(file), "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    data = done.stdout
    start = int.from_bytes(data[4:8], "big")
    rate, channels = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    whole = (len(data) - start) // 4 // max(1, channels) * max(1, channels)
    wave = np.frombuffer(data, ">f4", max(0, whole), start if whole > 0 else 0)
    with np.errstate(all="ignore"):
        mono = wave.reshape(-1, max(1, channels)).mean(axis=1, dtype=np.float32)
    return mono, rate, done.stderr.decode("utf-8", "replace")
