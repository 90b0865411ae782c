"""Draws the trials of a listening test: pairs of the run in random order, with catch trials."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from gensr_pref import audio
from gensr_pref.auditing.exhibits import smallest_margins
from gensr_pref.auditing.load import RunTables, load_tables
from gensr_pref.auditing.sound_properties import sound_properties
from gensr_pref.config.bounds import require_whole_number
from gensr_pref.errors import InputError, Problem
from gensr_pref.identity import clean_id, digest, noisy_id, seed_for
from gensr_pref.pairing.no_pairs import require_pair_rule
from gensr_pref.rundir import part_files
from gensr_pref.rundir.rows import rows_by_id

Kind = Literal["pair", "same", "clean"]
LEVEL_DB = -26.0  # of frames that are not silent, in dB of full scale; usual with ITU-T P.56
PEAK = 0.99
ANCHOR_HZ = 3500
CATCH_EVERY = 8  # one trial in eight is a catch trial; our choice


@dataclass(frozen=True)
class Trial:
    """One question: which of two sounds is better?

    Attributes:
        key: the trial's key in the answers, the same for all listeners.
        kind: ``pair``; ``same``: both sounds are the chosen candidate; ``clean``: the clean clip
            is compared with the anchor.
        clip_id: clip of the pair.
        sounds: ids of the two sounds; the one that should win is first.
        swapped: whether the first of `sounds` is B for this listener.
    """

    key: str
    kind: Kind
    clip_id: str
    sounds: tuple[str, str]
    swapped: bool = False

    @property
    def code(self) -> str:
        """The trial's name in addresses, which does not reveal its content."""
        return digest(self.key)[:16]

    @property
    def buttons(self) -> dict[str, str]:
        """The id behind each button."""
        first, second = reversed(self.sounds) if self.swapped else self.sounds
        return {"a": first, "b": second, "noisy": noisy_id(self.clip_id)}

    def preference(self, choice: str) -> str:
        """Translate an answer (a, b or tie) into chosen, rejected or tie."""
        if choice == "tie":
            return "tie"
        return "chosen" if (choice == "a") != self.swapped else "rejected"


def load_trials(out: Path, pairs: int) -> list[Trial]:
    """Return the trials of a run directory; see `draw_trials`.

    Raises:
        InputError: `pairs` is below 1, or the run has no pair.
        StorageError: the run directory cannot be read.
    """
    require_whole_number(pairs, "pairs", 1)
    run = load_tables(out)
    require_pair_rule(out, run.pairing.rule, "listen to")
    trials = draw_trials(run, pairs)
    if not trials:
        raise InputError(
            "has no pair to listen to. Its audit gives the reasons",
            path=out,
            value="pairs",
            problem=Problem.EMPTY,
        )
    return trials


def draw_trials(run: RunTables, pairs: int) -> list[Trial]:
    """Return the trials of a run: at most `pairs` pairs, spread evenly over their sorted margins.

    Every eighth trial is a catch trial: identical sounds or, if there is a clean clip, the clean
    clip and an anchor. The anchor is worse than the noisy input. The noisy input itself would
    reveal the trial, because it has its own button.
    """
    strength = smallest_margins(run.judged, run.pairs)
    order = np.argsort(np.nan_to_num(strength, nan=np.inf), kind="stable")
    count = min(pairs, len(order))
    drawn = order[np.linspace(0, len(order) - 1, count).round().astype(int)] if count else order
    rows = run.pairs_table.take(pa.array(drawn, pa.int64())).to_pylist()
    trials = [
        Trial(
            f"{row['chosen_id']} {row['rejected_id']}",
            "pair",
            row["clip_id"],
            (row["chosen_id"], row["rejected_id"]),
        )
        for row in rows
    ]
    with_clean = _clips_with_clean(run.out, [trial.clip_id for trial in trials])
    return trials + _catch_trials(trials, with_clean)


def order_for_listener(trials: list[Trial], listener: str) -> list[Trial]:
    """Return the trials in the listener's own order, with A and B swapped at random.

    Both depend only on the listener and the trial, so a restart gives the same questions.
    """
    swapped = [
        replace(trial, swapped=bool(seed_for(0, "side", listener, trial.key) % 2))
        for trial in trials
    ]
    return sorted(swapped, key=lambda trial: seed_for(0, "order", listener, trial.key))


def read_sounds(out: Path, trials: list[Trial]) -> dict[str, bytes]:
    """Return the encoded sounds of all trials by id, from the run's tables.

    Raises:
        StorageError: the run directory cannot be read.
    """
    ids = {name for trial in trials for name in trial.buttons.values()}
    candidates = rows_by_id(part_files.parts(out, "candidates"), ids, ["candidate_id", "audio"])
    sounds = {name: candidate["audio"]["bytes"] for name, candidate in candidates.items()}
    names = {trial.clip_id for trial in trials}
    clips = rows_by_id(part_files.parts(out, "clips"), names, ["clip_id", "noisy", "clean"])
    for name, clip in clips.items():
        for role, label in (("noisy", noisy_id(name)), ("clean", clean_id(name))):
            if clip[role]:
                sounds[label] = clip[role]["bytes"]
        if anchor_id(name) in ids:
            sounds[anchor_id(name)] = low_pass_anchor(sounds[noisy_id(name)])
    return sounds


def low_pass_anchor(noisy: bytes) -> bytes:
    """Return the noisy clip, low-passed at `ANCHOR_HZ`, as WAV.

    The cut-off is that of the low-range anchor of ITU-R BS.1534-3. That anchor is made from the
    clean clip; this one, made from the noisy clip, is worse. The filter is a sixth-order
    Butterworth, applied forwards and backwards.
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
    """Return the id of a clip's anchor, which no table contains."""
    return f"{clip_id}/anchor/0"


def equalise_levels(encoded: dict[str, bytes]) -> dict[str, bytes]:
    """Return the same sounds as WAV at equal loudness.

    The root mean square of the frames that are not silent is set to `LEVEL_DB`, or to one lower
    level for all if a peak of one would be clipped. Unlike loudness by BS.1770 it is not weighted
    by frequency; for the same words the two hardly differ.
    """
    sounds = {button: audio.read(data) for button, data in encoded.items()}
    waves = {button: sound.wave * _gain(sound) for button, sound in sounds.items()}
    loudest = max((float(np.abs(wave).max()) for wave in waves.values()), default=0.0)
    scale = min(1.0, PEAK / loudest) if loudest else 1.0
    return {
        button: audio.wav((wave * scale).astype(np.float32), sounds[button].rate)
        for button, wave in waves.items()
    }


def _gain(sound: audio.Sound) -> float:
    level = sound_properties(sound.wave, sound.rate)["level_db"]
    return float(10 ** ((LEVEL_DB - level) / 20))


def _catch_trials(trials: list[Trial], with_clean: set[str]) -> list[Trial]:
    catches = []
    for index, trial in enumerate(trials[:: CATCH_EVERY - 1]):
        if index % 2 and trial.clip_id in with_clean:
            sounds = (clean_id(trial.clip_id), anchor_id(trial.clip_id))
            catches.append(replace(trial, key=f"clean:{trial.key}", kind="clean", sounds=sounds))
        else:
            sounds = (trial.sounds[0], trial.sounds[0])
            catches.append(replace(trial, key=f"same:{trial.key}", kind="same", sounds=sounds))
    return catches


def _clips_with_clean(out: Path, clips: list[str]) -> set[str]:
    """Return the ids of those clips that have a clean version."""
    rows = rows_by_id(part_files.parts(out, "clips"), clips, ["clip_id", "clean.path"])
    return {name for name, clip in rows.items() if clip["clean"]}
