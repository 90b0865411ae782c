"""Tests of the command `fetch`: it shows rows, also those that were fetched before an error."""

import json

from gensr_pref.cli.main import main
from gensr_pref.errors import InputError
from gensr_pref.weights import fetch
from tests.refusals import refuses

ROW = {"name": "utmos", "here": "yes", "notice": "handle with care"}


def test_without_names_it_lists_the_checkpoints(capsys):
    assert main(["fetch", "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert names == [row["name"] for row in fetch.list_checkpoints()]


def test_options_reach_the_functions(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(fetch, "fetch", lambda *given: calls.append(("fetch", *given)) or [ROW])
    monkeypatch.setattr(fetch, "verify", lambda *given: calls.append(("verify", *given)) or [ROW])
    assert main(["fetch", "utmos", "--sha256", "ab"]) == 0
    assert main(["fetch", "utmos", "nisqa", "--verify"]) == 0
    assert calls == [("fetch", ["utmos"], "ab"), ("verify", ["utmos", "nisqa"])]
    table = capsys.readouterr().out.splitlines()
    assert "utmos: handle with care" in table


def test_rows_of_a_partly_failed_call_are_shown(monkeypatch, capsys):
    def fail(names, sha256):
        raise fetch.PartlyFetchedError([ROW], {"nisqa": fetch.FetchError("no network")})

    monkeypatch.setattr(fetch, "fetch", fail)
    assert main(["fetch", "utmos", "nisqa", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [ROW]


def test_a_digest_without_a_download_is_refused():
    refuses(["fetch", "--sha256", "ab"], InputError, field="sha256", value="ab")
    words = ["fetch", "utmos", "--verify", "--sha256", "ab"]
    refuses(words, InputError, field="sha256", value="ab", problem="conflict")
