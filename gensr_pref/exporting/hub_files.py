"""Files of a repository on the Hub: those that an export wrote, and others."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

from gensr_pref.errors import InputError, Problem, parameter, quantity

if TYPE_CHECKING:
    from huggingface_hub import HfApi

COMMIT = "Preference pairs exported by gensr_pref"  # title of every commit of an export
Others = Literal["keep", "delete"]
# Every file that an export of any format writes; see docs/export.md.
_EXPORTED = re.compile(
    r"README\.md|agreement\.png|run\.yaml|audit\.json|summary\.json"
    r"|(train|validation)\.jsonl|(data|candidates)/[^/]+\.parquet|wav/.+\.wav"
)
# Files that a new repository has, or in which its owner states terms of use.
_OWNER = re.compile(r"\.gitattributes|\.gitignore|README\.md|LICEN[CS]E(\.(md|txt))?", re.I)
_SHOWN = 5


def foreign_files(paths: Collection[str], titles: Sequence[str]) -> list[str]:
    """Return the files of a repository that no export wrote, sorted.

    If no commit is an export's, these are all files except those that a new repository has.

    Args:
        paths: paths of all files.
        titles: titles of the commits.
    """
    has_export = any(COMMIT in title for title in titles)
    exported = [name for name in paths if has_export and _EXPORTED.fullmatch(name)]
    return sorted(name for name in set(paths) - set(exported) if not _OWNER.fullmatch(name))


def exported_files(paths: Collection[str], foreign: Collection[str]) -> set[str]:
    """Return the files of a repository that an earlier export wrote.

    Args:
        paths: paths of all files.
        foreign: result of `foreign_files`.
    """
    return {name for name in paths if _EXPORTED.fullmatch(name)} - set(foreign)


def require_decided(repository: str, foreign: Sequence[str], others: Others | None) -> None:
    """Refuse to push if there are files that no export wrote and `others` is None.

    Raises:
        InputError: there are such files; the message names the first.
    """
    if not foreign or others is not None:
        return
    shown = ", ".join(foreign[:_SHOWN])
    rest = len(foreign) - _SHOWN
    raise InputError(
        f"contains {quantity(len(foreign), 'file')} that no export wrote: {shown}"
        f"{f' and {rest} more' if rest > 0 else ''}. They would stay beside the dataset. "
        f"Choose with {parameter('others')}: 'keep' leaves them there, 'delete' "
        "removes them with the push. Or choose another name. Nothing was pushed",
        path=repository,
        value=foreign,
        problem=Problem.EXISTS,
    )


def commit_titles(api: HfApi, repository: str, revision: str | None) -> list[str]:
    """Return the titles of the commits of a dataset's branch."""
    commits = api.list_repo_commits(repository, repo_type="dataset", revision=revision)
    return [str(commit.title) for commit in commits]
