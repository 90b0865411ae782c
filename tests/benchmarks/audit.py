"""How long pairing and auditing take on a run as large as the dataset that is aimed at.

    python -m tests.benchmarks.audit [--clips 87000] [--candidates 8]

The run directory is synthetic and holds no audio. Of seven scores five vote. Every score is
``clip + a * common + sqrt(1 - a^2) * own`` with standard normal terms, one `common` per candidate,
a = .8 .7 .9 .3 .3 .4 .3; wer is rounded to tenths, so that it ties; 1 % of all scores are null.
Half the clips are noisy only, half also reverberant; 400 speakers; sides' audio is not looked at
(``heard=0``). Reading and writing the tables is part of the times; making the run is not.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from gensr_pref import schema, shards
from gensr_pref.config import Pairing, resolved
from gensr_pref.engine import rundir
from gensr_pref.engine.audit import audit
from gensr_pref.engine.pair import candidates, pair, votes_for
from gensr_pref.pairing.base import Ballot, Pair
from gensr_pref.pairing.pairs import paired
from gensr_pref.pairing.unanimous import unanimous

LOADINGS = {"sig": 0.8, "bak": 0.7, "ovrl": 0.9, "sim": 0.3, "wer": 0.3, "pesq": 0.4, "stoi": 0.3}
SILENT = ("pesq", "stoi")
PART = 2048  # clips


def scores(clips: int, candidates: int, seed: int = 0) -> np.ndarray:
    """[clips * candidates, 7] as the head of this file says."""
    rng = np.random.default_rng(seed)
    rows, loading = clips * candidates, np.array(list(LOADINGS.values()))
    value = np.repeat(rng.normal(size=(clips, len(loading))), candidates, axis=0)
    value += loading * rng.normal(size=(rows, 1))
    value += np.sqrt(1 - loading**2) * rng.normal(size=value.shape)
    wer = list(LOADINGS).index("wer")
    value[:, wer] = np.round(-value[:, wer], 1)
    value[rng.random(value.shape) < 0.01] = np.nan
    return value


def make_run(out: Path, clips: int, candidates: int) -> None:
    """A run directory without audio."""
    value = scores(clips, candidates)
    for shard, start in enumerate(range(0, clips, PART)):
        names = [f"clip-{k:08x}" for k in range(start, min(start + PART, clips))]
        here = value[start * candidates : (start + len(names)) * candidates]
        _write(out, shard, names, candidates, here)
    panel = [
        {
            "name": name,
            "higher_is_better": name != "wer",
            "votes": name not in SILENT,
            "ties": name == "wer",
        }
        for name in LOADINGS
    ]
    provenance = {"panel": [{"metric": "synthetic", "scores": panel}], "fingerprint": "0" * 32}
    document = {
        "name": "synthetic",
        "pairing": resolved(Pairing()),
        "engine": {"shard_clips": PART},
    }
    rundir.record(out, {**document, "provenance": provenance})


def _write(out: Path, shard: int, names: list[str], candidates: int, value: np.ndarray) -> None:
    rows = len(names) * candidates
    of_clip = [name for name in names for _ in range(candidates)]
    index = list(range(candidates)) * len(names)
    ids = [f"{name}/fm-tiny/{place}" for name, place in zip(of_clip, index, strict=True)]
    both = {"candidate_id": ids, "clip_id": of_clip}
    columns = {n: pa.array(v, from_pandas=True) for n, v in zip(LOADINGS, value.T, strict=True)}
    _part(out, "scores", shard, schema.scores_schema(LOADINGS, {}), {**both, **columns}, rows)
    sampling = [json.dumps({"temperature": 0.4 + 0.1 * (k % 8)}) for k in index]
    facts = {"generator": ["fm-tiny"] * rows, "revision": ["0"] * rows, "index": index}
    facts |= {"sampling": sampling, "seed": index, "sample_rate": [16000] * rows}
    facts |= {"num_samples": [0] * rows}
    _part(out, "candidates", shard, schema.CANDIDATES, {**both, **facts}, rows)
    number = [int(name[-8:], 16) for name in names]
    steps = [["noise"], ["reverb", "noise"]]
    about = {
        "clip_id": names,
        "speaker": [f"s{k % 400}" for k in number],
        "split": ["validation" if k % 400 < 20 else "train" for k in number],
        "source": [json.dumps({"source_id": name}) for name in names],
        "degradation": [json.dumps([{"step": s} for s in steps[k % 2]]) for k in number],
        "sample_rate": [16000] * len(names),
        "num_samples": [0] * len(names),
    }
    _part(out, "clips", shard, schema.CLIPS, about, len(names))


def _part(out: Path, table: str, shard: int, form: pa.Schema, columns: dict, rows: int) -> None:
    arrays = [
        columns[field.name].cast(field.type)
        if isinstance(columns.get(field.name), pa.Array)
        else pa.array(columns.get(field.name, [None] * rows), field.type)
        for field in form
    ]
    shards.write_table(shards.part(out, table, shard), pa.table(arrays, schema=form), {})


def timed(name: str, work: Callable[[], object]) -> None:
    """Print what a piece of work took, and the process's largest memory so far."""
    began, used = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:<28}{wall:7.1f} s  {cpu:7.1f} s of CPU  peak {peak:5.2f} GB", flush=True)


def _clip_by_clip(ballot: Ballot, pairing: Pairing) -> list[Pair]:
    """The rule as one of a user's own is called."""
    return unanimous(ballot, pairing)


def main() -> None:
    """Make the run and time the commands' functions on it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clips", type=int, default=87_000)
    parser.add_argument("--candidates", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        timed("(making the run)", lambda: make_run(out, asked.clips, asked.candidates))
        timed("pair, unanimous", lambda: pair(out, []))
        timed("pair, top_bottom", lambda: pair(out, ["rule=top_bottom", "score=ovrl"]))
        timed("pair, weighted, 3 per clip", lambda: pair(out, [
            "rule=weighted", "score=null", "pairs_per_clip=3"]))  # fmt: skip
        timed("pair, unanimous", lambda: pair(out, ["rule=unanimous", "pairs_per_clip=1"]))
        found = candidates(out, votes_for(rundir.document(out)))
        timed("unanimous at once", lambda: paired(found, unanimous, Pairing()))
        timed("unanimous clip by clip", lambda: paired(found, _clip_by_clip, Pairing()))
        timed("audit", lambda: audit(out, heard=0))
        timed("audit, brief", lambda: audit(out, brief=True))


if __name__ == "__main__":
    main()
