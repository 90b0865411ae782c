"""Tests of failing generators: each failure is caught, named and recorded; the rest continues."""

import contextlib
import json
import signal
import threading
import time
from collections import Counter

import pytest

from gensr_pref.building import ray_pool, sampling
from gensr_pref.building.build import build
from gensr_pref.building.isolation import work_around
from gensr_pref.building.pair import pair
from gensr_pref.building.progress import Progress
from gensr_pref.building.tasks import Call, Lost, Restarted, ShardTask
from gensr_pref.building.time_limit import OutOfTime, time_limit
from gensr_pref.errors import Unusable
from gensr_pref.identity import candidate_id
from gensr_pref.schema import Reason
from tests.commands import run_command
from tests.small_run import rows, tables

HISS = "{use: 'cheap:Hiss', candidates: 2}"


@pytest.fixture
def faulty(run, base, tmp_path):
    """Builds two clips with a generator that goes wrong, and one that does not beside it."""

    def made(how, *overrides, candidates=3, **options):
        chosen = json.dumps({"how": how, "log": str(tmp_path / "calls"), **options})
        bad = f"{{use: 'cheap:Faulty', candidates: {candidates}, options: {chosen}}}"
        wanted = run(f"generators=[{bad}, {HISS}]", "corpus.limit=2", *overrides)
        return build(wanted, tmp_path / "run", base=base)

    return made


@pytest.fixture
def failed(tmp_path):
    """Rows of the failures table by generator and reason; the details."""

    def found():
        there = rows(tmp_path / "run", "failures")
        counts = Counter((r["candidate_id"].split("/")[1], r["reason"]) for r in there)
        return dict(counts), [r["detail"] for r in there]

    return found


@pytest.fixture
def restarts(monkeypatch):
    """The tasks that a build begins again or gives up, as their events show."""
    events, real = [], Progress.show

    def show(self, event):
        if isinstance(event, Restarted | Lost):
            events.append(event)
        real(self, event)

    monkeypatch.setattr(Progress, "show", show)
    return events


def calls(tmp_path):
    return [int(line) for line in (tmp_path / "calls").read_text().split()]


def test_only_the_rows_that_make_a_batch_fail_are_lost(faulty, failed, tmp_path):
    summary = faulty("one_row", candidates=6)
    made = [r for r in rows(tmp_path / "run", "candidates") if r["generator"] == "faulty"]
    assert 0 < len(made) < 12
    assert all(row["seed"] % 2 == 0 for row in made)
    assert failed()[0] == {("faulty", "generator_error"): 12 - len(made)}
    assert failed()[1][0] == "RuntimeError: an odd seed"
    assert summary["complete"]


def test_batch_that_memory_does_not_hold_is_asked_for_row_by_row(faulty, failed, tmp_path):
    assert faulty("batch_too_large")["candidates"] == 2 * (3 + 2)
    clip, check = [3, 1, 1, 1], [1, 1, 3, 1, 1, 1, 1]  # after the first: 0 twice, all, the last
    assert calls(tmp_path) == [*clip, *check, *clip]
    assert failed() == ({}, [])


@pytest.mark.parametrize("how", ["memory", "cpu_memory"])
def test_running_out_of_memory_has_its_own_reason(faulty, failed, how):
    summary = faulty(how)
    assert failed()[0] == {("faulty", "out_of_memory"): 6}
    assert summary["candidates"] == 4


@pytest.mark.parametrize("how", ["sleeps", "swallows"])
def test_generator_that_hangs_is_interrupted(faulty, failed, how):
    began = time.monotonic()
    summary = faulty(how, "engine.limit_seconds=1.5")
    assert time.monotonic() - began < 60
    assert failed()[0] == {("faulty", "timed_out"): 6}
    assert set(failed()[1]) == {"no answer within 1.5 s"}
    assert summary["complete"]
    assert summary["candidates"] == 4


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_worker_on_ray_interrupts_a_generator_by_itself(faulty, failed, restarts):
    """So that its shard need not begin anew."""
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.limit_seconds=3"]
    assert faulty("sleeps", *on_ray)["complete"]
    assert failed()[0] == {("faulty", "timed_out"): 6}
    assert restarts == []


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_generator_that_heeds_no_alarm_is_ended_with_its_process(
    faulty, failed, run, base, tmp_path, monkeypatch
):
    """The clip is given up, and the rest of its shard is what a run without it would be."""
    monkeypatch.setattr(ray_pool, "GRACE_SECONDS", 2.0)
    clip = _longest(run, base, tmp_path)
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.limit_seconds=3"]
    summary = faulty("deaf", *on_ray, clip=clip["num_samples"])
    assert summary["complete"]
    assert failed()[0] == {("faulty", "timed_out"): 3}
    assert {r["clip_id"] for r in rows(tmp_path / "run", "failures")} == {clip["clip_id"]}
    assert summary["candidates"] == 3 + 4


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_generator_that_always_ends_its_process_costs_one_clip(faulty, failed, run, base, tmp_path):
    clip = _longest(run, base, tmp_path)
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=1"]
    summary = faulty("dies", *on_ray, clip=clip["num_samples"])
    assert summary["complete"]
    assert failed()[0] == {("faulty", "worker_died"): 3}
    assert set(failed()[1]) == {"its process ended 2 times"}
    assert summary["candidates"] == 3 + 4


# Metrics that end their process, or never end


@pytest.fixture
def poisoned(run, base, tmp_path):
    """Builds two clips, of which a metric cannot stand one; the build's summary and that clip."""

    def made(how, *overrides, share=1.0):
        clip = _longest(run, base, tmp_path)
        options = json.dumps({"clip": clip["num_samples"], "how": how, "share": share})
        panel = f"[{{metric: 'cheap:Roughness'}}, {{metric: 'cheap:Poisoned', options: {options}}}]"
        wanted = run("corpus.limit=2", f"generators=[{HISS}]", f"panel={panel}", *overrides)
        return build(wanted, tmp_path / "run", base=base), clip

    return made


def nulls(tmp_path, clip, score="poisoned"):
    """Reasons of what is null in a clip's rows; that nothing is in the rows of others."""
    there = rows(tmp_path / "run", "scores")
    assert all(row[score] is not None for row in there if row["clip_id"] != clip["clip_id"])
    assert all(row["roughness"] is not None for row in there)
    failed = [row["failures"] or [] for row in there if row["clip_id"] == clip["clip_id"]]
    return [[one["reason"] for one in reasons] for reasons in failed]


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_metric_that_ends_its_process_costs_its_own_scores_of_one_clip(
    poisoned, tmp_path, restarts
):
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=1"]
    summary, clip = poisoned("dies", *on_ray)
    assert summary["complete"]
    assert nulls(tmp_path, clip) == [["worker_died"]] * 3
    assert {event.stage for event in restarts if isinstance(event, Restarted)} == {"score"}


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_candidate_that_ends_a_metrics_process_is_the_only_one_lost(poisoned, run, base, tmp_path):
    """The share is set so that some of the clip's sounds are scored and some are fatal."""
    harmless, clip = poisoned("dies", share=-1.0)
    assert harmless["complete"]
    there = rows(tmp_path / "run", "scores")
    values = [row["poisoned"] for row in there if row["clip_id"] == clip["clip_id"]]
    (tmp_path / "run").rename(tmp_path / "harmless")
    middle = sum(sorted(values)[:2]) / 2
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=0"]
    summary, clip = poisoned("dies", *on_ray, share=middle)
    assert summary["complete"]
    fatal = [value < middle for value in values]
    assert 0 < sum(fatal) < 3
    assert nulls(tmp_path, clip) == [["worker_died"] if bad else [] for bad in fatal]


@pytest.mark.parametrize(
    "engine",
    [
        ["engine.kind=serial"],
        pytest.param(["engine.kind=ray", "engine.workers=1"], marks=pytest.mark.slow),
    ],
)
def test_metric_that_hangs_is_interrupted(poisoned, tmp_path, restarts, engine):
    summary, clip = poisoned("sleeps", *engine, "engine.limit_seconds=2")
    assert summary["complete"]
    assert nulls(tmp_path, clip) == [["timed_out"]] * 3
    assert restarts == []


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_metric_that_heeds_no_alarm_is_ended_with_its_process(poisoned, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_pool, "GRACE_SECONDS", 2.0)
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.limit_seconds=3"]
    summary, clip = poisoned("deaf", *on_ray)
    assert summary["complete"]
    assert nulls(tmp_path, clip) == [["timed_out"]] * 3


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_metric_that_always_dies_ends_in_the_end(run, base, tmp_path):
    on_ray = ["engine.kind=ray", "engine.workers=1", "engine.retries=0", "corpus.limit=1"]
    summary = build(run("panel.0.metric=cheap:Fatal", *on_ray), tmp_path / "run", base=base)
    assert summary["complete"]
    assert summary["failures"] == {"scores": {"worker_died": 4 * 3}}


def test_what_is_worked_around_narrows_down_and_ends():
    """Clip, metric, candidate; after three candidates the metric is given up on the clip."""
    task, died = ShardTask("score", 0, ()), Unusable(Reason.WORKER_DIED)
    task = work_around(task, Call("c"), died)
    task = work_around(task, Call("c", "m"), died)
    assert task.divided == (Call("c"), Call("c", "m"))
    for name in "xyz":
        assert task.skip_reason(Call("c", "m")) is None
        task = work_around(task, Call("c", "m", name), died)
    assert task.skip_reason(Call("c", "m")) is died
    assert task.skip_reason(Call("c", "other")) is None
    slow = work_around(ShardTask("score", 0, ()), Call("c", "m"), Unusable(Reason.TIMED_OUT))
    assert slow.skip_reason(Call("c", "m")) is not None


def test_a_clip_with_one_sound_is_given_up_when_it_cannot_be_divided():
    """A worker that is at a metric again, after it was to divide the sounds, had only one."""
    task, died = ShardTask("score", 0, ()), Unusable(Reason.WORKER_DIED)
    for place in (Call("c"), Call("c", "m"), Call("c", "m")):
        assert task.skip_reason(Call("c", "m")) is None
        task = work_around(task, place, died)
    assert task.skip_reason(Call("c", "m")) is died


def _longest(run, base, tmp_path):
    """One of the two clips of `faulty`."""
    build(run("corpus.limit=2", f"generators=[{HISS}]"), tmp_path / "plain", base=base)
    clips = rows(tmp_path / "plain", "clips")
    assert len({clip["num_samples"] for clip in clips}) == 2
    return max(clips, key=lambda clip: clip["num_samples"])


def test_candidates_of_a_generator_that_ignores_its_seed_are_one(faulty, failed, tmp_path):
    summary = faulty("ignores_seed")
    kept = [r for r in rows(tmp_path / "run", "candidates") if r["generator"] == "faulty"]
    assert [row["index"] for row in kept] == [0, 0]
    assert failed()[0] == {("faulty", "duplicate"): 4}
    for row in rows(tmp_path / "run", "failures"):
        assert row["duplicate_of"] == candidate_id(row["clip_id"], "faulty", 0)
        assert row["score"] is None
    assert not any("not reproducible" in notice for notice in summary["notices"])


def test_generator_may_call_a_candidate_a_duplicate_in_words_of_its_own(faulty, failed, tmp_path):
    assert faulty("own_words")["complete"]
    assert failed()[0] == {("faulty", "duplicate"): 2}
    assert {row["duplicate_of"] for row in rows(tmp_path / "run", "failures")} == {None}


def test_failed_score_is_named_in_a_column(run, base, tmp_path):
    panel = "panel=[{metric: 'cheap:Sulking'}, {metric: 'cheap:Lengthy'}]"
    build(run(panel, f"generators=[{HISS}]", "corpus.limit=1"), tmp_path / "run", base=base)
    found = rows(tmp_path / "run", "failures")
    assert Counter(row["score"] for row in found) == dict.fromkeys(
        ("roughness", "level", "zero_crossings"), 3
    )
    assert {row["detail"] for row in found} == {"RuntimeError: not today"}


def test_generator_that_cannot_be_repeated_is_said_to_be(faulty, base, tmp_path, capsys):
    summary = faulty("other_every_time")
    [notice] = summary["notices"]
    assert notice.startswith("generator 'faulty' is not reproducible")
    assert f"note: {notice}" in capsys.readouterr().err
    assert summary["candidates"] == 10
    again = faulty("other_every_time")  # everything is there: nobody is asked again
    assert again["notices"] == [notice]
    assert pair(tmp_path / "run", ["margin.level=0.001"])["notices"] == [notice]
    for path in (tmp_path / "run").glob("*/part-00000*"):
        path.unlink()
    assert len(faulty("other_every_time")["notices"]) == 1  # made again, and said once


def test_generator_that_draws_a_batch_from_one_seed_is_said_to(faulty):
    [notice] = faulty("first_seed")["notices"]
    assert notice.startswith("generator 'faulty'")
    assert "seeds[b]" in notice


def test_parts_that_no_table_can_hold_cost_their_candidate_alone(faulty, failed):
    summary = faulty("odd_parts", candidates=6)
    assert summary["complete"]
    assert summary["candidates"] == 4  # those of the other generator
    reasons = {"generator_error": 8, "not_finite": 2, "wrong_rate": 2}
    assert failed()[0] == {("faulty", reason): count for reason, count in reasons.items()}


def test_generator_that_changes_the_working_folder_harms_nobody(faulty, base, monkeypatch):
    monkeypatch.chdir(base)
    assert faulty("moves")["complete"]


def test_rounding_is_no_lack_of_reproducibility(faulty):
    assert faulty("rounds")["notices"] == []


def test_being_asked_again_does_not_change_the_tables(faulty, run, base, tmp_path, monkeypatch):
    faulty("one_row")
    monkeypatch.setattr("gensr_pref.building.worker.reproducibility_notice", lambda *asked: None)
    before = tables(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "first")
    faulty("one_row")
    assert tables(tmp_path / "run") == before


def test_error_in_the_place_of_a_candidate_is_its_failure(faulty, failed):
    assert faulty("answers_errors")["candidates"] == 2 * (2 + 2)
    assert failed()[0] == {("faulty", "generator_error"): 2}
    assert set(failed()[1]) == {"ValueError: no voice in it"}


def test_candidate_at_another_rate_says_so(faulty, failed, tmp_path):
    faulty("other_rate")
    made = [r for r in rows(tmp_path / "run", "candidates") if r["generator"] == "faulty"]
    clips = {row["clip_id"]: row for row in rows(tmp_path / "run", "clips")}
    assert {row["sample_rate"] for row in made} == {8000}
    for row in made:
        assert row["num_samples"] == clips[row["clip_id"]]["num_samples"] // 2
    assert failed()[0] == {("faulty", "length_mismatch"): 2}  # half as long, as it seems
    scored = {r["candidate_id"]: r for r in rows(tmp_path / "run", "scores")}
    assert all(scored[row["candidate_id"]]["roughness"] is not None for row in made)


def test_limit_may_change_in_a_run_that_is_there(faulty, tmp_path):
    faulty("one_row")
    assert faulty("one_row", "engine.limit_seconds=9")["complete"]
    assert run_command("pair", tmp_path / "run") == 0


# The alarm itself


def test_alarm_rings_through_except_exception():
    def swallows():
        with contextlib.suppress(Exception):
            time.sleep(5)

    with pytest.raises(OutOfTime), time_limit(0.05):
        swallows()


def test_alarm_that_someone_else_had_set_goes_on():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    timer = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with time_limit(5):
            pass
        time.sleep(0.4)
        assert rung == [1]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_there_is_no_alarm_outside_the_main_thread():
    """Signals reach the main thread only; elsewhere the block must go on undisturbed."""
    ended = []

    def slow():
        with time_limit(0.01):
            time.sleep(0.1)
        ended.append(1)

    thread = threading.Thread(target=slow)
    thread.start()
    thread.join()
    assert ended == [1]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out_of_memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "out_of_memory"),
        (RuntimeError("CUDA error: invalid argument"), "generator_error"),
    ],
)
def test_errors_have_reasons(error, reason):
    assert sampling.to_unusable(error).reason == reason
