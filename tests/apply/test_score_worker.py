"""Tests of the worker that scores folders: an error affects as few scores as possible."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from gensr_pref import audio
from gensr_pref.apply.audio_folders import FolderClip
from gensr_pref.apply.score_worker import ScoreSetup, ScoreTask, ScoreWorker
from gensr_pref.building.isolation import divide_or_skip
from gensr_pref.building.tasks import Call, CallStarted, ClipFinished
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

SYSTEMS = ("one", "two", "three", "four", "five")
PANEL = (MetricUse(metric="cheap:Roughness"), MetricUse(metric="cheap:Lengthy"))


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A clip that five systems have, each as a file of its own level."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    files = []
    for place, system in enumerate(SYSTEMS, 1):
        files.append((system, tmp_path / f"{system}.wav"))
        soundfile.write(files[-1][1], 0.1 * place * np.sin(np.arange(8000) * 0.1), 16000)
    return ScoreTask("score", 0, FolderClip("clip", tuple(files), None, None, None, None))


@pytest.fixture
def worker(task, tmp_path):
    return ScoreWorker(ScoreSetup(PANEL, (), tmp_path, "cpu", None))


def test_the_worker_reports_its_start_and_then_one_row_per_file(worker, task):
    began, tick = worker.run(task)
    assert began == CallStarted("score", 0, Call("clip"))
    assert [row["system"] for row in tick.rows] == list(SYSTEMS)
    assert all(row["level"] is not None and row["failures"] is None for row in tick.rows)
    assert tick.audio_seconds == 0.5 * len(SYSTEMS)
    assert tick.skipped == ()


def test_an_error_outside_of_metrics_affects_only_its_own_file(worker, task, monkeypatch):
    [expected] = [event.rows for event in worker.run(task) if isinstance(event, ClipFinished)]
    read = audio.read

    def without_memory(source, *stretch):
        if Path(source).stem == "two":
            raise MemoryError("no room for it")
        return read(source, *stretch)

    monkeypatch.setattr(audio, "read", without_memory)
    *_, tick = worker.run(task)
    lost = tick.rows[1]
    assert (lost["level"], lost["length"]) == (None, None)
    assert {(one["reason"], one["detail"]) for one in lost["failures"]} == {
        ("metric_error", "MemoryError: no room for it")
    }
    assert [row for row in tick.rows if row["system"] != "two"] == [
        row for row in expected if row["system"] != "two"
    ]
    assert {(one.call.plugin, one.call.candidate_id) for one in tick.skipped} == {
        ("roughness", "two"), ("lengthy", "two"),
    }  # fmt: skip


def test_a_divided_task_gives_the_same_scores(worker, task):
    [whole] = [event.rows for event in worker.run(task) if isinstance(event, ClipFinished)]
    died = Unusable(Reason.WORKER_DIED)
    for place in (Call("clip"), Call("clip", "roughness")):
        task = divide_or_skip(task, place, died)
    *began, tick = worker.run(task)
    assert tick.rows == whole
    assert [event.call for event in began] == [
        *(Call("clip", "roughness", system) for system in SYSTEMS), Call("clip", "lengthy"),
    ]  # fmt: skip


def test_a_metric_that_fails_on_many_files_still_scores_the_others(worker, task):
    """A build gives a metric up after three failures; a table has every possible score."""
    died = Unusable(Reason.WORKER_DIED, "its process ended 1 time")
    task = divide_or_skip(divide_or_skip(task, Call("clip"), died), Call("clip", "roughness"), died)
    for system in SYSTEMS[:4]:
        task = divide_or_skip(task, Call("clip", "roughness", system), died)
    *_, tick = worker.run(task)
    assert [row["level"] is None for row in tick.rows] == [True, True, True, True, False]
    assert {one["reason"] for row in tick.rows[:4] for one in row["failures"]} == {"metric_error"}


def test_a_divided_task_keeps_the_gains(worker, task, tmp_path):
    wave = np.sin(np.arange(8000) * 0.1)
    soundfile.write(tmp_path / "clean.wav", 2 * wave / abs(wave).max(), 16000, subtype="FLOAT")
    clip = FolderClip("clip", task.clip.candidates, tmp_path / "clean.wav", None, None, None)
    task = divide_or_skip(ScoreTask("score", 0, clip), Call("clip"), Unusable(Reason.WORKER_DIED))
    *_, tick = worker.run(task)
    assert [row["clean_gain"] for row in tick.rows] == [0.5] * len(SYSTEMS)
