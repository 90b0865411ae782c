"""Locations: a folder of this machine, or any URL that fsspec supports; the home folder.

A URL becomes a `upath.UPath`, which has the interface of `pathlib.Path`: names are joined and
printed in the same way. `gensr_pref.storage.objects` reads and writes there.
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


def parse_location(text: str | Path) -> Path:
    """Return the location that a text names; ``file://`` is a folder of this machine.

    Raises:
        InputError: the URL contains a password, or no installed package supports its scheme.
    """
    if not isinstance(text, str) or not _URL.match(text):
        return Path(text) if isinstance(text, str) else text
    parts = urlsplit(text)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.password is not None:
        raise InputError(
            "the URL contains a password, and URLs are printed. Pass the password in the way that "
            "the store expects, such as the environment or ~/.aws",
            path=f"{parts.scheme}://...@{parts.hostname}",
            problem=Problem.UNSAFE,
        )
    _require_reachable(text, parts.scheme)
    from upath import UPath

    return cast(Path, UPath(text.rstrip("/"), use_listings_cache=False))


def is_remote(path: Path) -> bool:
    """Return whether a location is a URL and not a folder of this machine."""
    return not isinstance(path, Path)


def require_local(path: Path, advice: str) -> None:
    """Refuse a URL where only a folder of this machine can be used.

    Args:
        path: the location.
        advice: the end of the message.

    Raises:
        InputError: the location is a URL.
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
            f"support for {scheme}:// is not installed: {what}",
            path=text,
            value=scheme,
            problem=Problem.MISSING,
        ) from error
    except ValueError as error:
        raise InputError(
            f"{scheme}:// is not supported. Give a folder, or a URL that fsspec supports, such as "
            "s3://bucket/run",
            path=text,
            value=scheme,
            problem=Problem.UNKNOWN,
        ) from error


def home() -> Path:
    """Return the user's home folder, or a temporary one for caches where the user has none.

    A container may run under a user id without a user, without HOME or with one that cannot be
    written. torch, the Hub's client and others need a user name and a home folder even then, and
    fail or write into a folder named ``~``. In that case ``HOME`` and ``LOGNAME`` are set.
    """
    entry = _user_entry()
    configured = os.environ.get("HOME") or (entry.pw_dir if entry is not None else "")
    if (
        configured
        and Path(configured).is_dir()
        and (entry is not None or os.access(configured, os.W_OK))
    ):
        if entry is None:
            os.environ.setdefault("LOGNAME", f"uid{os.getuid()}")
        return Path(configured)
    folder = _temporary_home()
    print(
        f"This user has no home folder: downloads are kept in {folder}. Set HOME to keep them "
        "elsewhere",
        file=sys.stderr,
    )
    os.environ["HOME"] = str(folder)
    os.environ.setdefault("LOGNAME", f"uid{os.getuid()}")
    return folder


def expand_user(text: str | Path) -> Path:
    """Return a path with a leading ``~`` replaced by the home folder.

    Raises:
        InputError: the path begins with ``~USER``, and there is no such user.
    """
    home()
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(
            "begins with the home folder of a user who does not exist on this machine",
            path=text,
            problem=Problem.MISSING,
        ) from error


def _user_entry() -> pwd.struct_passwd | None:
    """Return this process's entry in the password database, if it has one."""
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        return None


def _temporary_home() -> Path:
    """Return this user's folder among the temporary files; a new one if it is another's."""
    usual = Path(tempfile.gettempdir()) / f"gensr_pref-uid{os.getuid()}"
    try:
        usual.mkdir(mode=0o700, exist_ok=True)
        status = usual.lstat()
        if usual.is_dir() and not usual.is_symlink() and status.st_uid == os.getuid():
            return usual
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="gensr_pref-"))
