"""The recordings of a source in the run file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensr_pref.config import run_file
from gensr_pref.config.run_file import Corpus
from gensr_pref.corpus.base import Item, Source
from gensr_pref.corpus.file_sources import FolderFiles, ManifestFiles, PairedFiles
from gensr_pref.corpus.table_sources import HuggingFaceRows, ParquetRows
from gensr_pref.errors import Problem, SourceError
from gensr_pref.schema import Failure

_SHOWN = 3


def open_source(source: Any, base: Path, field: str = "corpus.source") -> Source:
    """Return the source that a section of the run file describes; reads nothing yet.

    Args:
        source: one of the models of `run_file.Source`.
        base: folder from which relative paths start.
        field: dotted name of the section, for messages.
    """
    match source:
        case run_file.ManifestSource():
            return ManifestFiles(source, base, field)
        case run_file.FolderSource():
            return FolderFiles(source, base, field)
        case run_file.PairedSource():
            return PairedFiles(source, base, field)
        case run_file.ParquetSource():
            return ParquetRows(source, base, field)
        case run_file.HuggingFaceSource():
            return HuggingFaceRows(source, base, field)
    raise TypeError(f"{field}: {type(source).__name__} is not a source")


def list_recordings(
    source: Source, field: str = "corpus.source"
) -> tuple[list[Item], list[Failure]]:
    """Return the usable recordings of a source, and the failures of the others.

    Raises:
        SourceError: no recording is usable; names the first few with their reasons.
    """
    items: list[Item] = []
    failures: list[Failure] = []
    for item in source.items():
        if isinstance(item, Item):
            items.append(item)
        else:
            failures.append(item)
    if not items:
        raise SourceError(
            f"none of its recordings can be used: {describe_failures(failures)}",
            field=field,
            value=failure_reasons(failures),
            problem=Problem.EMPTY,
        )
    return items, failures


def failure_reasons(failures: list[Failure]) -> list[tuple[str, str]]:
    """Return the id and the reason of each failed recording, as the value of an error."""
    return [(failed.clip_id, str(failed.reason)) for failed in failures]


def describe_failures(failures: list[Failure]) -> str:
    """Return the first few failures in one line."""
    shown = [f"{failed.clip_id} ({failed.reason}: {failed.detail})" for failed in failures[:_SHOWN]]
    rest = len(failures) - len(shown)
    return "; ".join([*shown, f"and {rest} more"] if rest else shown)


def has_clean(corpus: Corpus) -> bool:
    """Return whether the clips of a corpus have clean counterparts."""
    columns = getattr(corpus.source, "columns", None)
    return (
        corpus.degrade is not None
        or corpus.source.kind == "paired"
        or (columns is not None and columns.clean is not None)
    )
