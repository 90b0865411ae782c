"""What a listener is asked: pairs of the run in a random order, with catch trials between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from gensr_pref import audio
from gensr_pref.auditing.exhibits import smallest_margins
from gensr_pref.auditing.load import Evidence
from gensr_pref.auditing.sound_properties import sound_properties
from gensr_pref.identity import clean_id, digest, noisy_id, seed_for
from gensr_pref.rundir import part_files
from gensr_pref.rundir.rows import rows_by_id

Kind = Literal["pair", "same", "clean"]
LEVEL_DB = -26.0  # of the frames that are not silent, dB of full scale: ITU-T P.56's usual level
PEAK = 0.99
ANCHOR_HZ = 3500
CATCH_EVERY = 8  # trials, of which the eighth is a catch; our choice


@dataclass(frozen=True)
class Trial:
    """One question: which of two sounds is better?

    Attributes:
        key: what it is kept under, the same for all listeners.
        kind: ``pair``; ``same``: both sounds are the chosen; ``clean``: the clean clip against
            the anchor.
        clip_id: of the pair.
        sides: ids of the two sounds, that which should win first.
        swapped: whether the first of `sides` is B for this listener.
    """

    key: str
    kind: Kind
    clip_id: str
    sides: tuple[str, str]
    swapped: bool = False

    @property
    def code(self) -> str:
        """The trial's name in addresses, which tells nothing of what it is."""
        return digest(self.key)[:16]

    @property
    def heard(self) -> dict[str, str]:
        """The id behind each button."""
        first, second = reversed(self.sides) if self.swapped else self.sides
        return {"a": first, "b": second, "noisy": noisy_id(self.clip_id)}

    def preferred(self, choice: str) -> str:
        """What an answer (a, b or tie) says: chosen, rejected or tie."""
        if choice == "tie":
            return "tie"
        return "chosen" if (choice == "a") != self.swapped else "rejected"


def draw_trials(found: Evidence, pairs: int) -> list[Trial]:
    """The questions of a run: at most so many pairs, drawn evenly over the order of their margins.

    Every eighth is a catch trial: identical sounds, and where there is a clean clip, that against
    an anchor. The anchor is worse than the noisy input, which has a button of its own: a side that
    sounds just like that button would give the trial away.
    """
    strength = smallest_margins(found.judged, found.pairs)
    order = np.argsort(np.nan_to_num(strength, nan=np.inf), kind="stable")
    count = min(pairs, len(order))
    drawn = order[np.linspace(0, len(order) - 1, count).round().astype(int)] if count else order
    rows = found.pairs_table.take(pa.array(drawn, pa.int64())).to_pylist()
    asked = [
        Trial(
            f"{row['chosen_id']} {row['rejected_id']}",
            "pair",
            row["clip_id"],
            (row["chosen_id"], row["rejected_id"]),
        )
        for row in rows
    ]
    return asked + _catch_trials(
        asked, _clips_with_clean(found.out, [one.clip_id for one in asked])
    )


def order_for_listener(asked: list[Trial], listener: str) -> list[Trial]:
    """The same questions in the listener's own order, each with its own side.

    Both are drawn from the listener and the trial alone, so a restart asks the same.
    """
    turned = [
        replace(one, swapped=bool(seed_for(0, "side", listener, one.key) % 2)) for one in asked
    ]
    return sorted(turned, key=lambda one: seed_for(0, "order", listener, one.key))


def read_sounds(out: Path, asked: list[Trial]) -> dict[str, bytes]:
    """The encoded sounds of all trials by id, read from the run's tables once.

    Raises:
        StorageError: the run directory cannot be read.
    """
    ids = {name for one in asked for name in one.heard.values()}
    candidates = rows_by_id(part_files.parts(out, "candidates"), ids, ["candidate_id", "audio"])
    sounds = {name: one["audio"]["bytes"] for name, one in candidates.items()}
    names = {one.clip_id for one in asked}
    clips = rows_by_id(part_files.parts(out, "clips"), names, ["clip_id", "noisy", "clean"])
    for name, clip in clips.items():
        for role, label in (("noisy", noisy_id(name)), ("clean", clean_id(name))):
            if clip[role]:
                sounds[label] = clip[role]["bytes"]
        if anchor_id(name) in ids:
            sounds[anchor_id(name)] = low_pass_anchor(sounds[noisy_id(name)])
    return sounds


def low_pass_anchor(noisy: bytes) -> bytes:
    """The noisy clip with nothing above `ANCHOR_HZ`, as WAV.

    The cut-off is that of the low-range anchor of ITU-R BS.1534-3, which is made of the
    clean clip; of the noisy one, it is worse still. A sixth-order Butterworth filter, both ways.
    """
    from scipy.signal import butter, sosfiltfilt

    sound = audio.read(noisy)
    if sound.rate <= 2 * ANCHOR_HZ:
        return noisy
    low = butter(6, ANCHOR_HZ, fs=sound.rate, output="sos")
    padded = min(len(sound.wave) - 1, 1000)
    wave = sosfiltfilt(low, sound.wave, padlen=max(padded, 0))
    return audio.wav(wave.astype(np.float32), sound.rate)


def anchor_id(clip_id: str) -> str:
    """The id of a clip's anchor, which is in no table."""
    return f"{clip_id}/anchor/0"


def equalise_levels(encoded: dict[str, bytes]) -> dict[str, bytes]:
    """The same sounds as WAV, equally loud.

    Each is brought to one root mean square of its frames that are not silent: `LEVEL_DB`, or less
    where a peak of any of them would be cut. That is no loudness in the sense of BS.1770 (nothing
    is weighted by frequency), which for the same words hardly differs.
    """
    read = {button: audio.read(one) for button, one in encoded.items()}
    waves = {button: one.wave * _gain(one) for button, one in read.items()}
    loudest = max((float(np.abs(wave).max()) for wave in waves.values()), default=0.0)
    scale = min(1.0, PEAK / loudest) if loudest else 1.0
    return {
        button: audio.wav((wave * scale).astype(np.float32), read[button].rate)
        for button, wave in waves.items()
    }


def _gain(sound: audio.Sound) -> float:
    level = sound_properties(sound.wave, sound.rate)["level_db"]
    return float(10 ** ((LEVEL_DB - level) / 20))


def _catch_trials(asked: list[Trial], with_clean: set[str]) -> list[Trial]:
    found = []
    for place, one in enumerate(asked[:: CATCH_EVERY - 1]):
        if place % 2 and one.clip_id in with_clean:
            sides = (clean_id(one.clip_id), anchor_id(one.clip_id))
            found.append(replace(one, key=f"clean:{one.key}", kind="clean", sides=sides))
        else:
            sides = (one.sides[0], one.sides[0])
            found.append(replace(one, key=f"same:{one.key}", kind="same", sides=sides))
    return found


def _clips_with_clean(out: Path, clips: list[str]) -> set[str]:
    """Which of some clips have a clean version."""
    rows = rows_by_id(part_files.parts(out, "clips"), clips, ["clip_id", "clean.path"])
    return {name for name, clip in rows.items() if clip["clean"]}
