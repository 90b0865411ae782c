"""A metric and a judge for the tests of `restore`: the loudness of a sound."""

import numpy as np

from gensr_pref.apply.best_of import Judge
from gensr_pref.metrics.base import MetricSpec, Score
from gensr_pref.metrics.panel import Panel

RATE = 16000


class Loudness:
    """The root mean square of a sound, lower is better; null if the peak exceeds a bound."""

    def __init__(self, higher=False, bound=9.0):
        self.spec = MetricSpec("loudness", (Score("loudness", higher),), RATE)
        self.bound = bound

    def load(self, device):
        pass

    def score(self, clip):
        return [self._score_one(sound.wave) for sound in clip.candidates]

    def _score_one(self, wave):
        if float(np.abs(wave).max()) > self.bound:
            return ValueError("too loud")
        return {"loudness": round(float(np.sqrt(np.mean(wave**2))), 9)}


def loudness_judge(**options):
    """Return a judge by loudness."""
    metric = Loudness(**options)
    return Judge(Panel([metric]), "loudness", metric.spec.scores[0].higher_is_better)
