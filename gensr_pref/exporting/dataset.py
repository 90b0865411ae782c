"""The tables of an export: a run's pairs with their audio, and its candidates with scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.errors import InputError, Problem, command_line
from gensr_pref.exporting import trl, wav_jsonl
from gensr_pref.exporting.candidate_rows import candidate_rows
from gensr_pref.exporting.card_facts import Format
from gensr_pref.exporting.columns import VERSION, export_candidates_schema, export_pairs_schema
from gensr_pref.exporting.dataset_files import DatasetConfig, Split
from gensr_pref.exporting.pseudonym_order import sort_by_pseudonym
from gensr_pref.exporting.pseudonyms import Pseudonyms
from gensr_pref.exporting.shard_writer import SHARD_BYTES, ShardWriter
from gensr_pref.rundir.rows import pairs

_SPLIT = pa.field("split", pa.string())


@dataclass(frozen=True)
class ExportOptions:
    """What an export contains.

    Attributes:
        form: format of the files: parquet, wav-jsonl or trl.
        candidates: content of the second config, for all candidates: none, scores, or scores and
            audio; only with parquet.
        clean: whether to include the clean clips.
        shard_bytes: approximate maximum size of a Parquet file, in bytes.
    """

    form: Format = "parquet"
    candidates: Literal["none", "scores", "audio"] = "scores"
    clean: bool = False
    shard_bytes: int = SHARD_BYTES


DEFAULT_OPTIONS = ExportOptions()


@dataclass(frozen=True)
class WrittenDataset:
    """The tables that were written.

    Attributes:
        tables: the pairs, and the candidates if they are part of the export.
        codes: codes per codebook, in the format trl.
    """

    tables: tuple[DatasetConfig, ...]
    codes: int | None = None


def write_dataset(
    run: Path, out: Path, options: ExportOptions, scores: Sequence[str], facts: dict[str, Any],
    names: Pseudonyms | None = None,
) -> WrittenDataset:  # fmt: skip
    """Write a run's pairs and candidates into a folder, with a few clips in memory at a time.

    The same run gives the same bytes. Audio is copied as the run's own FLAC bytes; in the format
    wav-jsonl, its samples are copied.

    Args:
        run: the run directory.
        out: an empty folder.
        scores: names of the panel's scores.
        facts: facts of the run, for the files' metadata.
        names: pseudonyms for speakers and recordings; None = keep the names.

    Raises:
        InputError: the run has no pairs, or none that fit the format.
        StorageError: a part cannot be read, or the folder cannot be written.
    """
    schema = export_pairs_schema(scores, options.clean)
    rows = _anonymise(_pairs(run, scores, schema), names, out)
    codes = None
    folder = "data"
    facts = {"export": VERSION, **facts}
    if options.form == "wav-jsonl":
        folder, splits = "", wav_jsonl.write_wav_jsonl(out, _read_ahead(rows))
    else:
        if options.form == "trl":
            codes = trl.codebook_size(run)
            schema = trl.trl_schema(schema)
            rows = trl.trl_rows(rows, schema.append(_SPLIT), codes)
        splits = _write_parquet(out / folder, rows, schema, facts, options.shard_bytes)
    if not splits:
        raise InputError(
            "has no pairs to export. Change its rule: "
            f"{command_line('gensr-pref', 'pair', run)} ...",
            path=run,
            value="pairs",
            problem=Problem.EMPTY,
        )
    tables = [DatasetConfig("default", folder, schema, tuple(splits))]
    if options.form == "parquet" and options.candidates != "none":
        tables.append(_write_candidates(run, out, options, scores, facts, names))
    return WrittenDataset(tuple(tables), codes)


def _pairs(run: Path, scores: Sequence[str], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the pairs with the columns of a schema and ``split``."""
    schema = schema.append(_SPLIT)
    for table in pairs(run, schema.names, scores):
        yield pa.table(table.columns, schema=schema)


def _write_candidates(
    run: Path, out: Path, options: ExportOptions, scores: Sequence[str], facts: dict[str, Any],
    names: Pseudonyms | None,
) -> DatasetConfig:  # fmt: skip
    audio = options.candidates == "audio"
    rows = _anonymise(candidate_rows(run, scores, audio), names, out)
    schema = export_candidates_schema(scores, audio)
    splits = _write_parquet(out / "candidates", rows, schema, facts, options.shard_bytes)
    return DatasetConfig("candidates", "candidates", schema, tuple(splits))


def _anonymise(rows: Iterator[pa.Table], names: Pseudonyms | None, out: Path) -> Iterator[pa.Table]:
    """Return rows with pseudonyms, in their order: the run's order reveals the names."""
    return rows if names is None else sort_by_pseudonym(map(names.table, rows), out)


def _write_parquet(
    folder: Path,
    rows: Iterator[pa.Table],
    schema: pa.Schema,
    facts: dict[str, Any],
    shard_bytes: int,
) -> list[Split]:
    """Write rows as Parquet files, one series per value of their column ``split``."""
    writers: dict[str, ShardWriter] = {}
    try:
        for table in _read_ahead(rows):
            for split in sorted(set(table.column("split").to_pylist())):
                if split not in writers:
                    writers[split] = ShardWriter(folder, split, schema, facts, shard_bytes)
                rows_of_split = table.filter(pc.equal(table.column("split"), split))
                writers[split].add(rows_of_split.select(schema.names))
        return [writers[split].close() for split in sorted(writers)]
    except BaseException as error:
        for writer in writers.values():
            writer.abandon(error)
        raise


def _read_ahead(rows: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same tables, and read the next one while one is written."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, rows, None)
        while (table := following.result()) is not None:
            following = reader.submit(next, rows, None)
            yield table
