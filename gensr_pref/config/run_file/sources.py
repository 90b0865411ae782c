"""The sources of recordings in a run file: ``corpus.source`` and those of the degradations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gensr_pref.config.run_file.fields import Model


class Columns(Model):
    """The names of the columns of a table; null if the table has no such column."""

    audio: str | None = Field(
        "path", description="column with the recording, as a path or as Audio bytes"
    )
    clean: str | None = Field(
        None,
        description="column with the clean recording, if the source has noisy and clean "
        "recordings in pairs",
    )
    text: str | None = Field(None, description="column with the spoken words")
    speaker: str | None = Field(None, description="column with the name of the speaker")
    language: str | None = Field(None, description="column with an ISO 639 code")


class ManifestSource(Model):
    """A CSV, TSV or JSON-lines table with one path per row."""

    kind: Literal["manifest"] = "manifest"
    path: str = Field(
        description="the table; its suffix determines whether it is read as CSV, TSV or JSON lines"
    )
    root: str | None = Field(
        None,
        description="folder that paths in the table are relative to; paths that lead outside "
        "are refused; null: the table's folder",
    )
    columns: Columns = Field(default_factory=lambda: Columns())


class FolderSource(Model):
    """Every audio file below a folder."""

    kind: Literal["folder"] = "folder"
    path: str = Field(description="the folder")
    speaker: Literal["none", "parent"] = Field(
        "none",
        description="parent: the name of a file's folder is its speaker; none: speakers are "
        "unknown",
    )


class PairedSource(Model):
    """Noisy and clean recordings that already exist, matched by name."""

    kind: Literal["paired"] = "paired"
    noisy: str = Field(description="folder of noisy files")
    clean: str = Field(
        description="folder of clean files with the same relative names (any suffix)"
    )


class ParquetSource(Model):
    """Parquet files with an Audio column (or bytes, or paths) and optional text and speaker."""

    kind: Literal["parquet"] = "parquet"
    path: str = Field(description="a file, a folder or a glob pattern")
    columns: Columns = Field(default_factory=lambda: Columns(audio="audio"))


class HuggingFaceSource(Model):
    """A dataset on the Hub or in a local folder, read through `datasets`."""

    kind: Literal["huggingface"] = "huggingface"
    path: str = Field(description="name of the dataset on the Hub, or a local folder")
    config: str | None = Field(None, description="config of the dataset")
    split: str = Field("train", description="split of the dataset")
    revision: str | None = Field(None, description="commit, tag or branch on the Hub")
    columns: Columns = Field(default_factory=lambda: Columns(audio="audio"))


Source = Annotated[
    ManifestSource | FolderSource | PairedSource | ParquetSource | HuggingFaceSource,
    Field(discriminator="kind"),
]
FileSource = Annotated[ManifestSource | FolderSource, Field(discriminator="kind")]
