"""RNNoise for the generator `command`: python restore.py MANIFEST, in a separate environment.

This script does not import gensr_pref. RNNoise is deterministic, so the seed decides how much of
the noisy clip is mixed with its output.
"""

import csv
import json
import sys
import wave
from pathlib import Path

import numpy as np
from pyrnnoise import rnnoise

DELAY = 960  # RNNoise's delay in samples at 48 kHz: two frames


def main(manifest):
    """Restore every row of a manifest with the columns input, output and seed."""
    with Path(manifest).open(newline="") as lines:
        for row in csv.DictReader(lines):
            noisy = read(row["input"])
            share = float(np.random.default_rng(int(row["seed"])).uniform(0.0, 0.5))
            write(row["output"], share * noisy + (1 - share) * denoised(noisy))
            Path(row["output"] + ".json").write_text(json.dumps({"noisy_share": round(share, 6)}))


def denoised(noisy):
    """Return RNNoise's output [T] for 16-bit values [T], with its delay removed."""
    padded = np.pad(noisy, (0, DELAY + -(len(noisy) + DELAY) % rnnoise.FRAME_SIZE))
    state = rnnoise.create()
    frames = padded.astype(np.int16).reshape(-1, rnnoise.FRAME_SIZE)
    clean = np.concatenate([rnnoise.process_mono_frame(state, frame)[0] for frame in frames])
    rnnoise.destroy(state)
    return clean[DELAY : DELAY + len(noisy)].astype(np.float64)


def read(path):
    """Read a 16-bit mono WAV file as numbers from -32768 to 32767."""
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64)


def write(path, samples):
    """Write such numbers as a 16-bit mono WAV file at 48 kHz."""
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, rnnoise.SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.clip(np.rint(samples), -32768, 32767).astype(np.int16).tobytes())


if __name__ == "__main__":
    main(sys.argv[1])
