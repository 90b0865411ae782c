"""Spectrograms of picked pairs of a run: noisy, chosen, rejected.

    pip install matplotlib
    python docs/spectrograms.py RUN docs/pairs.jpg [PAIRS]

The pairs are spread evenly over the generators of the run and, within each, over its clips.
"""

import sys
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gensr_pref import audio

CEILING_DB, RANGE_DB = -40, 70


def rows(run, table, columns=None):
    """A table of a run as dictionaries."""
    parts = sorted((Path(run) / table).glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(part, columns=columns) for part in parts]).to_pylist()


def wave_of(value):
    """Waveform [T] and rate of an audio column's value."""
    sound = audio.from_column(value)
    return sound.wave, sound.rate


def picked(run, count):
    """Pairs, generator after generator."""
    by_generator = defaultdict(list)
    for pair in rows(run, "pairs"):
        by_generator[pair["chosen_id"].split("/")[1]].append(pair)
    share = -(-count // len(by_generator))
    found = []
    for pairs in by_generator.values():
        places = np.linspace(0, len(pairs) - 1, min(share, len(pairs))).round().astype(int)
        found += [pairs[place] for place in places]
    return found[:count]


def show(axes, value, title):
    """One spectrogram, all of them on one scale."""
    wave, rate = wave_of(value)
    spread = {"NFFT": 512, "noverlap": 384, "vmin": CEILING_DB - RANGE_DB, "vmax": CEILING_DB}
    axes.specgram(wave + 1e-7, Fs=rate, cmap="magma", **spread)
    axes.set_title(title, fontsize=7, loc="left", pad=2)
    axes.set_yticks([0, 4000, 8000], ["0", "4", "8 kHz"], fontsize=6)
    axes.tick_params(axis="x", labelsize=6, length=2)


def main(run, out, count=10):
    """Draw the figure."""
    clips = {row["clip_id"]: row for row in rows(run, "clips", ["clip_id", "noisy"])}
    candidates = {r["candidate_id"]: r for r in rows(run, "candidates", ["candidate_id", "audio"])}
    scores = {row["candidate_id"]: row for row in rows(run, "scores")}
    pairs = picked(run, int(count))
    figure, grid = plt.subplots(len(pairs), 3, figsize=(10, 1.35 * len(pairs)), squeeze=False)
    for line, pair in zip(grid, pairs, strict=True):
        clip = pair["clip_id"]
        chosen, rejected = pair["chosen_id"], pair["rejected_id"]
        sides = [(name, candidates[name]["audio"]) for name in (chosen, rejected)]
        sides.insert(0, (f"{clip}/noisy/0", clips[clip]["noisy"]))
        generator = chosen.split("/")[1]
        names = (f"noisy: {clip.rpartition('-')[0]}", f"chosen: {generator}", "rejected")
        for axes, (name, value), title in zip(line, sides, names, strict=True):
            score = scores[name]
            told = f"OVRL {score['dnsmos_ovrl']:.2f}  PESQ {score['pesq_wb']:.2f}"
            show(axes, value, f"{title[:34]}   {told}")
    figure.tight_layout(h_pad=0.4, w_pad=0.4)
    figure.savefig(out, dpi=90, pil_kwargs={"quality": 80})


if __name__ == "__main__":
    main(*sys.argv[1:])
