"""Changes that the tests apply to a sound."""

import csv

import numpy as np

from gensr_pref.audio import Sound


def noisy(sound, level, seed=0):
    """White noise at `level` of full scale on top."""
    noise = np.random.default_rng(seed).normal(scale=level, size=len(sound.wave))
    return Sound(np.clip(sound.wave + noise, -1, 1).astype(np.float32), sound.rate)


def cut(sound, seconds):
    return Sound(sound.wave[: round(seconds * sound.rate)], sound.rate)


def read_csv(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ask(panel, clip):
    """What a panel says of a clip that is given as a metric sees it."""
    return panel.score(clip.candidates, clip.clean, clip.noisy, clip.text, clip.language)
