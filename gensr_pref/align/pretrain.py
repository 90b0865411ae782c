"""Pretraining of `fm-tiny`: clean speech and degradations in, a checkpoint out.

    gensr-pref train pipelines/pretrain_fm_tiny.yaml --out DIR

DIR receives `model.safetensors` and `config.json` (what `FlowMatchingTiny(checkpoint=DIR)` loads),
and `state.pt`, from which the same command continues. Examples are numbered: example n is made
from (seed, n) alone, and step k draws its batch from a window of the latest `pool` examples, which
moves on by `fresh` examples per step. A run that was interrupted therefore ends with the same
weights (as long as `minutes`, which looks at the clock, is not set).
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from gensr_pref import config
from gensr_pref.audio import Wave, pcm16
from gensr_pref.corpus import degrade, rooms
from gensr_pref.corpus.base import Item, Source
from gensr_pref.corpus.library import Library
from gensr_pref.corpus.sources import listed, opened
from gensr_pref.errors import RunMismatchError, Unusable
from gensr_pref.generators.bands import RATE, features, latent_of
from gensr_pref.generators.carrier import carrier, stft
from gensr_pref.generators.checkpoint import save_flow
from gensr_pref.generators.flow import (
    Flow,
    FlowConfig,
    base_noise,
    flow_matching_error,
    regression_error,
    scale_error,
)
from gensr_pref.identity import rng_for, seed_for
from gensr_pref.shards import write_text

LEVEL_DB = (-38.0, -16.0)  # root mean square of the clean speech, relative to full scale
PEAK = 0.9
PAUSE_S = (0.1, 0.4)  # between short recordings that are joined to fill an example


class Speech(config.Model):
    """A source of clean speech and how often it is drawn."""

    source: config.FileSource
    weight: float = Field(1.0, gt=0, description="relative to the other sources")


class Shape(config.Model):
    """The size of the network; see `FlowConfig`."""

    encoder_width: int = 192
    encoder_dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1, 2, 4)
    velocity_width: int = 160
    velocity_dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2)
    shared_noise: config.Probability = 0.25


class Pretrain(config.Model):
    """A recipe file."""

    recipe: Literal["pretrain"] = "pretrain"
    seed: int = 0
    speech: list[Speech] = Field(min_length=1)
    degrade: config.Degrade
    rooms: int = Field(
        300, ge=0, description="simulated rooms to make once and draw from; 0 = a new one each time"
    )
    seconds: float = Field(3.0, gt=0.1, description="length of an example")
    pool: int = Field(1024, ge=1, description="examples kept in memory")
    fresh: int = Field(4, ge=1, description="examples made anew per step")
    batch: int = Field(8, ge=1, description="examples per step")
    draws: int = Field(2, ge=1, description="(t, y_0) per example and step")
    steps: int = Field(4000, ge=1)
    minutes: float | None = Field(None, gt=0, description="end the schedule by the clock instead")
    learning_rate: float = 1e-3
    warm_up: int = 200
    weight_decay: float = 0.01
    regression: float = Field(1.0, ge=0, description="weight of the encoder's own loss")
    ema: config.Probability = Field(0.999, description="decay of the averaged weights")
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    threads: int = Field(1, ge=1)
    save_every: int = Field(200, ge=1, description="steps")
    model: Shape = Field(default_factory=Shape)


# --- examples ------------------------------------------------------------------------------------


class Voices:
    """Clean speech in memory, drawn source by weight and recording by length."""

    def __init__(self, speech: list[Speech], base: Path) -> None:
        self._sources = [
            Recorded(opened(s.source, base, f"speech.{i}.source"), f"speech.{i}.source")
            for i, s in enumerate(speech)
        ]
        weights = np.array([s.weight for s in speech])
        self._share = weights / weights.sum()

    def draw(self, rng: np.random.Generator, samples: int) -> Wave:
        """[samples] of one speaker, at a random level."""
        source = self._sources[int(rng.choice(len(self._sources), p=self._share))]
        wave = source.stretch(rng, samples)
        rms = math.sqrt(float(np.square(wave, dtype=np.float64).mean())) + 1e-9
        gain = min(10 ** (rng.uniform(*LEVEL_DB) / 20) / rms, PEAK / (np.abs(wave).max() + 1e-9))
        return wave * np.float32(gain)


class Recorded:
    """The recordings of one source."""

    def __init__(self, source: Source, field: str) -> None:
        self._source = source
        self._items, _ = listed(source, field)
        seconds = np.array([item.frames / item.rate for item in self._items])
        self._share = seconds / seconds.sum()
        self._waves: dict[str, npt.NDArray[np.int16]] = {}
        self._by_speaker: dict[str, list[Item]] = defaultdict(list)
        for item in self._items:
            self._by_speaker[item.speaker or item.source_id].append(item)

    def stretch(self, rng: np.random.Generator, samples: int) -> Wave:
        """[samples] from anywhere in a recording; short ones are joined, speaker by speaker."""
        item = self._items[int(rng.choice(len(self._items), p=self._share))]
        pieces = [self._wave(item)]
        others = self._by_speaker[item.speaker or item.source_id]
        while sum(map(len, pieces)) < samples:
            pieces.append(np.zeros(int(rng.uniform(*PAUSE_S) * RATE), np.float32))
            pieces.append(self._wave(others[int(rng.integers(len(others)))]))
        joined = np.concatenate(pieces)
        start = int(rng.integers(len(joined) - samples + 1))
        return joined[start : start + samples]

    def _wave(self, item: Item) -> Wave:
        if item.source_id not in self._waves:
            sound, _ = self._source.read(item, 0, item.frames)
            self._waves[item.source_id] = pcm16(sound.at(RATE).wave)
        return self._waves[item.source_id].astype(np.float32) / np.float32(32768)


@dataclass(frozen=True)
class Example:
    """Features [FEATURES, F] and latent [GAIN_BANDS, F], float16."""

    x: Tensor
    y_1: Tensor


@dataclass(frozen=True)
class Examples:
    """Numbered training examples: what `of` returns depends on the recipe and the number only."""

    recipe: Pretrain
    voices: Voices
    settings: config.Degrade
    library: Library

    @classmethod
    def opened(cls, recipe: Pretrain, base: Path, out: Path) -> Examples:
        """Open all sources; simulated rooms are made here, under `out`."""
        settings = _with_rooms(recipe, out)
        return cls(recipe, Voices(recipe.speech, base), settings, Library.opened(settings, base))

    def of(self, number: int) -> Example:
        """Example `number`; a draw that cannot be degraded (silence) is drawn again."""
        for attempt in range(100):
            rng = rng_for(self.recipe.seed, "example", number, attempt)
            clean = self.voices.draw(rng, int(self.recipe.seconds * RATE))
            try:
                made = degrade.degrade(clean, RATE, self.settings, self.library, rng)
            except Unusable:
                continue
            return _example(made)
        raise Unusable(*_no_example(number))

    def windows(self, first_step: int) -> Iterator[list[Example]]:
        """The batch of every step from `first_step` on."""
        recipe = self.recipe
        start = first_step * recipe.fresh
        making = tqdm(range(start, start + recipe.pool), desc="examples", leave=False)
        pool = deque((self.of(number) for number in making), maxlen=recipe.pool)
        step = first_step
        while True:
            rng = rng_for(recipe.seed, "batch", step)
            chosen = rng.choice(len(pool), recipe.batch, replace=recipe.batch > len(pool))
            yield [pool[int(index)] for index in chosen]
            following = step * recipe.fresh + recipe.pool
            pool.extend(self.of(number) for number in range(following, following + recipe.fresh))
            step += 1


def _no_example(number: int) -> tuple[Any, str]:
    from gensr_pref.schema import Reason

    return Reason.SILENT, f"example {number}: 100 draws of speech and noise, none usable"


def _example(made: degrade.Degraded) -> Example:
    heard = carrier(pcm16(made.noisy).astype(np.float32) / np.float32(32768))
    target = latent_of(stft(torch.from_numpy(made.clean)), heard)
    return Example(features(heard).half(), target.half())


def _with_rooms(recipe: Pretrain, out: Path) -> config.Degrade:
    """The settings with `recipe.rooms` simulated rooms, made once, as recorded ones."""
    reverb = recipe.degrade.reverb
    if reverb is None or reverb.source is not None or recipe.rooms == 0:
        return recipe.degrade
    folder = out.resolve() / "rooms"
    folder.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(recipe.rooms), desc="rooms", leave=False):
        path = folder / f"{number:04d}.wav"
        if not path.exists():
            rng = rng_for(recipe.seed, "room", number)
            rt60_s = float(rng.uniform(*reverb.rt60_s))
            room = rooms.draw_room(rt60_s, float(rng.uniform(*reverb.distance_m)), RATE, rng)
            part = path.with_suffix(".part")
            soundfile.write(part, rooms.simulated(room, rt60_s, RATE), RATE, "FLOAT", format="WAV")
            part.replace(path)
    recorded = reverb.model_copy(update={"source": config.FolderSource(path=str(folder))})
    return recipe.degrade.model_copy(update={"reverb": recorded})


# --- training ------------------------------------------------------------------------------------


@dataclass
class Training:
    """Everything that a resumed run needs."""

    flow: Flow
    averaged: Flow
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def started(cls, recipe: Pretrain) -> Training:
        """Fresh weights from the recipe's seed."""
        torch.manual_seed(seed_for(recipe.seed, "weights"))
        flow = Flow(FlowConfig(**recipe.model.model_dump()))
        optimiser = torch.optim.AdamW(
            flow.parameters(), recipe.learning_rate, (0.9, 0.99), weight_decay=recipe.weight_decay
        )
        return cls(flow, copy.deepcopy(flow).requires_grad_(False), optimiser)

    def save(self, out: Path) -> None:
        """Write state and checkpoint, each under a temporary name first."""
        state = {
            "flow": self.flow.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, out / "state.part")
        (out / "state.part").replace(out / "state.pt")
        save_flow(self.averaged, out)

    def resume(self, out: Path) -> None:
        """Continue from `state.pt` where there is one."""
        if not (out / "state.pt").exists():
            return
        state = torch.load(out / "state.pt", weights_only=True)
        self.flow.load_state_dict(state["flow"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def progress(self, recipe: Pretrain) -> float:
        """How much of the schedule is done, by steps or by the clock."""
        by_clock = self.seconds / (60 * recipe.minutes) if recipe.minutes else 0.0
        return max(self.step / recipe.steps, by_clock)


def load(path: Path, overrides: list[str]) -> Pretrain:
    """Read a recipe file; ``key=value`` overrides any field.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names it.
    """
    return config.parse(config.override(config.read_yaml(path), overrides), Pretrain, str(path))


def pretrain(recipe: Pretrain, base: Path, out: Path) -> Flow:
    """Train, or go on training, and return the averaged weights.

    Args:
        base: folder that the recipe's paths are relative to.
        out: receives `state.pt`, `model.safetensors`, `config.json` and `rooms/`.
    """
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, recipe)
    torch.set_num_threads(recipe.threads)
    training = Training.started(recipe)
    training.resume(out)
    batches = Examples.opened(recipe, base, out).windows(training.step)
    with tqdm(total=recipe.steps, initial=training.step, desc="pretrain", unit="step") as bar:
        while training.progress(recipe) < 1:
            began = time.monotonic()
            losses = train_step(training, recipe, next(batches))
            training.seconds += time.monotonic() - began
            training.step += 1
            bar.update()
            if training.step % 20 == 0:
                bar.set_postfix(losses)
            if training.step % recipe.save_every == 0:
                training.save(out)
    training.save(out)
    return training.averaged


def _claim(out: Path, recipe: Pretrain) -> None:
    """Refuse to continue a folder under a recipe that would train something else.

    Raises:
        RunMismatchError: the folder was begun with other settings; how long may change.
    """
    settings = recipe.model_dump(mode="json", exclude={"steps", "minutes", "save_every", "threads"})
    path = out / "recipe.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else settings
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed:
        raise RunMismatchError(
            f"{out}: was begun with another {', '.join(changed)}. Choose another --out, or "
            "restore the recipe to continue"
        )
    write_text(path, json.dumps(settings, indent=2))


def train_step(training: Training, recipe: Pretrain, batch: list[Example]) -> dict[str, str]:
    """One step of AdamW on flow matching plus the encoder's regression; returns the losses."""
    for group in training.optimiser.param_groups:
        group["lr"] = learning_rate(recipe, training.step, training.progress(recipe))
    x = torch.stack([example.x for example in batch]).float()
    y_1 = torch.stack([example.y_1 for example in batch]).float()
    matching, regression, scale = losses(training.flow, recipe, x, y_1, training.step)
    (matching + recipe.regression * (regression + 0.1 * scale)).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(training.flow.parameters(), 1.0)
    training.optimiser.step()
    training.optimiser.zero_grad()
    average(training.averaged, training.flow, min(recipe.ema, training.step / (training.step + 10)))
    return {
        "fm": f"{matching.item():.3f}",
        "m": f"{regression.item():.3f}",
        "s": f"{scale.item():.3f}",
    }


def losses(
    flow: Flow, recipe: Pretrain, x: Tensor, y_1: Tensor, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Flow-matching, regression and scale errors of a batch; t is stratified over the draws."""
    generator = torch.Generator().manual_seed(seed_for(recipe.seed, "draw", step))
    rows = recipe.draws * len(y_1)
    strata = torch.randperm(rows, generator=generator)
    t = (strata + torch.rand(rows, generator=generator)) / rows
    y_1s = y_1.repeat(recipe.draws, 1, 1)
    y_0 = base_noise(y_1s.shape, flow.config.shared_noise, generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        condition = flow.condition(x)
        repeated = type(condition)(*(part.repeat(recipe.draws, 1, 1) for part in condition))
        matching = flow_matching_error(flow, y_1s, y_0, t, repeated).mean()
    return matching, regression_error(condition, y_1).mean(), scale_error(condition, y_1).mean()


def learning_rate(recipe: Pretrain, step: int, progress: float) -> float:
    """Linear warm-up by steps, then half a cosine to one hundredth by progress."""
    warm = min(1.0, (step + 1) / recipe.warm_up)
    return recipe.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def average(averaged: Flow, flow: Flow, decay: float) -> None:
    """Exponential moving average of the weights, in place."""
    for kept, new in zip(averaged.parameters(), flow.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
