"""Sounds for the tests of folders of audio files."""

from pathlib import Path

import numpy as np
import soundfile


def write_tone(path: Path, seconds: float = 0.5, peak: float = 0.5, rate: int = 16000) -> Path:
    """Write a file with a tone and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = peak * np.sin(np.arange(int(seconds * rate)) * 0.1)
    soundfile.write(path, wave, rate)
    return path
