"""`gensr-pref pair` on large score tables, next to a bare scan of the columns that it reads.

    python -m tests.benchmarks.pairing [--rows 10000000] [--shard-clips 1024] [--out DIR]
    python -m tests.benchmarks.pairing --run DIR        # an existing run

Without `--run`, a run directory of synthetic rows is written with the engine's own writer: nine
rows per clip (the noisy input and eight candidates), with scores as in `tests.benchmarks.engine`
and no audio. `pair` is the complete command, from run.yaml to summary.json. The scan reads the
same columns of the same parts with pyarrow and converts the scores to NumPy arrays. The two
alternate. On a shared machine, CPU seconds are more reliable than wall-clock time.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gensr_pref import schema
from gensr_pref.building import open_run
from gensr_pref.building.pair import pair
from gensr_pref.building.prepare import prepare
from gensr_pref.rundir import part_files
from gensr_pref.rundir.provenance import part_record
from gensr_pref.rundir.shards import SHARDS_FILE
from tests.benchmarks.engine import CANDIDATES, DISSENT, OPINIONS, recording, run_file, timed
from tests.benchmarks.processes import load, resident_mb
from tests.parts import write_part

EACH = CANDIDATES + 1  # rows of a clip
READ = {
    "scores": ["candidate_id", "clip_id", *OPINIONS],
    "candidates": ["candidate_id", "generator"],
}


def synthetic(folder, rows, shard_clips):
    """A finished run of so many rows of scores."""
    recording(folder, 1)
    blueprint, out = prepare(run_file(kind="serial"), folder), folder / "run"
    open_run.write_document(out, blueprint.document)
    names = [
        f"speech/{place:09d}-{place * 2654435761 % 2**48:012x}" for place in range(rows // EACH)
    ]
    shares = [names[start : start + shard_clips] for start in range(0, len(names), shard_clips)]
    lines = (json.dumps({"shard": place, "clips": share}) for place, share in enumerate(shares))
    part_files.write_text(out / SHARDS_FILE, "".join(f"{line}\n" for line in lines))
    for place, share in enumerate(shares):
        for table, made in tables(np.array(share), place).items():
            facts = part_record(table, blueprint.document, share).as_data()
            write_part(part_files.part(out, table, place), made, facts=facts)
    return out


def tables(clips, seed):
    """The three tables of a shard; what is not asked for is null."""
    ids = pa.array(np.repeat(clips, EACH))
    index = np.tile(np.arange(-1, CANDIDATES), len(clips))
    labels = pa.array(np.where(index < 0, "noisy", "cheap"))
    numbers = pa.array(np.maximum(index, 0)).cast(pa.string())
    of_rows = {
        "candidate_id": pc.binary_join_element_wise(ids, labels, numbers, "/"),
        "clip_id": ids,
    }
    rng = np.random.default_rng(seed)
    value = rng.standard_normal((len(index), 1)) + DISSENT * rng.standard_normal((len(index), 5))
    scores = {**of_rows, **dict(zip(OPINIONS, value.T.astype(np.float32), strict=True))}
    made = pa.array(index >= 0)
    candidates = {k: pc.filter(v, made) for k, v in {**of_rows, "generator": labels}.items()}
    of_clips = {"clip_id": clips, "split": ["train"] * len(clips), "source": [SOURCE] * len(clips)}
    return {
        "clips": filled(of_clips, schema.CLIPS),
        "candidates": filled(candidates, schema.CANDIDATES),
        "scores": filled(scores, schema.scores_schema(OPINIONS, {})),
    }


SOURCE = json.dumps({"source_id": "noise.wav", "start": 0, "frames": 320, "rate": 8000})


def filled(columns, form):
    """A table of some columns; the others are null."""
    rows = len(next(iter(columns.values())))
    form = pa.schema([field.with_nullable(True) for field in form])
    return pa.table([columns.get(f.name, pa.nulls(rows, f.type)) for f in form], schema=form)


def scan(out):
    """Read the columns and make arrays of the numbers; how many rows of scores there are."""
    read = {
        table: pa.concat_tables(
            [pq.read_table(path, columns=names) for path in part_files.parts(out, table)]
        )
        for table, names in READ.items()
    }
    value = np.stack([read["scores"].column(name).to_numpy() for name in OPINIONS], axis=1)
    assert np.isfinite(value).any()
    return len(value)


def both_times(function, *given):
    """Seconds of a call on the wall and of CPU, and what it gives."""
    began = time.process_time()
    wall, made = timed(function, *given)
    return (wall, time.process_time() - began), made


def compared(out, turns):
    """Both in turns; prints each turn."""
    for turn in range(turns):
        (bare, bare_cpu), rows = both_times(scan, out)
        (seconds, cpu), summary = both_times(pair, out, [])
        told = {
            "turn": turn,
            "rows": rows,
            "parts": len(part_files.parts(out, "scores")),
            "pairs": summary["pairs"],
            "scan_seconds": round(bare, 2),
            "pair_seconds": round(seconds, 2),
            "ratio": round(seconds / bare, 2),
            "scan_cpu_seconds": round(bare_cpu, 2),
            "pair_cpu_seconds": round(cpu, 2),
            "cpu_ratio": round(cpu / bare_cpu, 2),
            "pair_rows_per_cpu_second": round(rows / cpu),
            "resident_mb": round(resident_mb()),
            "load": load(),
        }
        print(json.dumps(told), flush=True)


def main():
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run directory of tests.benchmarks.engine")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--shard-clips", type=int, default=1024)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, help="where the run directory is made")
    options = parser.parse_args()
    if options.run:
        compared(options.run, options.turns)
        return
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        compared(synthetic(Path(folder), options.rows, options.shard_clips), options.turns)


if __name__ == "__main__":
    main()
