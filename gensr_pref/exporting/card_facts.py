"""The facts that a dataset card is written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gensr_pref.exporting.dataset_files import DatasetConfig
from gensr_pref.exporting.licences import LicensedPart
from gensr_pref.exporting.pseudonyms import Anonymisation
from gensr_pref.exporting.redacted_facts import PublishedAudit, PublishedSummary
from gensr_pref.rundir.document import RunDocument

Format = Literal["parquet", "wav-jsonl", "trl"]


@dataclass(frozen=True)
class CardFacts:
    """The facts that a dataset card is written from.

    Attributes:
        run, audit, summary: as they are published (`gensr_pref.exporting.redacted_facts`).
        parts: works and models that went into the dataset, with their licences.
        tables: configs of the dataset; the first one holds the pairs.
        languages: ISO 639-1 codes of the clips, where they are known.
        form: format of the export.
        repository: ``org/name`` on the Hub, or None.
        anonymised: how names were anonymised, or None.
        codes: codes per codebook, in the format ``trl``.
        has_figure: whether there is a figure of the votes' agreement.
    """

    run: RunDocument
    audit: PublishedAudit
    summary: PublishedSummary
    parts: Sequence[LicensedPart]
    tables: Sequence[DatasetConfig]
    languages: Sequence[str] = ()
    form: Format = "parquet"
    repository: str | None = None
    anonymised: Anonymisation | None = None
    codes: int | None = None
    has_figure: bool = True
