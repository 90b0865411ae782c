"""Checkpoints on the Hugging Face Hub: a repository at a commit, as a folder of the Hub's cache.

Of a repository only what a generator reads is taken: weights as safetensors, and their settings. A
revision that is in the cache is used as it is, without asking the Hub: so workers, and a run that
is continued after a branch moved on, find the commit that was found first. ``gensr-pref fetch
org/name`` asks anew. Nothing is asked under ``GENSR_PREF_OFFLINE=1`` or ``HF_HUB_OFFLINE=1``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gensr_pref.errors import FetchError, MissingWeightsError, Problem, typed
from gensr_pref.weights import catalogue

FILES = ("config.json", "model.safetensors")
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """A repository's checkpoint on this machine.

    Attributes:
        repository: ``org/name``.
        commit: 40 hexadecimal digits.
        folder: with `FILES`.
    """

    repository: str
    commit: str
    folder: Path


def is_id(text: str) -> bool:
    """Whether a text has the form ``org/name``."""
    return _ID.fullmatch(text) is not None


def snapshot(repository: str, revision: str | None = None, renew: bool = False) -> Snapshot:
    """The checkpoint of a repository, downloaded where it is not in the cache.

    Args:
        repository: ``org/name``.
        revision: a commit, tag or branch; absent = main.
        renew: ask the Hub where the revision is now, even if the cache knows an answer.

    Raises:
        MissingWeightsError: it does not exist, has no checkpoint, or is not here and connections
            are forbidden.
        FetchError: the Hub cannot be reached or does not deliver.
    """
    _require_id(repository)
    asked = f"{repository}@{revision}" if revision else repository
    online = not _offline()
    found = None if renew and online else _cached(repository, revision)
    if found is None and not online:
        raise MissingWeightsError(
            f"no such folder, and no such checkpoint in the Hub's cache on this machine. "
            f"While connections are allowed, run: {typed('gensr-pref', 'fetch', asked)}",
            path=asked,
            problem=Problem.MISSING,
        )
    return found or _downloaded(repository, revision, asked)


def _require_id(repository: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise MissingWeightsError(
            f"no such folder, and no id that the Hub allows. {error}",
            path=repository,
            problem=Problem.INVALID,
        ) from error


def _offline() -> bool:
    from huggingface_hub import constants

    return catalogue.offline() or bool(constants.HF_HUB_OFFLINE)


def _cached(repository: str, revision: str | None) -> Snapshot | None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = _snapshot(repository, revision, local=True)
    except LocalEntryNotFoundError:
        return None
    return None if _lacking(found) else found


def _downloaded(repository: str, revision: str | None, asked: str) -> Snapshot:
    """What the Hub's own messages say is not repeated: they may hold an address with a password."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        found = _snapshot(repository, revision, local=False)
    except RepositoryNotFoundError as error:
        raise MissingWeightsError(
            "no such folder, and no repository on the Hub that you may read. If it "
            "is private or gated, log in with `hf auth login`",
            path=repository,
            problem=Problem.REFUSED,
        ) from error
    except RevisionNotFoundError as error:
        raise MissingWeightsError(
            "the repository has no such commit, tag or branch", path=asked, problem=Problem.UNKNOWN
        ) from error
    except Exception as error:  # of whatever HTTP library this version of the client uses
        if package := lacking_package(error):
            raise FetchError(
                f"the Hub cannot be asked: {package}", path=asked, problem=Problem.OFFLINE
            ) from error
        raise FetchError(
            f"cannot be had from the Hub ({type(error).__name__}). Try again, or bring "
            f"{' and '.join(FILES)} in a folder",
            path=asked,
            problem=Problem.OFFLINE,
        ) from error
    if lacking := _lacking(found):
        raise MissingWeightsError(
            f"no checkpoint of a generator: it has no {' and no '.join(lacking)}",
            path=asked,
            value=lacking,
            problem=Problem.MISSING,
        )
    return found


def lacking_package(error: BaseException) -> str | None:
    """Return what the client says of a package that it lacks, such as for a SOCKS proxy.

    It is the one message of the client that is shown: it says what to install, and no address.
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


def _lacking(found: Snapshot) -> list[str]:
    return [name for name in FILES if not (found.folder / name).is_file()]
