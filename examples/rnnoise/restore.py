"""RNNoise for the generator `command`: python restore.py MANIFEST, in an environment of its own.

It imports nothing of gensr_pref. RNNoise itself always gives the same; what a seed draws here is
how much of the noisy clip stays in.
"""

import csv
import json
import sys
import wave
from pathlib import Path

import numpy as np
from pyrnnoise import rnnoise

DELAY = 960  # samples at 48 kHz by which RNNoise lags: two frames


def main(manifest):
    """Restore every row of a manifest: the columns input, output, seed."""
    with Path(manifest).open(newline="") as lines:
        for row in csv.DictReader(lines):
            noisy = read(row["input"])
            share = float(np.random.default_rng(int(row["seed"])).uniform(0.0, 0.5))
            write(row["output"], share * noisy + (1 - share) * denoised(noisy))
            Path(row["output"] + ".json").write_text(json.dumps({"noisy_share": round(share, 6)}))


def denoised(noisy):
    """RNNoise's output [T] for 16-bit values [T], in step with its input."""
    padded = np.pad(noisy, (0, DELAY + -(len(noisy) + DELAY) % rnnoise.FRAME_SIZE))
    state = rnnoise.create()
    frames = padded.astype(np.int16).reshape(-1, rnnoise.FRAME_SIZE)
    clean = np.concatenate([rnnoise.process_mono_frame(state, frame)[0] for frame in frames])
    rnnoise.destroy(state)
    return clean[DELAY : DELAY + len(noisy)].astype(np.float64)


def read(path):
    """A 16-bit mono WAV file, as numbers from -32768 to 32767."""
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64)


def write(path, samples):
    """The same way back, at 48 kHz."""
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, rnnoise.SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.clip(np.rint(samples), -32768, 32767).astype(np.int16).tobytes())


if __name__ == "__main__":
    main(sys.argv[1])
