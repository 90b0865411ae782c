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
from gensr_pref.storage.lease import hold_lock, is_locked, wait_for_lock
from tests.refusals import raises

BUSY = RunMismatchError("in use", problem=Problem.BUSY)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.05)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.02)


@pytest.fixture
def elsewhere(monkeypatch):
    """Treat every holder of a lease as a process of another machine."""
    monkeypatch.setattr(lease, "_is_on_this_machine", lambda lease: False)


def names(place):
    return list(objects.list_objects(place))


def write_foreign_lease(place, number=1):
    """Write and return a lease of a process on another machine."""
    foreign = lease.Lease("someone", "far", "another boot", 1, "7")
    files.write_text(lease._lease_path(place, number), lease._as_json(foreign))
    return foreign


def test_second_holder_is_refused_until_the_first_has_finished(bucket):
    place = bucket / ".lock"
    assert not is_locked(place)
    with hold_lock(place, BUSY):
        assert is_locked(place)
        with raises(RunMismatchError, problem="busy"), hold_lock(place, BUSY):
            pass
    assert not is_locked(place)
    with hold_lock(place, BUSY):
        assert names(place) == ["000002"]


def test_lease_of_a_killed_process_of_this_machine_is_free_at_once(bucket):
    place = bucket / ".lock"
    code = (
        "import os; from gensr_pref.storage.lease import hold_lock\n"
        "from gensr_pref.storage.location import parse_location\n"
        f"with hold_lock(parse_location('{place}'), ValueError('busy')): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert names(place) == ["000001"]
    assert not is_locked(place)
    began = time.monotonic()
    with hold_lock(place, BUSY):
        assert time.monotonic() - began < lease.RENEWAL_SECONDS
        assert names(place) == ["000002"]


def test_lease_that_another_machine_renews_is_refused_after_watching_it(
    bucket, quick, elsewhere, capsys
):
    place = bucket / ".lock"
    with hold_lock(place, BUSY), raises(RunMismatchError, problem="busy"), hold_lock(place, BUSY):
        pass
    assert f"{bucket}: process" in capsys.readouterr().err


def test_lease_that_another_machine_does_not_renew_is_taken_over(bucket, quick, capsys):
    place = bucket / ".lock"
    write_foreign_lease(place)
    began = time.monotonic()
    with hold_lock(place, BUSY):
        assert time.monotonic() - began >= 0.5
        assert names(place) == ["000002"]
    assert "process 1 on far holds its lease" in capsys.readouterr().err


def test_lease_that_is_released_while_it_is_watched_is_free(bucket):
    place = bucket / ".lock"
    over = lease._as_json(replace(write_foreign_lease(place), released=True))
    end = threading.Timer(1.0, files.write_text, (lease._lease_path(place, 1), over))
    end.start()
    began = time.monotonic()
    with hold_lock(place, BUSY):
        assert time.monotonic() - began < lease.STALE_SECONDS / 2
    end.join()


def test_holder_stops_when_its_lease_was_taken_over(bucket, quick):
    """This happens to a machine that wakes up from sleep."""
    place = bucket / ".lock"
    began = time.monotonic()

    def lose_lease():
        with hold_lock(place, BUSY):
            write_foreign_lease(place, 2)
            time.sleep(60)

    with raises(StorageError, path=bucket, problem="changed"):
        lose_lease()
    assert time.monotonic() - began < 30
    assert names(place)[-1] == "000002"


def test_damaged_lease_does_not_lock(bucket):
    place = bucket / ".lock"
    objects.write_object(lease._lease_path(place, 4), b"?")
    assert not is_locked(place)
    with hold_lock(place, BUSY):
        assert names(place) == ["000005"]


def test_reused_process_id_is_not_the_holder(bucket):
    other = lease.Lease("x", "here", lease._machine_id(), os.getpid(), "1")
    assert lease._has_ended_here(other)
    assert not lease._has_ended_here(replace(other, started=lease._start_time(os.getpid())))


# On a disk: with locks, and on file systems without them.

NO_LOCKS = ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL"]
REFUSING = """
import errno, fcntl, os, sys
def refuse(*_):
    raise OSError(errno.{code}, os.strerror(errno.{code}))
fcntl.flock = refuse
"""
HOLDING = """
from pathlib import Path
from gensr_pref.storage.lease import hold_lock
with hold_lock(Path(sys.argv[1]), ValueError("busy")):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(params=["flock", *NO_LOCKS])
def file_system(request, monkeypatch):
    """Return code that gives another process the same kind of file system as this one."""
    if request.param == "flock":
        return "import sys"
    number = getattr(errno, request.param)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return REFUSING.format(code=request.param)


def start_holder(file_system, path):
    """Start a process that holds a file until its standard input ends."""
    command = [sys.executable, "-c", file_system + HOLDING, path]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_second_process_on_a_disk_is_refused(tmp_path, file_system):
    path = tmp_path / "run" / ".lock"
    assert not is_locked(path)
    with start_holder(file_system, path) as holder:
        assert is_locked(path)
        with raises(RunMismatchError, problem="busy"), hold_lock(path, BUSY):
            pass
        holder.communicate("\n")
    assert not is_locked(path)
    with hold_lock(path, BUSY), raises(RunMismatchError, problem="busy"), hold_lock(path, BUSY):
        pass


def test_lock_of_a_killed_process_on_a_disk_is_free_at_once(tmp_path, file_system):
    path = tmp_path / ".lock"
    with start_holder(file_system, path) as holder:
        holder.kill()
    assert not is_locked(path)
    began = time.monotonic()
    with hold_lock(path, BUSY):
        assert time.monotonic() - began < lease.RENEWAL_SECONDS


def test_waiting_ends_when_the_other_process_ends(tmp_path, file_system, capsys):
    path = tmp_path / ".lock"
    with start_holder(file_system, path) as holder:
        end = threading.Timer(1.0, holder.stdin.close)
        end.start()
        began = time.monotonic()
        with wait_for_lock(path, "waiting for it"):
            assert time.monotonic() - began > 0.5
        end.join()
    assert capsys.readouterr().err.count("waiting for it") == 1


def test_error_of_the_work_is_not_mistaken_for_a_held_lock(tmp_path):
    error = StorageError("of the work")
    with pytest.raises(StorageError) as caught, wait_for_lock(tmp_path / ".lock", "waiting"):
        raise error
    assert caught.value is error


def test_discarded_file_has_one_holder_at_a_time(tmp_path):
    """A process may open a file that its holder removes before the process locks it."""
    path, inside, alone = tmp_path / ".lock", threading.Lock(), []

    def work():
        for _ in range(20):
            try:
                with hold_lock(path, BUSY, discard=True):
                    alone.append(inside.acquire(blocking=False))
                    inside.release()
            except RunMismatchError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone
    assert all(alone)
    assert list(tmp_path.iterdir()) == []


def test_other_error_of_a_lock_is_reported(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with (
        raises(StorageError, path=".lock", problem="unwritable"),
        hold_lock(tmp_path / ".lock", BUSY),
    ):
        pass


@pytest.mark.parametrize("links", [True, False])
def test_exactly_one_of_several_threads_creates_a_lease_on_a_disk(tmp_path, monkeypatch, links):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    place, made = tmp_path / "leases" / "000001", []
    threads = [
        threading.Thread(
            target=lambda text=str(number): made.append(files.create_file(place, text))
        )
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert [path.name for path in place.parent.iterdir()] == ["000001"]


def test_lease_that_another_machine_does_not_renew_is_taken_over_on_a_disk(
    tmp_path, quick, monkeypatch
):
    monkeypatch.setattr(lease, "_lock_file", lambda *_: False)
    write_foreign_lease(tmp_path / ".lock.lease")
    with hold_lock(tmp_path / ".lock", BUSY):
        assert sorted(path.name for path in (tmp_path / ".lock.lease").iterdir()) == ["000002"]


def test_file_system_without_fsync_and_chmod_can_be_written(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(os, "chmod", refuse)
    files.write_text(tmp_path / "x", "whole")
    append_json(tmp_path / "y", {"a": 1}, durable=True)
    assert (tmp_path / "x").read_text() == "whole"
    assert read_json_lines(tmp_path / "y") == [{"a": 1}]
