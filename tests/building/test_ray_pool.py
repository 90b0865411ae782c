"""Tests of workers on Ray that die, hang or cannot write: only the smallest part is lost."""

import shutil
from pathlib import Path

import pytest

from gensr_pref.building import ray_pool
from gensr_pref.building.build import build
from gensr_pref.building.tasks import Restarted
from gensr_pref.errors import StorageError
from tests.building.conftest import null_reasons
from tests.small_run import rows


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_storage_error_in_a_worker_ends_the_build(copy, run, base):
    shutil.rmtree(copy / "scores")
    (copy / "scores").write_text("a file where a folder must be")
    with pytest.raises(StorageError) as caught:
        build(run("engine.kind=ray", "engine.workers=1"), copy, base=base)
    path = Path(str(caught.value.path))
    assert caught.value.problem == "unwritable"
    assert copy / "scores" in (path, *path.parents)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize(("times", "died"), [(2, 0), (99, 2)])
def test_worker_that_dies_is_replaced_a_limited_number_of_times(run, base, tmp_path, times, died):
    """After two retries the clip has no candidates of that generator."""
    tally = tmp_path / "deaths"
    uses = (
        "[{use: 'cheap:Killer', name: hiss, candidates: 3, "
        f"options: {{tally: '{tally}', times: {times}}}}}]"
    )
    overrides = [f"generators={uses}", "engine.kind=ray", "engine.workers=1", "corpus.limit=2"]
    summary = build(run(*overrides), tmp_path / "run", base=base)
    assert summary["complete"]
    assert summary["candidates"] == 6 - 3 * died
    assert len(tally.read_text()) == max(2, 3 * died)
    assert summary["failures"] == ({"candidates": {"worker_died": 6}} if died else {})


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_worker_on_ray_interrupts_a_generator_by_itself(faulty, failed, restarts):
    """The shard is not restarted."""
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.limit_seconds=3"]
    assert faulty("sleeps", *on_ray)["complete"]
    assert failed()[0] == {("faulty", "timed_out"): 6}
    assert restarts == []


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_generator_that_ignores_the_alarm_is_ended_with_its_process(
    faulty, failed, longest_clip, tmp_path, monkeypatch
):
    """Only the clip is given up; the rest of its shard is complete."""
    monkeypatch.setattr(ray_pool, "GRACE_SECONDS", 2.0)
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.limit_seconds=3"]
    summary = faulty("deaf", *on_ray, clip=longest_clip["num_samples"])
    assert summary["complete"]
    assert failed()[0] == {("faulty", "timed_out"): 3}
    failures = rows(tmp_path / "run", "failures")
    assert {row["clip_id"] for row in failures} == {longest_clip["clip_id"]}
    assert summary["candidates"] == 3 + 4


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_generator_that_ends_its_process_loses_one_clip(faulty, failed, longest_clip):
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=1"]
    summary = faulty("dies", *on_ray, clip=longest_clip["num_samples"])
    assert summary["complete"]
    assert failed()[0] == {("faulty", "worker_died"): 3}
    assert set(failed()[1]) == {"its process ended 2 times"}
    assert summary["candidates"] == 3 + 4


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_metric_that_ends_its_process_loses_only_its_scores_of_one_clip(
    poisoned, tmp_path, longest_clip, restarts
):
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=1"]
    assert poisoned("dies", *on_ray)["complete"]
    assert null_reasons(tmp_path, longest_clip) == [["worker_died"]] * 3
    assert {event.stage for event in restarts if isinstance(event, Restarted)} == {"score"}


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_only_the_candidate_that_ends_a_metrics_process_is_lost(poisoned, longest_clip, tmp_path):
    """The share is chosen so that some of the clip's sounds are scored and some are fatal."""
    assert poisoned("dies", share=-1.0)["complete"]
    scores = rows(tmp_path / "run", "scores")
    values = [row["poisoned"] for row in scores if row["clip_id"] == longest_clip["clip_id"]]
    (tmp_path / "run").rename(tmp_path / "harmless")
    middle = sum(sorted(values)[:2]) / 2
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=0"]
    assert poisoned("dies", *on_ray, share=middle)["complete"]
    fatal = [value < middle for value in values]
    assert 0 < sum(fatal) < 3
    expected = [["worker_died"] if bad else [] for bad in fatal]
    assert null_reasons(tmp_path, longest_clip) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_metric_that_ignores_the_alarm_is_ended_with_its_process(
    poisoned, tmp_path, longest_clip, monkeypatch
):
    monkeypatch.setattr(ray_pool, "GRACE_SECONDS", 2.0)
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.limit_seconds=3"]
    assert poisoned("deaf", *on_ray)["complete"]
    assert null_reasons(tmp_path, longest_clip) == [["timed_out"]] * 3


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_build_with_a_metric_that_always_dies_is_finished(run, base, tmp_path):
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=0", "corpus.limit=1"]
    summary = build(run("panel.0.metric=cheap:Fatal", *on_ray), tmp_path / "run", base=base)
    assert summary["complete"]
    assert summary["failures"] == {"scores": {"worker_died": 4 * 3}}
