"""Build a run in Python and write its best pair: python examples/pairs_in_python.py OUT."""

import sys
from pathlib import Path

import pyarrow.parquet as pq

from gensr_pref import build, sample


def main(out: Path) -> None:
    """Build eight clips of the bundled sample and write the best pair as FLAC files."""
    settings = ["corpus.limit=8", "engine.kind=serial"]
    summary = build(sample.DEMO, out, overrides=settings)
    print(f"{summary['pairs']} pairs from {summary['clips']} clips")
    pairs = pq.read_table(out / "pairs").to_pylist()
    if not pairs:
        return
    best = max(pairs, key=lambda pair: pair["margins"]["dnsmos_ovrl"])
    candidates = {row["candidate_id"]: row for row in pq.read_table(out / "candidates").to_pylist()}
    for side in ("chosen", "rejected"):
        row = candidates[best[f"{side}_id"]]
        (out / f"{side}.flac").write_bytes(row["audio"]["bytes"])
        print(f"{side}: {row['candidate_id']} drawn with {row['sampling']}")
    print({score: round(margin, 3) for score, margin in best["margins"].items() if margin})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
