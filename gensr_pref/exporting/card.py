"""The dataset card, written from the facts of a run; every number in it is in the audit."""

from __future__ import annotations

import re
from typing import Literal, NotRequired, TypedDict

import yaml

from gensr_pref.exporting.card_facts import CardFacts
from gensr_pref.exporting.card_sections import render_body
from gensr_pref.exporting.columns import YamlFeature, yaml_features
from gensr_pref.exporting.dataset_files import DatasetConfig
from gensr_pref.exporting.licences import hub_licences
from gensr_pref.untrusted.text import escape_all

TAGS = ("audio", "speech", "speech-enhancement", "speech-restoration", "preference", "dpo")
_LIBRARY = "gensr_pref"
# Bounds of the size categories, by their names on the Hub.
_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")


class DataFiles(TypedDict):
    """The files of a split, as ``configs`` of a card names them."""

    split: str
    path: str


class CardConfig(TypedDict):
    """A config of the dataset, as ``configs`` of a card lists it."""

    config_name: str
    data_files: list[DataFiles]
    default: NotRequired[Literal[True]]


class SplitInfo(TypedDict):
    """The size of a split, as ``dataset_info`` of a card states it."""

    name: str
    num_bytes: int
    num_examples: int


class DatasetInfo(TypedDict):
    """The columns and sizes of a config, as ``dataset_info`` of a card lists them."""

    config_name: str
    features: list[YamlFeature]
    splits: list[SplitInfo]
    download_size: int
    dataset_size: int


class CardMetadata(TypedDict, total=False):
    """The YAML front matter of a dataset card (docs/hub/datasets-cards of the Hub).

    ``license_name``, ``language``, ``configs`` and ``dataset_info`` are absent where they do not
    apply; the other keys are always present.
    """

    pretty_name: str
    license: str | list[str]
    license_name: str
    task_categories: list[str]
    annotations_creators: list[str]
    tags: list[str]
    size_categories: list[str]
    language: list[str]
    configs: list[CardConfig]
    dataset_info: list[DatasetInfo]


def render_card(facts: CardFacts) -> str:
    """Return the whole ``README.md``: YAML for the Hub, then text for people."""
    front_matter = escape_all(card_metadata(facts), lines=True)
    head = yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{head}---\n\n{render_body(facts)}"


def card_metadata(facts: CardFacts) -> CardMetadata:
    """Return the YAML front matter of the card, in the order of its keys."""
    licences = hub_licences(facts.parts)
    metadata: CardMetadata = {
        "pretty_name": facts.run.name,
        "license": licences[0] if len(licences) == 1 else licences,
    }
    if "other" in licences:
        metadata["license_name"] = _licence_name(facts)
    metadata["task_categories"] = ["audio-to-audio"]
    metadata["annotations_creators"] = ["machine-generated"]
    metadata["tags"] = _tags(facts)
    metadata["size_categories"] = [_size(sum(split.rows for split in facts.tables[0].splits))]
    if facts.languages:
        metadata["language"] = list(facts.languages)
    if facts.form != "wav-jsonl":
        metadata["configs"] = [
            _config(table, default=index == 0) for index, table in enumerate(facts.tables)
        ]
        metadata["dataset_info"] = [_info(table) for table in facts.tables]
    return metadata


def _licence_name(facts: CardFacts) -> str:
    """Return the names of licences that the Hub does not know, as one name."""
    other = [part for part in facts.parts if hub_licences([part]) == ["other"]]
    names = dict.fromkeys(part.licence for part in other)
    plain = re.sub(r"[^a-z0-9.+-]+", "-", "-and-".join(names).lower()).strip("-")
    return plain or "other"


def _tags(facts: CardFacts) -> list[str]:
    non_commercial = any(part.is_non_commercial for part in facts.parts)
    return [*TAGS, _LIBRARY, *(["non-commercial"] if non_commercial else []),
            *(["trl"] if facts.form == "trl" else [])]  # fmt: skip


def _size(rows: int) -> str:
    """Return the Hub's name of a size category."""
    above = sum(rows >= 1000 * 10**power for power in range(len(_SIZES)))
    if above == 0:
        return f"n<{_SIZES[0]}"
    return f"{_SIZES[above - 1]}<n<{_SIZES[above]}" if above < len(_SIZES) else f"n>{_SIZES[-1]}"


def _config(table: DatasetConfig, default: bool) -> CardConfig:
    config: CardConfig = {
        "config_name": table.name,
        "data_files": [
            {"split": split.name, "path": f"{table.folder}/{split.name}-*"}
            for split in table.splits
        ],
    }
    if default:
        config["default"] = True
    return config


def _info(table: DatasetConfig) -> DatasetInfo:
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
