"""A table of scores as large as the dataset that is aimed at, made in seconds; no audio."""

import numpy as np
import pyarrow as pa

from gensr_pref import schema
from gensr_pref.pairing.base import Vote

NAMES = ("sig", "bak", "ovrl", "sim", "wer", "pesq", "stoi")
LOADINGS = (0.8, 0.7, 0.9, 0.3, 0.3, 0.4, 0.3)  # on one common factor: DNSMOS's three move together
VOTES = [
    Vote(name, name != "wer", name not in ("pesq", "stoi"), ties=name == "wer") for name in NAMES
]


def synthetic(clips: int, candidates: int, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """The scores table and the candidates table (ids and generator).

    Every score is ``clip + a * common + sqrt(1 - a^2) * own`` with standard normal terms, a its
    loading; wer is rounded to tenths, so that it ties; 1 % of all scores are null.
    """
    rng = np.random.default_rng(seed)
    rows, width = clips * candidates, len(NAMES)
    loading = np.array(LOADINGS)
    common = rng.normal(size=(rows, 1))
    value = np.repeat(rng.normal(size=(clips, width)), candidates, axis=0)
    value += loading * common + np.sqrt(1 - loading**2) * rng.normal(size=(rows, width))
    value[:, NAMES.index("wer")] = np.round(-value[:, NAMES.index("wer")], 1)
    value[rng.random(value.shape) < 0.01] = np.nan
    clip = [f"clip-{number:08x}" for number in range(clips)]
    ids = [f"{name}/fm-tiny/{index}" for name in clip for index in range(candidates)]
    form = schema.scores_schema(NAMES, {})
    columns = {
        "candidate_id": ids,
        "clip_id": [name for name in clip for _ in range(candidates)],
        **{
            n: pa.array(v.astype(np.float32), from_pandas=True)
            for n, v in zip(NAMES, value.T, strict=True)
        },
        "failures": pa.nulls(rows, schema.SCORE_FAILURES),
    }
    scores = pa.table(
        [
            pa.array(columns[name]) if isinstance(columns[name], list) else columns[name]
            for name in form.names
        ],
        schema=form,
    )
    return scores, pa.table({"candidate_id": ids, "generator": ["fm-tiny"] * rows})
