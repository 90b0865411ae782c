"""Tests of the assignment of clips to shards."""

from pathlib import Path

import pytest

from gensr_pref.building.build import build
from gensr_pref.building.recordings import Recordings
from gensr_pref.building.shard_assignment import assign_shards, texts_of, write_assignment
from gensr_pref.config import run_file
from gensr_pref.corpus.base import Item
from gensr_pref.corpus.clips import ClipSpec
from gensr_pref.corpus.segments import Segment
from gensr_pref.errors import RunMismatchError
from gensr_pref.rundir.shards import read_shards
from tests.refusals import raises
from tests.small_run import RUN

OUT = Path("run")


def spec(name, text=None):
    """Return the specification of a clip that is a whole recording."""
    item = Item(f"{name}.flac", 16_000, 16_000, 1, text=text)
    return ClipSpec(name, item, Segment(0, 16_000, 16_000, True), "train")


def ids(layout):
    return [[clip.clip_id for clip in shard] for shard in layout]


def test_clips_of_a_new_run_fill_shards_in_order():
    layout = assign_shards(OUT, [spec(name) for name in "abcde"], 2, Recordings(), [])
    assert ids(layout) == [["a", "b"], ["c", "d"], ["e"]]


def test_added_clips_fill_new_shards(tmp_path):
    """Even if they come first in the corpus, and the last shard is not full."""
    write_assignment(tmp_path, assign_shards(OUT, [spec(n) for n in "bde"], 2, Recordings(), []))
    clips = [spec(name) for name in "abcde"]
    layout = assign_shards(OUT, clips, 2, Recordings(), read_shards(tmp_path))
    assert ids(layout) == [["b", "d"], ["e"], ["a", "c"]]


def test_clip_whose_text_has_changed_is_refused(tmp_path):
    write_assignment(tmp_path, assign_shards(OUT, [spec("a", "one")], 2, Recordings(), []))
    with raises(RunMismatchError, path=OUT, value=["a.flac"], problem="changed"):
        assign_shards(OUT, [spec("a", "two")], 2, Recordings(), read_shards(tmp_path))


@pytest.mark.parametrize(("only", "texts"), [(None, ("x", "y")), ({"a", "c"}, ("y",))])
def test_texts_of_clips_are_sorted_and_listed_once(only, texts):
    clips = [spec("a", "y"), spec("b", "x"), spec("c"), spec("d", "y")]
    assert texts_of(clips, only) == texts


def test_corpus_that_lacks_clips_of_the_run_is_refused(base, tmp_path):
    names = sorted(path.name for path in (base / "speech").iterdir())
    manifest = base / "leaving.csv"
    manifest.write_text("\n".join(["path", *(f"speech/{name}" for name in names)]))
    source = {"kind": "manifest", "path": "leaving.csv"}
    document = {**RUN, "corpus": {**RUN["corpus"], "source": source}}
    run = run_file.parse(document, run_file.Run, "test")
    build(run, tmp_path / "run", base=base)
    manifest.write_text("\n".join(["path", *(f"speech/{name}" for name in names[1:])]))
    with raises(RunMismatchError, path="run", value=1, problem="changed"):
        build(run, tmp_path / "run", base=base)
    manifest.write_text("\n".join(["path", *(f"speech/{name}" for name in names)]))
    assert build(run, tmp_path / "run", base=base)["complete"]
