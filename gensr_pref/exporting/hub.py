"""Upload of an export to the Hugging Face Hub.

Only files that differ from the repository's are uploaded. Large files that arrived before an
interruption are not uploaded again (the Hub knows them by their SHA-256), so the same call resumes.
If there are few files, the upload is one commit, which also deletes the files of an earlier export,
of any format, that this one does not contain. Files that no export wrote are listed, and the user
decides about them.

The token is the one that `huggingface_hub` uses (``HF_TOKEN``, else the one that ``hf auth login``
stored). It is never shown, nor are the Hub's own messages, which may contain signed addresses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from gensr_pref.errors import (
    InputError,
    Problem,
    PublishError,
    UnreachableError,
    parameter,
    quantity,
)
from gensr_pref.exporting.hub_errors import explain_errors, find_answer
from gensr_pref.exporting.hub_files import (
    COMMIT,
    Others,
    commit_titles,
    exported_files,
    foreign_files,
    require_decided,
)
from gensr_pref.weights import catalogue, hub

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

_KIND = "dataset"
_BLOCK = 1 << 20
_PATIENCE = 10.0  # seconds for the first answer
_STATES = ("new", "changed", "same", "gone", "kept", "undecided")


@dataclass(frozen=True)
class HubTarget:
    """The repository that an export is uploaded to.

    Attributes:
        repository: ``org/name``.
        public: whether a new repository is public; required to push to one that is public.
        revision: branch, which is created if it does not exist; None = main.
        create_pr: open a pull request instead of committing.
        others: what to do with files in the repository that no export wrote; None = refuse a
            repository that has any.
    """

    repository: str
    public: bool = False
    revision: str | None = None
    create_pr: bool = False
    others: Others | None = None


@dataclass(frozen=True)
class Change:
    """A file, and what an upload does with it.

    Attributes:
        path: path in the repository.
        state: new, changed, same (is not uploaded), gone (is deleted), kept (no export wrote it),
            undecided (no export wrote it, and `HubTarget.others` is None), or unknown if the Hub
            did not answer.
        bytes: size of the local file; 0 if the file is only in the repository.
    """

    path: str
    state: Literal["new", "changed", "same", "gone", "kept", "undecided", "unknown"]
    bytes: int


def check_target(target: HubTarget) -> None:
    """Refuse a target to which nothing can be uploaded, before any work.

    Raises:
        InputError: the Hub does not allow the name, two options exclude each other, or connections
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
    """Refuse to continue without a token.

    Raises:
        InputError: there is no token on this machine.
    """
    from huggingface_hub import get_token

    if not get_token():
        raise InputError(
            "no token. Log in with `hf auth login`, or set HF_TOKEN",
            field=parameter("repository"),
            problem=Problem.REFUSED,
        )


def plan_push(folder: Path, target: HubTarget) -> list[Change]:
    """Return every file of the folder and the repository, and what an upload would do with it.

    A file is read only if the repository has a file of the same name and size.

    Raises:
        UnreachableError: the Hub does not answer.
        PublishError: the Hub refuses the token, or the connection fails.
    """
    from huggingface_hub import HfApi

    _require_answer(target)
    with explain_errors(target.repository):
        remote, branch = _remote_files(target)
        titles = commit_titles(HfApi(), target.repository, branch) if remote else []
    foreign = foreign_files(remote, titles)
    changes = [_compare(path, name, remote) for name, path in _local_files(folder).items()]
    names = {change.path for change in changes}
    state: Literal["gone", "kept", "undecided"]
    state = "gone" if target.others == "delete" else "kept" if target.others else "undecided"
    gone = dict.fromkeys(exported_files(remote, foreign), "gone")
    states = {**gone, **dict.fromkeys(foreign, state)}
    others = [Change(name, states[name], 0) for name in sorted(states.keys() - names)]  # type: ignore[arg-type]
    return [*changes, *others]


def list_unknown_changes(folder: Path) -> list[Change]:
    """Return every file of the folder as a change of unknown state, without asking the Hub."""
    local = _local_files(folder)
    return [Change(name, "unknown", path.stat().st_size) for name, path in local.items()]


class Sent(TypedDict):
    """The result of an upload: the number of files, and the commit or pull request."""

    url: str
    sent: int
    commit: str | None
    pull_request: str | None


class Pushed(Sent):
    """The result of `push`."""

    repository: str
    private: bool
    same: int
    gone: list[str]
    kept: list[str]
    earlier_commits: bool


def push(folder: Path, target: HubTarget) -> Pushed:
    """Create the repository if it does not exist, and upload the files that differ.

    Returns:
        ``repository``, ``url``, ``commit``, ``pull_request``, ``private``, ``sent`` (number of
        files), ``same`` (number of files that were not uploaded), ``gone`` (names of deleted
        files), ``kept`` (names of files that no export wrote and that stay), and
        ``earlier_commits``: whether the repository's history holds earlier content.

    Raises:
        InputError: there is no token, the repository is public without `HubTarget.public`, or it
            holds files that no export wrote and `HubTarget.others` is None.
        UnreachableError: the Hub does not answer.
        PublishError: the Hub refuses, or the connection fails; the same call resumes.
    """
    from huggingface_hub import HfApi

    require_token()
    _require_answer(target)
    api = HfApi(library_name="gensr_pref")
    with explain_errors(target.repository):
        api.create_repo(
            target.repository, repo_type=_KIND, private=not target.public, exist_ok=True
        )
        private = bool(api.repo_info(target.repository, repo_type=_KIND).private)
    _require_expected(target, private)
    changes = plan_push(folder, target)
    paths = {state: [c.path for c in changes if c.state == state] for state in _STATES}
    require_decided(target.repository, paths["undecided"], target.others)
    _make_branch(api, target)
    return {
        "repository": target.repository,
        "private": private,
        "same": len(paths["same"]),
        "gone": paths["gone"],
        "kept": paths["kept"],
        "earlier_commits": bool(paths["changed"] or paths["gone"]),
        **_upload(api, folder, target, [*paths["new"], *paths["changed"]], paths["gone"]),
    }


def _make_branch(api: HfApi, target: HubTarget) -> None:
    """Create the branch that is pushed to, as a copy of main."""
    if not target.revision or target.revision.startswith("refs/"):
        return
    with explain_errors(target.repository):
        api.create_branch(target.repository, branch=target.revision, repo_type=_KIND, exist_ok=True)


def _upload(
    api: HfApi, folder: Path, target: HubTarget, uploaded: Sequence[str], gone: Sequence[str]
) -> Sent:
    url = f"{api.endpoint}/datasets/{target.repository}"
    if not uploaded and not gone:
        return {"url": url, "sent": 0, "commit": None, "pull_request": None}
    with explain_errors(target.repository):
        commit = api.upload_folder(
            repo_id=target.repository,
            repo_type=_KIND,
            folder_path=folder,
            commit_message=COMMIT,
            revision=target.revision,
            create_pr=target.create_pr,
            allow_patterns=[escape(name) for name in uploaded] or ["no such file"],
            delete_patterns=[escape(name) for name in gone] or None,
        )
    if gone:
        _require_gone(target, commit.pr_revision or target.revision, gone)
    return {
        "url": url,
        "sent": len(uploaded),
        "commit": commit.oid,
        "pull_request": commit.pr_url,
    }


def _require_gone(target: HubTarget, revision: str | None, gone: Sequence[str]) -> None:
    """Check that files were deleted: one may be audio that must not be public."""
    with explain_errors(target.repository):
        remaining = _list_files(target.repository, revision)
    left = [name for name in gone if name in remaining]
    if left:
        raise PublishError(
            f"{quantity(len(left), 'file')} that this export does not contain are still in the "
            f"repository, such as {left[0]}. The same command resumes",
            path=target.repository,
            value=left,
            problem=Problem.EXISTS,
        )


def _require_expected(target: HubTarget, private: bool) -> None:
    if not private and not target.public:
        raise InputError(
            f"is public already, so everything that is pushed would be public. Allow this with "
            f"{parameter('public')}, or choose another name",
            path=target.repository,
            problem=Problem.UNSAFE,
        )


def _local_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their path in the repository."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _require_answer(target: HubTarget) -> None:
    """Ask once, without the client's retries, whether the Hub answers at all."""
    from huggingface_hub import HfApi

    try:
        HfApi().repo_info(target.repository, repo_type=_KIND, timeout=_PATIENCE)
    except Exception as error:  # any exception of the HTTP library that the client uses
        if lacking := hub.missing_package(error):
            raise UnreachableError(
                f"the Hub cannot be asked: {lacking}",
                path=target.repository,
                problem=Problem.OFFLINE,
            ) from None
        if find_answer(error)[0] is None:
            raise UnreachableError(
                f"the Hub does not answer ({type(error).__name__}). Nothing "
                "was changed; try again when it can be reached",
                path=target.repository,
                problem=Problem.OFFLINE,
            ) from None


def _remote_files(target: HubTarget) -> tuple[dict[str, RepoFile], str | None]:
    """Return the repository's files by path, and their branch.

    The branch is main if the target's does not exist yet. There are no files if the repository
    does not exist yet.
    """
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    for branch in dict.fromkeys((target.revision, None)):
        try:
            return _list_files(target.repository, branch), branch
        except RevisionNotFoundError:
            continue
        except RepositoryNotFoundError:
            break
    return {}, None


def _list_files(repository: str, revision: str | None) -> dict[str, RepoFile]:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    entries = HfApi().list_repo_tree(repository, recursive=True, revision=revision, repo_type=_KIND)
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _compare(path: Path, name: str, remote: dict[str, RepoFile]) -> Change:
    """Compare a local file with the repository's; return what an upload does with it."""
    size = path.stat().st_size
    existing = remote.get(name)
    if existing is None:
        return Change(name, "new", size)
    same = existing.size == size and _is_same(path, existing)
    return Change(name, "same" if same else "changed", size)


def _is_same(path: Path, existing: RepoFile) -> bool:
    """Return whether a file has the Hub's digest: SHA-256 of a large file, else git's."""
    if existing.lfs is not None:
        return catalogue.sha256_of(path) == str(existing.lfs.sha256)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == str(existing.blob_id)
