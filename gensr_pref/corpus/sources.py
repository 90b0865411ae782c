"""From a source of the run file to its recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensr_pref.config import run_file
from gensr_pref.config.run_file import Corpus
from gensr_pref.corpus.base import Item, Source
from gensr_pref.corpus.file_sources import Folder, Manifest, Paired
from gensr_pref.corpus.table_sources import HuggingFaceRows, ParquetRows
from gensr_pref.errors import Problem, SourceError
from gensr_pref.schema import Failure

_SHOWN = 3


def opened(source: Any, base: Path, field: str = "corpus.source") -> Source:
    """The source that a section of the run file describes; nothing is read yet.

    Args:
        source: one of the models of `run_file.Source`.
        base: folder that relative paths are relative to.
        field: the section's dotted name, for messages.
    """
    match source:
        case run_file.ManifestSource():
            return Manifest(source, base, field)
        case run_file.FolderSource():
            return Folder(source, base, field)
        case run_file.PairedSource():
            return Paired(source, base, field)
        case run_file.ParquetSource():
            return ParquetRows(source, base, field)
        case run_file.HuggingFaceSource():
            return HuggingFaceRows(source, base, field)
    raise TypeError(f"{field}: {type(source).__name__} is not a source")


def listed(source: Source, field: str = "corpus.source") -> tuple[list[Item], list[Failure]]:
    """All recordings of a source, and those that cannot be used.

    Raises:
        SourceError: none can be used; names the first few and why.
    """
    items: list[Item] = []
    failures: list[Failure] = []
    for found in source.items():
        if isinstance(found, Item):
            items.append(found)
        else:
            failures.append(found)
    if not items:
        raise SourceError(
            f"none of its recordings can be used: {described(failures)}",
            field=field,
            value=reasons_of(failures),
            problem=Problem.EMPTY,
        )
    return items, failures


def reasons_of(failures: list[Failure]) -> list[tuple[str, str]]:
    """Each failed recording and the reason, as errors carry them."""
    return [(failed.clip_id, str(failed.reason)) for failed in failures]


def described(failures: list[Failure]) -> str:
    """The first few failures in one line."""
    shown = [f"{failed.clip_id} ({failed.reason}: {failed.detail})" for failed in failures[:_SHOWN]]
    rest = len(failures) - len(shown)
    return "; ".join([*shown, f"and {rest} more"] if rest else shown)


def has_clean(corpus: Corpus) -> bool:
    """Whether the clips of a corpus have clean counterparts."""
    columns = getattr(corpus.source, "columns", None)
    return (
        corpus.degrade is not None
        or corpus.source.kind == "paired"
        or (columns is not None and columns.clean is not None)
    )
