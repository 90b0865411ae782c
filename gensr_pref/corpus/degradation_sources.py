"""Recordings that degradation draws from: noise and impulse responses, opened once, read often."""

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
from gensr_pref.corpus.content import Content, require_same
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.sources import described, listed, opened, reasons_of
from gensr_pref.errors import Problem, SourceError, Unusable, quantity

CACHE_BYTES = 256 * 2**20
_LARGEST_KEPT = 32 * 2**20  # decoded: 8.7 minutes at 16 kHz; longer files are read in stretches


class Recordings:
    """The files of a source under their names, with the latest decoded ones kept in memory.

    Args:
        config: a manifest or a folder.
        base: folder that relative paths are relative to.
        field: the section's dotted name, for messages.
        known: by path, what the files must still hold when they are read.

    Raises:
        SourceError: a file is missing, unreadable or empty; all must be usable, as any may be
            drawn at any time.
    """

    def __init__(
        self,
        config: FolderSource | ManifestSource,
        base: Path,
        field: str,
        known: Mapping[str, Content] = MappingProxyType({}),
    ) -> None:
        self._field = field
        self._known = known
        self._source = opened(config, base, field)
        items, failures = listed(self._source, field)
        if failures:
            raise SourceError(
                f"these files cannot be used: {described(failures)}",
                field=field,
                value=reasons_of(failures),
                problem=Problem.UNREADABLE,
            )
        self.left_out = tuple(self._source.left_out)
        self._items = {item.source_id: item for item in items}
        _refuse_twins(items, self._items, field)
        self._kept: OrderedDict[str, Sound] = OrderedDict()
        self._kept_bytes = 0
        self.names = tuple(sorted(self._items))

    def header(self, name: str) -> Item:
        """Rate and length of a file.

        Raises:
            SourceError: the source holds no file of that name.
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

    def whole(self, name: str) -> Sound:
        """A file, decoded."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        sound = self._read(name, 0, self.header(name).frames)
        self._keep(name, sound)
        return sound

    def looped(self, name: str, start: int, frames: int) -> Sound:
        """`frames` frames from `start` on, at the file's rate; its end is followed by its start."""
        item = self.header(name)
        if item.frames * 4 > _LARGEST_KEPT and start + frames <= item.frames:
            return self._read(name, start, frames)
        sound = self.whole(name)
        index = np.arange(start, start + frames) % len(sound.wave)
        return Sound(sound.wave[index], sound.rate)

    def _read(self, name: str, start: int, frames: int) -> Sound:
        item = self._items[name]
        require_same((Path(one), self._known[one]) for one in item.files if one in self._known)
        try:
            return self._source.read(item, start, frames)[0]
        except Unusable as failed:
            raise Unusable(failed.reason, f"{self._field}, {name!r}: {failed.detail}") from failed

    def _keep(self, name: str, sound: Sound) -> None:
        if sound.wave.nbytes > _LARGEST_KEPT:
            return
        self._kept[name] = sound
        self._kept_bytes += sound.wave.nbytes
        while self._kept_bytes > CACHE_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= dropped.wave.nbytes


def _refuse_twins(items: list[Item], by_name: dict[str, Item], field: str) -> None:
    """Refuse two files whose names look the same: a record could not say which one was drawn."""
    for item in items:
        if by_name[item.source_id].place != item.place:
            raise SourceError(
                f"two files are named {item.source_id!r}; rename one",
                field=field,
                value=item.source_id,
                problem=Problem.DUPLICATE,
            )


@dataclass(frozen=True)
class Library:
    """What `draw` and `apply` need besides the speech; null where the settings need none."""

    noise: Recordings | None = None
    responses: Recordings | None = None

    @property
    def files(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """The files of each recording, by what it is for (``noise``, ``reverb``) and its name."""
        parts = {"noise": self.noise, "reverb": self.responses}
        return {kind: part.files for kind, part in parts.items() if part is not None}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the folders of noise and of responses hold besides."""
        found = [one.left_out for one in (self.noise, self.responses) if one is not None]
        return tuple(left for of_one in found for left in of_one)

    @classmethod
    def opened(
        cls, config: Degrade, base: Path, known: Mapping[str, Content] = MappingProxyType({})
    ) -> Library:
        """The library of a run file's ``corpus.degrade``.

        Args:
            known: by path, what its files must still hold when they are read.

        Raises:
            InputError: a source cannot be read, or holds a file that cannot be used.
        """
        noise = config.noise.source if config.noise else None
        responses = config.reverb.source if config.reverb else None
        field = "corpus.degrade"
        return cls(
            Recordings(noise, base, f"{field}.noise.source", known) if noise else None,
            Recordings(responses, base, f"{field}.reverb.source", known) if responses else None,
        )
