"""A generator and metrics that take no time, and ones that misbehave; named `cheap:Class`."""

import contextlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from gensr_pref.errors import Unusable
from gensr_pref.generators.base import Candidate
from gensr_pref.metrics.base import MetricSpec, Note, Score
from gensr_pref.pairing.base import STANDS, Pair, Pairwise, Verdicts
from gensr_pref.schema import Reason

IMMEDIATE = "CHEAP_IMMEDIATE"  # an environment variable


def wait(seconds):
    """Sleep, unless the variable asks for a run with the same settings that never sleeps."""
    if IMMEDIATE not in os.environ:
        time.sleep(seconds)


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
        wait(self.seconds)
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
            "short": audio[:-330],
            "empty": audio[:0],
            "integers": (audio * 32767).astype(np.int16),
            "complex": audio.astype(np.complex64),
            "loud": audio * 100,
            "stereo": np.stack([audio, audio]),
        }[self.how]


class Echo(Hiss):
    """Changes nothing."""

    def __init__(self):
        super().__init__("echo")

    def _one(self, row, length, seed):
        return Candidate(row[:length])


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


class Faulty(Hiss):
    """Goes wrong in a way of choice, with one seed's row or with all; `log` counts the calls."""

    def __init__(self, how: str = "", log: str = "", clip: int = 0) -> None:
        super().__init__("faulty")
        self.how = how
        self.log = Path(log) if log else None
        self.clip = clip
        self.calls = 0

    def sample(self, noisy, lengths, seeds):
        self.calls += 1
        if self.log:
            with self.log.open("a") as file:
                file.write(f"{len(seeds)}\n")
        return getattr(self, f"_{self.how}")(noisy, lengths, seeds)

    def _one_row(self, noisy, lengths, seeds):
        """Fails for the whole batch where an odd seed is in it."""
        if any(seed % 2 for seed in seeds):
            raise RuntimeError("an odd seed")
        return super().sample(noisy, lengths, seeds)

    def _batch_too_large(self, noisy, lengths, seeds):
        if len(seeds) > 1:
            raise OutOfMemoryError("CUDA out of memory")
        return super().sample(noisy, lengths, seeds)

    def _memory(self, noisy, lengths, seeds):
        raise MemoryError("1 EiB")

    def _cpu_memory(self, noisy, lengths, seeds):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")

    def _sleeps(self, noisy, lengths, seeds):
        time.sleep(600)

    def _swallows(self, noisy, lengths, seeds):
        """Would go on for ever, and catches what it can."""
        while True:
            with contextlib.suppress(Exception):
                time.sleep(600)

    def _deaf(self, noisy, lengths, seeds):
        """Hangs where no alarm reaches it, as native code would; on clips of one length only."""
        if lengths[0] == self.clip:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            time.sleep(600)
        return super().sample(noisy, lengths, seeds)

    def _dies(self, noisy, lengths, seeds):
        if lengths[0] == self.clip:
            os._exit(1)
        return super().sample(noisy, lengths, seeds)

    def _ignores_seed(self, noisy, lengths, seeds):
        return super().sample(noisy, lengths, [7] * len(seeds))

    def _own_words(self, noisy, lengths, seeds):
        """Compares its candidates itself: the last is one that it gives up, in words of its own."""
        made = super().sample(noisy, lengths, seeds)
        return [*made[:-1], Unusable(Reason.DUPLICATE, "it sounds like the one before: 1")]

    def _first_seed(self, noisy, lengths, seeds):
        """Draws the whole batch from one seed."""
        return super().sample(noisy, lengths, [seeds[0] + place for place in range(len(seeds))])

    def _moves(self, noisy, lengths, seeds):
        os.chdir("/")
        return super().sample(noisy, lengths, seeds)

    def _odd_parts(self, noisy, lengths, seeds):
        """Parts that no table can hold, one per candidate."""
        made = super().sample(noisy, lengths, seeds)
        odd = (
            {"tokens": np.arange(3)},
            {"tokens": np.zeros((2, 3))},
            {"latent": np.full((2, 3), np.nan)},
            {"sampling": {"t": float("nan")}},
            {"sampling": [1]},
            {"rate": 0},
        )
        return [replace(one, **parts) for one, parts in zip(made, odd, strict=True)]

    def _other_every_time(self, noisy, lengths, seeds):
        return super().sample(noisy, lengths, [seed + self.calls for seed in seeds])

    def _rounds(self, noisy, lengths, seeds):
        """Differs from call to call by less than a step of 16 bits."""
        made = super().sample(noisy, lengths, seeds)
        return [replace(one, audio=one.audio + np.float32(self.calls * 1e-6)) for one in made]

    def _answers_errors(self, noisy, lengths, seeds):
        """An error in the place of the second candidate."""
        made = super().sample(noisy, lengths, seeds)
        return [made[0], ValueError("no voice in it"), *made[2:]]

    def _other_rate(self, noisy, lengths, seeds):
        """Candidates at 8 kHz that say so, but for the last, which does not."""
        made = super().sample(noisy, lengths, seeds)
        slow = [replace(one, audio=one.audio[::2].copy(), rate=8000) for one in made]
        return [*slow[:-1], replace(slow[-1], rate=None)]


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


WORD = "a word"


def same_twice(ballot, pairing):
    return [Pair(0, 0, 1.0)]


def out_of_range(ballot, pairing):
    return [Pair(0, 99, 1.0)]


def boom(ballot, pairing):
    raise RuntimeError("boom")


def nothing(ballot, pairing):
    return None


def judge_all(ballot, pairing):
    """Return verdicts in which every two candidates are a pair, each candidate with itself too."""
    size = ballot.scores.shape[-2]
    shape = (*ballot.scores.shape[:-2], size, size)
    return Verdicts(np.full(shape, STANDS, np.int8), np.zeros(shape))


itself = Pairwise(judge_all)


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
        wait(self.seconds)
        return [self._one(sound.wave) for sound in clip.candidates]

    def _one(self, wave):
        return {
            "roughness": float(np.abs(np.diff(wave)).mean()),
            "level": float(np.sqrt((wave**2).mean())),
            "zero_crossings": float((np.diff(np.sign(wave)) != 0).mean()),
        }


class Counting(Roughness):
    """Writes down how many sounds it is asked about, one line per clip."""

    def __init__(self, log: str = "", how: str = "") -> None:
        super().__init__()
        self.log = Path(log)
        self.how = how
        self.spec = replace(
            self.spec, name="counting", scores=(Score("peak", False),), notes=(Note("loud"),)
        )

    def score(self, clip):
        with self.log.open("a") as file:
            file.write(f"{len(clip.candidates)}\n")
        return [self._one(sound.wave) for sound in clip.candidates]

    def _one(self, wave):
        peak = float(np.abs(wave).max())
        if self.how == "picky" and len(wave) % 2:
            raise ValueError("an odd length")
        return {"peak": peak, "loud": "yes" if peak > 0.3 else None}


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


class Poisoned(Roughness):
    """Ends its process, or never ends, where a sound of a clip of one length is among many.

    Of such a clip it does so for `share` of the sounds, by their content.
    """

    def __init__(self, clip: int = 0, how: str = "dies", share: float = 1.0) -> None:
        super().__init__()
        self.clip, self.how, self.worst = clip, how, share
        self.spec = replace(self.spec, name="poisoned", scores=(Score("poisoned", False),))

    def score(self, clip):
        for sound in clip.candidates:
            bad = len(sound.wave) == self.clip and self._one(sound.wave)["poisoned"] < self.worst
            if bad and self.how == "dies":
                os._exit(1)
            if bad and self.how == "deaf":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            if bad:
                time.sleep(600)
        return super().score(clip)

    def _one(self, wave):
        return {"poisoned": float(int(1e6 * np.abs(wave).mean()) % 100 / 100)}


class Fatal(Roughness):
    """Ends its process."""

    def score(self, clip):
        os._exit(1)


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
