"""Tests of splits: units stay whole, neither split is empty, and no clip moves later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gensr_pref.corpus.clip_plan import plan_clips
from gensr_pref.corpus.splits import assign_splits
from tests.corpus.sections import corpus


def test_no_speaker_is_in_both_splits(write: Any, tmp_path: Path) -> None:
    for number in range(60):
        write(f"speech/{number % 20}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    clips = plan_clips(corpus(source=source, validation={"share": 0.3}), 0, tmp_path).clips
    sides: dict[str, set[str]] = {}
    for spec in clips:
        sides.setdefault(spec.item.speaker or "", set()).add(spec.split)
    assert all(len(side) == 1 for side in sides.values())
    held_out = [side for side in sides.values() if side == {"validation"}]
    assert 1 <= len(held_out) <= 12
    by_clip = corpus(source=source, validation={"share": 0.3, "by": "clip"})
    splits = [spec.split for spec in plan_clips(by_clip, 0, tmp_path).clips]
    assert 8 <= splits.count("validation") <= 28


def test_segments_of_a_recording_stay_in_one_split_by_source(write: Any, tmp_path: Path) -> None:
    for number in range(20):
        write(f"speech/{number}.wav", seconds=4.0)
    source = {"kind": "folder", "path": "speech"}
    sides: dict[str, dict[str, set[str]]] = {"source": {}, "clip": {}}
    for by, found in sides.items():
        settings = corpus(
            source=source, segment_seconds=(1, 1), validation={"share": 0.4, "by": by}
        )
        for spec in plan_clips(settings, 0, tmp_path).clips:
            found.setdefault(spec.item.source_id, set()).add(spec.split)
    assert all(len(side) == 1 for side in sides["source"].values())
    assert {"validation"} in sides["source"].values()
    assert any(len(side) == 2 for side in sides["clip"].values())


@pytest.mark.parametrize("by", ["speaker", "source", "clip"])
@pytest.mark.parametrize("seed", range(5))
def test_neither_split_is_empty_with_two_units(
    write: Any, tmp_path: Path, by: str, seed: int
) -> None:
    for number in range(8):
        write(f"speech/{number % 4}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    for share in (0.001, 0.999):
        settings = corpus(source=source, validation={"share": share, "by": by})
        splits = [spec.split for spec in plan_clips(settings, seed, tmp_path).clips]
        assert set(splits) == {"train", "validation"}
    for share, side in ((0.0, "train"), (1.0, "validation")):
        settings = corpus(source=source, validation={"share": share, "by": by})
        assert {spec.split for spec in plan_clips(settings, seed, tmp_path).clips} == {side}


def test_single_unit_is_in_the_split_that_is_drawn(write: Any, tmp_path: Path) -> None:
    write("speech/a/1.wav", seconds=1.0)
    write("speech/a/2.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    settings = corpus(source=source, validation={"share": 0.001})
    assert {spec.split for spec in plan_clips(settings, 0, tmp_path).clips} == {"train"}


def test_split_of_a_clip_does_not_depend_on_the_limit(write: Any, tmp_path: Path) -> None:
    for number in range(24):
        write(f"speech/{number % 12}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    whole: dict[str, str] = {}
    for limit in (24, 12, 6):
        settings = corpus(source=source, limit=limit, validation={"share": 0.2})
        found = {spec.clip_id: spec.split for spec in plan_clips(settings, 3, tmp_path).clips}
        whole = whole or found
        if len({spec.item.speaker for spec in plan_clips(settings, 3, tmp_path).clips}) > 1:
            assert found.items() <= whole.items()


def test_known_split_holds_for_its_whole_unit(write: Any, tmp_path: Path) -> None:
    for number in range(8):
        write(f"speech/{number % 4}/{number}.wav", seconds=1.0)
    source = {"kind": "folder", "path": "speech", "speaker": "parent"}
    settings = corpus(source=source, validation={"share": 0.3})
    clips = plan_clips(settings, 0, tmp_path).clips
    one = clips[0]
    other = "train" if one.split == "validation" else "validation"
    again = assign_splits(clips, settings.validation, 0, {one.clip_id: other})
    assert {s.split for s in again if s.item.speaker == one.item.speaker} == {other}
    rest = [s.split for s in again if s.item.speaker != one.item.speaker]
    assert rest == [s.split for s in clips if s.item.speaker != one.item.speaker]
