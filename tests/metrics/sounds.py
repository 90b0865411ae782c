"""Changes that the tests apply to a sound."""

import csv

import numpy as np

from gensr_pref.audio import Sound


def noisy(sound, level, seed=0):
    """Add white noise whose standard deviation is `level` of full scale."""
    noise = np.random.default_rng(seed).normal(scale=level, size=len(sound.wave))
    return Sound(np.clip(sound.wave + noise, -1, 1).astype(np.float32), sound.rate)


def cut(sound, seconds):
    return Sound(sound.wave[: round(seconds * sound.rate)], sound.rate)


def read_csv(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ask(panel, clip):
    """Score a `ClipSounds` by a panel."""
    return panel.score(clip.candidates, clip.clean, clip.noisy, clip.text, clip.language)
