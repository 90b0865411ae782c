"""Runs commands for tests, and checks their exit status, their JSON and their output."""

import contextlib
import io
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gensr_pref.cli.main import main


def run_command(*words: object) -> int:
    """Run a command in this process and return its exit status."""
    return main([str(word) for word in words])


def run_json(*words: object) -> Any:
    """Run a command with ``--json``, which must succeed, and return its result.

    Standard output must be one JSON document.
    """
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert run_command(*words, "--json") == 0
    return json.loads(output.getvalue())


def finish(
    words: Sequence[object],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    given: str | None = None,
    secrets: Sequence[str] = (),
) -> str:
    """Run a program that must succeed, without a traceback, and return its standard output.

    Args:
        given: its standard input.
        secrets: texts that it must not print.
    """
    done = subprocess.run(
        [str(word) for word in words],
        env=env, cwd=cwd, input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "Traceback" not in printed, printed
    assert not [secret for secret in secrets if secret in printed]
    return done.stdout


def start(
    words: Sequence[object], *, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a program in a session of its own; `require_success` and
    `require_failure` wait for its end."""
    return subprocess.Popen(
        [str(word) for word in words],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def require_failure(
    process: subprocess.Popen[str], timeout: float, secrets: Sequence[str] = ()
) -> None:
    """Wait for a started program and fail if it succeeded, or printed one of these secrets."""
    printed = process.communicate(timeout=timeout)[0]
    assert process.returncode != 0, printed
    assert not [secret for secret in secrets if secret in printed]


def require_success(process: subprocess.Popen[str], timeout: float) -> None:
    """Wait for a started program and fail, with what it printed, unless it succeeded."""
    printed = process.communicate(timeout=timeout)[0]
    assert process.returncode == 0, printed


class Console:
    """The output of this process and its children, for checks that do not depend on wording.

    Each check is of the output since the check before.
    """

    _HIDDEN = re.compile("[\x1b\u202a-\u202e\u2066-\u2069]")

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def require_no_traceback(self) -> None:
        """Fail if a traceback was printed."""
        printed = "".join(self._capture.readouterr())
        assert "Traceback" not in printed, printed

    def require_all_expected(self) -> None:
        """Fail if a traceback or an unexpected error was printed."""
        printed = "".join(self._capture.readouterr())
        assert "Traceback" not in printed, printed
        assert "unexpected error" not in printed, printed

    def require_one_error(self) -> None:
        """Fail if more than one error, or a traceback, was printed on standard error."""
        output, errors = self._capture.readouterr()
        assert "Traceback" not in output + errors
        assert errors.count("gensr-pref: ") <= 1, errors

    def require_nothing_hidden(self) -> None:
        """Fail if a control character or a change of the text direction was printed."""
        printed = "".join(self._capture.readouterr())
        assert not self._HIDDEN.search(printed), repr(printed)

    def require_absent(self, *secrets: str) -> None:
        """Fail if any of these was printed."""
        printed = "".join(self._capture.readouterr())
        assert not [secret for secret in secrets if secret in printed]

    def require_nothing(self) -> None:
        """Fail if anything was printed."""
        assert tuple(self._capture.readouterr()) == ("", "")


@pytest.fixture
def console(capfd: pytest.CaptureFixture[str]) -> Console:
    """The output from here on."""
    return Console(capfd)
