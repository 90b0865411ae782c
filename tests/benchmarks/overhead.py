"""A build on Ray next to two plain processes with the same computations, on real speech.

    python -m tests.benchmarks.overhead DATA [--clips 160] [--candidates 4] [--out DIR]

DATA has `speech.csv` and `noise/`. The plain version is a loop that degrades a clip, samples and
scores it, and writes nothing. Its two processes take clips from a common list, the long ones
first, so that neither waits for the other. It does half of the clips before the build and the
other half after it, with its models loaded once, so that a change in the machine's speed affects
both versions. The output has wall-clock time, CPU seconds of all processes, and the load.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.building.build import build
from gensr_pref.building.prepare import prepare
from gensr_pref.config import run_file
from gensr_pref.corpus.clips import ClipMaker
from gensr_pref.generators.registry import make_generators
from gensr_pref.identity import seed_for
from gensr_pref.metrics.panel import Panel
from gensr_pref.process import one_thread
from tests.benchmarks.processes import Processes, load

WORKERS = 2
GENERATORS = ("fm-tiny", "mgm-tiny", "ar-tiny")
PANEL = ("dnsmos", "speaker_similarity", "pesq", "stoi")


def run_of(data, clips, candidates):
    """Three generators and four metrics over degraded speech."""
    return run_file.parse(
        {
            "corpus": {
                "source": {
                    "kind": "manifest",
                    "path": str(data / "speech.csv"),
                    "columns": {"audio": "path", "text": "text", "speaker": "speaker"},
                },
                "segment_seconds": [2, 10],
                "limit": clips,
                "degrade": {
                    "noise": {
                        "source": {"kind": "folder", "path": str(data / "noise")},
                        "snr_db": [-5, 15],
                    }
                },
            },
            "generators": [{"use": name, "candidates": candidates} for name in GENERATORS],
            "panel": [{"metric": name} for name in PANEL],
            "engine": {"kind": "ray", "workers": WORKERS, "shard_clips": 4},
        },
        run_file.Run,
        "benchmark",
    )


def plain(run, base, halves, taken, pause):
    """One plain process: both halves of the clips, as far as the other does not do them."""
    maker = ClipMaker(run.corpus, run.seed, base)
    generators = make_generators(run, base)
    panel = Panel(run.panel, base=base)
    for generator in generators.values():
        generator.load("cpu")
    panel.load("cpu")
    for specs, counter in zip(halves, taken, strict=True):
        while (place := next_of(counter)) < len(specs):
            one_clip(run, specs[place], maker, generators, panel)
        pause.wait()  # the half is done
        pause.wait()  # go on


def next_of(counter):
    """Take the next clip of the common list."""
    with counter.get_lock():
        counter.value += 1
        return counter.value - 1


def one_clip(run, spec, maker, generators, panel):
    """Degrade, sample, score."""
    row = maker.make(spec)
    noisy, clean = (audio.from_column(row[side]) for side in ("noisy", "clean"))
    sounds = [noisy]
    for use, (label, generator) in zip(run.generators, generators.items(), strict=True):
        seeds = [seed_for(run.seed, spec.clip_id, label, k) for k in range(use.candidates)]
        heard = noisy.at(generator.sample_rate).wave
        batch = np.repeat(heard[None], len(seeds), axis=0)
        with one_thread():
            made = generator.sample(batch, [len(heard)] * len(seeds), seeds)
        sounds += [Sound(one.audio, generator.sample_rate) for one in made]
    panel.score(sounds, clean, noisy, row["text"], row["language"])


def seconds_of(stretch):
    """Wall time of a block, and what it used."""
    began = time.perf_counter()
    with Processes() as seen:
        stretch()
    return time.perf_counter() - began, seen.cpu_seconds + seen.others_cpu_seconds, load()


def compared(run, base, out):
    """Half of the plain work, the build, the other half."""
    specs = sorted(prepare(run, base).clips, key=lambda spec: -spec.segment.frames)
    halves = specs[0::2], specs[1::2]
    context = multiprocessing.get_context("spawn")
    pause = context.Barrier(WORKERS + 1)
    given = (run, base, halves, [context.Value("i", 0) for _ in halves], pause)
    processes = [context.Process(target=plain, args=given) for _ in range(WORKERS)]

    def first():
        for one in processes:
            one.start()
        pause.wait()

    def second():
        pause.wait()
        pause.wait()

    stretches = [
        seconds_of(first),
        seconds_of(lambda: build(run, out, base=base)),
        seconds_of(second),
    ]
    pause.wait()
    for one in processes:
        one.join()
        assert one.exitcode == 0
    before, on_ray, after = stretches
    wall, cpu = before[0] + after[0], before[1] + after[1]
    return {
        "clips": len(specs),
        "plain_seconds": [round(before[0], 1), round(after[0], 1)],
        "ray_seconds": round(on_ray[0], 1),
        "wall_ratio": round(on_ray[0] / wall, 3),
        "plain_cpu_seconds": round(cpu, 1),
        "ray_cpu_seconds": round(on_ray[1], 1),
        "cpu_ratio": round(on_ray[1] / cpu, 3),
        "load": [one[2] for one in stretches],
    }


def main():
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=160)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--out", type=Path, help="where the run directory is made")
    options = parser.parse_args()
    data = options.data.resolve()
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        run = run_of(data, options.clips, options.candidates)
        print(json.dumps(compared(run, data, Path(folder) / "run")), flush=True)


if __name__ == "__main__":
    main()
