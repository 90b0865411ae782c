"""Duration of pairing and auditing on a run of the intended dataset size.

    python -m tests.benchmarks.audit [--clips 87000] [--candidates 8] [--shard-clips 64]

The run directory is synthetic. Every sound is the same two seconds of bundled speech, which
Parquet stores once per row group, and there are no tokens or latents. The run is therefore read
more quickly than a real one of this size, and the learnability probe has nothing to do. Of seven
scores five vote. Every score is ``clip + a * common + sqrt(1 - a^2) * own`` with standard normal
terms, one `common` per candidate, a = .8 .7 .9 .3 .3 .4 .3; wer is rounded to tenths, so that it
ties; 1 % of all scores are null. Half the clips are noisy only, half also reverberant; there are
400 speakers.

The times include reading and writing the tables, but not making the run. The last lines come from a
process that does only the audit and the report, so they show the peak memory of these two.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

import gensr_pref
from gensr_pref import audio, schema
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building import open_run
from gensr_pref.building.pair import candidates, pair
from gensr_pref.config.run_file import Pairing, dump_fields
from gensr_pref.pairing.base import Ballot, Pair
from gensr_pref.pairing.pairs import pair_clips
from gensr_pref.pairing.unanimous import unanimous
from gensr_pref.pairing.votes import votes_of_run
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.rundir.provenance import part_record
from gensr_pref.rundir.shards import SHARDS_FILE
from tests.parts import write_part

LOADINGS = {"sig": 0.8, "bak": 0.7, "ovrl": 0.9, "sim": 0.3, "wer": 0.3, "pesq": 0.4, "stoi": 0.3}
SPEECH = Path(gensr_pref.__file__).parent / "sample" / "speech"
SILENT = ("pesq", "stoi")
PANEL = [
    {
        "name": name,
        "higher_is_better": name != "wer",
        "votes": name not in SILENT,
        "ties": name == "wer",
    }
    for name in LOADINGS
]
PROVENANCE = {
    "gensr_pref": gensr_pref.__version__,
    "schema_version": schema.SCHEMA_VERSION,
    "corpus": "0" * 32,
    "generators": [],
    "panel": [{"metric": "synthetic", "scores": PANEL}],
    "fingerprint": "0" * 32,
}
AUDIT = "from gensr_pref.cli.main import main; raise SystemExit(main(['audit', {out!r}]))"


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


def make_run(out: Path, clips: int, candidates: int, per_shard: int) -> None:
    """A run directory as the head of this file says."""
    value = scores(clips, candidates)
    shares = []
    for shard, start in enumerate(range(0, clips, per_shard)):
        names = [f"clip-{k:08x}" for k in range(start, min(start + per_shard, clips))]
        here = value[start * candidates : (start + len(names)) * candidates]
        _write(out, shard, names, candidates, here)
        shares.append({"shard": shard, "clips": names})
    part_files.write_json_lines(out / SHARDS_FILE, shares)
    open_run.write_document(out, document(per_shard))


@lru_cache
def document(per_shard: int = 1) -> RunDocument:
    """What ``run.yaml`` holds."""
    sections = {"corpus": {}, "generators": [], "panel": [], "pairing": dump_fields(Pairing())}
    return RunDocument.model_validate(
        {
            "name": "synthetic",
            "seed": 0,
            **sections,
            "engine": {"shard_clips": per_shard},
            "provenance": PROVENANCE,
        }
    )


@lru_cache
def speech() -> dict[str, str | bytes]:
    """Two seconds of the bundled speech as FLAC."""
    path = sorted(SPEECH.glob("*.flac"))[0]
    sound = audio.read(path.read_bytes())
    return {"bytes": audio.flac(sound.wave[: 2 * sound.rate], sound.rate), "path": "speech.flac"}


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
    facts |= {"num_samples": [0] * rows, "audio": [speech()] * rows}
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
        "noisy": [speech()] * len(names),
        "clean": [speech()] * len(names),
    }
    _part(out, "clips", shard, schema.CLIPS, about, len(names))


def _part(out: Path, table: str, shard: int, form: pa.Schema, columns: dict, rows: int) -> None:
    arrays = [
        columns[field.name].cast(field.type)
        if isinstance(columns.get(field.name), pa.Array)
        else pa.array(columns.get(field.name, [None] * rows), field.type)
        for field in form
    ]
    names = list(dict.fromkeys(columns["clip_id"]))
    facts = part_record(table, document(), names).as_data()
    write_part(part_files.part(out, table, shard), pa.table(arrays, schema=form), facts=facts)


def timed(name: str, work: Callable[[], object]) -> None:
    """Print what a piece of work took, and the process's largest memory so far."""
    began, used = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:<28}{wall:7.1f} s  {cpu:7.1f} s of CPU  peak {peak:5.2f} GB", flush=True)


def alone(name: str, code: str) -> None:
    """As `timed`, in a process of its own."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall, peak = time.perf_counter() - began, after.ru_maxrss / 2**20
    print(f"{name:<28}{wall:7.1f} s  {cpu:7.1f} s of CPU  peak {peak:5.2f} GB", flush=True)


def _clip_by_clip(ballot: Ballot, pairing: Pairing) -> list[Pair]:
    """The rule as one of a user's own is called."""
    return unanimous(ballot, pairing)


def main() -> None:
    """Make the run and time the commands' functions on it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clips", type=int, default=87_000)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--shard-clips", type=int, default=64)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        timed(
            "(making the run)",
            lambda: make_run(out, asked.clips, asked.candidates, asked.shard_clips),
        )
        timed("pair, unanimous", lambda: pair(out, []))
        timed("pair, top_bottom", lambda: pair(out, ["rule=top_bottom", "score=ovrl"]))
        timed("pair, weighted, 3 per clip", lambda: pair(out, [
            "rule=weighted", "score=null", "pairs_per_clip=3"]))  # fmt: skip
        timed("pair, unanimous", lambda: pair(out, ["rule=unanimous", "pairs_per_clip=1"]))
        found = candidates(out, votes_of_run(open_run.read_document(out)))
        timed("unanimous at once", lambda: pair_clips(found, unanimous, Pairing()))
        timed("unanimous clip by clip", lambda: pair_clips(found, _clip_by_clip, Pairing()))
        timed("audit, brief", lambda: audit(out, brief=True))
        timed("audit without sound", lambda: audit(out, audio_pairs=0))
        shutil.rmtree(out / "audit")
        alone("audit and report.html", AUDIT.format(out=str(out)))
        alone("the same once more", AUDIT.format(out=str(out)))


if __name__ == "__main__":
    main()
