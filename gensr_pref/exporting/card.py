"""The dataset card, written from the facts of the run; every number in it is in the audit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import yaml

from gensr_pref.exporting import card_sections as sections
from gensr_pref.exporting.columns import yaml_features
from gensr_pref.exporting.licences import Part, hub_licences
from gensr_pref.exporting.pseudonyms import How
from gensr_pref.exporting.shard_writer import Split
from gensr_pref.rundir.document import RunDocument
from gensr_pref.untrusted.text import escape_all

Format = Literal["parquet", "wav-jsonl", "trl"]
TAGS = ("audio", "speech", "speech-enhancement", "speech-restoration", "preference", "dpo")
_LIBRARY = "gensr_pref"
_SIZES = (
    "1K",
    "10K",
    "100K",
    "1M",
    "10M",
    "100M",
    "1B",
    "10B",
    "100B",
    "1T",
)  # as the Hub has them


@dataclass(frozen=True)
class Table:
    """A config of the dataset.

    Attributes:
        name: of the config.
        folder: where its files are; empty where they are at the top.
        schema: of its files.
        splits: with files and rows.
    """

    name: str
    folder: str
    schema: pa.Schema
    splits: tuple[Split, ...]

    @property
    def download_size(self) -> int:
        """Bytes of the files."""
        return sum(split.download_size for split in self.splits)

    @property
    def dataset_size(self) -> int:
        """Bytes of the rows in memory."""
        return sum(split.num_bytes for split in self.splits)


@dataclass(frozen=True)
class Facts:
    """All that the card is written from.

    Attributes:
        run, audit, summary: as they are published (`gensr_pref.exporting.redacted_facts`).
        parts: what went into it, with licences.
        tables: its configs, the first being the pairs.
        languages: ISO 639-1 codes of the clips, where known.
        form: of the export.
        repository: ``org/name`` on the Hub, or None.
        anonymised: how, or None.
        codes: per codebook, under the form ``trl``.
        has_figure: whether there is one of the agreement.
    """

    run: RunDocument
    audit: dict[str, Any]
    summary: dict[str, Any]
    parts: Sequence[Part]
    tables: Sequence[Table]
    languages: Sequence[str] = ()
    form: Format = "parquet"
    repository: str | None = None
    anonymised: How | None = None
    codes: int | None = None
    has_figure: bool = True


def card(facts: Facts) -> str:
    """The whole ``README.md``: YAML for the Hub, then words for people."""
    told = escape_all(metadata(facts), lines=True)
    head = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{head}---\n\n{sections.body(facts)}"


def metadata(facts: Facts) -> dict[str, Any]:
    """What stands between the ``---`` (docs/hub/datasets-cards of the Hub)."""
    licences = hub_licences(facts.parts)
    told: dict[str, Any] = {
        "pretty_name": facts.run.name,
        "license": licences[0] if len(licences) == 1 else licences,
        **_other_licence(facts, licences),
        "task_categories": ["audio-to-audio"],
        "annotations_creators": ["machine-generated"],
        "tags": _tags(facts),
        "size_categories": [_size(sum(split.rows for split in facts.tables[0].splits))],
    }
    if facts.languages:
        told["language"] = list(facts.languages)
    if facts.form != "wav-jsonl":
        told["configs"] = [_config(table, not place) for place, table in enumerate(facts.tables)]
        told["dataset_info"] = [_info(table) for table in facts.tables]
    return told


def _other_licence(facts: Facts, licences: Sequence[str]) -> dict[str, str]:
    """The names of licences that the Hub does not know."""
    if "other" not in licences:
        return {}
    bound = [p for p in facts.parts if hub_licences([p]) == ["other"]]
    names = dict.fromkeys(part.licence for part in bound)
    plain = re.sub(r"[^a-z0-9.+-]+", "-", "-and-".join(names).lower()).strip("-")
    return {"license_name": plain or "other"}


def _tags(facts: Facts) -> list[str]:
    barred = any(part.is_non_commercial for part in facts.parts)
    return [*TAGS, _LIBRARY, *(["non-commercial"] if barred else []),
            *(["trl"] if facts.form == "trl" else [])]  # fmt: skip


def _size(rows: int) -> str:
    """The Hub's name of a size."""
    above = sum(rows >= 1000 * 10**power for power in range(len(_SIZES)))
    if above == 0:
        return f"n<{_SIZES[0]}"
    return f"{_SIZES[above - 1]}<n<{_SIZES[above]}" if above < len(_SIZES) else f"n>{_SIZES[-1]}"


def _config(table: Table, default: bool) -> dict[str, Any]:
    files = [
        {"split": split.name, "path": f"{table.folder}/{split.name}-*"} for split in table.splits
    ]
    return {
        "config_name": table.name,
        "data_files": files,
        **({"default": True} if default else {}),
    }


def _info(table: Table) -> dict[str, Any]:
    return {
        "config_name": table.name,
        "features": yaml_features(table.schema),
        "splits": [
            {"name": split.name, "num_bytes": split.num_bytes, "num_examples": split.rows}
            for split in table.splits
        ],
        "download_size": table.download_size,
        "dataset_size": table.dataset_size,
    }
