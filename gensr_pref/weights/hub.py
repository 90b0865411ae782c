"""Checkpoints on the Hugging Face Hub: a repository at a commit, as a folder of the Hub's cache.

Only the files that a generator reads are downloaded: weights as safetensors, and their settings. A
revision in the cache is used without contacting the Hub, so that workers, and a run that is resumed
after a branch has moved, use the same commit. ``gensr-pref fetch org/name`` contacts the Hub again.
With ``GENSR_PREF_OFFLINE=1`` or ``HF_HUB_OFFLINE=1`` the Hub is never contacted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gensr_pref.errors import FetchError, MissingWeightsError, Problem, command_line
from gensr_pref.weights import catalogue

FILES = ("config.json", "model.safetensors")
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """A repository's checkpoint on this machine.

    Attributes:
        repository: ``org/name``.
        commit: 40 hexadecimal digits.
        folder: folder that contains `FILES`.
    """

    repository: str
    commit: str
    folder: Path


def is_id(text: str) -> bool:
    """Return whether a text has the form ``org/name``."""
    return _ID.fullmatch(text) is not None


def snapshot(repository: str, revision: str | None = None, renew: bool = False) -> Snapshot:
    """Return the checkpoint of a repository; download it if it is not in the cache.

    Args:
        repository: ``org/name``.
        revision: a commit, tag or branch; None: main.
        renew: ask the Hub for the revision's current commit, even if the cache has one.

    Raises:
        MissingWeightsError: the repository does not exist or has no checkpoint, or it is not in
            the cache and connections are forbidden.
        FetchError: the Hub cannot be reached or the download fails.
    """
    _require_id(repository)
    name = f"{repository}@{revision}" if revision else repository
    online = not _is_offline()
    cached = None if renew and online else _cached_snapshot(repository, revision)
    if cached is None and not online:
        raise MissingWeightsError(
            f"is neither a folder nor a checkpoint in the Hub's cache on this machine. "
            f"While connections are allowed, run: {command_line('gensr-pref', 'fetch', name)}",
            path=name,
            problem=Problem.MISSING,
        )
    return cached or _download_snapshot(repository, revision, name)


def _require_id(repository: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise MissingWeightsError(
            f"is neither a folder nor a valid id of a repository on the Hub. {error}",
            path=repository,
            problem=Problem.INVALID,
        ) from error


def _is_offline() -> bool:
    from huggingface_hub import constants

    return catalogue.is_offline() or bool(constants.HF_HUB_OFFLINE)


def _cached_snapshot(repository: str, revision: str | None) -> Snapshot | None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        snapshot = _snapshot(repository, revision, local=True)
    except LocalEntryNotFoundError:
        return None
    return None if _missing_files(snapshot) else snapshot


def _download_snapshot(repository: str, revision: str | None, name: str) -> Snapshot:
    """Download a checkpoint; repeat no message of the Hub, which may contain a password."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        snapshot = _snapshot(repository, revision, local=False)
    except RepositoryNotFoundError as error:
        raise MissingWeightsError(
            "is neither a folder nor a repository on the Hub that you may read. If it "
            "is private or gated, log in with `hf auth login`",
            path=repository,
            problem=Problem.REFUSED,
        ) from error
    except RevisionNotFoundError as error:
        raise MissingWeightsError(
            "the repository has no such commit, tag or branch", path=name, problem=Problem.UNKNOWN
        ) from error
    except Exception as error:  # of the HTTP library that this version of the client uses
        if package := missing_package(error):
            raise FetchError(
                f"the Hub cannot be contacted: {package}", path=name, problem=Problem.OFFLINE
            ) from None
        raise FetchError(
            f"cannot be downloaded from the Hub ({type(error).__name__}). Try again, or copy "
            f"{' and '.join(FILES)} into a folder and name that",
            path=name,
            problem=Problem.OFFLINE,
        ) from None  # its messages may contain a password or a token
    if absent := _missing_files(snapshot):
        raise MissingWeightsError(
            f"is not the checkpoint of a generator: it has no {' and no '.join(absent)}",
            path=name,
            value=absent,
            problem=Problem.MISSING,
        )
    return snapshot


def missing_package(error: BaseException) -> str | None:
    """Return the client's message about a package that is not installed, as for a SOCKS proxy.

    It is the only message of the client that is shown: it names a package and contains no address.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, ImportError) and "://" not in str(cause):
            return str(cause)
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None


def _snapshot(repository: str, revision: str | None, local: bool) -> Snapshot:
    from huggingface_hub import snapshot_download

    folder = Path(
        snapshot_download(
            repository, revision=revision, allow_patterns=list(FILES), local_files_only=local
        )
    )
    return Snapshot(repository, folder.name, folder)


def _missing_files(snapshot: Snapshot) -> list[str]:
    return [name for name in FILES if not (snapshot.folder / name).is_file()]
