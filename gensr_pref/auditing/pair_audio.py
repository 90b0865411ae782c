"""Analyses the audio of chosen and rejected, and the generator's representation of them.

Audio is large, so a limited number of pairs is analysed, from a limited number of part files that
are spread evenly over the run. The results are stored in ``audit/sides.parquet``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref import audio
from gensr_pref.auditing.base import Array, Rows
from gensr_pref.auditing.learnability import (
    GeneratorProbe,
    latent_features,
    learnability,
    token_features,
)
from gensr_pref.auditing.load import RunTables
from gensr_pref.auditing.sound_properties import SoundProperties, sound_properties
from gensr_pref.identity import clean_id, digest, is_clean, split_candidate_id
from gensr_pref.rundir import part_files
from gensr_pref.rundir.json_columns import parse_sampling
from gensr_pref.rundir.rows import Row, find_rows
from gensr_pref.schema import PAIR_ROLES

MAX_PARTS = 40
SoundProperty = Literal["seconds", "level_db", "bandwidth_hz", "silence"]
SOUND_PROPERTIES: tuple[SoundProperty, ...] = get_args(SoundProperty)
_SCHEMA = pa.schema(
    [
        pa.field("candidate_id", pa.string(), nullable=False),
        *[pa.field(name, pa.float64()) for name in SOUND_PROPERTIES],
        pa.field("features", pa.list_(pa.float64())),
        pa.field("tokens", pa.list_(pa.list_(pa.int32()))),
    ]
)
_COLUMNS = ["candidate_id", "audio", "tokens", "latent"]


class AudioAnalysis(SoundProperties):
    """The analysis of one candidate, a row of ``audit/sides.parquet``.

    Keys:
        candidate_id: its id.
        features: from `latent_features`; None without a latent.
        tokens: [codebooks][frames]; None without tokens.
    """

    candidate_id: str
    features: list[float] | None
    tokens: list[list[int]] | None


@dataclass(frozen=True)
class AnalysedPairs:
    """The pairs whose audio was analysed.

    Attributes:
        pairs: [K] rows of the pairs table whose chosen and rejected were both analysed.
        analyses: the results by candidate id.
    """

    pairs: Rows
    analyses: Mapping[str, AudioAnalysis]


def analyse_pairs(run: RunTables, limit: int) -> AnalysedPairs:
    """Analyse chosen and rejected of at most `limit` pairs; results in the cache are reused."""
    rows, parts = _draw_rows(run, limit)
    ids = set(_ids(run, rows, "chosen")) | set(_ids(run, rows, "rejected"))
    path = run.out / "audit" / "sides.parquet"
    fingerprint = digest(run.contents.digest("clips"), run.contents.digest("candidates"))
    known = _read_cache(path, fingerprint)
    missing = ids - known.keys()
    if missing:
        for row in chain(_candidates(parts, missing), _clean_targets(run.out, missing)):
            known[row["candidate_id"]] = _analyse(row)
        part_files.write(path, list(known.values()), _SCHEMA, {"fingerprint": fingerprint})
    both = [
        a in known and b in known
        for a, b in zip(_ids(run, rows, "chosen"), _ids(run, rows, "rejected"), strict=True)
    ]
    return AnalysedPairs(rows[np.array(both, dtype=bool)], known)


def sound_values(run: RunTables, analysed: AnalysedPairs) -> dict[str, tuple[Array, Array]]:
    """Return the values of each sound property for chosen and for rejected."""
    return {
        name: (_values(run, analysed, "chosen", name), _values(run, analysed, "rejected", name))
        for name in SOUND_PROPERTIES
    }


def sampling_values(run: RunTables) -> dict[str, tuple[Array, Array]]:
    """Return each numeric sampling setting (index, temperature ...) of chosen and rejected.

    It covers all pairs. NaN if there is no such candidate or setting.
    """
    rows = {role: _candidate_rows(run, role) for role in PAIR_ROLES}
    index = np.asarray(run.candidates.column("index").to_numpy(), dtype=np.float64)
    draws = run.candidates.column("sampling").combine_chunks().dictionary_encode()
    number = draws.indices.to_numpy(zero_copy_only=False)
    settings = [parse_sampling(text) for text in draws.dictionary.to_pylist()]
    names = sorted({name for row in settings for name, value in row.items() if _is_number(value)})
    tables = {"index": index} | {
        name: np.array([_number(row.get(name)) for row in settings], dtype=np.float64)[number]
        for name in names
    }
    return {
        name: (_take(values, rows["chosen"]), _take(values, rows["rejected"]))
        for name, values in tables.items()
    }


def probe_generators(run: RunTables, analysed: AnalysedPairs) -> list[GeneratorProbe]:
    """Run the probe on the pairs of each generator.

    Pairs of two generators have no common features. A clean target has none at all: the generator's
    encoder would have to compute them, and the audit runs no model.
    """
    pairs = run.pairs
    own = analysed.pairs[
        (pairs.chosen[analysed.pairs] >= 0) & (pairs.rejected[analysed.pairs] >= 0)
    ]
    chosen, rejected = (run.generators[rows[own]] for rows in (pairs.chosen, pairs.rejected))
    speakers = run.properties["speaker"]
    names, code = np.unique([name or "" for name in speakers], return_inverse=True)
    code = np.where(names[code] == "", -1, code)
    results: list[GeneratorProbe] = []
    for generator in np.unique(chosen):
        rows = own[(chosen == generator) & (rejected == generator)]
        difference, kind = _differences(run, analysed, rows)
        if difference is not None:
            clip = pairs.clip[rows]
            result = learnability(difference, clip, code[clip])
            results.append({"generator": str(generator), "features": kind, **result})
    return results


def _differences(run: RunTables, analysed: AnalysedPairs, rows: Rows) -> tuple[Array | None, str]:
    """Return [K, D] features of chosen minus rejected, and their source (latent or tokens)."""
    analyses = [analysed.analyses[name] for role in PAIR_ROLES for name in _ids(run, rows, role)]
    features = [row["features"] for row in analyses if row["features"] is not None]
    tokens = [row["tokens"] for row in analyses if row["tokens"] is not None]
    if analyses and len(features) == len(analyses):
        if len({len(vector) for vector in features}) > 1:
            return None, ""
        values = np.array(features)
        return values[: len(rows)] - values[len(rows) :], "latent"
    if analyses and len(tokens) == len(analyses):
        values = token_features(tokens)
        return values[: len(rows)] - values[len(rows) :], "tokens"
    return None, ""


def _draw_rows(run: RunTables, limit: int) -> tuple[Rows, list[Path]]:
    """Return rows of the pairs table, in order, and the part files of their candidates."""
    counts = part_files.rows_by_part(run.out, "candidates")
    parts, ends = list(counts), np.cumsum(list(counts.values()))
    chosen, rejected = (_candidate_rows(run, role) for role in PAIR_ROLES)
    clean = pc.fill_null(pc.ends_with(run.pairs_table.column("chosen_id"), clean_id("")), False)
    part = np.searchsorted(ends, np.maximum(np.maximum(chosen, rejected), 0), side="right")
    count = min(len(parts), MAX_PARTS)
    read = np.unique(np.linspace(0, len(parts) - 1, count).round().astype(np.int64))
    rows = np.flatnonzero(
        ((chosen >= 0) | clean.to_numpy()) & (rejected >= 0) & np.isin(part, read)
    )
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(0).choice(rows, limit, replace=False))
    return rows, [parts[k] for k in np.unique(part[rows])]


def _candidates(parts: list[Path], ids: set[str]) -> Iterator[Row]:
    for table in find_rows(parts, ids, _COLUMNS):
        yield from table.to_pylist()


def _clean_targets(out: Path, ids: set[str]) -> Iterator[Row]:
    """Yield the clean targets that the rule `golden` chose; they have no features."""
    clips = [split_candidate_id(name)[0] for name in ids if is_clean(name)]
    parts = part_files.parts(out, "clips") if clips else []
    for table in find_rows(parts, clips, ["clip_id", "clean"]):
        for row in table.to_pylist():
            if row["clean"]:
                name = clean_id(row["clip_id"])
                yield {"candidate_id": name, "audio": row["clean"], "latent": None, "tokens": None}


def _analyse(row: Row) -> AudioAnalysis:
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


def _read_cache(path: Path, fingerprint: str) -> dict[str, AudioAnalysis]:
    if not part_files.exists(path) or part_files.read_facts(path).get("fingerprint") != fingerprint:
        return {}
    return {row["candidate_id"]: row for row in part_files.read(path).to_pylist()}


def _values(run: RunTables, analysed: AnalysedPairs, role: str, name: SoundProperty) -> Array:
    ids = _ids(run, analysed.pairs, role)
    return np.array([analysed.analyses[key][name] for key in ids], dtype=np.float64)


def _ids(run: RunTables, rows: Rows, role: str) -> list[str]:
    ids: list[str] = run.pairs_table.column(f"{role}_id").take(pa.array(rows)).to_pylist()
    return ids


def _candidate_rows(run: RunTables, role: str) -> Rows:
    """Return [P] rows of the candidates table; -1 if it has no such candidate."""
    known = run.candidates.column("candidate_id").combine_chunks()
    index = pc.index_in(run.pairs_table.column(f"{role}_id"), value_set=known)
    return np.asarray(pc.fill_null(index, -1).to_numpy().astype(np.int64))


def _take(values: Array, rows: Rows) -> Array:
    if not len(values):
        return np.full(len(rows), np.nan)
    return np.asarray(np.where(rows >= 0, values[rows], np.nan))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else float("nan")
