"""Where a run directory lies: a folder of this machine, or any URL that fsspec knows.

A URL becomes a `upath.UPath`, which has the interface of `pathlib.Path`: names are joined and
printed as those of folders are. What is read and written there goes through
`gensr_pref.storage.objects`.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
import tempfile
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from gensr_pref.errors import InputError, Problem

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_EXTRAS = ("s3",)  # of this package: pip install 'gensr-pref[s3]'


def located(text: str | Path) -> Path:
    """The place that a command line or a caller names; ``file://`` is a folder of this machine.

    Raises:
        InputError: a URL of a kind that nothing installed here can reach, or with a password.
    """
    if not isinstance(text, str) or not _URL.match(text):
        return Path(text) if isinstance(text, str) else text
    parts = urlsplit(text)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.password is not None:
        raise InputError(
            "a password does not belong into a URL, which "
            "is printed. Give it the way its store expects, such as the environment or ~/.aws",
            path=f"{parts.scheme}://...@{parts.hostname}",
            problem=Problem.UNSAFE,
        )
    _require_reachable(text, parts.scheme)
    from upath import UPath

    return cast(Path, UPath(text.rstrip("/"), use_listings_cache=False))


def is_remote(path: Path) -> bool:
    """Whether a place is not a folder of this machine."""
    return not isinstance(path, Path)


def require_local(path: Path, advice: str) -> None:
    """Refuse a place that only a program of this machine could use if it were here.

    Raises:
        InputError: it is at a URL; ends in the advice.
    """
    if is_remote(path):
        raise InputError(
            f"is not on this machine. {advice}", path=path, problem=Problem.UNSUPPORTED
        )


def _require_reachable(text: str, scheme: str) -> None:
    import fsspec

    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        what = f"pip install 'gensr-pref[{scheme}]'" if scheme in _EXTRAS else str(error)
        raise InputError(
            f"what reaches {scheme}:// is not installed: {what}",
            path=text,
            value=scheme,
            problem=Problem.MISSING,
        ) from error
    except ValueError as error:
        raise InputError(
            f"no kind of store is called {scheme!r}. Give a folder, or a URL that fsspec "
            "knows, such as s3://bucket/run",
            path=text,
            value=scheme,
            problem=Problem.UNKNOWN,
        ) from error


def home() -> Path:
    """The user's home folder; where there is none, one for caches among the temporary files.

    A container may run under a number that no user has, without HOME or with one that cannot be
    written. torch, the Hub's client and others ask for a name and a home all the same, and fail or
    write into a folder that is called ``~``. For them ``HOME`` and ``LOGNAME`` are set then.
    """
    entry = _entry()
    named = os.environ.get("HOME") or (entry.pw_dir if entry is not None else "")
    if named and Path(named).is_dir() and (entry is not None or os.access(named, os.W_OK)):
        if entry is None:
            os.environ.setdefault("LOGNAME", f"uid{os.getuid()}")
        return Path(named)
    made = _temporary_home()
    print(
        f"There is no home folder here: what is downloaded is kept in {made}. Set HOME to keep it "
        "elsewhere",
        file=sys.stderr,
    )
    os.environ["HOME"] = str(made)
    os.environ.setdefault("LOGNAME", f"uid{os.getuid()}")
    return made


def expanded(text: str | Path) -> Path:
    """A path of this machine, with a ``~`` at its beginning as the home folder.

    Raises:
        InputError: it is the home of a user that there is not.
    """
    home()
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(
            "there is no such user's home folder here", path=text, problem=Problem.MISSING
        ) from error


def _entry() -> pwd.struct_passwd | None:
    """What the machine knows of this process's user."""
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        return None


def _temporary_home() -> Path:
    """A folder that is the same every time and nobody else's; a new one where that is taken."""
    usual = Path(tempfile.gettempdir()) / f"gensr_pref-uid{os.getuid()}"
    try:
        usual.mkdir(mode=0o700, exist_ok=True)
        seen = usual.lstat()
        if usual.is_dir() and not usual.is_symlink() and seen.st_uid == os.getuid():
            return usual
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="gensr_pref-"))
