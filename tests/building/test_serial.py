"""Tests of running tasks in this process."""

import pytest

from gensr_pref.building.serial import run_in_process
from gensr_pref.building.tasks import Call, CallStarted, Finished, Lost, ShardTask
from gensr_pref.errors import CorruptPartError, StorageError

JOBS = [[ShardTask("sample", shard, ()), ShardTask("score", shard, ())] for shard in (0, 1)]


def worker_that_fails(error):
    """Return a worker class that raises an error when it samples shard 0."""

    class Worker:
        def __init__(self, setup):
            self.setup = setup

        def run(self, task):
            yield CallStarted(task.stage, task.shard, Call("clip"))
            if (task.stage, task.shard) == ("sample", 0) and error is not None:
                raise error

    return Worker


def ended(error):
    """Return the tasks that were finished or lost."""
    events = run_in_process(worker_that_fails(error), None, JOBS)
    return [
        (type(event), event.stage, event.shard)
        for event in events
        if not isinstance(event, CallStarted)
    ]


def test_tasks_run_in_order():
    assert ended(None) == [
        (Finished, "sample", 0),
        (Finished, "score", 0),
        (Finished, "sample", 1),
        (Finished, "score", 1),
    ]


@pytest.mark.parametrize("error", [ValueError("any"), CorruptPartError("a damaged part")])
def test_failing_task_loses_only_its_shard(error):
    assert ended(error) == [(Lost, "sample", 0), (Finished, "sample", 1), (Finished, "score", 1)]


def test_storage_error_ends_all_work():
    with pytest.raises(StorageError):
        ended(StorageError("the disk is full"))
