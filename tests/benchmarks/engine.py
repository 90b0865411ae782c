"""Overhead of the engine, with generators and metrics that take no time.

    python -m tests.benchmarks.engine [--clips 1000 10000 100000] [--kind serial|ray]
    python -m tests.benchmarks.engine --clips 90000 --kind ray --keep DIR     # 80 000 pairs
    python -m tests.benchmarks.engine --plan        # only the work before the first shard

Builds have 8 candidates per clip and run in separate processes. The output is clips per second,
CPU time per clip of the driver and of everything else (including Ray's own processes), the
driver's memory, the number of files and the time to list them, and the duration of a second build
that has nothing to do. Clips are 40 ms of noise at 8 kHz, so the remaining work is decoding,
encoding, Parquet and ordering.

The scores are synthetic: a candidate's quality is drawn from its samples, and each of five voting
scores is that quality plus noise, so that 9 of 10 clips have a unanimous pair. 90 000 clips are
therefore a build of 80 000 pairs at full size, except for the audio and the models.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import soundfile

from gensr_pref.building import open_run
from gensr_pref.building.build import build, list_outstanding_tasks
from gensr_pref.building.prepare import prepare
from gensr_pref.config import run_file
from gensr_pref.generators.base import Candidate
from gensr_pref.metrics.base import MetricSpec, Score
from gensr_pref.rundir import part_files
from tests.benchmarks.processes import Processes, load, resident_mb

RATE, FRAMES = 8000, 320  # 40 ms
CANDIDATES = 8
OPINIONS = ("one", "two", "three", "four", "five")
DISSENT = 2.2  # deviation of an opinion from the quality, whose own is 1: 9 of 10 clips have a pair
HERE = "tests.benchmarks.engine"
TABLES = ("clips", "candidates", "scores", "pairs", "failures")


class Cheap:
    """A little seeded noise."""

    name, revision, sample_rate = "cheap", "1", RATE

    def load(self, device):
        """Nothing to load."""

    def sample(self, noisy, lengths, seeds):
        return [self._one(row[:n], s) for row, n, s in zip(noisy, lengths, seeds, strict=True)]

    def _one(self, row, seed):
        rng = np.random.default_rng(seed)
        return Candidate(row + rng.uniform(0.001, 0.01) * rng.standard_normal(len(row), np.float32))


class Opinions:
    """Five scores that agree somewhat, drawn from the samples of a candidate."""

    spec = MetricSpec("opinions", tuple(Score(name) for name in OPINIONS), None)

    def load(self, device):
        """Nothing to load."""

    def score(self, clip):
        return [opinions(zlib.crc32(sound.wave.tobytes())) for sound in clip.candidates]


def opinions(seed):
    """A quality, and what five say of it."""
    quality, *errors = np.random.default_rng(seed).standard_normal(1 + len(OPINIONS))
    return {n: float(quality + DISSENT * e) for n, e in zip(OPINIONS, errors, strict=True)}


def recording(folder, clips):
    """A noise long enough for so many clips."""
    rng = np.random.default_rng(0)
    (folder / "speech").mkdir(parents=True)
    with soundfile.SoundFile(folder / "speech" / "noise.wav", "w", RATE, 1, "PCM_16") as file:
        for _ in range(clips):
            file.write(0.1 * rng.standard_normal(FRAMES, np.float32))


def run_of(**engine):
    """A run over that noise."""
    return run_file.parse(
        {
            "corpus": {
                "source": {"kind": "folder", "path": "speech"},
                "sample_rate": RATE,
                "segment_seconds": [0.04, 0.04],
            },
            "generators": [{"use": f"{HERE}:Cheap", "candidates": CANDIDATES}],
            "panel": [{"metric": f"{HERE}:Opinions"}],
            "engine": engine,
        },
        run_file.Run,
        "benchmark",
    )


def one_size(folder, clips, kind, workers):
    """Build so many clips in this process, or what is left of them; prints what it took."""
    if not (folder / "speech").exists():
        recording(folder, clips)
    run, out = run_of(kind=kind, workers=workers, shard_clips=64), folder / "run"
    made = clips - sum(part_files.rows_by_part(out, "scores").values()) // (1 + CANDIDATES)
    with Processes() as seen:
        seconds, summary = timed(build, run, folder, out)
    assert (summary["clips"], summary["complete"]) == (clips, True)
    listing, paths = timed(
        lambda: [path for table in TABLES for path in part_files.parts(out, table)]
    )
    again, _ = timed(build, run, folder, out)
    told = {
        "clips": clips,
        "made": made,
        "kind": kind,
        "workers": workers if kind == "ray" else 1,
        "pairs": summary["pairs"],
        "seconds": round(seconds, 1),
        "clips_per_second": round(made / seconds, 1),
        "driver_cpu_ms_per_clip": round(1000 * seen.cpu_seconds / made, 2),
        "others_cpu_ms_per_clip": round(1000 * seen.others_cpu_seconds / made, 2),
        "driver_start_mb": round(seen.start_mb),
        "driver_peak_mb": round(seen.peak_mb),
        "files": len(paths),
        "listing_ms": round(1000 * listing, 1),
        "mb": round(sum(path.stat().st_size for path in paths) / 1e6, 1),
        "again_seconds": round(again, 1),
        "load": load(),
    }
    print(json.dumps(told), flush=True)


def planned(folder, clips):
    """What a build does, and holds until it ends, before its first shard begins."""
    recording(folder, clips)
    run, out = run_of(kind="ray", shard_clips=64), folder / "run"
    with Processes() as seen:
        blueprint = prepare(run, folder)
        with open_run.open_run(out, blueprint) as layout:
            jobs = list_outstanding_tasks(blueprint, layout, out)
        held = resident_mb()
    told = {
        "clips": clips,
        "shards": len(jobs),
        "cpu_seconds": round(seen.cpu_seconds, 1),
        "mb_before": round(seen.start_mb, 1),
        "mb_of_plan": round(held - seen.start_mb, 1),
    }
    print(json.dumps(told), flush=True)


def timed(function, *given):
    """Seconds of a call, and what it gives."""
    began = time.perf_counter()
    made = function(*given)
    return time.perf_counter() - began, made


def main():
    """Every size in a process of its own, so that its memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--kind", choices=["serial", "ray"], default="serial")
    parser.add_argument("--out", type=Path, help="where the run directories are made")
    parser.add_argument("--workers", type=int, default=2, help="of Ray")
    parser.add_argument(
        "--keep", type=Path, help="keeps the run of one size; may hold a part of it"
    )
    parser.add_argument("--plan", action="store_true", help="build nothing")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here and options.plan:
        planned(options.keep, options.clips[0])
        return
    if options.here:
        one_size(options.keep, options.clips[0], options.kind, options.workers)
        return
    for clips in options.clips:
        with tempfile.TemporaryDirectory(dir=options.out) as folder:
            asked = ["--clips", clips, "--kind", options.kind, "--workers", options.workers]
            asked += ["--plan"] if options.plan else []
            command = [
                sys.executable,
                "-m",
                HERE,
                *asked,
                "--keep",
                options.keep or folder,
                "--here",
            ]
            subprocess.run([str(word) for word in command], check=True)


if __name__ == "__main__":
    main()
