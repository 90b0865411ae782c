"""Which files of a repository on the Hub an export put there, and which are another's."""

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
# What a repository has by itself, or where its owner says what it may be used for.
_OWN = re.compile(r"\.gitattributes|\.gitignore|README\.md|LICEN[CS]E(\.(md|txt))?", re.I)
_SHOWN = 5


def foreign_files(there: Collection[str], titles: Sequence[str] | None) -> list[str]:
    """The files of a repository that no export wrote, sorted.

    Where no commit is an export's, these are all files but those that a new repository has.

    Args:
        there: paths of all files.
        titles: of the commits; None where that is not known.
    """
    never = titles is not None and not any(COMMIT in title for title in titles)
    known = [name for name in there if not never and _EXPORTED.fullmatch(name)]
    return sorted(name for name in set(there) - set(known) if not _OWN.fullmatch(name))


def exported_files(there: Collection[str], strangers: Collection[str]) -> set[str]:
    """The files of a repository that an earlier export wrote."""
    return {name for name in there if _EXPORTED.fullmatch(name)} - set(strangers)


def require_decided(repository: str, strangers: Sequence[str], others: Others | None) -> None:
    """Refuse to push beside files of which it is not said what shall become of them.

    Raises:
        InputError: there are some; the first are named.
    """
    if not strangers or others is not None:
        return
    shown = ", ".join(strangers[:_SHOWN])
    rest = len(strangers) - _SHOWN
    raise InputError(
        f"holds {quantity(len(strangers), 'file')} that no export wrote: {shown}"
        f"{f' and {rest} more' if rest > 0 else ''}. They would stay beside the dataset, whatever "
        "they tell. Say what shall become of them with "
        f"{parameter('others')}: 'keep' leaves them there, 'delete' "
        "removes them with the push; or choose another name. Nothing was pushed",
        path=repository,
        value=strangers,
        problem=Problem.EXISTS,
    )


def commit_titles(api: Any, repository: str, revision: str | None) -> list[str] | None:
    """The titles of the commits of a dataset's branch; None where the Hub does not tell."""
    try:
        commits = api.list_repo_commits(repository, repo_type="dataset", revision=revision)
        return [str(one.title) for one in commits]
    except Exception:  # of whatever HTTP library this version of the client uses
        return None
