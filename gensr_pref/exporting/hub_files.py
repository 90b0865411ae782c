"""Files of a repository on the Hub: those that an export wrote, and others."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Literal

from gensr_pref.errors import InputError, Problem, parameter, quantity

COMMIT = "Preference pairs exported by gensr_pref"  # the title of every commit of an export
Others = Literal["keep", "delete"]
# Every file that an export of any format writes; see docs/export.md.
_EXPORTED = re.compile(
    r"README\.md|agreement\.png|run\.yaml|audit\.json|summary\.json"
    r"|(train|validation)\.jsonl|(data|candidates)/[^/]+\.parquet|wav/.+\.wav"
)
# Files that a new repository has, or in which its owner states terms of use.
_OWN = re.compile(r"\.gitattributes|\.gitignore|README\.md|LICEN[CS]E(\.(md|txt))?", re.I)
_SHOWN = 5


def foreign_files(paths: Collection[str], titles: Sequence[str]) -> list[str]:
    """Return the files of a repository that no export wrote, sorted.

    If no commit is an export's, these are all files but those that a new repository has.

    Args:
        paths: paths of all files.
        titles: titles of the commits.
    """
    never = not any(COMMIT in title for title in titles)
    known = [name for name in paths if not never and _EXPORTED.fullmatch(name)]
    return sorted(name for name in set(paths) - set(known) if not _OWN.fullmatch(name))


def exported_files(paths: Collection[str], strangers: Collection[str]) -> set[str]:
    """Return the files of a repository that an earlier export wrote."""
    return {name for name in paths if _EXPORTED.fullmatch(name)} - set(strangers)


def require_decided(repository: str, strangers: Sequence[str], others: Others | None) -> None:
    """Refuse to push beside files that no export wrote, unless `others` says what to do with them.

    Raises:
        InputError: there are such files; the first are named.
    """
    if not strangers or others is not None:
        return
    shown = ", ".join(strangers[:_SHOWN])
    rest = len(strangers) - _SHOWN
    raise InputError(
        f"holds {quantity(len(strangers), 'file')} that no export wrote: {shown}"
        f"{f' and {rest} more' if rest > 0 else ''}. They would stay beside the dataset. "
        "Say what to do with them by "
        f"{parameter('others')}: 'keep' leaves them there, 'delete' "
        "removes them with the push; or choose another name. Nothing was pushed",
        path=repository,
        value=strangers,
        problem=Problem.EXISTS,
    )


def commit_titles(api: Any, repository: str, revision: str | None) -> list[str]:
    """Return the titles of the commits of a dataset's branch."""
    commits = api.list_repo_commits(repository, repo_type="dataset", revision=revision)
    return [str(one.title) for one in commits]
