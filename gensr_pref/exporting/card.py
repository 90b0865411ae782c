"""The dataset card, written from the facts of a run; every number in it is in the audit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import yaml

from gensr_pref.exporting import card_sections as sections
from gensr_pref.exporting.columns import yaml_features
from gensr_pref.exporting.licences import LicensedPart, hub_licences
from gensr_pref.exporting.pseudonyms import Anonymisation
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
class DatasetConfig:
    """A config of the dataset.

    Attributes:
        name: name of the config.
        folder: folder of its files; empty if they are at the top.
        schema: schema of its files.
        splits: its splits, with files and rows.
    """

    name: str
    folder: str
    schema: pa.Schema
    splits: tuple[Split, ...]

    @property
    def download_size(self) -> int:
        """Size of the files in bytes."""
        return sum(split.download_size for split in self.splits)

    @property
    def dataset_size(self) -> int:
        """Size of the rows in memory, in bytes."""
        return sum(split.num_bytes for split in self.splits)


@dataclass(frozen=True)
class CardFacts:
    """What the card is written from.

    Attributes:
        run, audit, summary: as they are published (`gensr_pref.exporting.redacted_facts`).
        parts: works and models that went into the dataset, with their licences.
        tables: configs of the dataset; the first one holds the pairs.
        languages: ISO 639-1 codes of the clips, where they are known.
        form: format of the export.
        repository: ``org/name`` on the Hub, or None.
        anonymised: how names were anonymised, or None.
        codes: codes per codebook, in the form ``trl``.
        has_figure: whether there is a figure of the votes' agreement.
    """

    run: RunDocument
    audit: dict[str, Any]
    summary: dict[str, Any]
    parts: Sequence[LicensedPart]
    tables: Sequence[DatasetConfig]
    languages: Sequence[str] = ()
    form: Format = "parquet"
    repository: str | None = None
    anonymised: Anonymisation | None = None
    codes: int | None = None
    has_figure: bool = True


def render_card(facts: CardFacts) -> str:
    """Return the whole ``README.md``: YAML for the Hub, then text for people."""
    front_matter = escape_all(card_metadata(facts), lines=True)
    head = yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{head}---\n\n{sections.render_body(facts)}"


def card_metadata(facts: CardFacts) -> dict[str, Any]:
    """Return the YAML front matter of the card (docs/hub/datasets-cards of the Hub)."""
    licences = hub_licences(facts.parts)
    values: dict[str, Any] = {
        "pretty_name": facts.run.name,
        "license": licences[0] if len(licences) == 1 else licences,
        **_other_licence(facts, licences),
        "task_categories": ["audio-to-audio"],
        "annotations_creators": ["machine-generated"],
        "tags": _tags(facts),
        "size_categories": [_size(sum(split.rows for split in facts.tables[0].splits))],
    }
    if facts.languages:
        values["language"] = list(facts.languages)
    if facts.form != "wav-jsonl":
        values["configs"] = [_config(table, not place) for place, table in enumerate(facts.tables)]
        values["dataset_info"] = [_info(table) for table in facts.tables]
    return values


def _other_licence(facts: CardFacts, licences: Sequence[str]) -> dict[str, str]:
    """The names of licences that the Hub does not know."""
    if "other" not in licences:
        return {}
    bound = [p for p in facts.parts if hub_licences([p]) == ["other"]]
    names = dict.fromkeys(part.licence for part in bound)
    plain = re.sub(r"[^a-z0-9.+-]+", "-", "-and-".join(names).lower()).strip("-")
    return {"license_name": plain or "other"}


def _tags(facts: CardFacts) -> list[str]:
    barred = any(part.is_non_commercial for part in facts.parts)
    return [*TAGS, _LIBRARY, *(["non-commercial"] if barred else []),
            *(["trl"] if facts.form == "trl" else [])]  # fmt: skip


def _size(rows: int) -> str:
    """The Hub's name of a size category."""
    above = sum(rows >= 1000 * 10**power for power in range(len(_SIZES)))
    if above == 0:
        return f"n<{_SIZES[0]}"
    return f"{_SIZES[above - 1]}<n<{_SIZES[above]}" if above < len(_SIZES) else f"n>{_SIZES[-1]}"


def _config(table: DatasetConfig, default: bool) -> dict[str, Any]:
    files = [
        {"split": split.name, "path": f"{table.folder}/{split.name}-*"} for split in table.splits
    ]
    return {
        "config_name": table.name,
        "data_files": files,
        **({"default": True} if default else {}),
    }


def _info(table: DatasetConfig) -> dict[str, Any]:
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
