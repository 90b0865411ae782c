"""Noise and impulse responses for degradations: listed once, read often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from gensr_pref.audio import Sound
from gensr_pref.config.run_file import Degrade, FolderSource, ManifestSource
from gensr_pref.corpus.base import Item
from gensr_pref.corpus.fingerprints import Fingerprint, require_unchanged
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.sources import (
    describe_failures,
    failure_reasons,
    list_recordings,
    open_source,
)
from gensr_pref.errors import Problem, SourceError, Unusable, quantity

CACHE_BYTES = 256 * 2**20
# Decoded bytes: 8.7 minutes at 16 kHz. Longer files are read in segments.
_LARGEST_CACHED = 32 * 2**20


class RecordingPool:
    """The files of a source by name, with a cache of the latest decoded ones.

    Args:
        config: a manifest or a folder.
        base: folder from which relative paths start.
        field: dotted name of the section, for messages.
        known: fingerprints, by path, that the files must have when they are read.

    Raises:
        SourceError: a file is missing, unreadable or empty; all must be usable, because any may be
            drawn.
    """

    def __init__(
        self,
        config: FolderSource | ManifestSource,
        base: Path,
        field: str,
        known: Mapping[str, Fingerprint] = MappingProxyType({}),
    ) -> None:
        self._field = field
        self._known = known
        self._source = open_source(config, base, field)
        items, failures = list_recordings(self._source, field)
        if failures:
            raise SourceError(
                f"these files cannot be used: {describe_failures(failures)}",
                field=field,
                value=failure_reasons(failures),
                problem=Problem.UNREADABLE,
            )
        self.left_out = tuple(self._source.left_out)
        self._items = {item.source_id: item for item in items}
        _refuse_duplicate_names(items, self._items, field)
        self._cached: OrderedDict[str, Sound] = OrderedDict()
        self._cached_bytes = 0
        self.names = tuple(sorted(self._items))

    def header(self, name: str) -> Item:
        """Return rate and length of a file.

        Raises:
            SourceError: the source has no file with that name.
        """
        if name not in self._items:
            raise SourceError(
                f"{name!r} is not among the source's {quantity(len(self._items), 'file')}",
                value=name,
                problem=Problem.MISSING,
            )
        return self._items[name]

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """The files of each recording, by its name."""
        return {name: item.files for name, item in self._items.items()}

    def read_whole(self, name: str) -> Sound:
        """Return a whole file, decoded."""
        if name in self._cached:
            self._cached.move_to_end(name)
            return self._cached[name]
        sound = self._read(name, 0, self.header(name).frames)
        self._cache(name, sound)
        return sound

    def read_looped(self, name: str, start: int, frames: int) -> Sound:
        """Return `frames` frames from `start` on, at the file's rate; continue at its start."""
        item = self.header(name)
        if item.frames * 4 > _LARGEST_CACHED and start + frames <= item.frames:
            return self._read(name, start, frames)
        sound = self.read_whole(name)
        index = np.arange(start, start + frames) % len(sound.wave)
        return Sound(sound.wave[index], sound.rate)

    def _read(self, name: str, start: int, frames: int) -> Sound:
        item = self._items[name]
        known = [(Path(file), self._known[file]) for file in item.files if file in self._known]
        require_unchanged(known)
        try:
            return self._source.read(item, start, frames)[0]
        except Unusable as failed:
            raise Unusable(failed.reason, f"{self._field}, {name!r}: {failed.detail}") from failed

    def _cache(self, name: str, sound: Sound) -> None:
        if sound.wave.nbytes > _LARGEST_CACHED:
            return
        self._cached[name] = sound
        self._cached_bytes += sound.wave.nbytes
        while self._cached_bytes > CACHE_BYTES:
            _, dropped = self._cached.popitem(last=False)
            self._cached_bytes -= dropped.wave.nbytes


def _refuse_duplicate_names(items: list[Item], by_name: dict[str, Item], field: str) -> None:
    """Refuse two files whose names look the same, because a record could not distinguish them."""
    for item in items:
        if by_name[item.source_id].path != item.path:
            raise SourceError(
                f"two files are named {item.source_id!r}; rename one",
                field=field,
                value=item.source_id,
                problem=Problem.DUPLICATE,
            )


@dataclass(frozen=True)
class Library:
    """Noise and impulse responses for the steps; None where the settings need none."""

    noise: RecordingPool | None = None
    responses: RecordingPool | None = None

    @property
    def files(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """The files of each recording, by step (``noise``, ``reverb``) and name."""
        parts = {"noise": self.noise, "reverb": self.responses}
        return {kind: part.files for kind, part in parts.items() if part is not None}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Other content of the folders of noise and of responses."""
        pools = [pool for pool in (self.noise, self.responses) if pool is not None]
        return tuple(part for pool in pools for part in pool.left_out)

    @classmethod
    def from_settings(
        cls, config: Degrade, base: Path, known: Mapping[str, Fingerprint] = MappingProxyType({})
    ) -> Library:
        """Return the library of a run file's ``corpus.degrade``.

        Args:
            config: the section of the run file.
            base: folder from which relative paths start.
            known: fingerprints, by path, that the files must have when they are read.

        Raises:
            InputError: a source cannot be read, or contains a file that cannot be used.
        """
        noise = config.noise.source if config.noise else None
        responses = config.reverb.source if config.reverb else None
        field = "corpus.degrade"
        return cls(
            RecordingPool(noise, base, f"{field}.noise.source", known) if noise else None,
            RecordingPool(responses, base, f"{field}.reverb.source", known) if responses else None,
        )
