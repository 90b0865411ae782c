"""Pseudonyms for speakers and recordings.

A pseudonym is the BLAKE2b hash of the name, keyed with a secret of 32 random bytes. Without the
secret, nobody can test guessed names, which would be possible with a plain hash or a published
salt. The secret stays in the run directory (or in the file `secret`) and is never published. With
the same secret, a name has the same pseudonym in every export.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from gensr_pref.errors import InputError, Problem, StorageError, parameter
from gensr_pref.rundir.json_columns import parse_source, parse_steps

Anonymisation = Literal["drop", "hash"]
SECRET = "anonymise.key"  # file of a run directory
_BYTES = 32
_IDS = ("clip_id", "pair_id", "candidate_id", "chosen_id", "rejected_id")
_DRAWN = ("seed", "sampling")  # columns of a candidate; of a pair, with the prefix of the side


@dataclass(frozen=True)
class Pseudonyms:
    """Replacements for names.

    Attributes:
        how: drop removes speaker and source; hash replaces both by pseudonyms.
        secret: the key.
    """

    how: Anonymisation
    secret: bytes

    def pseudonym(self, kind: str, name: str) -> str:
        """Return the pseudonym of a name: ``kind-`` and 16 hexadecimal digits."""
        hashed = hashlib.blake2b(
            name.encode(), digest_size=8, key=self.secret, person=kind.encode()
        )
        return f"{kind}-{hashed.hexdigest()}"

    def speaker(self, name: str) -> str | None:
        """Return a speaker's pseudonym; None if names are dropped."""
        return self.pseudonym("speaker", name) if self.how == "hash" else None

    def table(self, table: pa.Table) -> pa.Table:
        """Return rows of an export without names.

        Ids begin with a pseudonym of their clip, because a clip's own name contains that of its
        recording. Seeds and values drawn from them are dropped, and only the names of the
        degradation's steps are kept: all of these are computed from the recording's name and the
        run's seed, so they would confirm a guessed name.
        """
        for name in table.column_names:
            if change := self._change(name):
                values = [None if v is None else change(v) for v in table[name].to_pylist()]
                index, field = table.schema.get_field_index(name), table.schema.field(name)
                table = table.set_column(index, field, pa.array(values, field.type))
        return table

    def _change(self, column: str) -> Callable[[Any], Any] | None:
        if column in _IDS:
            return self._id
        if column.removeprefix("chosen_").removeprefix("rejected_") in _DRAWN:
            return lambda _: None
        return {
            "speaker": self.speaker,
            "source": self._source,
            "degradation": _steps,
        }.get(column)

    def _id(self, name: str) -> str:
        clip, slash, rest = name.partition("/")
        return f"{self.pseudonym('clip', clip)}{slash}{rest}"

    def _source(self, text: str) -> str | None:
        if self.how == "drop":
            return None
        source = parse_source(text)
        return json.dumps({**source, "source_id": self.pseudonym("source", source["source_id"])})


def open_pseudonyms(how: Anonymisation, secret: Path) -> Pseudonyms:
    """Return pseudonyms with the secret in a file, which is created if it does not exist.

    Raises:
        InputError: the file contains something else.
        StorageError: it cannot be read or written.
    """
    try:
        if not secret.exists():
            created = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(created, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_BYTES) + "\n")
        key = bytes.fromhex(secret.read_text(encoding="ascii"))
    except OSError as error:
        raise StorageError(
            f"{error.strerror}. Choose another {parameter('secret')}",
            path=secret,
            problem=Problem.UNWRITABLE,
        ) from error
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise InputError(
            f"contains no secret of {_BYTES} bytes in hexadecimal",
            path=secret,
            problem=Problem.INVALID,
        )
    return Pseudonyms(how, key)


def _steps(text: str) -> str:
    return json.dumps([{"step": step["step"]} for step in parse_steps(text)])
