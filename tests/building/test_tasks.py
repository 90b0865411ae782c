"""Tests of events that are reported together."""

from gensr_pref.building.tasks import Call, CallStarted, ClipFinished, bundle_events

TICK = ClipFinished("sample", 0, 1.0, 0.1)


def began(name):
    return CallStarted("sample", 0, Call(name))


def test_what_begins_is_told_before_its_work():
    """The next event is not asked for, since it comes after the work, until the bundle is out."""
    asked = []

    def events():
        for event in (began("a"), TICK, began("b"), TICK, TICK):
            asked.append(event)
            yield event

    bundles = bundle_events(events())
    assert next(bundles) == [began("a")]
    assert len(asked) == 1
    assert next(bundles) == [TICK, began("b")]
    assert len(asked) == 3
    assert list(bundles) == [[TICK, TICK]]


def test_nothing_is_told_where_nothing_happens():
    assert list(bundle_events([])) == []
