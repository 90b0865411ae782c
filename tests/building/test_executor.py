"""Tests of the executor that runs jobs in one process or on Ray."""

from gensr_pref.building.executor import run_jobs
from gensr_pref.building.tasks import Call, CallStarted, Finished, ShardTask
from gensr_pref.config.run_file import Engine

SERIAL = Engine(kind="serial")
JOB = [ShardTask("sample", 0, ())]


class Recorder:
    """A worker that records its states in the list that it is made with."""

    def __init__(self, states):
        self.states = states
        states.append("made")

    def run(self, task):
        try:
            yield CallStarted(task.stage, task.shard, Call("clip"))
        finally:
            self.states.append("stopped")


def test_events_of_all_jobs_are_reported():
    with run_jobs(Recorder, [], [JOB], SERIAL) as events:
        assert list(events)[-1] == Finished("sample", 0)


def test_no_worker_is_made_without_jobs():
    states = []
    for engine in (SERIAL, Engine(kind="ray")):
        with run_jobs(Recorder, states, [], engine) as events:
            assert list(events) == []
    assert states == []


def test_work_is_stopped_at_the_end_of_the_block():
    states = []
    with run_jobs(Recorder, states, [JOB], SERIAL) as events:
        next(events)
        assert states == ["made"]
    assert states == ["made", "stopped"]
