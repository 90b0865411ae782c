"""Level of speech above the rounding error of 16 bits, by the peak of the recording.

    python -m tests.benchmarks.rounding

Each prompt of the sample is scaled to a given peak, as a recording of more than 16 bits might have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import gensr_pref
from gensr_pref import audio

PEAKS_DB = (0, -20, -40, -60)


def snr_db(wave: audio.Wave) -> float:
    """Of the wave against what is lost when it is rounded to 16 bits."""
    lost = wave - audio.pcm16(wave) / np.float32(32768)
    return float(10 * np.log10(np.mean(wave**2) / np.mean(lost**2)))


def main() -> None:
    """Print the lowest and the highest of all prompts for each peak."""
    sample = Path(gensr_pref.__file__).parent / "sample" / "speech"
    waves = [audio.read(path).wave for path in sorted(sample.rglob("*.flac"))]
    dither = np.random.default_rng(0)
    print(f"{len(waves)} prompts\n\n| peak, dB | SNR, dB |\n|---|---|")
    for peak in PEAKS_DB:
        found = [_scaled_snr_db(wave, peak, dither) for wave in waves]
        print(f"| {peak} | {min(found):.0f} to {max(found):.0f} |")


def _scaled_snr_db(wave: audio.Wave, peak_db: float, dither: np.random.Generator) -> float:
    """At another peak; below the 16 bits that the sample has is noise of their size."""
    below = dither.uniform(-0.5, 0.5, len(wave)) / 32768
    fine = wave.astype(np.float64) + below
    return snr_db(np.asarray(fine * 10 ** (peak_db / 20) / np.abs(fine).max()))


if __name__ == "__main__":
    main()
