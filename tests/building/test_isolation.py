"""Tests of dividing and skipping the calls that ended a worker."""

from gensr_pref.building.isolation import divide_or_skip
from gensr_pref.building.tasks import Call, ShardTask
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason


def test_calls_are_divided_by_metric_and_candidate_and_then_skipped():
    """After a metric has died on three candidates, it is skipped for the whole clip."""
    task, died = ShardTask("score", 0, ()), Unusable(Reason.WORKER_DIED)
    task = divide_or_skip(task, Call("c"), died)
    task = divide_or_skip(task, Call("c", "m"), died)
    assert task.divided == (Call("c"), Call("c", "m"))
    for name in "xyz":
        assert task.skip_reason(Call("c", "m")) is None
        task = divide_or_skip(task, Call("c", "m", name), died)
    assert task.skip_reason(Call("c", "m")) is died
    assert task.skip_reason(Call("c", "other")) is None
    slow = divide_or_skip(ShardTask("score", 0, ()), Call("c", "m"), Unusable(Reason.TIMED_OUT))
    assert slow.skip_reason(Call("c", "m")) is not None


def test_call_for_a_clip_with_one_sound_is_skipped_because_it_cannot_be_divided():
    """A divided call that is made again had only one sound."""
    task, died = ShardTask("score", 0, ()), Unusable(Reason.WORKER_DIED)
    for call in (Call("c"), Call("c", "m"), Call("c", "m")):
        assert task.skip_reason(Call("c", "m")) is None
        task = divide_or_skip(task, call, died)
    assert task.skip_reason(Call("c", "m")) is died
