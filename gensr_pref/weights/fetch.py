"""Getting weights ahead of an offline run: ``gensr-pref fetch NAME…``.

A file comes from where it is published, or from a mirror: with ``GENSR_PREF_MIRROR=PREFIX`` it is
looked for as ``PREFIX/FILE``, PREFIX being an https address or a local folder, such as the cache
of another machine or the one that openai-whisper or torch.hub keeps. It goes into a part file, is
hashed, and only then takes its name. With ``GENSR_PREF_OFFLINE=1`` no connection is opened; a local
folder still serves.

``org/name`` or ``org/name@REVISION`` is a generator's checkpoint on the Hugging Face Hub; it goes
into the Hub's own cache (`gensr_pref.weights.hub`), and its mirrors are the Hub's
(``HF_ENDPOINT``).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gensr_pref.errors import (
    FetchError,
    GensrPrefError,
    InputError,
    MissingWeightsError,
    Problem,
    parameter,
)
from gensr_pref.storage import files, lease
from gensr_pref.storage.location import expand_user
from gensr_pref.weights import catalogue, hub
from gensr_pref.weights.catalogue import CATALOGUE, Checkpoint
from gensr_pref.weights.download import download, forget, require_safe, shown, unwritable


class PartlyFetchedError(FetchError):
    """Some of several checkpoints could not be had; the others are in the cache.

    Args:
        rows: of those that are there, as `fetch` returns them.
        failed: what was raised for each of the others, by name.
    """

    def __init__(self, rows: list[dict[str, Any]], failed: Mapping[str, Exception]) -> None:
        reasons = "".join(f"\n  {name}: {error}" for name, error in failed.items())
        super().__init__(f"{len(failed)} of {len(rows) + len(failed)} not fetched:{reasons}")
        self.rows = rows
        self.failed = dict(failed)


def listing() -> list[dict[str, Any]]:
    """One row per checkpoint that can be fetched: what it is, and whether it is here."""
    return [
        {
            "name": one.name,
            "here": _state(one),
            "size_mb": "-" if one.size is None else round(one.size / 1e6, 1),
            "licence": one.licence,
            "from": one.revision,
            "host": urlsplit(one.url).hostname,
            "digest": "published" if one.sha256 else "of the first fetch",
            "notice": one.notice,
        }
        for one in CATALOGUE.values()
    ]


def fetch(names: Sequence[str], sha256: str | None = None) -> list[dict[str, Any]]:
    """Have these checkpoints in the cache, downloading and hashing those that are not there.

    Args:
        names: of checkpoints, as in ``gensr-pref fetch``, or ``org/name[@REVISION]`` on the Hub.
        sha256: that the file must have, in hexadecimal; for one name, and of use where none is
            published. One on the Hub is pinned by its commit instead.

    Returns:
        One row per name: name, path, sha256, what the digest was compared with, licence, notice.

    Raises:
        InputError: an unknown name, or a digest, mirror or address that cannot be.
        MissingWeightsError: offline and not here, or here and not what it should be.
        FetchError: it cannot be had, or is not the file that was published.
        StorageError: the disk is full or cannot be written.
        PartlyFetchedError: of several names, some could not be had, for whatever of these reasons.
    """
    unique = list(dict.fromkeys(names))
    wanted = {name: catalogue.named(name) for name in unique if not _of_hub(name)}
    if sha256 is not None and len(wanted) < len(unique):
        raise InputError(
            "a checkpoint on the Hub is pinned as org/name@COMMIT",
            field=parameter("sha256"),
            problem=Problem.CONFLICT,
        )
    pinned = _pin(list(wanted.values()), sha256)
    sources = {name: _source(one) for name, one in wanted.items()}
    lacking = [one for one in wanted.values() if not catalogue.is_here(one)]
    beyond = [one for one in lacking if isinstance(sources[one.name], str)]
    if catalogue.offline() and beyond:
        raise MissingWeightsError(
            catalogue.missing(beyond), value=[one.name for one in beyond], problem=Problem.OFFLINE
        )
    rows, failed = [], {}
    for name in unique:
        try:
            if name in wanted:
                rows.append(_fetched(wanted[name], sources[name], pinned))
            else:
                rows.append(_from_hub(name))
        except GensrPrefError as error:
            if len(unique) == 1:
                raise
            failed[name] = error
    if failed:
        raise PartlyFetchedError(rows, failed)
    return rows


def _of_hub(name: str) -> bool:
    return hub.is_id(name.partition("@")[0])


def _from_hub(name: str) -> dict[str, Any]:
    """What a person is told of a checkpoint of the Hub, now that it is here."""
    repository, _, revision = name.partition("@")
    found = hub.snapshot(repository, revision or None, renew=True)
    return {
        "name": f"{repository}@{found.commit}",
        "path": str(found.folder),
        "sha256": catalogue.sha256_of(found.folder / hub.FILES[1]),
        "digest": "by the commit",
        "licence": "-",
        "notice": f"licence: see the card of {repository}",
    }


def verify(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Hash checkpoints in the cache again: those named, else all that are here.

    Raises:
        MissingWeightsError: one is not there, or not what it should be.
        InputError: no checkpoint has that name.
    """
    wanted = [catalogue.named(name) for name in names]
    wanted = wanted or [one for one in CATALOGUE.values() if catalogue.is_here(one)]
    if lacking := [one for one in wanted if not catalogue.is_here(one)]:
        raise MissingWeightsError(
            catalogue.missing(lacking), value=[one.name for one in lacking], problem=Problem.MISSING
        )
    return [_row(one, catalogue.checked(one, again=True)) for one in wanted]


def _state(checkpoint: Checkpoint) -> str:
    if not catalogue.is_here(checkpoint):
        return "no"
    same = checkpoint.size in (None, catalogue.cached(checkpoint).stat().st_size)
    return "yes" if same else "damaged"


def _pin(wanted: Sequence[Checkpoint], sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    digest = sha256.lower()
    if len(wanted) != 1:
        raise InputError(
            "is the digest of one file: give one name with it",
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
    """The address or the file that a checkpoint comes from."""
    mirror = os.environ.get(catalogue.MIRROR, "").strip()
    if not mirror:
        return checkpoint.url
    if "://" not in mirror:
        return expand_user(mirror) / checkpoint.file
    try:
        require_safe(mirror)
    except InputError as error:
        raise error.within(catalogue.MIRROR) from None
    parts = urlsplit(mirror)  # a query, such as a token, stays behind the path
    return parts._replace(path=f"{parts.path.rstrip('/')}/{checkpoint.file}").geturl()


def _fetched(checkpoint: Checkpoint, source: str | Path, pinned: str | None) -> dict[str, Any]:
    if not catalogue.is_here(checkpoint):
        with _alone(catalogue.cached(checkpoint)):
            if not catalogue.is_here(checkpoint):  # nobody else got it while we waited
                _get(checkpoint, source, pinned)
    found = catalogue.checked(checkpoint)
    if pinned not in (None, found):
        path = catalogue.cached(checkpoint)
        raise MissingWeightsError(
            f"its SHA-256 is {found}, not {pinned}. Delete it and "
            f"{catalogue.digest_file(path).name}, then fetch again",
            path=path,
            value=found,
            problem=Problem.DAMAGED,
        )
    return _row(checkpoint, found, pinned)


def _get(checkpoint: Checkpoint, source: str | Path, pinned: str | None) -> None:
    path = catalogue.cached(checkpoint)
    part = path.with_name(f"{path.name}.part")
    expected = pinned or catalogue.expected_digest(checkpoint)
    if isinstance(source, Path):
        _copy(source, part)
    else:
        download(source, part, checkpoint.size, checkpoint.name, hashed=expected is not None)
    found = catalogue.sha256_of(part)
    if expected not in (None, found):
        forget(part)
        where = source if isinstance(source, Path) else shown(source)
        kept = "" if checkpoint.sha256 or pinned else f" (from {catalogue.digest_file(path)})"
        raise FetchError(
            f"its SHA-256 is {found}, not {expected}{kept}: damaged on the way, or not "
            f"the file that was published. What was fetched of {checkpoint.name!r} is deleted, "
            "and the same command begins anew.",
            path=where,
            value=found,
            problem=Problem.DAMAGED,
        )
    _install(part, path, found)


def _install(part: Path, path: Path, sha256: str) -> None:
    """Give a file that was found good its name, with its digest beside it."""
    try:
        with part.open("rb") as file:
            files.flush(file.fileno())  # its bytes are on the disk before its name is
        part.replace(path)
        catalogue.record(path, sha256, path.stat().st_mtime_ns)
        forget(part)
    except OSError as error:
        raise unwritable(path, error) from error


def _copy(source: Path, part: Path) -> None:
    if not source.is_file():
        raise FetchError(
            f"there is no such file in the mirror ({catalogue.MIRROR})",
            path=source,
            problem=Problem.MISSING,
        )
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        raise unwritable(part, error) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time fetch a file; the others wait."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise unwritable(path, error) from error
    with lease.wait_for_lock(lock, f"{path.name}: another process is fetching it; waiting"):
        yield


def _row(checkpoint: Checkpoint, sha256: str, pinned: str | None = None) -> dict[str, Any]:
    """What a person is told of a checkpoint that is here."""
    unpublished = "as given" if pinned else "of the first fetch"
    return {
        "name": checkpoint.name,
        "path": str(catalogue.cached(checkpoint)),
        "sha256": sha256,
        "digest": "as published" if checkpoint.sha256 else unpublished,
        "licence": checkpoint.licence,
        "notice": checkpoint.notice,
    }
