"""The schemas of the tables of an export; docs/export.md explains each column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

import pyarrow as pa

from gensr_pref.schema import AUDIO, CANDIDATES, LATENT, PAIR_ROLES, SCORE_FAILURES

VERSION = 1  # version of the format of an export
_TOKENS = CANDIDATES.field("tokens").type
_OF_SIDE: tuple[tuple[str, pa.DataType], ...] = (
    ("generator", pa.string()),
    ("revision", pa.string()),
    ("seed", pa.int64()),
    ("sampling", pa.string()),
    ("tokens", _TOKENS),
    ("latent", LATENT),
)


def export_pairs_schema(scores: Iterable[str], clean: bool = False) -> pa.Schema:
    """Return the schema of the pairs: one row per pair, with its audio.

    Args:
        scores: names of the panel's scores.
        clean: whether to include a column with the clean clip.
    """
    values = pa.struct([pa.field(name, pa.float32()) for name in scores])
    sides = [
        pa.field(f"{side}_{name}", kind, nullable=name != "generator")
        for name, kind in _OF_SIDE
        for side in PAIR_ROLES
    ]
    return pa.schema(
        [
            pa.field("prompt", AUDIO),
            pa.field("chosen", AUDIO),
            pa.field("rejected", AUDIO),
            *([pa.field("clean", AUDIO)] if clean else []),
            pa.field("text", pa.string()),
            pa.field("language", pa.string()),
            pa.field("speaker", pa.string()),
            pa.field("pair_id", pa.string(), nullable=False),
            pa.field("clip_id", pa.string(), nullable=False),
            pa.field("rule", pa.string(), nullable=False),
            pa.field("rank", pa.int32(), nullable=False),
            pa.field("chosen_id", pa.string(), nullable=False),
            pa.field("rejected_id", pa.string(), nullable=False),
            *sides,
            *[pa.field(f"{role}_scores", values) for role in ("prompt", *PAIR_ROLES)],
            pa.field("margins", values),
            pa.field("degradation", pa.string()),
            pa.field("source", pa.string()),
            pa.field("sample_rate", pa.int32(), nullable=False),
            pa.field("num_samples", pa.int64(), nullable=False),
        ]
    )


def export_candidates_schema(scores: Iterable[str], audio: bool = False) -> pa.Schema:
    """Return the schema of the candidates: one row per candidate and per noisy input.

    Args:
        scores: names of the panel's scores.
        audio: whether to include a column with the audio.
    """
    values = pa.struct([pa.field(name, pa.float32()) for name in scores])
    return pa.schema(
        [
            *([pa.field("audio", AUDIO)] if audio else []),
            pa.field("candidate_id", pa.string(), nullable=False),
            pa.field("clip_id", pa.string(), nullable=False),
            pa.field("generator", pa.string(), nullable=False),
            pa.field("revision", pa.string()),
            pa.field("index", pa.int32()),
            pa.field("seed", pa.int64()),
            pa.field("sampling", pa.string()),
            pa.field("sample_rate", pa.int32()),
            pa.field("num_samples", pa.int64()),
            pa.field("scores", values),
            pa.field("failures", SCORE_FAILURES),
        ]
    )


class YamlType(TypedDict, total=False):
    """A type in the YAML of a dataset card, under the one of these keys that is present.

    ``dtype`` names a plain type, ``struct`` has fields, and ``list`` has the type of its items.
    """

    dtype: str
    struct: Sequence[YamlFeature]
    list: str | YamlType | Sequence[YamlFeature]


class YamlFeature(YamlType):
    """A named column or field, as ``dataset_info.features`` of a dataset card lists it."""

    name: str


def yaml_features(schema: pa.Schema) -> list[YamlFeature]:
    """Return the columns as ``dataset_info.features`` of a dataset card lists them."""
    return [{"name": field.name, **_yaml_type(field.type)} for field in schema]


def _yaml_type(kind: pa.DataType) -> YamlType:
    if kind == AUDIO:
        return {"dtype": "audio"}
    if pa.types.is_struct(kind):
        return {"struct": yaml_features(pa.schema(list(kind)))}
    if pa.types.is_list(kind):
        inside = _yaml_type(kind.value_type)
        if set(inside) == {"dtype"} and inside["dtype"] != "audio":
            return {"list": inside["dtype"]}
        return {"list": inside["struct"] if set(inside) == {"struct"} else inside}
    return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind))}
