"""Tests of the clips that an evaluation copies: compared by content, fixed once it has begun."""

import pyarrow as pa
import pytest

from gensr_pref.apply.evaluation_clips import _COPY, COPIED, HeldOutClips, _copy
from gensr_pref.config.run_file import Corpus, FolderSource
from gensr_pref.errors import RunMismatchError
from gensr_pref.rundir import part_files
from gensr_pref.schema import column
from tests.refusals import raises


def clips(*sounds: bytes) -> pa.Table:
    rows = [
        {"clip_id": f"clip-{number}", "noisy": {"bytes": sound, "path": f"{number}.flac"}}
        for number, sound in enumerate(sounds)
    ]
    return pa.Table.from_pylist(rows, schema=_COPY)


def copied(out) -> list[bytes]:
    parts = sorted((out / COPIED).glob("*.parquet"))
    return [one["bytes"] for part in parts for one in column(part_files.read(part), "noisy")]


@pytest.fixture
def begun(tmp_path):
    """An evaluation that continued after its clips were copied."""
    _copy(clips(b"one", b"two"), tmp_path / COPIED, tmp_path)
    (tmp_path / "run.yaml").touch()
    return tmp_path


def test_more_clips_are_added(begun) -> None:
    _copy(clips(b"one", b"two", b"three"), begun / COPIED, begun)
    assert copied(begun) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("other", [(b"one", b"new"), (b"one",), (b"new", b"two", b"three")])
def test_other_sounds_under_the_same_names_are_refused(begun, other) -> None:
    with raises(RunMismatchError, path=begun, problem="changed"):
        _copy(clips(*other), begun / COPIED, begun)
    assert copied(begun) == [b"one", b"two"]


def test_copies_are_replaced_until_the_evaluation_begins(tmp_path) -> None:
    _copy(clips(b"one", b"two"), tmp_path / COPIED, tmp_path)
    _copy(clips(b"other"), tmp_path / COPIED, tmp_path)
    assert copied(tmp_path) == [b"other"]


@pytest.mark.parametrize(
    ("document", "seed"), [(None, 0), ({}, 0), ({"seed": 3}, 3), ({"seed": None}, 0)]
)
def test_without_a_recorded_seed_the_seed_is_zero(document, seed) -> None:
    corpus = Corpus(source=FolderSource(path="clips"))
    assert HeldOutClips(corpus, document).seed == seed
