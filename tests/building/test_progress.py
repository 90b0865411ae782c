"""Tests of progress: plain lines without a terminal, and snapshots in the run directory."""

from gensr_pref.building.build import build
from gensr_pref.building.status import status
from tests.building.conftest import read_snapshots


def test_lines_and_snapshots_of_a_build(run, base, tmp_path, frequent_lines, capsys):
    bad = "generators=[{use: 'cheap:Misbehaving', candidates: 3}]"
    summary = build(run(bad), tmp_path / "run", base=base)
    lines = capsys.readouterr().err.splitlines()
    assert any("sample 2/7" in line and "score 0/7" in line for line in lines)
    assert "left out 7 not_finite" in lines[-1]
    snapshots = read_snapshots(tmp_path / "run")
    assert [snapshot["state"] for snapshot in snapshots[:2]] == ["running"] * 2
    last = snapshots[-1]
    assert last["state"] == "finished"
    assert last["stages"]["score"]["clips"] == last["clips"] == 7
    assert last["pairs"] == summary["pairs"]
    assert last["yield"] == summary["yield"]
    assert last["pairs_of_clips"] == 7
    assert last["failures"] == {"not_finite": 7}
    assert 0 < snapshots[-2]["stages"]["score"]["utilisation"] <= 1.5
    assert last["seconds_left"] == 0


def test_continued_build_counts_existing_clips(run, base, tmp_path, frequent_lines):
    build(run(), tmp_path / "run", base=base)
    (tmp_path / "run" / "scores" / "part-00003.parquet").unlink()
    build(run(), tmp_path / "run", base=base)
    snapshots = read_snapshots(tmp_path / "run")
    states = [snapshot["state"] for snapshot in snapshots]
    first = snapshots[states.index("finished") + 1]
    assert first["stages"]["sample"]["clips"] == 7
    assert first["stages"]["score"]["clips"] == 6


def test_durations_do_not_depend_on_the_wall_clock(
    run, base, tmp_path, frequent_lines, monkeypatch
):
    """The wall clock goes back by a day whenever it is read."""
    import itertools
    import time

    jumping = itertools.count(2e9, -86400)
    monkeypatch.setattr(time, "time", lambda: float(next(jumping)))
    assert build(run("engine.limit_seconds=5"), tmp_path / "run", base=base)["complete"]
    snapshots = read_snapshots(tmp_path / "run")
    elapsed = [snapshot["elapsed_seconds"] for snapshot in snapshots]
    assert elapsed == sorted(elapsed)
    assert status(tmp_path / "run")["age_seconds"] == 0
