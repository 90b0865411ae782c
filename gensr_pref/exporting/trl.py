"""Pairs of token models under the column names of TRL's preference trainers.

TRL 1.16 (`trl/trainer/dpo_trainer.py`): `DPOTrainer` takes ``prompt``, ``chosen`` and ``rejected``
as text. Its tokenizer turns them into ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``, which
its `DataCollatorForPreference` joins to sequences. Both are written here: the ids, and a text with
one word ``<|id|>`` per id, for a tokenizer that has these words as tokens.

The tokens of a candidate, [codebooks][frames], become one sequence frame by frame; code c of
codebook g has the id ``g * codes + c``. The prompt is empty: a generator's input is audio, which is
in the column ``noisy``; a tokenizer of your own can make a prompt from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.errors import InputError, Problem, parameter
from gensr_pref.rundir import part_files
from gensr_pref.schema import AUDIO, PAIR_ROLES

_KEPT = (
    "text", "language", "speaker", "pair_id", "clip_id", "rule", "rank", "chosen_id", "rejected_id",
    "chosen_generator", "rejected_generator", "chosen_revision", "rejected_revision",
    "margins", "sample_rate", "num_samples",
)  # fmt: skip


def trl_schema(pairs: pa.Schema) -> pa.Schema:
    """Return the schema of the format: TRL's columns, the noisy clip, and facts of the pair."""
    roles = ("prompt", *PAIR_ROLES)
    return pa.schema(
        [
            *[pa.field(role, pa.string(), nullable=False) for role in roles],
            *[pa.field(f"{role}_ids", pa.list_(pa.int32()), nullable=False) for role in roles],
            pa.field("noisy", AUDIO),
            *[pairs.field(name) for name in _KEPT],
        ]
    )


def codebook_size(run: Path) -> int:
    """Return the codes per codebook: the smallest power of two above every token of the run.

    Raises:
        InputError: no candidate has tokens.
        StorageError: a part cannot be read.
    """
    largest = -1
    for part in part_files.parts(run, "candidates"):
        for batch in part_files.batches(part, ["tokens"], rows=256):
            highest = pc.max(pc.list_flatten(pc.list_flatten(batch.column("tokens")))).as_py()
            largest = max(largest, -1 if highest is None else highest)
    if largest < 0:
        raise _no_tokens(run)
    return 1 << int(largest).bit_length()


def require_tokens(run: Path) -> None:
    """Refuse a run without tokens; read only up to the first candidate that has tokens.

    Raises:
        InputError: no candidate has tokens.
        StorageError: a part cannot be read.
    """
    for part in part_files.parts(run, "candidates"):
        for batch in part_files.batches(part, ["tokens"], rows=256):
            if batch.column("tokens").null_count < len(batch):
                return
    raise _no_tokens(run)


def _no_tokens(run: Path) -> InputError:
    return InputError(
        f"trl: no candidate of {run} has tokens, because none of its generators "
        f"produces them. Use {parameter('form')} parquet",
        field=parameter("form"),
        path=run,
        value="trl",
        problem=Problem.UNSUPPORTED,
    )


def trl_rows(tables: Iterator[pa.Table], schema: pa.Schema, codes: int) -> Iterator[pa.Table]:
    """Yield the pairs whose candidates both have tokens.

    Args:
        tables: tables of `columns.export_pairs_schema` and ``split``.
        schema: result of `trl_schema`, and ``split``.
        codes: codes per codebook.
    """
    for table in tables:
        both = pc.and_(*(table.column(f"{side}_tokens").is_valid() for side in PAIR_ROLES))
        both_tokens = table.filter(both)
        if len(both_tokens):
            yield _to_trl(both_tokens, schema, codes)


def _to_trl(table: pa.Table, schema: pa.Schema, codes: int) -> pa.Table:
    named = {name: table.column(name) for name in schema.names if name in table.column_names}
    ids = {"prompt": [np.zeros(0, np.int32)] * len(table)} | {
        side: [
            token_sequence(tokens, codes) for tokens in table.column(f"{side}_tokens").to_pylist()
        ]
        for side in PAIR_ROLES
    }
    for role, sequences in ids.items():
        named[f"{role}_ids"] = pa.array(sequences, pa.list_(pa.int32()))
        named[role] = pa.array([token_text(sequence) for sequence in sequences], pa.string())
    named["noisy"] = table.column("prompt")
    return pa.table([named[name] for name in schema.names], schema=schema)


def token_sequence(tokens: list[list[int]], codes: int) -> npt.NDArray[np.int32]:
    """Return the ids [codebooks * frames] of tokens [codebooks][frames], frame by frame."""
    array = np.asarray(tokens, np.int32)
    offsets = codes * np.arange(len(array), dtype=np.int32)[:, None]
    return np.asarray((array + offsets).T.reshape(-1), np.int32)


def token_text(ids: npt.NDArray[np.int32]) -> str:
    """Return a text with one word ``<|id|>`` per id."""
    return "".join(f"<|{token}|>" for token in ids)
