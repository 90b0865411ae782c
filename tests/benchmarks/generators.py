"""Quality of generators on held-out speech, for each degradation alone and for all together.

    python -m tests.benchmarks.generators fm-tiny ar-tiny mgm-tiny --speech heldout_speech.csv \
        --noise heldout_noise.csv [--rooms rir.csv] [--clips 40] [--candidates 8] \
        [--conditions noise reverb ...] [--options '{"steps": 4}'] [--out figures.json]

Paths in the tables are absolute. Clips are 4.52 s long and the same for all conditions and
generators; shorter recordings are left out. The output has, per score, the mean over clips of the
noisy input -> of the mean candidate [95 % interval over clips of the difference] -> of
the candidate with the highest DNSMOS OVRL (so its OVRL is optimistic), and the mean within-clip
standard deviation. It also has the share of clips with a unanimous pair over the six scores of the
panel, the chance level of that share (`gensr_pref.pairing.yield_by_chance`), the real-time factor
per candidate, and the number of parameters.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gensr_pref.audio import Sound, Wave, pcm16, read
from gensr_pref.config import plugins, run_file
from gensr_pref.corpus import degrade
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.generators.tiny.bands import FLOOR
from gensr_pref.generators.tiny.carrier import power_of, stft
from gensr_pref.identity import rng_for, seed_for
from gensr_pref.metrics.panel import Panel
from gensr_pref.pairing import yield_by_chance
from gensr_pref.pairing.base import Ballot, Vote
from gensr_pref.pairing.unanimous import unanimous
from gensr_pref.statistics.intervals import mean_interval

RATE = 16000
SECONDS = 4.52  # the shortest multiple of 20 ms that DNSMOS scores in one window
VOTES = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "speaker_similarity", "pesq_wb", "stoi")
SCORES = (*VOTES, "lsd_db")
BEST_BY = SCORES.index("dnsmos_ovrl")
Scores = npt.NDArray[np.float64]


def conditions(noise: run_file.FileSource, rooms: run_file.FileSource | None) -> dict[str, Any]:
    """Each degradation alone, and combined as a user might meet them."""
    probe = {"noise": run_file.Noise(probability=1, source=noise, snr_db=(-2.5, 12.5))}
    mild = {"noise": run_file.Noise(probability=1, source=noise, snr_db=(5, 20))}
    reverb = {"reverb": run_file.Reverb(probability=1, source=rooms)}
    clipping = {"clipping": run_file.Clipping(probability=1, threshold=(0.06, 0.4))}
    return {
        "noise": probe,
        "reverb": reverb,
        "clipping": clipping,
        "band 4 kHz": {"band_limit": run_file.BandLimit(probability=1, rates_hz=[8000])},
        "band 2 kHz": {"band_limit": run_file.BandLimit(probability=1, rates_hz=[4000])},
        "opus": {"codec": run_file.Codec(probability=1, names=["opus"])},
        "gsm": {"codec": run_file.Codec(probability=1, names=["gsm"])},
        "packet loss": {"packet_loss": run_file.PacketLoss(probability=1, rate=(0.05, 0.15))},
        "reverb + noise": {**reverb, **mild},
        "band 4 kHz + noise": {
            "band_limit": run_file.BandLimit(probability=1, rates_hz=[8000]),
            **mild,
        },
        "all": {
            "reverb": run_file.Reverb(probability=0.5, source=rooms),
            "clipping": run_file.Clipping(probability=0.25),
            "band_limit": run_file.BandLimit(probability=0.5),
            "noise": run_file.Noise(probability=0.9, source=noise, snr_db=(-5, 20)),
        },
        "clean": {},
    }


@dataclass(frozen=True)
class Measured:
    """Scores under one condition.

    Attributes:
        noisy: [clips, SCORES] of the input.
        restored: [clips, N, SCORES] of the candidates.
        rtf: seconds of work per second of one candidate.
    """

    noisy: Scores
    restored: Scores
    rtf: float


def judged(panel: Panel, waves: list[Wave], clean: Wave) -> Scores:
    """[waves, SCORES], each wave as it is when stored in 16 bits."""
    heard = [Sound((pcm16(wave) / 32768).astype(np.float32), RATE) for wave in waves]
    found = panel.score(heard, clean=Sound(clean, RATE))
    return np.array(
        [
            [*(row.values[score] for score in VOTES), log_spectral_distance(clean, sound.wave)]
            for row, sound in zip(found, heard, strict=True)
        ],
        dtype=np.float64,
    )


def log_spectral_distance(clean: Wave, heard: Wave) -> float:
    """Root mean square over bins, mean over frames, of the difference in dB; lower is better."""
    a, b = (10 * torch.log10(power_of(stft(torch.tensor(wave))) + FLOOR) for wave in (clean, heard))
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


def measure(
    name: str, settings: run_file.Degrade, clips: Any, model: Any, panel: Panel, candidates: int
) -> Measured:
    """Degrade, restore and score all clips under one condition."""
    library = Library.from_settings(settings, Path())
    before, after, seconds, audio_seconds = [], [], 0.0, 0.0
    for path, clean in clips:
        made = degrade.degrade(clean, RATE, settings, library, rng_for(0, path, name))
        seeds = [seed_for(0, path, model.name, index) for index in range(candidates)]
        rows = np.repeat((pcm16(made.noisy) / 32768).astype(np.float32)[None], candidates, 0)
        began = time.process_time()
        found = model.sample(rows, [rows.shape[1]] * candidates, seeds)
        seconds += time.process_time() - began
        audio_seconds += candidates * len(clean) / RATE
        scores = judged(panel, [made.noisy, *(c.audio for c in found)], made.clean)
        before.append(scores[0])
        after.append(scores[1:])
    return Measured(np.array(before), np.array(after), seconds / audio_seconds)


def summary(found: Measured) -> dict[str, Any]:
    """Figures per score, and of pairs, as JSON-able data."""
    clips, candidates, _ = found.restored.shape
    chosen = found.restored[..., BEST_BY].argmax(1)
    best = found.restored[np.arange(clips), chosen]
    figures: dict[str, Any] = {"rtf": found.rtf, "candidates": candidates}
    for i, score in enumerate(SCORES):
        mean = found.restored[..., i].mean(1)
        spread = found.restored[..., i].std(1, ddof=1).mean() if candidates > 1 else 0.0
        figures[score] = {
            "noisy": found.noisy[:, i].mean(),
            "restored": mean.mean(),
            "interval": mean_interval(mean - found.noisy[:, i]).triple,
            "best": best[:, i].mean(),
            "spread": spread,
        }
    figures["pairs"] = {
        n: unanimous_share(found.restored[:, :n]) for n in (4, 8) if n <= candidates
    }
    return figures


def unanimous_share(restored: Scores) -> tuple[float, float]:
    """Share of clips [clips, N, SCORES] with a unanimous pair over `VOTES`, and by chance."""
    votes = [Vote(score, True, True) for score in VOTES]
    spreads = np.ones(len(VOTES))
    ballots = [
        Ballot(clip[:, : len(VOTES)], ["it"] * len(clip), votes, spreads) for clip in restored
    ]
    pairing = run_file.Pairing()
    real = yield_by_chance.clips_with_pair(ballots, unanimous, pairing)
    return real / len(ballots), yield_by_chance.chance_level(ballots, unanimous, pairing) / len(
        ballots
    )


def line(name: str, figures: dict[str, Any]) -> str:
    """One row of the Markdown table."""
    cells = []
    for score in SCORES:
        f = figures[score]
        cell = f"{f['noisy']:.3f} → {f['restored']:.3f}"
        if f["interval"] is not None:
            cell += f" [{f['interval'][1]:+.3f}, {f['interval'][2]:+.3f}]"
        if figures["candidates"] > 1:
            cell += f" → {f['best']:.3f} ±{f['spread']:.3f}"
        cells.append(cell)
    pairs = "; ".join(
        f"N={n}: {real:.2f} ({luck:.2f})" for n, (real, luck) in figures["pairs"].items()
    )
    return f"| {name} | {' | '.join(cells)} | {pairs} | {figures['rtf']:.4f} |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("generators", nargs="+", help="names, or module:Class")
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--rooms", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--conditions", nargs="*")
    parser.add_argument("--options", type=json.loads, nargs="*", default=[{}], help="JSON objects")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    noise = run_file.ManifestSource(path=str(given.noise.resolve()), root="/")
    rooms = given.rooms and run_file.ManifestSource(path=str(given.rooms.resolve()), root="/")
    clips = clean_clips(given.speech, given.clips)
    panel = Panel(["dnsmos", "speaker_similarity", "pesq", "stoi"])
    table: dict[str, Any] = {}
    print(f"| | {' | '.join(SCORES)} | pairs | RTF |\n|{'---|' * (len(SCORES) + 3)}")
    for generator in given.generators:
        for options in given.options:
            model = plugins.find("generator", generator)(**options)
            model.load("cpu")
            for name, steps in conditions(noise, rooms).items():
                if given.conditions and name not in given.conditions:
                    continue
                settings = run_file.Degrade(**steps)
                found = measure(name, settings, clips, model, panel, given.candidates)
                label = " ".join([generator, name, *([json.dumps(options)] if options else [])])
                table[label] = summary(found)
                print(line(label, table[label]), flush=True)
            parameters = sum(p.numel() for p in model.policy.parameters())
            print(f"{generator}: {parameters} parameters, revision {model.revision}", flush=True)
    if given.out:
        given.out.write_text(json.dumps(table, indent=1, default=float))


if __name__ == "__main__":
    main()
