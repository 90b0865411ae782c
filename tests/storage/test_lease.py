"""Tests of exclusive access, by a lock or, where locks are unsupported, by a lease."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from gensr_pref.errors import Problem, RunMismatchError, StorageError
from gensr_pref.storage import files, lease, objects
from gensr_pref.storage.jsonl import append_json, read_json_lines
from gensr_pref.storage.lease import held, in_turn, is_held
from tests.refusals import raises

BUSY = RunMismatchError("in use", problem=Problem.BUSY)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lease, "RENEWED_SECONDS", 0.05)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    monkeypatch.setattr(lease, "_LOOKED_SECONDS", 0.02)


@pytest.fixture
def elsewhere(monkeypatch):
    """As if whoever holds a lease were on another machine."""
    monkeypatch.setattr(lease, "_is_ours", lambda there: False)


def names(place):
    return list(objects.listed(place))


def foreign(place, number=1):
    """A lease that another machine's process holds, or held."""
    there = lease.Lease("someone", "far", "another boot", 1, "7")
    files.write_text(lease._place(place, number), lease._text(there))
    return there


def test_second_is_refused_and_the_next_is_not(bucket):
    place = bucket / ".lock"
    assert not is_held(place)
    with held(place, BUSY):
        assert is_held(place)
        with raises(RunMismatchError, problem="busy"), held(place, BUSY):
            pass
    assert not is_held(place)
    with held(place, BUSY):
        assert names(place) == ["000002"]


def test_process_that_was_killed_holds_nothing(bucket):
    """At once, where it was one of this machine."""
    place = bucket / ".lock"
    code = (
        "import os; from gensr_pref.storage.lease import held\n"
        "from gensr_pref.storage.location import located\n"
        f"with held(located('{place}'), ValueError('busy')): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert names(place) == ["000001"]
    assert not is_held(place)
    began = time.monotonic()
    with held(place, BUSY):
        assert time.monotonic() - began < lease.RENEWED_SECONDS
        assert names(place) == ["000002"]


def test_process_elsewhere_that_renews_is_waited_for_and_refused(bucket, quick, elsewhere, capsys):
    place = bucket / ".lock"
    with held(place, BUSY), raises(RunMismatchError, problem="busy"), held(place, BUSY):
        pass
    assert f"{bucket}: process" in capsys.readouterr().err


def test_process_elsewhere_that_renews_no_more_is_taken_over(bucket, quick, capsys):
    place = bucket / ".lock"
    foreign(place)
    began = time.monotonic()
    with held(place, BUSY):
        assert time.monotonic() - began >= 0.5
        assert names(place) == ["000002"]
    assert "process 1 on far worked on it" in capsys.readouterr().err


def test_one_that_ends_while_it_is_watched_is_not_waited_for(bucket):
    place = bucket / ".lock"
    over = lease._text(replace(foreign(place), released=True))
    end = threading.Timer(1.0, files.write_text, (lease._place(place, 1), over))
    end.start()
    began = time.monotonic()
    with held(place, BUSY):
        assert time.monotonic() - began < lease.STALE_SECONDS / 2
    end.join()


def test_one_that_was_taken_over_stops(bucket, quick):
    """As a machine that was asleep and wakes up."""
    place = bucket / ".lock"
    began = time.monotonic()

    def taken_over():
        with held(place, BUSY):
            foreign(place, 2)
            time.sleep(60)

    with raises(StorageError, path=bucket, problem="changed"):
        taken_over()
    assert time.monotonic() - began < 30
    assert names(place)[-1] == "000002"


def test_damaged_lease_holds_nothing(bucket):
    place = bucket / ".lock"
    objects.put(lease._place(place, 4), b"?")
    assert not is_held(place)
    with held(place, BUSY):
        assert names(place) == ["000005"]


def test_pid_that_was_given_to_another_process_is_not_its_holder(bucket):
    other = lease.Lease("x", "here", lease._machine(), os.getpid(), "1")
    assert lease._is_gone(other)
    assert not lease._is_gone(replace(other, started=lease._started(os.getpid())))


# On a disk: with locks, and on file systems that have none.

NO_LOCKS = ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL"]
REFUSING = """
import errno, fcntl, os, sys
def refuse(*_):
    raise OSError(errno.{code}, os.strerror(errno.{code}))
fcntl.flock = refuse
"""
HOLDING = """
from pathlib import Path
from gensr_pref.storage.lease import held
with held(Path(sys.argv[1]), ValueError("busy")):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(params=["flock", *NO_LOCKS])
def file_system(request, monkeypatch):
    """What another process runs first, on the file system that this process is on too."""
    if request.param == "flock":
        return "import sys"
    number = getattr(errno, request.param)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return REFUSING.format(code=request.param)


def start_holder(file_system, path):
    """Another process that holds a file until its standard input ends."""
    command = [sys.executable, "-c", file_system + HOLDING, path]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_two_processes_on_a_disk(tmp_path, file_system):
    path = tmp_path / "run" / ".lock"
    assert not is_held(path)
    with start_holder(file_system, path) as holder:
        assert is_held(path)
        with raises(RunMismatchError, problem="busy"), held(path, BUSY):
            pass
        holder.communicate("\n")
    assert not is_held(path)
    with held(path, BUSY), raises(RunMismatchError, problem="busy"), held(path, BUSY):
        pass


def test_process_that_was_killed_on_a_disk_holds_nothing(tmp_path, file_system):
    path = tmp_path / ".lock"
    with start_holder(file_system, path) as holder:
        holder.kill()
    assert not is_held(path)
    began = time.monotonic()
    with held(path, BUSY):
        assert time.monotonic() - began < lease.RENEWED_SECONDS


def test_turn_comes_when_the_other_ends(tmp_path, file_system, capsys):
    path = tmp_path / ".lock"
    with start_holder(file_system, path) as holder:
        end = threading.Timer(1.0, holder.stdin.close)
        end.start()
        began = time.monotonic()
        with in_turn(path, "waiting for it"):
            assert time.monotonic() - began > 0.5
        end.join()
    assert capsys.readouterr().err.count("waiting for it") == 1


def test_errors_of_the_work_are_not_taken_for_a_lock_that_is_held(tmp_path):
    error = StorageError("of the work")
    with pytest.raises(StorageError) as caught, in_turn(tmp_path / ".lock", "waiting"):
        raise error
    assert caught.value is error


def test_file_that_is_discarded_is_held_by_one(tmp_path):
    """The file that a process opened may be another's, and gone, when it gets the lock."""
    path, inside, met = tmp_path / ".lock", threading.Lock(), []

    def work():
        for _ in range(20):
            try:
                with held(path, BUSY, discard=True):
                    met.append(inside.acquire(blocking=False))
                    inside.release()
            except RunMismatchError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert met
    assert all(met)
    assert list(tmp_path.iterdir()) == []


def test_fault_of_a_lock_is_named(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with raises(StorageError, path=".lock", problem="unwritable"), held(tmp_path / ".lock", BUSY):
        pass


@pytest.mark.parametrize("links", [True, False])
def test_one_of_many_creates_a_lease_on_a_disk(tmp_path, monkeypatch, links):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    place, made = tmp_path / "leases" / "000001", []
    threads = [
        threading.Thread(target=lambda text=str(number): made.append(files.create(place, text)))
        for number in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(made) == [False] * 7 + [True]
    assert [one.name for one in place.parent.iterdir()] == ["000001"]


def test_process_elsewhere_that_renews_no_more_is_taken_over_on_a_disk(
    tmp_path, quick, monkeypatch
):
    monkeypatch.setattr(lease, "_is_locked_by_us", lambda *_: False)
    foreign(tmp_path / ".lock.lease")
    with held(tmp_path / ".lock", BUSY):
        assert sorted(one.name for one in (tmp_path / ".lock.lease").iterdir()) == ["000002"]


def test_file_system_without_fsync_and_chmod_is_written_to(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(os, "chmod", refuse)
    files.write_text(tmp_path / "x", "whole")
    append_json(tmp_path / "y", {"a": 1}, durable=True)
    assert (tmp_path / "x").read_text() == "whole"
    assert read_json_lines(tmp_path / "y") == [{"a": 1}]
