"""Tests of the command `listen`: it serves the page until Ctrl-C, or writes a webMUSHRA test."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from gensr_pref.auditing.listening import server, webmushra
from gensr_pref.cli.main import main
from gensr_pref.errors import InputError
from tests.refusals import refuses


@pytest.fixture
def sessions(monkeypatch):
    """The arguments of each server that is opened; serving ends at once, as by Ctrl-C."""
    opened = []

    def serve():
        raise KeyboardInterrupt

    @contextmanager
    def open_server(*arguments):
        opened.append(arguments)
        yield "http://127.0.0.1:1/", serve

    monkeypatch.setattr(server, "open_server", open_server)
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url))
    return opened


def test_the_page_is_opened_in_the_browser_and_ctrl_c_ends_it(sessions):
    assert main(["listen", "run", "--pairs", "3", "--listener", "ann"]) == 0
    assert sessions == [(Path("run"), 3, "ann", 0), "http://127.0.0.1:1/"]


def test_without_a_browser_only_the_address_is_printed(sessions, capsys):
    assert main(["listen", "run", "--no-browser", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"url": "http://127.0.0.1:1/"}
    assert sessions == [(Path("run"), 40, None, 0)]


def test_an_export_serves_no_page(sessions, monkeypatch, capsys):
    calls = []

    def export(*arguments):
        calls.append(arguments)
        return {"config": "test.yaml", "trials": 3}

    monkeypatch.setattr(webmushra, "export_webmushra", export)
    assert main(["listen", "run", "--export", "folder", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"config": "test.yaml", "trials": 3}
    assert calls == [(Path("run"), Path("folder"), 40)]
    assert sessions == []


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--listener", "ann"], "listener", "ann"),
        (["--port", "80"], "port", 80),
        (["--no-browser"], "no_browser", True),
    ],
)
def test_options_of_the_page_are_refused_with_an_export(sessions, words, field, value):
    command = ["listen", "run", "--export", "folder", *words]
    refuses(command, InputError, field=field, value=value, problem="conflict")
