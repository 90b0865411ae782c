"""Tests of progress: lines without a terminal, JSON in the run directory, and the status."""

import json

import pytest

from gensr_pref.building import progress_bar
from gensr_pref.building.build import build
from gensr_pref.building.open_run import lock_run
from gensr_pref.building.progress_bar import Bar, duration
from gensr_pref.building.status import status
from gensr_pref.cli.main import main
from gensr_pref.errors import RunMismatchError
from tests.refusals import raises


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(progress_bar, "LINE_SECONDS", 0.0)


def snapshots(out):
    return [json.loads(line) for line in (out / "progress.jsonl").read_text().splitlines()]


def test_lines_and_snapshots_of_a_build(run, base, tmp_path, often, capsys):
    bad = "generators=[{use: 'cheap:Misbehaving', candidates: 3}]"
    summary = build(run(bad), tmp_path / "run", base=base)
    lines = capsys.readouterr().err.splitlines()
    assert any("sample 2/7" in line and "score 0/7" in line for line in lines)
    assert "left out 7 not_finite" in lines[-1]
    found = snapshots(tmp_path / "run")
    assert [one["state"] for one in found[:2]] == ["running"] * 2
    last = found[-1]
    assert last["state"] == "finished"
    assert last["stages"]["score"]["clips"] == last["clips"] == 7
    assert last["pairs"] == summary["pairs"]
    assert last["yield"] == summary["yield"]
    assert last["pairs_of_clips"] == 7
    assert last["failures"] == {"not_finite": 7}
    assert 0 < found[-2]["stages"]["score"]["utilisation"] <= 1.5
    assert last["seconds_left"] == 0


def test_a_build_that_goes_on_counts_what_is_there(run, base, tmp_path, often):
    build(run(), tmp_path / "run", base=base)
    (tmp_path / "run" / "scores" / "part-00003.parquet").unlink()
    build(run(), tmp_path / "run", base=base)
    found = snapshots(tmp_path / "run")
    begun = found[[one["state"] for one in found].index("finished") + 1]
    assert begun["stages"]["sample"]["clips"] == 7
    assert begun["stages"]["score"]["clips"] == 6


def test_status_is_of_now(run, base, tmp_path, capsys):
    out = tmp_path / "run"
    with raises(RunMismatchError, problem="missing"):
        status(out)
    assert not out.exists()
    build(run(), out, base=base)
    assert status(out)["state"] == "finished"
    with lock_run(out):  # by the next build, which has not told anything yet
        assert status(out)["state"] == "starting"
        assert main(["status", str(out)]) == 0
        assert "state       starting" in capsys.readouterr().out
    (out / "progress.jsonl").write_text(json.dumps(snapshots(out)[0]) + "\n{cut off")
    assert status(out)["state"] == "interrupted"
    with lock_run(out):
        assert status(out)["state"] == "running"
    assert main(["status", str(out)]) == 0
    told = capsys.readouterr().out
    assert "state       interrupted (" in told
    assert "score       0 of 7 clips, 1 process on cpu" in told
    assert main(["status", str(out), "--json", "--watch", "9"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["clips"] == 7


def test_looking_does_not_keep_a_build_out(run, base, tmp_path):
    build(run(), tmp_path / "run", base=base)
    with lock_run(tmp_path / "run"):
        status(tmp_path / "run")
    with lock_run(tmp_path / "run"):
        pass


def test_bar_writes_lines_where_there_is_no_terminal(often, capsys):
    with Bar(10, 4, "scoring") as counted:
        counted.update(1)
        counted.update(1)
    assert capsys.readouterr().err.splitlines()[-1].startswith("scoring: 6 of 10 clips, ")


def test_clocks_that_jump_move_nothing(run, base, tmp_path, often, monkeypatch):
    """The wall clock goes back by a day at every look; durations are of another clock."""
    import itertools
    import time

    jumping = itertools.count(2e9, -86400)
    monkeypatch.setattr(time, "time", lambda: float(next(jumping)))
    assert build(run("engine.limit_seconds=5"), tmp_path / "run", base=base)["complete"]
    elapsed = [one["elapsed_seconds"] for one in snapshots(tmp_path / "run")]
    assert elapsed == sorted(elapsed)
    assert status(tmp_path / "run")["age_seconds"] == 0


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(5, "5 s"), (65, "1 min"), (3600, "1 h 0 min"), (93784, "1 d 2 h")],
)
def test_durations(seconds, told):
    assert duration(seconds) == told
