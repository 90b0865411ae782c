"""Downloads of weights before an offline run: ``gensr-pref fetch NAME…``.

A file comes from its publisher or from a mirror. With ``GENSR_PREF_MIRROR=PREFIX`` it is taken from
``PREFIX/FILE``, where PREFIX is an https address or a local folder, such as the cache of another
machine, of openai-whisper or of torch.hub. It is written to a part file, hashed, and only then
renamed to its final name. With ``GENSR_PREF_OFFLINE=1`` no connection is opened; a local folder
still works.

``org/name`` or ``org/name@REVISION`` is a generator's checkpoint on the Hugging Face Hub. It is
stored in the Hub's own cache (`gensr_pref.weights.hub`), and the Hub's setting for mirrors applies
(``HF_ENDPOINT``).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from gensr_pref.errors import (
    FetchError,
    GensrPrefError,
    InputError,
    MissingWeightsError,
    Problem,
    parameter,
)
from gensr_pref.storage import lease
from gensr_pref.storage.local_files import flush
from gensr_pref.storage.location import expand_user
from gensr_pref.weights import catalogue, hub
from gensr_pref.weights.addresses import require_safe, without_credentials
from gensr_pref.weights.catalogue import CATALOGUE, Checkpoint
from gensr_pref.weights.download import (
    cache_error,
    download,
    remove_part,
)


class FetchedRow(TypedDict):
    """A checkpoint in the cache, as `fetch` and `verify` return it."""

    name: str
    path: str
    sha256: str
    digest: str
    licence: str
    notice: str


ListedRow = TypedDict(
    "ListedRow",
    {
        "name": str,
        "here": str,
        "size_mb": float | str,
        "licence": str,
        "from": str,
        "host": str | None,
        "digest": str,
        "notice": str,
    },
)


class PartlyFetchedError(FetchError):
    """Some of several checkpoints could not be fetched; the others are in the cache.

    Args:
        rows: rows of the checkpoints in the cache, as `fetch` returns them.
        failed: the error of each other checkpoint, by name.
    """

    def __init__(self, rows: list[FetchedRow], failed: Mapping[str, Exception]) -> None:
        reasons = "".join(f"\n  {name}: {error}" for name, error in failed.items())
        super().__init__(f"{len(failed)} of {len(rows) + len(failed)} not fetched:{reasons}")
        self.rows = rows
        self.failed = dict(failed)


def list_checkpoints() -> list[ListedRow]:
    """Return one row per checkpoint of the catalogue, with its facts and its state in the cache."""
    return [
        {
            "name": checkpoint.name,
            "here": _state(checkpoint),
            "size_mb": "-" if checkpoint.size is None else round(checkpoint.size / 1e6, 1),
            "licence": checkpoint.licence,
            "from": checkpoint.revision,
            "host": urlsplit(checkpoint.url).hostname,
            "digest": "published" if checkpoint.sha256 else "of the first fetch",
            "notice": checkpoint.notice,
        }
        for checkpoint in CATALOGUE.values()
    ]


def fetch(names: Sequence[str], sha256: str | None = None) -> list[FetchedRow]:
    """Download and verify the checkpoints that are not in the cache.

    Args:
        names: names of the catalogue, or ``org/name[@REVISION]`` on the Hub.
        sha256: required digest in hexadecimal, for a single name; useful where no digest is
            published. A checkpoint on the Hub is pinned by its commit instead.

    Returns:
        One row per name: name, path, sha256, what the digest was compared with, licence, notice.

    Raises:
        InputError: a name is unknown, or a digest, mirror or address is invalid.
        MissingWeightsError: connections are forbidden and the file is not in the cache, or the
            file in the cache fails verification.
        FetchError: the download failed, or the file is not the published one.
        StorageError: the disk is full or cannot be written.
        PartlyFetchedError: some of several names failed, for any of these reasons.
    """
    unique = list(dict.fromkeys(names))
    wanted = {name: catalogue.get_checkpoint(name) for name in unique if not _is_on_hub(name)}
    if sha256 is not None and len(wanted) < len(unique):
        raise InputError(
            "a checkpoint on the Hub is pinned as org/name@COMMIT",
            field=parameter("sha256"),
            problem=Problem.CONFLICT,
        )
    pinned = _pin(list(wanted.values()), sha256)
    sources = {name: _source(checkpoint) for name, checkpoint in wanted.items()}
    absent = [checkpoint for checkpoint in wanted.values() if not catalogue.is_cached(checkpoint)]
    online = [checkpoint for checkpoint in absent if isinstance(sources[checkpoint.name], str)]
    if catalogue.is_offline() and online:
        raise MissingWeightsError(
            catalogue.missing_message(online),
            value=[checkpoint.name for checkpoint in online],
            problem=Problem.OFFLINE,
        )
    rows: list[FetchedRow] = []
    failed: dict[str, Exception] = {}
    for name in unique:
        try:
            if name in wanted:
                rows.append(_fetch_checkpoint(wanted[name], sources[name], pinned))
            else:
                rows.append(_fetch_from_hub(name))
        except GensrPrefError as error:
            if len(unique) == 1:
                raise
            failed[name] = error
    if failed:
        raise PartlyFetchedError(rows, failed)
    return rows


def _is_on_hub(name: str) -> bool:
    return hub.is_id(name.partition("@")[0])


def _fetch_from_hub(name: str) -> FetchedRow:
    """Fetch a checkpoint from the Hub and return its row."""
    repository, _, revision = name.partition("@")
    snapshot = hub.snapshot(repository, revision or None, renew=True)
    return {
        "name": f"{repository}@{snapshot.commit}",
        "path": str(snapshot.folder),
        "sha256": catalogue.sha256_of(snapshot.folder / hub.FILES[1]),
        "digest": "by the commit",
        "licence": "-",
        "notice": f"licence: see the card of {repository}",
    }


def verify(names: Sequence[str] = ()) -> list[FetchedRow]:
    """Hash checkpoints in the cache again: the named ones, else all of them.

    Raises:
        MissingWeightsError: a file is missing or fails verification.
        InputError: no checkpoint has that name.
    """
    wanted = [catalogue.get_checkpoint(name) for name in names]
    wanted = wanted or [
        checkpoint for checkpoint in CATALOGUE.values() if catalogue.is_cached(checkpoint)
    ]
    if absent := [checkpoint for checkpoint in wanted if not catalogue.is_cached(checkpoint)]:
        raise MissingWeightsError(
            catalogue.missing_message(absent),
            value=[checkpoint.name for checkpoint in absent],
            problem=Problem.MISSING,
        )
    return [
        _row(checkpoint, catalogue.verify_digest(checkpoint, again=True)) for checkpoint in wanted
    ]


def _state(checkpoint: Checkpoint) -> str:
    if not catalogue.is_cached(checkpoint):
        return "no"
    same = checkpoint.size in (None, catalogue.cache_path(checkpoint).stat().st_size)
    return "yes" if same else "damaged"


def _pin(wanted: Sequence[Checkpoint], sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    digest = sha256.lower()
    if len(wanted) != 1:
        raise InputError(
            "is the digest of one file; give exactly one name with it",
            field=parameter("sha256"),
            value=sha256,
            problem=Problem.DUPLICATE,
        )
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InputError(
            f"{sha256!r} is not 64 hexadecimal digits",
            field=parameter("sha256"),
            value=sha256,
            problem=Problem.INVALID,
        )
    if wanted[0].sha256 not in (None, digest):
        raise InputError(
            f"{digest} is not the published one, {wanted[0].sha256}",
            field=parameter("sha256"),
            value=digest,
            problem=Problem.CONFLICT,
        )
    return digest


def _source(checkpoint: Checkpoint) -> str | Path:
    """Return the address or the file that a checkpoint is fetched from."""
    mirror = os.environ.get(catalogue.MIRROR, "").strip()
    if not mirror:
        return checkpoint.url
    if "://" not in mirror:
        return expand_user(mirror) / checkpoint.file
    try:
        require_safe(mirror)
    except InputError as error:
        raise error.within(catalogue.MIRROR) from None
    parts = urlsplit(mirror)  # a query, such as a token, stays after the path
    return parts._replace(path=f"{parts.path.rstrip('/')}/{checkpoint.file}").geturl()


def _fetch_checkpoint(checkpoint: Checkpoint, source: str | Path, pinned: str | None) -> FetchedRow:
    if not catalogue.is_cached(checkpoint):
        with _hold_fetch_lock(catalogue.cache_path(checkpoint)):
            if not catalogue.is_cached(checkpoint):  # no other process has fetched it meanwhile
                _fetch_into_cache(checkpoint, source, pinned)
    digest = catalogue.verify_digest(checkpoint)
    if pinned not in (None, digest):
        path = catalogue.cache_path(checkpoint)
        raise MissingWeightsError(
            f"its SHA-256 is {digest}, not {pinned}. Delete it and "
            f"{catalogue.digest_path(path).name}, then fetch again",
            path=path,
            value=digest,
            problem=Problem.DAMAGED,
        )
    return _row(checkpoint, digest, pinned)


def _fetch_into_cache(checkpoint: Checkpoint, source: str | Path, pinned: str | None) -> None:
    path = catalogue.cache_path(checkpoint)
    part = path.with_name(f"{path.name}.part")
    expected = pinned or catalogue.expected_digest(checkpoint)
    if isinstance(source, Path):
        _copy(source, part)
    else:
        download(source, part, checkpoint.size, checkpoint.name, hashed=expected is not None)
    digest = catalogue.sha256_of(part)
    if expected not in (None, digest):
        remove_part(part)
        where = source if isinstance(source, Path) else without_credentials(source)
        origin = "" if checkpoint.sha256 or pinned else f" (from {catalogue.digest_path(path)})"
        raise FetchError(
            f"its SHA-256 is {digest}, not {expected}{origin}: the download is damaged, or it is "
            f"not the published file. The download of {checkpoint.name!r} is deleted; the same "
            "command starts again.",
            path=where,
            value=digest,
            problem=Problem.DAMAGED,
        )
    _install(part, path, digest)


def _install(part: Path, path: Path, sha256: str) -> None:
    """Rename a verified file to its final name, and write its digest beside it."""
    try:
        with part.open("rb") as file:
            flush(file.fileno())  # its bytes reach the disk before its name
        part.replace(path)
        catalogue.write_digest(path, sha256, path.stat().st_mtime_ns)
        remove_part(part)
    except OSError as error:
        raise cache_error(path, error) from error


def _copy(source: Path, part: Path) -> None:
    if not source.is_file():
        raise FetchError(
            f"does not exist in the mirror ({catalogue.MIRROR})",
            path=source,
            problem=Problem.MISSING,
        )
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        raise cache_error(part, error) from error


@contextmanager
def _hold_fetch_lock(path: Path) -> Iterator[None]:
    """Let only one process at a time fetch a file; others wait."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise cache_error(path, error) from error
    with lease.wait_for_lock(lock, f"{path.name}: another process is fetching it; waiting"):
        yield


def _row(checkpoint: Checkpoint, sha256: str, pinned: str | None = None) -> FetchedRow:
    """Return the row of a checkpoint in the cache."""
    unpublished = "as given" if pinned else "of the first fetch"
    return {
        "name": checkpoint.name,
        "path": str(catalogue.cache_path(checkpoint)),
        "sha256": sha256,
        "digest": "as published" if checkpoint.sha256 else unpublished,
        "licence": checkpoint.licence,
        "notice": checkpoint.notice,
    }
