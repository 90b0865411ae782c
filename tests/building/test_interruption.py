"""Tests of interrupted builds: stopped anywhere and continued, they give the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gensr_pref.building.progress import Progress
from gensr_pref.building.tasks import ClipFinished
from gensr_pref.cli.main import main
from gensr_pref.errors import RunMismatchError
from tests.commands import require_success, start
from tests.conftest import DroppedSignal
from tests.refusals import refuses
from tests.small_run import tables, undisturbed_tables

COMMAND = [str(Path(sys.executable).parent / "gensr-pref"), "build"]
SLOW_WORK = ["generators.0.options.seconds=0.15", "panel.0.options.seconds=0.1"]


def command(base, out, *overrides):
    return [*COMMAND, str(base / "run.yaml"), "--out", str(out), *SLOW_WORK, *overrides]


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    return undisturbed_tables(base, tmp_path_factory.mktemp("undisturbed") / "run", *SLOW_WORK)


def count_parts(out: Path) -> int:
    return len(list(out.glob("*/part-*")))


def start_and_stop(arguments, out: Path, number: int, seed: int) -> int:
    """Start a build, send it a signal at a random moment, and return its exit status."""
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    rng = random.Random(seed)
    enough = count_parts(out) + rng.randint(1, 4)
    while process.poll() is None and count_parts(out) < enough:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.3))
    if process.poll() is None:
        os.kill(process.pid, number)
    shown = process.communicate(timeout=120)[0].decode()
    if number == signal.SIGINT and process.returncode != 0:
        assert "interrupted" in shown
        assert process.returncode == 1
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("kind", ["serial", "ray"])
def test_bytes_after_interruptions(base, tmp_path, undisturbed, number, kind):
    out = tmp_path / "run"
    arguments = command(base, out, f"engine.kind={kind}", "engine.workers=2")
    stops = sum(start_and_stop(arguments, out, number, seed) != 0 for seed in range(3))
    assert stops >= 1
    subprocess.run(arguments, check=True, capture_output=True)
    assert tables(out) == undisturbed
    assert not list(out.glob("*/.unfinished-*"))


@pytest.mark.slow
def test_build_continues_after_the_disk_was_full(base, tmp_path, undisturbed):
    """A limit of 300 KiB per file acts like a full disk; the second build has no limit."""
    out = tmp_path / "run"
    arguments = command(base, out)
    limited = ["bash", "-c", 'ulimit -f 300; exec "$@"', "-", *arguments]
    stopped = subprocess.run(limited, capture_output=True, text=True)
    assert stopped.returncode == 1, stopped.stderr
    assert "cannot be written" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert not list(out.glob("*/.unfinished-*"))
    subprocess.run(arguments, check=True, capture_output=True)
    assert tables(out) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["serial", "ray"])
def test_build_that_is_interrupted_twice_in_a_row(base, tmp_path, undisturbed, kind):
    """The second Ctrl-C comes while the first one is being handled."""
    out = tmp_path / "run"
    arguments = command(base, out, f"engine.kind={kind}", "engine.workers=2")
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    while process.poll() is None and count_parts(out) < 2:
        time.sleep(0.01)
    for _ in range(2):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.3)
    shown = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 1
    assert "interrupted" in shown
    assert "Traceback" not in shown
    subprocess.run(arguments, check=True, capture_output=True)
    assert tables(out) == undisturbed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["serial", pytest.param("ray", marks=pytest.mark.slow)])
def test_signal_whose_exception_is_dropped_stops_a_build(
    base, tmp_path, number, kind, monkeypatch, capsys
):
    out, real = tmp_path / "run", Progress.show

    def show(self, event):
        real(self, event)
        if isinstance(event, ClipFinished) and not dropped:
            dropped.append(DroppedSignal.sent(number))

    dropped: list[None] = []
    monkeypatch.setattr(Progress, "show", show)
    arguments = [str(base / "run.yaml"), "--out", str(out), f"engine.kind={kind}"]
    assert main(["build", *arguments, "engine.workers=1", "engine.shard_clips=1"]) == 1
    assert "interrupted. Finished work is kept" in capsys.readouterr().err
    assert count_parts(out) < 14
    monkeypatch.undo()
    assert main(["build", *arguments, "engine.shard_clips=1"]) == 0


@pytest.mark.slow
def test_second_build_of_a_directory_is_refused_without_damage(base, tmp_path, undisturbed):
    """The first build is suspended, so that it cannot end before the second one starts."""
    out = tmp_path / "run"
    first = start(command(base, out))
    while first.poll() is None and count_parts(out) < 1:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        refuses(command(base, out)[1:], RunMismatchError, path=out, problem="busy")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    require_success(first, timeout=120)
    assert tables(out) == undisturbed


def workers_of(driver: int, title: bytes = b"ray::PoolWorker") -> list[int]:
    """Return the ids of the Ray actor processes that a driver has started."""
    parents, workers = {}, []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            facts = folder.joinpath("stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(facts[1])
            if title in folder.joinpath("cmdline").read_bytes():
                workers.append(int(folder.name))
        except OSError:
            continue

    def is_ours(pid: int) -> bool:
        while pid > 1 and pid != driver:
            pid = parents.get(pid, 0)
        return pid == driver

    return [pid for pid in workers if is_ours(pid)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_bytes_after_actors_are_killed(base, tmp_path):
    """An actor is killed every 1 to 3 s, up to 20 times."""
    slower = ["generators.0.options.seconds=2", "engine.shard_clips=1"]
    calm = undisturbed_tables(base, tmp_path / "calm", *SLOW_WORK, *slower)
    out, rng, killed = tmp_path / "run", random.Random(0), 0
    on_ray = ["engine.kind=ray", "engine.workers=2", "engine.retries=50"]
    process = subprocess.Popen(
        command(base, out, *slower, *on_ray),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    while process.poll() is None and killed < 20:
        time.sleep(rng.uniform(1, 3))
        alive = workers_of(process.pid)
        if alive:
            os.kill(rng.choice(alive), signal.SIGKILL)
            killed += 1
    shown = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, shown
    assert killed >= 8
    assert "starts again" in shown
    assert tables(out) == calm
