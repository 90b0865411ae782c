"""Tests of events that are sent together."""

from gensr_pref.building.tasks import Call, CallStarted, ClipFinished, bundle_events

TICK = ClipFinished("sample", 0, 1.0, 0.1)


def started(name):
    return CallStarted("sample", 0, Call(name))


def test_start_of_a_call_is_sent_before_the_call_is_made():
    """The event after the call is requested only after the bundle is sent."""
    requested = []

    def events():
        for event in (started("a"), TICK, started("b"), TICK, TICK):
            requested.append(event)
            yield event

    bundles = bundle_events(events())
    assert next(bundles) == [started("a")]
    assert len(requested) == 1
    assert next(bundles) == [TICK, started("b")]
    assert len(requested) == 3
    assert list(bundles) == [[TICK, TICK]]


def test_without_events_nothing_is_sent():
    assert list(bundle_events([])) == []
