"""Addresses of downloads: which are allowed, and how they are shown without their secrets."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from gensr_pref.errors import InputError, Problem


def require_safe(url: str) -> None:
    """Refuse an address that is neither https nor http on this machine.

    Raises:
        InputError: shows the address without its secrets.
    """
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number
        is_complete = False
    if not is_complete or not re.fullmatch(r"[\x21-\x7e]+", url):
        raise InputError(
            "the address of a download is malformed; the form is https://HOST/PATH",
            problem=Problem.INVALID,
        )
    if parts.scheme != "https" and not is_on_this_machine(parts):
        raise InputError(
            "is not allowed; use https, http on this machine, or a folder",
            path=without_credentials(url),
            problem=Problem.UNSAFE,
        )


def without_credentials(url: str) -> str:
    """Return an address without user name, password, query and fragment, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_on_this_machine(parts: SplitResult) -> bool:
    """Return whether an address is http on the loopback interface."""
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return parts.scheme == "http" and loopback
