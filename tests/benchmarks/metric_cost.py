"""Cost of each metric: seconds of one thread per second of candidate audio.

python -m tests.benchmarks.metric_cost [PROMPTS [CANDIDATES]]

The clips are the sample's English prompts, each with noisy versions as candidates. Loading is not
included.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import sys
import time
from pathlib import Path

from gensr_pref import audio, sample
from gensr_pref.config import plugins
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.panel import Panel
from tests.metrics.sounds import ask, noisy, read_csv


def clips(prompts, candidates):
    folder = Path(sample.__file__).parent
    rows = [row for row in read_csv(folder / "speech.csv") if row["language"] == "en"]
    for row in rows[:prompts]:
        clean = audio.read(folder / row["path"])
        versions = [noisy(clean, 0.002 * 2**index, index) for index in range(candidates)]
        yield ClipSounds(versions, clean, versions[-1], row["text"], "en")


def main(prompts=8, candidates=4):
    measured = list(clips(prompts, candidates))
    seconds = sum(sound.seconds for clip in measured for sound in clip.candidates)
    print(f"{prompts} prompts x {candidates} candidates, {seconds:.0f} s")
    for name in plugins.names("metric"):
        panel = Panel([name])
        start = time.process_time()
        panel.load()
        ask(panel, measured[0])
        first = time.process_time() - start
        start, wall = time.process_time(), time.perf_counter()
        for clip in measured:
            ask(panel, clip)
        spent, wall = time.process_time() - start, time.perf_counter() - wall
        print(f"{name:20s} CPU {spent / seconds:.4f}  wall {wall / seconds:.4f}  "
              f"load and first clip {first:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
