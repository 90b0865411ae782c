"""Tests of nearly empty runs: each command reports what is missing and invents no figure."""

import json
import shutil

import pytest

from gensr_pref.auditing.listening import server
from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import InputError, RunMismatchError
from gensr_pref.rundir import part_files
from tests.parts import unmade, write_part
from tests.refusals import refuses

ODD = "Ёлка <script>alert(1)</script> 🎧 „x“ & 'y'\u2028"


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    out = tmp_path_factory.mktemp("thin") / "run"
    build(run_file.load(base / "run.yaml", ["generators.0.candidates=3"]), out, base=base)
    return out


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def rewrite(out, table, change):
    """Apply `change` to every row of a table; None drops the row."""
    for path in part_files.parts(out, table):
        rows = [change(row) for row in part_files.read(path).to_pylist()]
        write_part(path, [row for row in rows if row])


def no_scores(row):
    return {**row, "roughness": None, "level": None, "zero_crossings": None}


def one_candidate(row):
    return row if row["candidate_id"].endswith("/0") else None


def pair_and_audit(out, capsys):
    """Run `pair` and `audit`; return what they print, audit.json and the report page."""
    assert main(["pair", str(out)]) == 0
    assert main(["audit", str(out)]) == 0
    results = json.loads((out / "audit" / "audit.json").read_text())
    page = (out / "audit" / "report.html").read_text(encoding="utf-8")
    assert "NaN" not in page.replace("data:", "")[:20_000]
    return capsys.readouterr().out, results, page


def refuses_to_listen(out):
    with pytest.raises(InputError, match="no pair to listen to"), server.open_server(out, 5):
        pass


def test_a_run_with_only_null_scores(copy, capsys):
    rewrite(copy, "scores", no_scores)
    text, results, page = pair_and_audit(copy, capsys)
    assert results["without_pair"] == {"null": 7}
    assert "7 null" in text
    assert "cannot be compared with a chance level" not in page  # 0 of 7, by chance 0 of 7
    assert results["panel"]["comparisons"] is None
    assert results["agreement"] == [] or results["agreement"][0]["kendall_tau"] is None
    refuses_to_listen(copy)


def test_a_run_with_one_candidate_per_clip(copy, capsys):
    rewrite(copy, "scores", one_candidate)
    rewrite(copy, "candidates", one_candidate)
    text, results, _ = pair_and_audit(copy, capsys)
    assert results["without_pair"] == {"one_candidate": 7}
    assert "7 one_candidate" in text
    refuses_to_listen(copy)


def test_equal_candidates_are_ties_and_no_pairs(copy, capsys):
    same = {"roughness": 1.0, "level": 2.0, "zero_crossings": 3.0}
    rewrite(copy, "scores", lambda row: {**row, **same})
    _, results, page = pair_and_audit(copy, capsys)
    assert results["without_pair"] == {"tie": 7}
    assert results["repeats"]["same"] == 1
    assert results["panel"]["effective_votes"]["votes"] == 0
    assert "In 100.0 % of the comparisons the two candidates are equal" in page
    assert "uses its seed" not in page  # seven clips are too few for a verdict


def test_two_clips_without_a_clean_version(copy, capsys):
    names = sorted(row["clip_id"] for p in part_files.parts(copy, "clips")
                   for row in part_files.read(p).to_pylist())[:2]  # fmt: skip
    for table in ("clips", "candidates", "scores"):
        rewrite(copy, table, lambda row: row if row["clip_id"] in names else None)
    rewrite(copy, "clips", lambda row: {**row, "clean": None, "text": None, "speaker": None})
    _, results, page = pair_and_audit(copy, capsys)
    assert results["clips"] == 2
    assert 'aria-label="clean"' not in page
    with server.open_server(copy, 5) as (url, _):
        assert url.startswith("http://127.0.0.1:")


def test_special_characters_are_shown_as_text(copy, capsys):
    about = {"text": ODD, "speaker": ODD, "language": ODD}
    rewrite(copy, "clips", lambda row: {**row, **about})
    _, results, page = pair_and_audit(copy, capsys)
    assert results["breakdown"]["speaker"][0]["value"] == ODD
    assert "<script" not in page
    assert "Ёлка &lt;script&gt;" in page


@pytest.mark.parametrize("command", ["audit", "listen", "pair"])
@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_folder_that_is_not_a_run_is_refused(tmp_path, capsys, command, what):
    out = tmp_path / "nowhere"
    if what == "empty":
        out.mkdir()
    refuses([command, out], RunMismatchError, path=out, problem="missing")


@pytest.mark.parametrize("table", ["pairs", "scores"])
def test_missing_tables_are_refused(copy, table):
    unmade(copy, *{table, "pairs"})
    for command in (["audit", copy], ["listen", copy, "--no-browser"]):
        refuses(command, InputError, path=copy, value=table, problem="empty")
