"""Tests of the plan of clips: limits, languages, and recordings that give none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensr_pref.config.run_file import Corpus
from gensr_pref.corpus.clip_plan import plan_clips
from gensr_pref.errors import SourceError
from tests.corpus.sections import corpus
from tests.refusals import raises


def test_clips_of_a_small_limit_are_among_those_of_a_larger_one(
    prompts: Corpus, sample: Path
) -> None:
    def ids(limit: int | None) -> list[str]:
        chosen = prompts.model_copy(update={"limit": limit})
        return [spec.clip_id for spec in plan_clips(chosen, 0, sample).clips]

    few, more, every = ids(8), ids(24), ids(None)
    assert len(few) == 8
    assert set(few) < set(more) < set(every)
    assert few != every[:8]
    assert more == [name for name in every if name in set(more)]
    assert ids(10_000) == every


def test_corpus_of_short_recordings_only_is_an_error(write: Any, tmp_path: Path) -> None:
    write("speech/blip.wav", seconds=0.003)
    with raises(
        SourceError, field="corpus.source", value=[("blip.wav", "too_short")], problem="empty"
    ):
        plan_clips(corpus(), 0, tmp_path)


def test_two_rows_of_one_recording_are_refused(write: Any, tmp_path: Path) -> None:
    write("a.wav")
    write("b.wav")
    (tmp_path / "speech.csv").write_text("path\na.wav\nb.wav\n./a.wav\n")
    with raises(SourceError, field="corpus.source", value="a.wav", problem="duplicate"):
        plan_clips(corpus(source={"kind": "manifest", "path": "speech.csv"}), 0, tmp_path)


def test_degradation_is_checked_before_long_work(write: Any, tmp_path: Path) -> None:
    write("speech/a.wav")
    absent = {"noise": {"source": {"kind": "folder", "path": "no noise"}}}
    with raises(
        SourceError, field="corpus.degrade.noise.source.path", path="no noise", problem="missing"
    ):
        plan_clips(corpus(degrade=absent), 0, tmp_path)


def test_languages_are_selected(prompts: Corpus, sample: Path) -> None:
    chosen = prompts.model_copy(update={"languages": ["es", "ru"], "limit": None})
    languages = {spec.item.language for spec in plan_clips(chosen, 0, sample).clips}
    assert languages == {"es", "ru"}


def test_language_that_no_recording_has_is_refused(prompts: Corpus, sample: Path) -> None:
    with raises(SourceError, field="corpus.languages", value=["ja"], problem="empty"):
        plan_clips(prompts.model_copy(update={"languages": ["ja"]}), 0, sample)
