"""Writes results to the terminal, in a form that is safe to show."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, TextIO

from gensr_pref.untrusted.text import escape_invisible, redact_secrets


def show(text: str, file: TextIO | None = None, flush: bool = False) -> None:
    """Print a text for a person, with control characters visible and without secrets.

    Args:
        file: stdout by default.
    """
    safe = redact_secrets(escape_invisible(text, lines=True))
    out = file or sys.stdout
    encoding = getattr(out, "encoding", None) or "utf-8"
    print(safe.encode(encoding, "backslashreplace").decode(encoding), file=out, flush=flush)


def as_json(value: Any) -> str:
    """Return a result as indented JSON."""
    return json.dumps(value, indent=2)


def plugin_prints_on_stderr() -> contextlib.AbstractContextManager[Any]:
    """Send what plugins print to stderr, so that stdout holds the result alone."""
    return contextlib.redirect_stdout(sys.stderr)


def close() -> None:
    """Discard all further output, so that Python does not report a closed pipe at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # no file, as in a test
            try:
                stream.flush()
            except BrokenPipeError:
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
