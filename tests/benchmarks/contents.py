"""Cost of checking that nothing was replaced: parts of a run, and its recordings.

    python -m tests.benchmarks.contents [--parts 10000] [--recordings 90000] [--out DIR]

`parts` makes a run directory with this number of parts of clips, candidates and scores together,
each with a few rows and no audio. It then checks the directory as every reader does: as it was
written, as a new copy (all of it is read), and as the same copy again. `identify_contents` makes
this number of files of 64 bytes and computes their content digests for a new run, and again when
nothing has changed.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from gensr_pref.building import recordings
from gensr_pref.corpus.fingerprints import read_fingerprints
from gensr_pref.rundir.integrity import MADE_BEFORE_PAIRS, check
from tests.benchmarks.pairing import synthetic

TABLES = 3


def timed(name, work):
    """Print the seconds of a piece of work on the wall and of CPU; what it gives."""
    began, used = time.perf_counter(), time.process_time()
    made = work()
    told = {
        "what": name,
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
    }
    print(json.dumps(told), flush=True)
    return made


def of_parts(folder, count):
    """The check of a run directory of so many parts."""
    folder.mkdir()
    shards = count // TABLES
    out = timed(f"writing {shards * TABLES} parts", lambda: synthetic(folder, 9 * shards, 1))
    timed("check, as written", lambda: check(out, MADE_BEFORE_PAIRS))
    copy = shutil.copytree(out, folder / "copy")
    timed("check, a copy for the first time", lambda: check(copy, MADE_BEFORE_PAIRS))
    timed("check, the copy again", lambda: check(copy, MADE_BEFORE_PAIRS))


def of_recordings(folder, count):
    """Finding what so many recordings hold, and finding it again."""
    files = {}
    for place in range(count):
        path = folder / f"{place // 1000:03d}" / f"{place:06d}.wav"
        if place % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(place.to_bytes(8, "little") * 8)
        files[f"speech/{path.relative_to(folder)}"] = path
    found = timed(f"{count} recordings that are new", lambda: read_fingerprints(files, {}))
    recordings.write_recordings(folder, recordings.Recordings(now=found))
    again = timed(
        "the same again", lambda: read_fingerprints(files, recordings.read_recordings(folder))
    )
    assert again == found


def main():
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=10_000)
    parser.add_argument("--recordings", type=int, default=90_000)
    parser.add_argument("--out", type=Path, help="where the files are made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.out) as folder:
        of_parts(Path(folder) / "parts", given.parts)
        of_recordings(Path(folder) / "recordings", given.recordings)


if __name__ == "__main__":
    main()
