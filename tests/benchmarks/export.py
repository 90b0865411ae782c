"""Speed and memory of an export, next to a plain copy of the same bytes.

    python -m tests.benchmarks.export [--gigabytes 2] [--folder DIR]

The run is synthetic: clips of 5 s, noisy and clean, with four candidates each and one pair per
clip. A sound is 90 kB of random bytes, which no codec can compress, the size of a FLAC of speech at
16 kHz. There are no latents. The benchmark times `gensr_pref.exporting.dataset.write_dataset` in a
separate process (pairs and candidates' scores, until the bytes are on the disk), and alternately a
copy of its output with `shutil.copyfile` and `fsync`. It reports wall-clock time and the CPU time
of the process, which other load on the machine affects less. The export reads more than it writes:
of four candidates, two are in no pair.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from gensr_pref import schema
from gensr_pref.rundir import part_files

SOUND = 90_000  # bytes
CANDIDATES = 4
CLIPS = 64  # of a part
SCORES = ("sig", "bak", "sim", "wer")


def make_run(run: Path, gigabytes: float) -> None:
    """Parts of all tables until clips and candidates have so many bytes."""
    rng = np.random.default_rng(0)
    parts = max(1, round(gigabytes * 1e9 / (CLIPS * (2 + CANDIDATES) * SOUND)))
    pairs = [row for part in range(parts) for row in _part(run, part, rng)]
    part_files.write(part_files.part(run, "pairs", 0), pairs, schema.pairs_schema(SCORES), {})


def _part(run: Path, part: int, rng: np.random.Generator) -> list[dict]:
    names = [f"clip-{part:05d}-{k:03d}" for k in range(CLIPS)]
    clips = [
        {
            "clip_id": name, "noisy": _sound(rng), "clean": _sound(rng), "text": "a b c",
            "language": "en", "speaker": name[:10], "split": "validation" if k < 3 else "train",
            "sample_rate": 16000, "num_samples": 80000, "source": "{}", "degradation": "[]",
        }
        for k, name in enumerate(names)
    ]  # fmt: skip
    candidates = [
        {
            "candidate_id": f"{name}/g/{k}", "clip_id": name, "generator": "g", "revision": "1",
            "index": k, "seed": k, "sampling": "{}", "audio": _sound(rng), "sample_rate": 16000,
            "num_samples": 80000, "tokens": None, "latent": None,
        }
        for name in names
        for k in range(CANDIDATES)
    ]  # fmt: skip
    scores = [
        {"candidate_id": row["candidate_id"], "clip_id": row["clip_id"], "failures": None}
        | dict.fromkeys(SCORES, 1.0)
        for row in candidates
    ]
    part_files.write(part_files.part(run, "clips", part), clips, schema.CLIPS, {})
    part_files.write(part_files.part(run, "candidates", part), candidates, schema.CANDIDATES, {})
    form = schema.scores_schema(SCORES, {})
    part_files.write(part_files.part(run, "scores", part), scores, form, {})
    return [
        {
            "pair_id": f"{name}/r/0", "clip_id": name, "chosen_id": f"{name}/g/1",
            "rejected_id": f"{name}/g/3", "rule": "r", "rank": 0,
            "margins": dict.fromkeys(SCORES, 0.5),
        }
        for name in names
    ]  # fmt: skip


def _sound(rng: np.random.Generator) -> dict:
    return {"bytes": rng.bytes(SOUND), "path": None}


def write_once(run: Path, out: Path) -> None:
    """Export and print seconds and the process's peak memory."""
    from gensr_pref.exporting.dataset import ExportOptions, write_dataset

    empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, before = time.perf_counter(), time.process_time()
    write_dataset(run, out, ExportOptions(), SCORES, {})
    seconds, cpu = time.perf_counter() - start, time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    arrow = pa.default_memory_pool().max_memory() / 1e6
    told = {
        "seconds": seconds,
        "cpu": cpu - before,
        "peak_mb": peak / 1e3,
        "before_mb": empty / 1e3,
        "arrow_mb": arrow,
    }
    print(json.dumps(told))


def copy_once(source: Path, target: Path) -> tuple[float, float]:
    """Seconds, and of CPU, to copy every file of a folder, until it is on the disk."""
    target.mkdir()
    start, before = time.perf_counter(), time.process_time()
    for number, path in enumerate(sorted(p for p in source.rglob("*") if p.is_file())):
        copied = shutil.copyfile(path, target / str(number))
        with copied.open("rb") as file:
            os.fsync(file.fileno())
    return time.perf_counter() - start, time.process_time() - before


def size(folder: Path, *tables: str) -> float:
    """MB of all files below some folders."""
    found = [p for table in tables for p in (folder / table).rglob("*") if p.is_file()]
    return sum(path.stat().st_size for path in found) / 1e6


def main() -> None:
    """Make a run, export and copy in turn, print a line per round and the summary."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, help="where there is room; else a temporary folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        write_once(*options.once)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        base = Path(name)
        make_run(base / "run", options.gigabytes)
        rounds = [_round(base) for _ in range(options.rounds)]
        read = size(base / "run", "clips", "candidates", "scores", "pairs")
    written = rounds[0]["mb"]
    print(f"read {read:.0f} MB of the run, wrote {written:.0f} MB")
    for key in ("export_s", "copy_s", "export_cpu_s", "copy_cpu_s"):
        times = [one[key] for one in rounds]
        least, median = min(times), statistics.median(times)
        print(f"{key}: least {least:.1f}, median {median:.1f}; {written / median:.0f} MB/s written")
    print(f"export: {read / statistics.median(r['export_s'] for r in rounds):.0f} MB/s read")
    print(f"export / copy: {statistics.median(r['export_s'] / r['copy_s'] for r in rounds):.1f}")
    print(f"peak {max(one['peak_mb'] for one in rounds):.0f} MB")


def _round(base: Path) -> dict[str, float]:
    out, copy = base / "out", base / "copy"
    words = [sys.executable, "-m", "tests.benchmarks.export", "--once", base / "run", out]
    told = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    copied = copy_once(out, copy)
    found = {
        "mb": size(out, "data", "candidates"),
        "export_s": told["seconds"],
        "export_cpu_s": told["cpu"],
        "copy_s": copied[0],
        "copy_cpu_s": copied[1],
        "peak_mb": told["peak_mb"],
        "before_mb": told["before_mb"],
        "arrow_mb": told["arrow_mb"],
    }
    print(json.dumps({key: round(value, 1) for key, value in found.items()}), flush=True)
    shutil.rmtree(out)
    shutil.rmtree(copy)
    return found


if __name__ == "__main__":
    main()
