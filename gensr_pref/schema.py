"""The tables of a run directory: Arrow schemas, their Hugging Face features, the failure reasons.

Every table is a folder of `part-NNNNN.parquet`. Audio is FLAC bytes in the type that `datasets`
reads as `Audio`: a nullable ``struct<bytes: binary, path: string>`` plus the schema metadata key
``huggingface``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict, cast

import pyarrow as pa

from gensr_pref.untrusted import documents
from gensr_pref.untrusted.text import redact_secrets

SCHEMA_VERSION = 2  # 2: failures name their score and what they are a duplicate of

PAIR_ROLES = ("chosen", "rejected")

Feature = dict[str, "str | Feature"]  # JSON of a column in `datasets`


class Reason(StrEnum):
    """Reasons why a clip, a candidate or a score is missing: a closed list."""

    MISSING = "missing"  # a file that does not exist
    UNREADABLE = "unreadable"  # not audio, damaged, or in an unsupported format
    TRUNCATED = "truncated"  # a file that holds less than it declares
    EMPTY = "empty"  # zero samples
    TOO_SHORT = "too_short"  # shorter than the run, the metric or the model can use
    TOO_LONG = "too_long"  # longer than the metric or the model can use
    SILENT = "silent"  # no signal above the 16-bit floor
    NOT_FINITE = "not_finite"  # NaN or infinity
    LENGTH_MISMATCH = "length_mismatch"  # noisy and clean, or output and input, differ in length
    OUT_OF_RANGE = "out_of_range"  # an output far beyond full scale
    NO_CLEAN = "no_clean"  # the metric needs a clean reference and there is none
    NO_TEXT = "no_text"  # the metric needs a transcript and there is none
    NO_WORDS = "no_words"  # the language is written without spaces between words
    UNKNOWN_LANGUAGE = "unknown_language"  # a language that the recogniser does not know
    NO_SPEECH = "no_speech"  # the metric found no utterance to score
    GENERATOR_ERROR = "generator_error"  # the generator raised, or its program failed
    WRONG_RATE = "wrong_rate"  # an output at another sample rate than agreed
    DUPLICATE = "duplicate"  # the same samples as an earlier candidate of the clip
    TIMED_OUT = "timed_out"  # the generator or metric exceeded its time limit
    OUT_OF_MEMORY = "out_of_memory"  # the generator needed more memory than there is
    WORKER_DIED = "worker_died"  # the generator or metric ended its process at every attempt
    METRIC_ERROR = "metric_error"  # the metric raised


@dataclass(frozen=True)
class Failure:
    """One row of the failures table: what is missing and why.

    Attributes:
        stage: corpus, candidates or scores.
        clip_id: id of the clip, or the source id before a clip exists.
        reason: one of the closed list.
        detail: free text for a person.
        candidate_id: id of the candidate, if it or one of its scores is missing.
        score: name of the score that is null, if one is.
        duplicate_of: id of the candidate with the same samples, if that is the reason.
    """

    stage: str
    clip_id: str
    reason: Reason
    detail: str = ""
    candidate_id: str | None = None
    score: str | None = None
    duplicate_of: str | None = None

    def __post_init__(self) -> None:
        """Remove tokens and passwords from `detail`, which may be the message of any exception."""
        if self.detail:
            object.__setattr__(self, "detail", redact_secrets(self.detail))


class PartFacts(TypedDict, total=False):
    """What a part's metadata holds (key ``gensr_pref``): what made the part, as JSON.

    Files from other people may hold values of any type here, so a reader compares or checks them.
    Pairs, and failures that belong to no shard, hold all of `run.yaml`'s provenance, of which only
    the keys of other parts are named here.

    Attributes:
        run: name of the run.
        gensr_pref: version of the package.
        schema_version: version of the tables.
        fingerprint: digest of everything that shaped the part.
        corpus, clips, library, splits, generators, panel: see `rundir.provenance.PartRecord`.
        pairing: pairing section of the run file (pairs).
        scores: digest of the scores that the pairs were made from (pairs).
        stops: number of clips without a pair, by reason (pairs).
    """

    run: str
    gensr_pref: str
    schema_version: int
    fingerprint: str
    corpus: str | None
    clips: str | None
    library: dict[str, str]
    splits: str
    generators: list[dict[str, Any]]
    panel: list[dict[str, Any]]
    pairing: dict[str, Any]
    scores: str
    stops: dict[str, int]


AUDIO = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
LATENT = pa.struct([pa.field("data", pa.binary()), pa.field("shape", pa.list_(pa.int32()))])
SCORE_FAILURES = pa.list_(pa.struct([("score", pa.string()), ("reason", pa.string())]))

CLIPS = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("noisy", AUDIO),
        pa.field("clean", AUDIO),
        pa.field("text", pa.string()),
        pa.field("language", pa.string()),
        pa.field("speaker", pa.string()),
        pa.field("split", pa.string(), nullable=False),
        pa.field("sample_rate", pa.int32(), nullable=False),
        pa.field("num_samples", pa.int64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # JSON: source id, start, frames, rate
        pa.field("degradation", pa.string()),  # JSON: degradation steps, in order
    ]
)
CANDIDATES = pa.schema(
    [
        pa.field("candidate_id", pa.string(), nullable=False),
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("generator", pa.string(), nullable=False),
        pa.field("revision", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("sampling", pa.string(), nullable=False),  # JSON: temperature, steps, ...
        pa.field("audio", AUDIO),
        pa.field("sample_rate", pa.int32(), nullable=False),
        pa.field("num_samples", pa.int64(), nullable=False),
        pa.field("tokens", pa.list_(pa.list_(pa.int32()))),  # [codebooks][frames]
        pa.field("latent", LATENT),  # float16, little-endian, row-major
    ]
)
FAILURES = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),  # corpus | candidates | scores
        pa.field("clip_id", pa.string(), nullable=False),  # or the source id, before a clip exists
        pa.field("candidate_id", pa.string()),
        pa.field("score", pa.string()),  # name of the score that is null
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),  # for a person; no code reads it
        pa.field("duplicate_of", pa.string()),  # id of the candidate with the same samples
    ]
)


def scores_schema(scores: Iterable[str], notes: Mapping[str, str]) -> pa.Schema:
    """Return the schema of scores: ids, a nullable float32 column per score, reasons for nulls.

    Args:
        scores: names of the scores.
        notes: names of the metrics' notes, each with its kind, ``text`` or ``number``. They are the
            fields of the column `notes`; without notes there is no such column.
    """
    columns = [pa.field(name, pa.float32()) for name in scores]
    fields = [pa.field(n, pa.string() if k == "text" else pa.float32()) for n, k in notes.items()]
    return pa.schema(
        [
            pa.field("candidate_id", pa.string(), nullable=False),
            pa.field("clip_id", pa.string(), nullable=False),
            *columns,
            pa.field("failures", SCORE_FAILURES),
            *([pa.field("notes", pa.struct(fields))] if fields else []),
        ]
    )


def pairs_schema(scores: Iterable[str]) -> pa.Schema:
    """Return the schema of pairs: ids, the rule, and the margin of chosen over rejected per score.

    A margin is positive where chosen is better, whatever the score's direction, and null where
    either score is null.
    """
    margins = pa.struct([pa.field(name, pa.float32()) for name in scores])
    return pa.schema(
        [
            pa.field("pair_id", pa.string(), nullable=False),
            pa.field("clip_id", pa.string(), nullable=False),
            pa.field("chosen_id", pa.string(), nullable=False),
            pa.field("rejected_id", pa.string(), nullable=False),
            pa.field("rule", pa.string(), nullable=False),
            pa.field("margins", margins),
            pa.field("rank", pa.int32(), nullable=False),
        ]
    )


def with_metadata(schema: pa.Schema, facts: Mapping[str, Any]) -> pa.Schema:
    """Return a schema with the facts of its run (key ``gensr_pref``) and Hugging Face features."""
    own = {"schema_version": SCHEMA_VERSION, **facts}
    features = {field.name: _feature(field.type) for field in schema}
    return schema.with_metadata(
        {
            "gensr_pref": json.dumps(own, sort_keys=True, ensure_ascii=False),
            "huggingface": json.dumps({"info": {"features": features}}),
        }
    )


def parse_facts(schema: Any) -> PartFacts:
    """Return the facts that `with_metadata` wrote; none if there are none.

    Args:
        schema: a schema of Arrow or metadata of a Parquet file.

    Raises:
        ValueError: the metadata is damaged.
    """
    written = (schema.metadata or {}).get(b"gensr_pref")
    facts = documents.parse_json(written) if written else {}
    return cast(PartFacts, facts) if isinstance(facts, dict) else {}


def _feature(kind: pa.DataType) -> Feature:
    """Return a column's entry in the features that `datasets` writes into a Parquet file."""
    if kind == AUDIO:
        return {"_type": "Audio"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    dtype = {"float": "float32", "double": "float64"}.get(str(kind), str(kind))
    return {"dtype": dtype, "_type": "Value"}


def column(table: pa.Table, name: str) -> Sequence[Any]:
    """Return a column as Python values."""
    values: list[Any] = table.column(name).to_pylist()
    return values
