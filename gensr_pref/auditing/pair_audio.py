"""What the two sides of pairs sound like, and what the generator's own representation of them is.

Audio is large, so a bounded number of pairs is looked at, from a bounded number of part files that
are spread evenly over the run; what was found is kept in ``audit/sides.parquet``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref import audio
from gensr_pref.auditing.base import Array, Rows
from gensr_pref.auditing.learnability import latent_features, learnability, token_features
from gensr_pref.auditing.load import Evidence
from gensr_pref.auditing.sound_properties import sound_properties
from gensr_pref.identity import clean_id, digest, is_clean, split_candidate_id
from gensr_pref.rundir import part_files
from gensr_pref.rundir.rows import Row, find_rows
from gensr_pref.schema import PAIR_ROLES
from gensr_pref.untrusted.columns import parse_sampling

MAX_PARTS = 40
SOUND_PROPERTIES = ("seconds", "level_db", "bandwidth_hz", "silence")
_SCHEMA = pa.schema(
    [
        pa.field("candidate_id", pa.string(), nullable=False),
        *[pa.field(name, pa.float64()) for name in SOUND_PROPERTIES],
        pa.field("features", pa.list_(pa.float64())),
        pa.field("tokens", pa.list_(pa.list_(pa.int32()))),
    ]
)
_COLUMNS = ["candidate_id", "audio", "tokens", "latent"]
Analysis = dict[str, Any]


@dataclass(frozen=True)
class AnalysedPairs:
    """Some pairs and what is known of their sides.

    Attributes:
        pairs: [K] rows of the pairs table, of which both sides were found.
        sides: what was found, by candidate id.
    """

    pairs: Rows
    sides: Mapping[str, Analysis]


def analyse_pairs(found: Evidence, most: int) -> AnalysedPairs:
    """The properties of both sides of at most so many pairs; from the cache what is there."""
    rows, parts = _draw_rows(found, most)
    ids = set(_ids(found, rows, "chosen")) | set(_ids(found, rows, "rejected"))
    path = found.out / "audit" / "sides.parquet"
    fingerprint = digest(found.contents.digest("clips"), found.contents.digest("candidates"))
    known = _read_cache(path, fingerprint)
    missing = ids - known.keys()
    if missing:
        for row in chain(_candidates(parts, missing), _clean_targets(found.out, missing)):
            known[row["candidate_id"]] = _analyse(row)
        part_files.write(path, list(known.values()), _SCHEMA, {"fingerprint": fingerprint})
    both = [
        a in known and b in known
        for a, b in zip(_ids(found, rows, "chosen"), _ids(found, rows, "rejected"), strict=True)
    ]
    return AnalysedPairs(rows[np.array(both, dtype=bool)], known)


def sound_values(found: Evidence, sample: AnalysedPairs) -> dict[str, tuple[Array, Array]]:
    """Per property of the sound, its values of chosen and rejected."""
    return {
        name: (_values(found, sample, "chosen", name), _values(found, sample, "rejected", name))
        for name in SOUND_PROPERTIES
    }


def sampling_values(found: Evidence) -> dict[str, tuple[Array, Array]]:
    """Per number that a candidate was drawn with (index, temperature ...), both sides of all pairs.

    NaN where a side is no candidate or was drawn without it.
    """
    place = {side: _candidate_rows(found, side) for side in PAIR_ROLES}
    index = np.asarray(found.candidates.column("index").to_numpy(), dtype=np.float64)
    draws = found.candidates.column("sampling").combine_chunks().dictionary_encode()
    number = draws.indices.to_numpy(zero_copy_only=False)
    settings = [parse_sampling(text) for text in draws.dictionary.to_pylist()]
    names = sorted({name for one in settings for name, value in one.items() if _is_number(value)})
    tables = {"index": index} | {
        name: np.array([_number(one.get(name)) for one in settings], dtype=np.float64)[number]
        for name in names
    }
    return {
        name: (_take(values, place["chosen"]), _take(values, place["rejected"]))
        for name, values in tables.items()
    }


def probe_generators(found: Evidence, sample: AnalysedPairs) -> list[dict[str, Any]]:
    """The probe on each generator's own pairs.

    What crosses generators has no common features, and a clean target has none: they would be what
    the generator's encoder makes of it, and the audit runs no model.
    """
    pairs = found.pairs
    own = sample.pairs[(pairs.chosen[sample.pairs] >= 0) & (pairs.rejected[sample.pairs] >= 0)]
    chosen, rejected = (found.generators[rows[own]] for rows in (pairs.chosen, pairs.rejected))
    speakers = found.properties["speaker"]
    names, code = np.unique([name or "" for name in speakers], return_inverse=True)
    code = np.where(names[code] == "", -1, code)
    told = []
    for generator in np.unique(chosen):
        rows = own[(chosen == generator) & (rejected == generator)]
        difference, kind = _differences(found, sample, rows)
        if difference is not None:
            clip = pairs.clip[rows]
            result = learnability(difference, clip, code[clip])
            told.append({"generator": str(generator), "features": kind, **result})
    return told


def _differences(found: Evidence, sample: AnalysedPairs, rows: Rows) -> tuple[Array | None, str]:
    """[K, D] features of chosen minus rejected, and what they are of."""
    sides = [[sample.sides[name] for name in _ids(found, rows, side)] for side in PAIR_ROLES]
    every = [one for side in sides for one in side]
    if every and all(one["features"] is not None for one in every):
        if len({len(one["features"]) for one in every}) > 1:
            return None, ""
        values = np.array([one["features"] for one in every])
        return values[: len(rows)] - values[len(rows) :], "latent"
    if every and all(one["tokens"] is not None for one in every):
        values = token_features([one["tokens"] for one in every])
        return values[: len(rows)] - values[len(rows) :], "tokens"
    return None, ""


def _draw_rows(found: Evidence, most: int) -> tuple[Rows, list[Path]]:
    """Rows of the pairs table, rising, and the part files of the candidates they are of."""
    counts = part_files.counts(found.out, "candidates")
    parts, ends = list(counts), np.cumsum(list(counts.values()))
    chosen, rejected = (_candidate_rows(found, side) for side in PAIR_ROLES)
    clean = pc.fill_null(pc.ends_with(found.pairs_table.column("chosen_id"), clean_id("")), False)
    part = np.searchsorted(ends, np.maximum(np.maximum(chosen, rejected), 0), side="right")
    count = min(len(parts), MAX_PARTS)
    read = np.unique(np.linspace(0, len(parts) - 1, count).round().astype(np.int64))
    rows = np.flatnonzero(
        ((chosen >= 0) | clean.to_numpy()) & (rejected >= 0) & np.isin(part, read)
    )
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    return rows, [parts[k] for k in np.unique(part[rows])]


def _candidates(parts: list[Path], ids: set[str]) -> Iterator[Row]:
    for table in find_rows(parts, ids, _COLUMNS):
        yield from table.to_pylist()


def _clean_targets(out: Path, ids: set[str]) -> Iterator[Row]:
    """The clean targets that are chosen in pairs of the rule `golden`; they have no features."""
    clips = [split_candidate_id(name)[0] for name in ids if is_clean(name)]
    parts = part_files.parts(out, "clips") if clips else []
    for table in find_rows(parts, clips, ["clip_id", "clean"]):
        for row in table.to_pylist():
            if row["clean"]:
                name = clean_id(row["clip_id"])
                yield {"candidate_id": name, "audio": row["clean"], "latent": None, "tokens": None}


def _analyse(row: Row) -> Analysis:
    sound = audio.read(row["audio"]["bytes"])
    latent = row["latent"]
    value = None
    if latent is not None:
        value = np.frombuffer(latent["data"], dtype="<f2").reshape(latent["shape"])
    return {
        "candidate_id": row["candidate_id"],
        **sound_properties(sound.wave, sound.rate),
        "features": None if value is None else latent_features(value).tolist(),
        "tokens": row["tokens"],
    }


def _read_cache(path: Path, fingerprint: str) -> dict[str, Analysis]:
    if not part_files.exists(path) or part_files.facts(path).get("fingerprint") != fingerprint:
        return {}
    return {row["candidate_id"]: row for row in part_files.read(path).to_pylist()}


def _values(found: Evidence, sample: AnalysedPairs, side: str, name: str) -> Array:
    ids = _ids(found, sample.pairs, side)
    return np.array([sample.sides[one][name] for one in ids], dtype=np.float64)


def _ids(found: Evidence, rows: Rows, side: str) -> list[str]:
    ids: list[str] = found.pairs_table.column(f"{side}_id").take(pa.array(rows)).to_pylist()
    return ids


def _candidate_rows(found: Evidence, side: str) -> Rows:
    """[P] row of the candidates table; -1 where a side is no candidate."""
    known = found.candidates.column("candidate_id").combine_chunks()
    place = pc.index_in(found.pairs_table.column(f"{side}_id"), value_set=known)
    return np.asarray(pc.fill_null(place, -1).to_numpy().astype(np.int64))


def _take(values: Array, place: Rows) -> Array:
    if not len(values):
        return np.full(len(place), np.nan)
    return np.asarray(np.where(place >= 0, values[place], np.nan))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else float("nan")
