"""A generator and metrics that cost nothing, and ones that misbehave; named `cheap:Class`."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from gensr_pref.generators.base import Candidate
from gensr_pref.metrics.base import MetricSpec, Note, Score
from gensr_pref.pairing.base import Pair


class Hiss:
    """Adds seeded noise of a seeded level."""

    revision = "1"
    sample_rate = 16000

    def __init__(self, name: str = "hiss", seconds: float = 0.0) -> None:
        self.name = name
        self.seconds = seconds

    def load(self, device):
        self.device = device

    def sample(self, noisy, lengths, seeds):
        time.sleep(self.seconds)
        return [
            self._one(row, length, s) for row, length, s in zip(noisy, lengths, seeds, strict=True)
        ]

    def _one(self, row, length, seed):
        rng = np.random.default_rng(seed)
        level = float(rng.uniform(0.001, 0.05))
        audio = row[:length] + rng.normal(0, level, length).astype(np.float32)
        return Candidate(audio, {"level": level}, latent=np.full((2, 3), level, np.float16))


class Misbehaving(Hiss):
    """Spoils one candidate per clip in a way of choice, or raises for all."""

    def __init__(self, how: str = "nan") -> None:
        super().__init__("misbehaving")
        self.how = how

    def sample(self, noisy, lengths, seeds):
        made = super().sample(noisy, lengths, seeds)
        if self.how == "raise":
            raise RuntimeError("the weights have gone sour")
        if self.how == "exit":
            raise SystemExit(7)
        if self.how == "list":
            made[1] = Candidate([0.1, 0.2])
            return made
        if self.how == "fewer":
            return made[1:]
        made[1] = Candidate(self._spoiled(made[1].audio))
        return made

    def _spoiled(self, audio):
        return {
            "nan": np.full_like(audio, np.nan),
            "silence": np.zeros_like(audio),
            "short": audio[:-320],
            "empty": audio[:0],
            "integers": (audio * 32767).astype(np.int16),
            "complex": audio.astype(np.complex64),
            "loud": audio * 100,
            "stereo": np.stack([audio, audio]),
        }[self.how]


class Unloadable(Hiss):
    """Has no weights."""

    def __init__(self):
        super().__init__("unloadable")

    def load(self, device):
        raise OSError("no such weights")


class Killer(Hiss):
    """Kills its process on the clip whose number is in a file, as often as the file says."""

    def __init__(self, tally: str = "", times: int = 1) -> None:
        super().__init__("killer")
        self.tally = Path(tally)
        self.times = times

    def sample(self, noisy, lengths, seeds):
        deaths = len(self.tally.read_text()) if self.tally.exists() else 0
        if deaths < self.times:
            with self.tally.open("a") as file:
                file.write("x")
            os._exit(1)
        return super().sample(noisy, lengths, seeds)


WORD = "a word"


def same_twice(ballot, pairing):
    return [Pair(0, 0, 1.0)]


def out_of_range(ballot, pairing):
    return [Pair(0, 99, 1.0)]


def boom(ballot, pairing):
    raise RuntimeError("boom")


def nothing(ballot, pairing):
    return None


def twice(ballot, pairing):
    return [Pair(0, 1, 1.0), Pair(0, 1, 1.0)]


class Roughness:
    """Two scores that disagree a little: mean absolute difference, and level."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.spec = MetricSpec(
            "roughness",
            (
                Score("roughness", False, "1", 0, None, True),
                Score("level", False, "1", 0, None, True),
                Score("zero_crossings", False, "1", 0, 1, False),
            ),
            16000,
            frozenset(),
            "cheap",
            "Apache-2.0",
        )

    def load(self, device):
        pass

    def score(self, clip):
        time.sleep(self.seconds)
        return [self._one(sound.wave) for sound in clip.candidates]

    def _one(self, wave):
        return {
            "roughness": float(np.abs(np.diff(wave)).mean()),
            "level": float(np.sqrt((wave**2).mean())),
            "zero_crossings": float((np.diff(np.sign(wave)) != 0).mean()),
        }


class Sulking(Roughness):
    """Raises for every clip."""

    def score(self, clip):
        raise RuntimeError("not today")


class Fragile(Roughness):
    """Ends its process where a candidate nearly reaches full scale."""

    def score(self, clip):
        if any(np.abs(sound.wave).max() > 0.95 for sound in clip.candidates):
            os._exit(1)
        return super().score(clip)


class Talkative(Roughness):
    """Says how many sentences of the corpus it has studied, and something of every candidate."""

    def __init__(self):
        super().__init__()
        told = (Note("heard"), Note("length", "number"))
        self.spec = replace(self.spec, notes=told, notice="handle with care")

    def study(self, texts):
        self.texts = texts

    def _one(self, wave):
        if len(wave) % 3 == 0:
            return {**super()._one(wave), "heard": "/".join(self.texts)}
        return {**super()._one(wave), "heard": "/".join(self.texts), "length": len(wave)}


class Lengthy(Roughness):
    """Counts samples."""

    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, name="lengthy", scores=(Score("length"),))

    def _one(self, wave):
        return {"length": float(len(wave))}


class Locked(Roughness):
    """Cannot be loaded."""

    def load(self, device):
        raise OSError("locked")


class Referring(Roughness):
    """Compares with the clean clip, or else with the noisy one."""

    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, name="referring", scores=(Score("referring"),))

    def score(self, clip):
        if "clean" in clip.faults:
            raise clip.faults["clean"]
        against = (clip.clean or clip.noisy).wave.max()
        return [{"referring": float(sound.wave.max() / against)} for sound in clip.candidates]
