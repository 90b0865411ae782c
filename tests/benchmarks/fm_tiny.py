"""How well fm-tiny restores: held-out speech, each degradation alone and all together.

    python tests/benchmarks/fm_tiny.py --speech heldout_speech.csv --noise heldout_noise.csv \
        [--rooms rir.csv] [--clips 40] [--candidates 4] [--checkpoint DIR] [--out figures.json] \
        [--conditions noise reverb ...] [--sampler .3-.7:1.5:4 ...]

Paths in the tables are absolute. Clips are 4.52 s long, the same ones for all conditions; shorter
recordings are left out. Printed: the mean over clips of the noisy input, of the mean candidate, and
of their difference with a 95 % interval (bootstrap over clips); the mean within-clip standard
deviation; the real-time factor.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gensr_pref import config
from gensr_pref.audio import Sound, Wave, pcm16, read
from gensr_pref.corpus import degrade
from gensr_pref.corpus.library import Library
from gensr_pref.generators.bands import FLOOR
from gensr_pref.generators.carrier import power_of, stft
from gensr_pref.generators.fm_tiny import FlowMatchingTiny
from gensr_pref.identity import rng_for, seed_for
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.dnsmos import Dnsmos
from gensr_pref.metrics.pesq import Pesq
from gensr_pref.metrics.speaker_similarity import SpeakerSimilarity
from gensr_pref.metrics.stoi import Stoi

RATE = 16000
SECONDS = 4.52  # the shortest multiple of 20 ms that DNSMOS scores in one window
SCORES = (
    "dnsmos_sig",
    "dnsmos_bak",
    "dnsmos_ovrl",
    "speaker_similarity",
    "pesq_wb",
    "stoi",
    "lsd_db",
)


def conditions(noise: config.FileSource, rooms: config.FileSource | None) -> dict[str, Any]:
    """Each degradation alone, and combined as a user might meet them."""
    probe = {"noise": config.Noise(probability=1, source=noise, snr_db=(-2.5, 12.5))}
    mild = {"noise": config.Noise(probability=1, source=noise, snr_db=(5, 20))}
    reverb = {"reverb": config.Reverb(probability=1, source=rooms)}
    clipping = {"clipping": config.Clipping(probability=1, threshold=(0.06, 0.4))}
    return {
        "noise": probe,
        "reverb": reverb,
        "clipping": clipping,
        "band 4 kHz": {"band_limit": config.BandLimit(probability=1, rates_hz=[8000])},
        "band 2 kHz": {"band_limit": config.BandLimit(probability=1, rates_hz=[4000])},
        "opus": {"codec": config.Codec(probability=1, names=["opus"])},
        "gsm": {"codec": config.Codec(probability=1, names=["gsm"])},
        "packet loss": {"packet_loss": config.PacketLoss(probability=1, rate=(0.05, 0.15))},
        "reverb + noise": {**reverb, **mild},
        "band 4 kHz + noise": {
            "band_limit": config.BandLimit(probability=1, rates_hz=[8000]),
            **mild,
        },
        "all": {
            "reverb": config.Reverb(probability=0.5, source=rooms),
            "clipping": config.Clipping(probability=0.25),
            "band_limit": config.BandLimit(probability=0.5),
            "noise": config.Noise(probability=0.9, source=noise, snr_db=(-5, 20)),
        },
        "clean": {},
    }


class Judges:
    """The embedded metrics."""

    def __init__(self) -> None:
        self._metrics = [Dnsmos(), SpeakerSimilarity(), Pesq(), Stoi()]
        for metric in self._metrics:
            metric.load("cpu")

    def __call__(self, waves: list[Wave], clean: Wave) -> npt.NDArray[np.float64]:
        """[waves, scores], each wave as it is when stored in 16 bits."""
        heard = [Sound((pcm16(wave) / 32768).astype(np.float32), RATE) for wave in waves]
        clip = ClipSounds(heard, clean=Sound(clean, RATE))
        found: list[dict[str, float]] = [{} for _ in heard]
        for metric in self._metrics:
            for row, answer in zip(found, metric.score(clip), strict=True):
                if isinstance(answer, Exception):
                    raise answer
                row.update(answer)
        for row, sound in zip(found, heard, strict=True):
            row["lsd_db"] = log_spectral_distance(clean, sound.wave)
        return np.array([[row[score] for score in SCORES] for row in found])


def log_spectral_distance(clean: Wave, heard: Wave) -> float:
    """Root mean square over bins, mean over frames, of the difference in dB; lower is better."""
    a, b = (
        10 * torch.log10(power_of(stft(torch.from_numpy(wave))) + FLOOR) for wave in (clean, heard)
    )
    return float((a - b).square().mean(0).sqrt().mean())


def clean_clips(table: Path, wanted: int) -> list[tuple[str, Wave]]:
    """`wanted` recordings, one per speaker first, cut from their start."""
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    rows = [row for row in rows if float(row["duration_s"]) >= SECONDS]
    rows.sort(key=lambda row: seed_for(0, "fm-tiny benchmark", row["path"]))
    nth: dict[str, int] = {}
    order = []
    for row in rows:
        nth[row["speaker"]] = nth.get(row["speaker"], -1) + 1
        order.append((nth[row["speaker"]], row))
    order.sort(key=lambda pair: pair[0])
    clips = []
    for _, row in order[:wanted]:
        wave = read(table.parent / row["path"]).at(RATE).wave
        clips.append((row["path"], wave[: int(SECONDS * RATE)]))
    return clips


def interval(values: Any) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def measure(
    name: str, settings: config.Degrade, clips: Any, model: Any, judges: Judges, candidates: int
) -> dict[str, Any]:
    """The figures of one condition: per score its noisy mean, restored mean, difference, spread."""
    library = Library.opened(settings, Path())
    before, after, seconds, audio_seconds = [], [], 0.0, 0.0
    for path, clean in clips:
        made = degrade.degrade(clean, RATE, settings, library, rng_for(0, path, name))
        seeds = [seed_for(0, path, "fm-tiny", index) for index in range(candidates)]
        began = time.perf_counter()
        rows = np.repeat((pcm16(made.noisy) / 32768).astype(np.float32)[None], candidates, 0)
        found = model.sample(rows, [rows.shape[1]] * candidates, seeds)
        seconds += time.perf_counter() - began
        audio_seconds += candidates * len(clean) / RATE
        judged = judges([made.noisy, *(candidate.audio for candidate in found)], made.clean)
        before.append(judged[0])
        after.append(judged[1:])
    noisy, restored = np.array(before), np.array(after)
    return {
        "rtf": seconds / audio_seconds,
        **{
            score: {
                "noisy": noisy[:, i].mean(),
                "restored": restored[..., i].mean(),
                "gain": (restored[..., i].mean(1) - noisy[:, i]).mean(),
                "interval": interval(restored[..., i].mean(1) - noisy[:, i]),
                "spread": restored[..., i].std(1, ddof=1).mean() if candidates > 1 else 0.0,
            }
            for i, score in enumerate(SCORES)
        },
    }


def line(name: str, figures: dict[str, Any]) -> str:
    """One row of the Markdown table."""
    cells = [
        f"{f['noisy']:.3f} → {f['restored']:.3f} [{f['interval'][0]:+.3f}, {f['interval'][1]:+.3f}]"
        f" ±{f['spread']:.3f}"
        for f in (figures[score] for score in SCORES)
    ]
    return f"| {name} | {' | '.join(cells)} | {figures['rtf']:.4f} |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--rooms", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--checkpoint")
    parser.add_argument("--conditions", nargs="*")
    parser.add_argument(
        "--sampler", nargs="*", default=[""], help="temperature:clip temperature:steps"
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    noise = config.ManifestSource(path=str(given.noise.resolve()), root="/")
    rooms = given.rooms and config.ManifestSource(path=str(given.rooms.resolve()), root="/")
    clips = clean_clips(given.speech, given.clips)
    judges = Judges()
    table: dict[str, Any] = {}
    print(f"| condition | {' | '.join(SCORES)} | RTF |\n|{'---|' * (len(SCORES) + 2)}")
    for sampler in given.sampler:
        model = FlowMatchingTiny(checkpoint=given.checkpoint, **options(sampler))
        model.load("cpu")
        for name, steps in conditions(noise, rooms).items():
            if given.conditions and name not in given.conditions:
                continue
            settings = config.Degrade(**steps)
            found = measure(name, settings, clips, model, judges, given.candidates)
            table[f"{name} {sampler}".strip()] = found
            print(line(f"{name} {sampler}".strip(), found), flush=True)
    if given.out:
        given.out.write_text(json.dumps(table, indent=1, default=float))


def options(sampler: str) -> dict[str, Any]:
    """``.3-.7:1.5:4`` as constructor arguments."""
    if not sampler:
        return {}
    temperature, clip_temperature, steps = sampler.split(":")
    return {
        "temperature": bounds(temperature),
        "clip_temperature": bounds(clip_temperature),
        "steps": int(steps),
    }


def bounds(text: str) -> list[float]:
    """``.3-.7`` or ``.5``."""
    values = [float(value) for value in text.split("-")]
    return [values[0], values[-1]]


if __name__ == "__main__":
    main()
