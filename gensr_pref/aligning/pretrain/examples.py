"""Training examples: degraded clean speech, as features and latent.

Examples are numbered: example n depends on (seed, n) alone. Step k of a training draws its batch
from a window of `pool` examples, which moves by `fresh` examples per step.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor
from tqdm import tqdm

from gensr_pref.aligning.file_digests import FileDigests
from gensr_pref.aligning.pretrain.recipe import ExampleSettings, Pretrain, Speech
from gensr_pref.audio import Wave, pcm16
from gensr_pref.config import run_file
from gensr_pref.corpus import degrade, rooms
from gensr_pref.corpus.base import Item
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.corpus.listing import describe_left_out
from gensr_pref.corpus.sources import describe_failures, list_recordings, open_source
from gensr_pref.errors import Problem, SourceError, Unusable, quantity
from gensr_pref.generators.tiny.analysis import Analysis
from gensr_pref.generators.tiny.bands import features, latent_of
from gensr_pref.generators.tiny.carrier import carrier, stft
from gensr_pref.identity import digest, file_digest, rng_for
from gensr_pref.rundir import part_files
from gensr_pref.storage import files

LEVEL_DB = (-38.0, -16.0)  # range of the clean speech's RMS, relative to full scale
PEAK = 0.9
PAUSE_S = (0.1, 0.4)  # between short recordings that are joined to fill an example


class Voices:
    """Clean speech in memory at a rate (Hz): sources are drawn by weight, recordings by length."""

    def __init__(self, speech: list[Speech], base: Path, rate: int) -> None:
        self._sources = [
            SpeechRecordings(s.source, base, f"speech.{i}.source", rate)
            for i, s in enumerate(speech)
        ]
        weights = np.array([s.weight for s in speech])
        self._share = weights / weights.sum()

    def digest(self, digests: FileDigests) -> str:
        """Return the digest of all recordings, their names and their speakers."""
        return digest([source.digest(digests) for source in self._sources])

    def draw(self, rng: np.random.Generator, samples: int) -> Wave:
        """Return speech [samples] of one speaker, at a random level."""
        source = self._sources[int(rng.choice(len(self._sources), p=self._share))]
        wave = source.stretch(rng, samples)
        rms = math.sqrt(float(np.square(wave, dtype=np.float64).mean())) + 1e-9
        gain = min(10 ** (rng.uniform(*LEVEL_DB) / 20) / rms, PEAK / (np.abs(wave).max() + 1e-9))
        return wave * np.float32(gain)


class SpeechRecordings:
    """The recordings of one source, at a rate (Hz)."""

    def __init__(self, source: FilesSource, base: Path, field: str, rate: int) -> None:
        self._root, self._rate = _root_of(source, base), rate
        self._source = open_source(source, base, field)
        self._items, failures = list_recordings(self._source, field)
        lines = describe_left_out(self._source.left_out)
        if failures:
            unusable = f"{quantity(len(failures), 'recording')} that cannot be used"
            lines.append(f"{field}: left out {unusable}: {describe_failures(failures)}")
        for line in lines:
            print(line, file=sys.stderr)
        if not self._items:
            raise SourceError(
                "contains no recording that can be used", field=field, problem=Problem.EMPTY
            )
        seconds = np.array([item.frames / item.rate for item in self._items])
        self._share = seconds / seconds.sum()
        self._waves: dict[str, npt.NDArray[np.int16]] = {}
        self._by_speaker: dict[str, list[Item]] = defaultdict(list)
        for item in self._items:
            self._by_speaker[item.speaker or item.source_id].append(item)

    def digest(self, digests: FileDigests) -> str:
        """Return the digest of all recordings, their names and their speakers."""
        return _digest(self._items, self._root, digests)

    def stretch(self, rng: np.random.Generator, samples: int) -> Wave:
        """Return [samples] from a random place; short recordings of a speaker are joined."""
        item = self._items[int(rng.choice(len(self._items), p=self._share))]
        pieces = [self._wave(item)]
        others = self._by_speaker[item.speaker or item.source_id]
        while sum(map(len, pieces)) < samples:
            pieces.append(np.zeros(int(rng.uniform(*PAUSE_S) * self._rate), np.float32))
            pieces.append(self._wave(others[int(rng.integers(len(others)))]))
        joined = np.concatenate(pieces)
        start = int(rng.integers(len(joined) - samples + 1))
        return joined[start : start + samples]

    def _wave(self, item: Item) -> Wave:
        if item.source_id not in self._waves:
            sound, _ = self._source.read(item, 0, item.frames)
            wave = sound.at(self._rate).wave
            peak = np.abs(wave).max(initial=1.0)  # scaled if it exceeds full scale, as clips are
            self._waves[item.source_id] = pcm16(wave / peak)
        return self._waves[item.source_id].astype(np.float32) / np.float32(32768)


FilesSource = run_file.ManifestSource | run_file.FolderSource


def _root_of(source: FilesSource, base: Path) -> Path:
    """Return the folder that the paths of a source's recordings are relative to."""
    if isinstance(source, run_file.FolderSource):
        return base / source.path
    return base / source.root if source.root is not None else (base / source.path).parent


def _digest(items: Sequence[Item], root: Path, digests: FileDigests) -> str:
    contents = digests.get_all(root / item.path for item in items)
    return digest([
        [item.source_id, item.speaker, content]
        for item, content in zip(items, contents, strict=True)
    ])  # fmt: skip


@dataclass(frozen=True)
class Example:
    """Features [FEATURES, F] and latent [GAIN_BANDS, F], float16."""

    x: Tensor
    y_1: Tensor


@dataclass(frozen=True)
class Sources:
    """The recordings that a recipe names and that can be used.

    Attributes:
        recipe, base: the recipe, and the folder that its paths are relative to.
        voices: clean speech.
        library: noise and recorded rooms.
    """

    recipe: ExampleSettings
    base: Path
    voices: Voices
    library: Library

    @classmethod
    def open(cls, recipe: ExampleSettings, base: Path) -> Sources:
        """Return the sources of a recipe.

        Raises:
            InputError: a source cannot be read, or contains a file that cannot be used.
        """
        voices = Voices(recipe.speech, base, recipe.sample_rate)
        return cls(recipe, base, voices, Library.from_settings(recipe.degrade, base))

    def made_from(self, out: Path) -> dict[str, str]:
        """Return digests of the recordings: speech, noise, rooms.

        Args:
            out: folder that remembers the digests of files.
        """
        file_digests, degrade = FileDigests(out), self.recipe.degrade
        digests = {"speech": self.voices.digest(file_digests)}
        sources = {
            "noise": (degrade.noise and degrade.noise.source, self.library.noise),
            "rooms": (degrade.reverb and degrade.reverb.source, self.library.responses),
        }
        for name, (source, recordings) in sources.items():
            if source and recordings:
                items = [recordings.header(recording) for recording in recordings.names]
                digests[name] = _digest(items, _root_of(source, self.base), file_digests)
        return digests


@dataclass(frozen=True)
class Examples:
    """Numbered training examples; each depends on the recipe and its number alone."""

    recipe: ExampleSettings
    voices: Voices
    settings: run_file.Degrade
    library: Library

    @classmethod
    def open(cls, recipe: ExampleSettings, base: Path, out: Path) -> Examples:
        """Return the examples of a recipe, and simulate rooms under `out` if it asks for them."""
        return cls.from_sources(Sources.open(recipe, base), out)

    @classmethod
    def from_sources(cls, sources: Sources, out: Path) -> Examples:
        """Return the examples of open sources; see `open`."""
        recipe = sources.recipe
        settings = _with_rooms(recipe, out)
        library = sources.library
        if settings is not recipe.degrade:
            library = Library.from_settings(settings, sources.base)
        return cls(recipe, sources.voices, settings, library)

    def make(self, number: int) -> Example:
        """Return an example by its number; a draw that cannot be degraded is drawn again."""
        rate = self.recipe.sample_rate
        for attempt in range(100):
            rng = rng_for(self.recipe.seed, "example", number, attempt)
            clean = self.voices.draw(rng, int(self.recipe.seconds * rate))
            try:
                degraded = degrade.degrade(clean, rate, self.settings, self.library, rng)
            except Unusable:
                continue
            return _example(degraded, Analysis(rate))
        raise Unusable(*_no_example(number))


def _no_example(number: int) -> tuple[Any, str]:
    from gensr_pref.schema import Reason

    return Reason.SILENT, f"example {number}: 100 draws of speech and noise, none usable"


def _example(degraded: degrade.Degraded, analysis: Analysis) -> Example:
    noisy = carrier(pcm16(degraded.noisy).astype(np.float32) / np.float32(32768), analysis)
    target = latent_of(stft(torch.from_numpy(degraded.clean), analysis), noisy)
    return Example(features(noisy).half(), target.half())


def _with_rooms(recipe: ExampleSettings, out: Path) -> run_file.Degrade:
    """Simulate `recipe.rooms` rooms once, and return settings that read them like recorded ones."""
    reverb = recipe.degrade.reverb
    if reverb is None or reverb.source is not None or recipe.rooms == 0:
        return recipe.degrade
    rate = recipe.sample_rate
    drawn_from = digest(recipe.seed, rate, reverb.model_dump(mode="json"))
    folder = out.resolve() / "rooms" / drawn_from[:12]
    folder.mkdir(parents=True, exist_ok=True)
    ledger = folder.with_suffix(".jsonl")  # digest of every room
    digests = {line.get("room"): line.get("digest") for line in part_files.read_json_lines(ledger)}
    for number in tqdm(range(recipe.rooms), desc="rooms", leave=False):
        path = folder / f"{number:04d}.wav"
        if not path.exists() or digests.get(path.name) != file_digest(path):
            rng = rng_for(recipe.seed, "room", number)
            rt60_s = float(rng.uniform(*reverb.rt60_s))
            room = rooms.draw_room(rt60_s, float(rng.uniform(*reverb.distance_m)), rate, rng)
            with files.write_atomically(path) as part:
                wave = rooms.simulate_response(room, rt60_s, rate)
                soundfile.write(part, wave, rate, "FLOAT", format="WAV")
            part_files.append_json(ledger, {"room": path.name, "digest": file_digest(path)})
    recorded = reverb.model_copy(update={"source": run_file.FolderSource(path=str(folder))})
    return recipe.degrade.model_copy(update={"reverb": recorded})


def step_batches(examples: Examples, recipe: Pretrain, first_step: int) -> Iterator[list[Example]]:
    """Yield the batch of every step from `first_step` on."""
    start = first_step * recipe.fresh
    making = tqdm(range(start, start + recipe.pool), desc="examples", leave=False)
    pool = deque((examples.make(number) for number in making), maxlen=recipe.pool)
    step = first_step
    while True:
        rng = rng_for(recipe.seed, "batch", step)
        chosen = rng.choice(len(pool), recipe.batch, replace=recipe.batch > len(pool))
        yield [pool[int(index)] for index in chosen]
        following = step * recipe.fresh + recipe.pool
        pool.extend(examples.make(number) for number in range(following, following + recipe.fresh))
        step += 1
