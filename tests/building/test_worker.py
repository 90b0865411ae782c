"""Tests of the worker that does the tasks of a build."""

import pytest

from gensr_pref.building.build import build, list_outstanding_tasks
from gensr_pref.building.open_run import open_run
from gensr_pref.building.prepare import identify_recordings, prepare
from gensr_pref.building.tasks import CallStarted, ClipFinished, PartsWritten, Setup
from gensr_pref.building.worker import ShardWorker
from gensr_pref.errors import InputError
from gensr_pref.rundir import part_files
from tests.refusals import raises
from tests.small_run import rows, tables


@pytest.fixture
def first_shard(run, base, tmp_path):
    """A worker, and the tasks of the first shard of a new run."""
    out = tmp_path / "run"
    blueprint = identify_recordings(prepare(run(), base), out)
    library = blueprint.recordings.by_path
    with open_run(out, blueprint) as layout:
        tasks = list_outstanding_tasks(blueprint, layout, out)[0]
        yield ShardWorker(Setup(run(), base, out, blueprint.document, (), library)), tasks


def test_tasks_of_a_shard_write_the_parts_of_a_build(first_shard, finished, tmp_path):
    worker, tasks = first_shard
    for task in tasks:
        assert isinstance(list(worker.run(task))[-1], PartsWritten)
    expected = tables(finished)
    written = tables(tmp_path / "run")
    assert set(written) == {
        f"{name}/part-00000.parquet" for name in ("clips", "candidates", "scores")
    }
    assert all(content == expected[name] for name, content in written.items())


def test_worker_reports_each_call_before_its_clip(first_shard):
    worker, tasks = first_shard
    for task in tasks:
        events = list(worker.run(task))
        finished = [event for event in events if isinstance(event, ClipFinished)]
        assert len(finished) == len(task.clips) == 2
        assert isinstance(events[0], CallStarted)
        assert events[0].call.clip_id == task.clips[0].clip_id


def test_nothing_is_written_before_a_task_ends(first_shard, tmp_path):
    worker, [task, _] = first_shard
    events = worker.run(task)
    while not isinstance(next(events), ClipFinished):
        pass
    assert rows(tmp_path / "run", "candidates") == []


def test_generator_that_does_not_load_ends_the_build_before_it_samples(run, base, tmp_path):
    with raises(InputError, value="unloadable", problem="failed"):
        build(run("generators.0.use=cheap:Unloadable"), tmp_path / "run", base=base)
    assert not part_files.parts(tmp_path / "run", "candidates")
