"""One build at a time on a store without locks: refused, renewed, gone stale, taken over."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from gensr_pref import lease, store
from gensr_pref.errors import RunMismatchError, StorageError
from gensr_pref.files import held, is_held

BUSY = RunMismatchError("in use")


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
    return list(store.listed(place))


def foreign(place, number=1):
    """A lease that another machine's process holds, or held."""
    there = lease.Lease("someone", "far", "another boot", 1, "7")
    store.put(lease._place(place, number), lease._text(there))
    return there


def test_second_is_refused_and_the_next_is_not(bucket):
    place = bucket / ".lock"
    assert not is_held(place)
    with held(place, BUSY):
        assert is_held(place)
        with pytest.raises(RunMismatchError, match="in use"), held(place, BUSY):
            pass
    assert not is_held(place)
    with held(place, BUSY):
        assert names(place) == ["000002"]


def test_process_that_was_killed_holds_nothing(bucket):
    """At once, where it was one of this machine."""
    place = bucket / ".lock"
    code = (
        "import os; from gensr_pref.files import held; from gensr_pref.location import located\n"
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
    with held(place, BUSY), pytest.raises(RunMismatchError, match="in use"), held(place, BUSY):
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
    end = threading.Timer(1.0, store.put, (lease._place(place, 1), over))
    end.start()
    began = time.monotonic()
    with held(place, BUSY):
        assert time.monotonic() - began < lease.STALE_SECONDS / 2
    end.join()


def test_one_that_was_taken_over_stops(bucket, quick):
    """As a machine that was asleep and wakes up."""
    place = bucket / ".lock"
    told = f"{bucket}: another process took it over"
    began = time.monotonic()

    def taken_over():
        with held(place, BUSY):
            foreign(place, 2)
            time.sleep(60)

    with pytest.raises(StorageError, match=told):
        taken_over()
    assert time.monotonic() - began < 30
    assert names(place)[-1] == "000002"


def test_damaged_lease_holds_nothing(bucket):
    place = bucket / ".lock"
    store.put(lease._place(place, 4), b"?")
    assert not is_held(place)
    with held(place, BUSY):
        assert names(place) == ["000005"]


def test_pid_that_was_given_to_another_process_is_not_its_holder(bucket):
    other = lease.Lease("x", "here", lease._machine(), os.getpid(), "1")
    assert lease._is_gone(other)
    assert not lease._is_gone(replace(other, started=lease._started(os.getpid())))
