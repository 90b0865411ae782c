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


def rewritten(out, table, change):
    """Every row of a table as `change` leaves it; None drops the row."""
    for path in part_files.parts(out, table):
        rows = [change(row) for row in part_files.read(path).to_pylist()]
        write_part(path, [row for row in rows if row])


def no_scores(row):
    return {**row, "roughness": None, "level": None, "zero_crossings": None}


def one_candidate(row):
    return row if row["candidate_id"].endswith("/0") else None


def told(out, capsys):
    """What `pair` and `audit` print and write, after both went well."""
    assert main(["pair", str(out)]) == 0
    assert main(["audit", str(out)]) == 0
    found = json.loads((out / "audit" / "audit.json").read_text())
    page = (out / "audit" / "report.html").read_text(encoding="utf-8")
    assert "NaN" not in page.replace("data:", "")[:20_000]
    return capsys.readouterr().out, found, page


def refuses_to_listen(out):
    with pytest.raises(InputError, match="no pair to listen to"), server.open_server(out, 5):
        pass


def test_nothing_but_nulls(copy, capsys):
    rewritten(copy, "scores", no_scores)
    text, found, page = told(copy, capsys)
    assert found["without_pair"] == {"null": 7}
    assert "7 null" in text
    assert "The yield cannot be set beside luck here" not in page  # 0 of 7, by luck 0 of 7
    assert found["panel"]["comparisons"] is None
    assert found["agreement"] == [] or found["agreement"][0]["kendall_tau"] is None
    refuses_to_listen(copy)


def test_one_candidate_each(copy, capsys):
    rewritten(copy, "scores", one_candidate)
    rewritten(copy, "candidates", one_candidate)
    text, found, _ = told(copy, capsys)
    assert found["without_pair"] == {"one_candidate": 7}
    assert "7 one_candidate" in text
    refuses_to_listen(copy)


def test_equal_candidates_are_ties_and_no_pairs(copy, capsys):
    same = {"roughness": 1.0, "level": 2.0, "zero_crossings": 3.0}
    rewritten(copy, "scores", lambda row: {**row, **same})
    _, found, page = told(copy, capsys)
    assert found["without_pair"] == {"tie": 7}
    assert found["repeats"]["same"] == 1
    assert found["panel"]["effective_votes"]["votes"] == 0
    assert "100.0 % of comparisons are equal on all scores." in page
    assert "Does the generator heed its seed?" not in page  # of 7 clips: too few to judge by


def test_two_clips_without_a_clean_side(copy, capsys):
    names = sorted(row["clip_id"] for p in part_files.parts(copy, "clips")
                   for row in part_files.read(p).to_pylist())[:2]  # fmt: skip
    for table in ("clips", "candidates", "scores"):
        rewritten(copy, table, lambda row: row if row["clip_id"] in names else None)
    rewritten(copy, "clips", lambda row: {**row, "clean": None, "text": None, "speaker": None})
    _, found, page = told(copy, capsys)
    assert found["clips"] == 2
    assert 'aria-label="clean"' not in page
    with server.open_server(copy, 5) as (url, _):
        assert url.startswith("http://127.0.0.1:")


def test_odd_text_everywhere_is_text(copy, capsys):
    about = {"text": ODD, "speaker": ODD, "language": ODD}
    rewritten(copy, "clips", lambda row: {**row, **about})
    _, found, page = told(copy, capsys)
    assert found["breakdown"]["speaker"][0]["value"] == ODD
    assert "<script" not in page
    assert "Ёлка &lt;script&gt;" in page


@pytest.mark.parametrize("command", ["audit", "listen", "pair"])
@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys, command, what):
    out = tmp_path / "nowhere"
    if what == "empty":
        out.mkdir()
    refuses([command, out], RunMismatchError, path=out, problem="missing")


@pytest.mark.parametrize("table", ["pairs", "scores"])
def test_what_is_not_there_yet_is_told(copy, table):
    unmade(copy, *{table, "pairs"})
    for command in (["audit", copy], ["listen", copy, "--no-browser"]):
        refuses(command, InputError, path=copy, value=table, problem="empty")
