"""An export to the Hugging Face Hub: what would travel, and the upload.

Only files that differ from what is there travel; large ones that arrived before a cut are not sent
again (the Hub knows them by their SHA-256), so the same call resumes. All of it is one commit where
there are few files. What an earlier export of whatever format left there, and this one does not
contain, is deleted by the same commit. Files that no export wrote are named, and asked about.

The token is the one `huggingface_hub` finds (``HF_TOKEN``, else what ``hf auth login`` stored). It
is never shown, and neither are the Hub's own messages: they may hold addresses with signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any, Literal

from gensr_pref.errors import (
    InputError,
    Problem,
    PublishError,
    UnreachableError,
    parameter,
    quantity,
)
from gensr_pref.exporting.hub_errors import answer_of, explained
from gensr_pref.exporting.hub_files import (
    COMMIT,
    Others,
    earlier,
    require_decided,
    strange,
    titles_of,
)
from gensr_pref.weights import catalogue, hub

_KIND = "dataset"
_BLOCK = 1 << 20
_PATIENCE = 10.0  # seconds for the first answer
_STATES = ("new", "changed", "same", "gone", "kept", "undecided")


@dataclass(frozen=True)
class Target:
    """Where to.

    Attributes:
        repository: ``org/name``.
        public: whether a repository that is made is public.
        revision: a branch, which is made where it is not there; None = main.
        create_pr: open a pull request instead of committing.
        others: what becomes of files there that no export wrote; None = that is not said, and a
            repository with any is refused.
    """

    repository: str
    public: bool = False
    revision: str | None = None
    create_pr: bool = False
    others: Others | None = None


@dataclass(frozen=True)
class Change:
    """One file.

    Attributes:
        path: in the repository.
        state: new, changed, same (does not travel), gone (is deleted), kept (no export wrote it),
            undecided (the same, and it is not said what becomes of it), or unknown where the Hub
            was not asked.
        bytes: of the local file; 0 of what is only there.
    """

    path: str
    state: Literal["new", "changed", "same", "gone", "kept", "undecided", "unknown"]
    bytes: int


def check(target: Target) -> None:
    """Refuse early what cannot be pushed.

    Raises:
        InputError: no name that the Hub allows, two options that exclude each other, or connections
            are forbidden.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(target.repository)
    except HFValidationError as error:
        raise InputError(
            f"{error}",
            field=parameter("repository"),
            value=target.repository,
            problem=Problem.INVALID,
        ) from error
    if not hub.is_id(target.repository):
        raise InputError(
            f"{target.repository!r} is not ORG/NAME",
            field=parameter("repository"),
            value=target.repository,
            problem=Problem.INVALID,
        )
    if target.create_pr and target.revision:
        raise InputError(
            f"opens its own branch: leave out {parameter('revision')}",
            field=parameter("create_pr"),
            problem=Problem.CONFLICT,
        )
    if catalogue.is_offline() or constants.HF_HUB_OFFLINE:
        raise InputError(
            f"connections are forbidden ({catalogue.OFFLINE} or HF_HUB_OFFLINE is set)",
            field=parameter("repository"),
            problem=Problem.OFFLINE,
        )


def require_token() -> None:
    """Refuse early where nothing can be pushed for want of a token.

    Raises:
        InputError: there is none on this machine.
    """
    from huggingface_hub import get_token

    if not get_token():
        raise InputError(
            "no token. Log in with `hf auth login`, or set HF_TOKEN",
            field=parameter("repository"),
            problem=Problem.REFUSED,
        )


def plan(folder: Path, target: Target) -> list[Change]:
    """Every file that is in the folder or in the repository, and what would happen to it.

    Reads the whole folder where the repository has files of the same names and sizes.

    Raises:
        UnreachableError: nothing answers.
        PublishError: the Hub does not take the token, or breaks off.
    """
    from huggingface_hub import HfApi

    _require_answer(target)
    with explained(target.repository):
        remote, branch = _remote(target)
    strangers = strange(remote, titles_of(HfApi(), target.repository, branch) if remote else None)
    changes = [_change(path, name, remote) for name, path in _local(folder).items()]
    names = {change.path for change in changes}
    state: Literal["gone", "kept", "undecided"]
    state = "gone" if target.others == "delete" else "kept" if target.others else "undecided"
    gone = dict.fromkeys(earlier(remote, strangers), "gone")
    told = {**gone, **dict.fromkeys(strangers, state)}
    left = [Change(name, told[name], 0) for name in sorted(told.keys() - names)]  # type: ignore[arg-type]
    return [*changes, *left]


def unplanned(folder: Path) -> list[Change]:
    """Every file of the folder, where it is not known what the repository has."""
    local = _local(folder)
    return [Change(name, "unknown", path.stat().st_size) for name, path in local.items()]


def push(folder: Path, target: Target) -> dict[str, Any]:
    """Make the repository where it is not there, and bring what differs.

    Returns:
        ``repository``, ``url``, ``commit``, ``pull_request``, ``private``, ``sent`` (files),
        ``same`` (files that did not travel), ``gone`` (names that were deleted), ``kept``
        (names that no export wrote, and that stay), and ``earlier_commits``: whether the
        repository's history holds what was there before.

    Raises:
        InputError: no token, the repository is public and that was not asked for, or it holds
            files that no export wrote and it is not said what becomes of them.
        UnreachableError: nothing answers.
        PublishError: the Hub refuses or breaks off; the same call goes on.
    """
    from huggingface_hub import HfApi

    require_token()
    _require_answer(target)
    api = HfApi(library_name="gensr_pref")
    with explained(target.repository):
        api.create_repo(
            target.repository, repo_type=_KIND, private=not target.public, exist_ok=True
        )
        private = bool(api.repo_info(target.repository, repo_type=_KIND).private)
    _require_expected(target, private)
    changes = plan(folder, target)
    of = {state: [one.path for one in changes if one.state == state] for state in _STATES}
    require_decided(target.repository, of["undecided"], target.others)
    _make_branch(api, target)
    return {
        "repository": target.repository,
        "private": private,
        "same": len(of["same"]),
        "gone": of["gone"],
        "kept": of["kept"],
        "earlier_commits": bool(of["changed"] or of["gone"]),
        **_sent(api, folder, target, [*of["new"], *of["changed"]], of["gone"]),
    }


def _make_branch(api: Any, target: Target) -> None:
    """The branch that is pushed to; it begins as main is."""
    if not target.revision or target.revision.startswith("refs/"):
        return
    with explained(target.repository):
        api.create_branch(target.repository, branch=target.revision, repo_type=_KIND, exist_ok=True)


def _sent(
    api: Any, folder: Path, target: Target, moved: Sequence[str], gone: Sequence[str]
) -> dict[str, Any]:
    url = f"{api.endpoint}/datasets/{target.repository}"
    if not moved and not gone:
        return {"url": url, "sent": 0, "commit": None, "pull_request": None}
    with explained(target.repository):
        commit = api.upload_folder(
            repo_id=target.repository,
            repo_type=_KIND,
            folder_path=folder,
            commit_message=COMMIT,
            revision=target.revision,
            create_pr=target.create_pr,
            allow_patterns=[escape(name) for name in moved] or ["no such file"],
            delete_patterns=[escape(name) for name in gone] or None,
        )
    if gone:
        _require_gone(target, commit.pr_revision or target.revision, gone)
    return {
        "url": url,
        "sent": len(moved),
        "commit": commit.oid,
        "pull_request": commit.pr_url,
    }


def _require_gone(target: Target, revision: str | None, gone: Sequence[str]) -> None:
    """Look whether what should be deleted is; it may be sound that must not be public."""
    with explained(target.repository):
        there = _files(target.repository, revision)
    left = [name for name in gone if name in there]
    if left:
        raise PublishError(
            f"{quantity(len(left), 'file')} that this export does not "
            "contain are still "
            f"there, such as {left[0]}. The same command goes on from there",
            path=target.repository,
            value=left,
            problem=Problem.EXISTS,
        )


def _require_expected(target: Target, private: bool) -> None:
    if not private and not target.public:
        raise InputError(
            f"is public already, so all that is pushed would be. Say "
            f"{parameter('public')} if that is meant, or choose another name",
            path=target.repository,
            problem=Problem.UNSAFE,
        )


def _local(folder: Path) -> dict[str, Path]:
    """The files of a folder by their path in the repository."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def _require_answer(target: Target) -> None:
    """Ask once, without the client's retries: whatever the Hub answers, it is there."""
    from huggingface_hub import HfApi

    try:
        HfApi().repo_info(target.repository, repo_type=_KIND, timeout=_PATIENCE)
    except Exception as error:  # of whatever HTTP library this version of the client uses
        if lacking := hub.missing_package(error):
            raise UnreachableError(
                f"the Hub cannot be asked: {lacking}",
                path=target.repository,
                problem=Problem.OFFLINE,
            ) from None
        if answer_of(error)[0] is None:
            raise UnreachableError(
                f"the Hub does not answer ({type(error).__name__}). Nothing "
                "was begun; try again once it can be reached",
                path=target.repository,
                problem=Problem.OFFLINE,
            ) from None


def _remote(target: Target) -> tuple[dict[str, Any], str | None]:
    """The files that a push comes upon, by path, and their branch: main where it is to be made.

    There are none where the repository does not exist yet.
    """
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    for branch in dict.fromkeys((target.revision, None)):
        try:
            return _files(target.repository, branch), branch
        except RevisionNotFoundError:
            continue
        except RepositoryNotFoundError:
            break
    return {}, None


def _files(repository: str, revision: str | None) -> dict[str, Any]:
    from huggingface_hub import HfApi

    found = HfApi().list_repo_tree(repository, recursive=True, revision=revision, repo_type=_KIND)
    return {one.path: one for one in found if hasattr(one, "blob_id")}


def _change(path: Path, name: str, remote: dict[str, Any]) -> Change:
    size = path.stat().st_size
    there = remote.get(name)
    if there is None:
        return Change(name, "new", size)
    same = there.size == size and _is_same(path, there)
    return Change(name, "same" if same else "changed", size)


def _is_same(path: Path, there: Any) -> bool:
    """Whether a file has the digest that the Hub states: SHA-256 of a large one, else git's."""
    if there.lfs is not None:
        return catalogue.sha256_of(path) == str(there.lfs.sha256)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == str(there.blob_id)
