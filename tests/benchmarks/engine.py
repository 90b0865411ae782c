"""What the engine costs beside the arithmetic that it runs.

    python -m tests.benchmarks.engine size [--clips 1000 10000] [--kind serial] [--out DIR]
    python -m tests.benchmarks.engine overhead [--clips 400] [--seconds 0.05]

`size`: builds of generators and metrics that cost next to nothing, 8 candidates a clip, each in a
process of its own: clips per second, the driver's memory, files and the time to list them. Clips
are 40 ms of noise at 8 kHz, so what is left is decoding, encoding, Parquet and order.

`overhead`: a build on Ray with 2 workers beside two plain processes that do the same tasks, one
half of the shards each, in turns so that a busy machine disturbs both alike. Every candidate costs
`--seconds` of arithmetic, every clip as much again to score.
"""

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from gensr_pref import config, shards
from gensr_pref.engine import rundir, serial
from gensr_pref.engine.blueprint import draw_up
from gensr_pref.engine.build import build, outstanding
from gensr_pref.engine.work import Setup
from gensr_pref.engine.worker import ShardWorker
from gensr_pref.generators.base import Candidate
from gensr_pref.metrics.base import MetricSpec, Score

RATE, FRAMES = 8000, 320  # 40 ms
CANDIDATES = 8
HERE = "tests.benchmarks.engine"
TABLES = ("clips", "candidates", "scores", "pairs", "failures")


class Cheap:
    """A little seeded noise."""

    name, revision, sample_rate = "cheap", "1", RATE

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def load(self, device):
        """Nothing to load."""

    def sample(self, noisy, lengths, seeds):
        return [self._one(row[:n], s) for row, n, s in zip(noisy, lengths, seeds, strict=True)]

    def _one(self, row, seed):
        work(self.seconds)
        rng = np.random.default_rng(seed)
        return Candidate(row + rng.uniform(0.001, 0.01) * rng.standard_normal(len(row), np.float32))


class Level:
    """Two numbers that cost nothing."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        scores = (Score("level", False), Score("peak", False))
        self.spec = MetricSpec("level", scores, None)

    def load(self, device):
        """Nothing to load."""

    def score(self, clip):
        work(self.seconds)
        return [
            {"level": float(np.square(s.wave).mean()), "peak": float(np.abs(s.wave).max())}
            for s in clip.candidates
        ]


def work(seconds):
    """Arithmetic for about so long on the machine this was written on: a fixed amount of it."""
    matrix = np.full((64, 64), 0.01)
    for _ in range(int(seconds * 60_000)):
        matrix = matrix @ matrix


def recording(folder, clips):
    """A noise long enough for so many clips."""
    rng = np.random.default_rng(0)
    (folder / "speech").mkdir(parents=True)
    with soundfile.SoundFile(folder / "speech" / "noise.wav", "w", RATE, 1, "PCM_16") as file:
        for _ in range(clips):
            file.write(0.1 * rng.standard_normal(FRAMES, np.float32))


def run_file(seconds=0.0, **engine):
    """A run over that noise."""
    return config.parse(
        {
            "corpus": {
                "source": {"kind": "folder", "path": "speech"},
                "sample_rate": RATE,
                "segment_seconds": [0.04, 0.04],
            },
            "generators": [
                {"use": f"{HERE}:Cheap", "candidates": CANDIDATES, "options": {"seconds": seconds}}
            ],
            "panel": [{"metric": f"{HERE}:Level", "options": {"seconds": seconds}}],
            "engine": engine,
        },
        config.Run,
        "benchmark",
    )


def one_size(folder, clips, kind):
    """Build so many clips in this process; prints what it took."""
    recording(folder, clips)
    out, began = folder / "run", time.perf_counter()
    summary = build(run_file(kind=kind, workers=2, shard_clips=64), folder, out)
    seconds = time.perf_counter() - began
    assert summary["clips"] == clips
    assert summary["complete"]
    began = time.perf_counter()
    files = sum(len(shards.parts(out, table)) for table in TABLES)
    listing = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = sum(path.stat().st_size for path in out.glob("*/*.parquet")) / 1e6
    told = {
        "clips": clips,
        "kind": kind,
        "clips_per_second": round(clips / seconds, 1),
        "driver_mb": round(peak),
        "files": files,
        "listing_ms": round(1000 * listing, 1),
        "mb": round(size, 1),
    }
    print(json.dumps(told), flush=True)


def sizes(options):
    """Every size in a process of its own, so that its memory is its own."""
    for clips in options.clips:
        with tempfile.TemporaryDirectory(dir=options.out) as folder:
            command = [sys.executable, "-m", HERE, "one", str(clips), options.kind, folder]
            subprocess.run(command, check=True)


def plain_half(setup, jobs):
    """One of the two plain processes."""
    for _ in serial.run(ShardWorker, setup, jobs):
        pass


def plain(folder, run):
    """The same tasks by two processes that share nothing; seconds."""
    blueprint, out = draw_up(run, folder), folder / "plain"
    with rundir.opened(out, blueprint) as layout:
        jobs = outstanding(blueprint, layout, out)
    setup = Setup(run, folder, out, blueprint.facts)
    context = multiprocessing.get_context("spawn")
    halves = [
        context.Process(target=plain_half, args=(replace(setup), jobs[k::2])) for k in range(2)
    ]
    began = time.perf_counter()
    for one in halves:
        one.start()
    for one in halves:
        one.join()
        assert one.exitcode == 0
    return time.perf_counter() - began


def overhead(options):
    """Ray beside plain processes."""
    for turn in range(options.turns):
        with tempfile.TemporaryDirectory(dir=options.out) as name:
            folder = Path(name)
            recording(folder, options.clips[0])
            run = run_file(options.seconds, kind="ray", workers=2, shard_clips=8)
            without = plain(folder, run)
            began = time.perf_counter()
            build(run, folder, folder / "ray")
            on_ray = time.perf_counter() - began
            told = {
                "turn": turn,
                "plain_seconds": round(without, 1),
                "ray_seconds": round(on_ray, 1),
                "ratio": round(on_ray / without, 3),
            }
            print(json.dumps(told), flush=True)


def main():
    """Parse and measure."""
    if sys.argv[1:2] == ["one"]:
        one_size(Path(sys.argv[4]), int(sys.argv[2]), sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["size", "overhead"])
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--kind", choices=["serial", "ray"], default="serial")
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where the run directories are made")
    options = parser.parse_args()
    (sizes if options.what == "size" else overhead)(options)


if __name__ == "__main__":
    main()
