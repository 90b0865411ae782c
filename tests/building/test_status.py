"""Tests of the status of a build, seen from another process."""

import json
import math

import pytest

from gensr_pref.building.build import build
from gensr_pref.building.open_run import lock_run
from gensr_pref.building.progress import Progress
from gensr_pref.building.status import status, watch_status
from gensr_pref.building.tasks import ClipFinished
from gensr_pref.cli.main import main
from gensr_pref.errors import InputError, RunMismatchError
from tests.building.conftest import read_snapshots
from tests.refusals import raises, refuses


def test_state_is_the_present_one(run, base, tmp_path, capsys):
    out = tmp_path / "run"
    with raises(RunMismatchError, problem="missing"):
        status(out)
    assert not out.exists()
    build(run(), out, base=base)
    assert status(out)["state"] == "finished"
    with lock_run(out):  # by the next build, which has not written a snapshot yet
        assert status(out)["state"] == "starting"
        assert main(["status", str(out)]) == 0
        assert "state       starting" in capsys.readouterr().out
    (out / "progress.jsonl").write_text(json.dumps(read_snapshots(out)[0]) + "\n{cut off")
    assert status(out)["state"] == "interrupted"
    with lock_run(out):
        assert status(out)["state"] == "running"
    assert main(["status", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "state       interrupted (" in shown
    assert "score       0 of 7 clips, 1 process on cpu" in shown
    assert main(["status", str(out), "--json", "--watch", "9"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["clips"] == 7


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_pause_that_is_not_above_0_is_refused_at_once(tmp_path, seconds):
    with raises(InputError, field="seconds", value=seconds, problem="invalid"):
        watch_status(tmp_path, seconds)
    refuses(["status", tmp_path, "--watch", "0"], InputError, field="seconds", value=0)


def test_status_does_not_lock_the_directory(run, base, tmp_path):
    build(run(), tmp_path / "run", base=base)
    with lock_run(tmp_path / "run"):
        status(tmp_path / "run")
    with lock_run(tmp_path / "run"):
        pass


def test_status_of_an_interrupted_build(base, tmp_path, run, monkeypatch):
    out, real = tmp_path / "run", Progress.show

    def show(self, event):
        real(self, event)
        if isinstance(event, ClipFinished) and event.stage == "score":
            raise error

    monkeypatch.setattr(Progress, "show", show)
    for error in (KeyboardInterrupt(), RuntimeError("any")):
        with pytest.raises(type(error)):
            build(run("engine.shard_clips=1"), out, base=base)
        report = status(out)
        assert report["state"] == "interrupted"
        done = [report["stages"][stage]["clips"] for stage in ("sample", "score")]
        assert done[0] >= done[1] >= 1
