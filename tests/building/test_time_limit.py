"""Tests of the time limit: it interrupts its block and no other code."""

import contextlib
import signal
import threading
import time

import pytest

from gensr_pref.building.time_limit import OutOfTime, time_limit


def test_except_exception_does_not_catch_the_alarm():
    def catch_everything():
        with contextlib.suppress(Exception):
            time.sleep(5)

    with pytest.raises(OutOfTime), time_limit(0.05):
        catch_everything()


def test_alarm_that_was_set_before_continues():
    alarms = []
    before = signal.signal(signal.SIGALRM, lambda *_: alarms.append(1))
    timer = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with time_limit(5):
            pass
        time.sleep(0.4)
        assert alarms == [1]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_there_is_no_limit_outside_the_main_thread():
    """Signals reach only the main thread; in other threads the block runs to its end."""
    ended = []

    def slow():
        with time_limit(0.01):
            time.sleep(0.1)
        ended.append(1)

    thread = threading.Thread(target=slow)
    thread.start()
    thread.join()
    assert ended == [1]
