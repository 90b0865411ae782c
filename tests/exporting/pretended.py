"""Generators and a metric that take no time; named `pretended:Class`."""

import numpy as np

from gensr_pref.generators.base import Candidate
from gensr_pref.metrics.base import MetricSpec, Score


class Hiss:
    """Adds noise of a level drawn from the seed; its error is over a latent."""

    name = "hiss"
    revision = "1"
    sample_rate = 16000
    licence = "MIT"

    def load(self, device):
        pass

    def sample(self, noisy, lengths, seeds):
        rows = zip(noisy, lengths, seeds, strict=True)
        return [self._one(row[:length], int(seed)) for row, length, seed in rows]

    def _one(self, wave, seed):
        rng = np.random.default_rng(seed)
        level = float(rng.uniform(0.001, 0.05))
        audio = wave + rng.normal(0, level, len(wave)).astype(np.float32)
        return Candidate(audio, {"level": level}, latent=np.full((2, 3), level, np.float16))


class Tokens(Hiss):
    """The same over 2 codebooks of 10 codes."""

    name = "tokens"

    def _one(self, wave, seed):
        made = super()._one(wave, seed)
        tokens = np.random.default_rng(seed).integers(0, 10, (2, 4)).astype(np.int32)
        return Candidate(made.audio, made.sampling, tokens=tokens)


class Roughness:
    """Two scores that disagree a little."""

    def __init__(self):
        self.spec = MetricSpec(
            "roughness",
            (
                Score("roughness", False, "", 0, None, True),
                Score("crossings", False, "", 0, 1, True),
            ),
            16000,
            model="pretended 1",
            licence="CC-BY-NC-SA-4.0",
        )

    def load(self, device):
        pass

    def score(self, clip):
        return [self._one(sound.wave) for sound in clip.candidates]

    def _one(self, wave):
        return {
            "roughness": float(np.abs(np.diff(wave)).mean()),
            "crossings": float((np.diff(np.sign(wave[::50])) != 0).mean()),
        }
