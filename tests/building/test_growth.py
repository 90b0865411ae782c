"""Tests of growing a finished run: only new work is done, and the bytes equal those of one run."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.config import run_file
from gensr_pref.errors import RunMismatchError
from gensr_pref.rundir import part_files
from tests.refusals import raises
from tests.small_run import RUN, rows, tables


class Project:
    """Builds one directory again and again, with plugins that write down what they are asked."""

    def __init__(self, base, folder):
        self.base, self.folder, self.out = base, folder, folder / "run"
        self.generator = {
            "use": "cheap:Faulty",
            "candidates": 3,
            "options": {"how": "one_row", "log": str(folder / "calls")},
        }
        self.metric = {
            "metric": "cheap:Counting",
            "options": {"log": str(folder / "asked"), "how": "picky"},
        }

    def file(self, generators, panel, **corpus):
        document = {**RUN, "generators": generators, "panel": panel}
        document["corpus"] = {**RUN["corpus"], **corpus}
        return run_file.parse(document, run_file.Run, "test")

    def build(self, out, generators, panel, *overrides, **corpus):
        made = self.file(generators, panel, **corpus).model_dump(mode="json", exclude_none=True)
        run = run_file.parse(run_file.override(made, list(overrides)), run_file.Run, "test")
        return build(run, out, base=self.base)

    def taken(self, name):
        """What was written down since the last look."""
        path = self.folder / name
        lines = [int(line) for line in path.read_text().split()] if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def more(self, count):
        return {**self.generator, "candidates": count}


@pytest.fixture
def project(base, tmp_path):
    return Project(base, tmp_path)


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    """A project with a finished run, which no test changes."""
    project = Project(base, tmp_path_factory.mktemp("finished"))
    project.build(project.out, [project.generator], [ROUGH, project.metric])
    return project


ROUGH = {"metric": "cheap:Roughness"}
OF_HISS = {"use": "cheap:Hiss", "candidates": 2}


def test_more_candidates_are_drawn_beside_those_that_are_there(project, tmp_path):
    project.build(project.out, [project.generator], [ROUGH, project.metric])
    project.taken("calls"), project.taken("asked")
    project.build(project.out, [project.more(5)], [ROUGH, project.metric])
    calls, asked = project.taken("calls"), project.taken("asked")
    assert max(calls) == 2  # of three that are there and five that are wanted
    made = [row for row in rows(project.out, "candidates") if row["index"] >= 3]
    assert sum(asked) == len(made)
    project.build(tmp_path / "once", [project.more(5)], [ROUGH, project.metric])
    assert tables(project.out) == tables(tmp_path / "once")
    assert rows(project.out, "failures")  # of odd seeds and odd lengths, old and new


def test_another_generator_leaves_the_first_alone(project, tmp_path):
    project.build(project.out, [project.generator], [project.metric])
    before = len(project.taken("asked"))
    project.taken("calls")
    project.build(project.out, [OF_HISS, project.generator], [project.metric])
    assert project.taken("calls") == []
    assert project.taken("asked") == [2] * before  # not the noisy input again either
    project.build(tmp_path / "once", [OF_HISS, project.generator], [project.metric])
    assert tables(project.out) == tables(tmp_path / "once")


def test_another_metric_is_the_only_one_asked(project, tmp_path):
    project.build(project.out, [project.generator], [project.metric])
    untouched = {k: v for k, v in tables(project.out).items() if k[:5] in ("clips", "candi")}
    times = [(project.out / name).stat().st_mtime_ns for name in untouched]
    project.taken("calls"), project.taken("asked")
    project.build(project.out, [project.generator], [ROUGH, project.metric])
    assert project.taken("calls") == project.taken("asked") == []
    assert [(project.out / name).stat().st_mtime_ns for name in untouched] == times
    project.build(tmp_path / "once", [project.generator], [ROUGH, project.metric])
    assert tables(project.out) == tables(tmp_path / "once")


def test_more_clips_fill_new_shards(project, tmp_path):
    project.build(project.out, [OF_HISS], [project.metric], limit=3)
    before = tables(project.out)
    project.taken("asked")
    summary = project.build(project.out, [OF_HISS], [project.metric])
    assert summary["clips"] == 7
    assert len(project.taken("asked")) == 4
    after = tables(project.out)
    assert {k: after[k] for k in before if "pairs" not in k} == {
        k: v for k, v in before.items() if "pairs" not in k
    }
    project.build(tmp_path / "once", [OF_HISS], [project.metric])
    for table, key in (("clips", "clip_id"), ("candidates", "candidate_id"), ("pairs", "pair_id")):
        there = {row[key]: row for row in rows(project.out, table)}
        assert there == {row[key]: row for row in rows(tmp_path / "once", table)}


def test_everything_at_once_and_interrupted(project, tmp_path, monkeypatch):
    """A growth that stops half-way continues, and its old scores still make pairs until then."""
    project.build(project.out, [project.generator], [ROUGH], limit=3)
    wanted = ([project.more(5), OF_HISS], [project.metric, ROUGH])
    write, seen = part_files.write, []

    def failing(path, *rest):
        seen.append(path)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return write(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(part_files, "write", failing)
        with pytest.raises(KeyboardInterrupt):
            project.build(project.out, *wanted)
    assert not pair(project.out, [])["complete"]
    project.build(project.out, *wanted)
    project.build(tmp_path / "once", *wanted, limit=3)
    project.build(tmp_path / "once", *wanted)
    assert tables(project.out) == tables(tmp_path / "once")
    assert json.loads((project.out / "summary.json").read_text())["complete"]


def test_vote_that_changes_scores_nothing_anew(project):
    project.build(project.out, [OF_HISS], [ROUGH, project.metric])
    before = tables(project.out)
    project.taken("asked")
    project.build(project.out, [OF_HISS], [ROUGH, {**project.metric, "vote": False}])
    assert project.taken("asked") == []
    after = tables(project.out)
    assert {k for k in before if before[k] != after[k]} == {"pairs/part-00000.parquet"}


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("generators.0.candidates=2", "generators.0.candidates"),
        ("generators.0.options.how=memory", "generators.0.options.how"),
        ("panel=[{metric: 'cheap:Roughness'}]", "panel.1.metric"),
        ("corpus.limit=3", "corpus.limit"),
        ("corpus.segment_seconds=[1, 15]", "corpus.segment_seconds.1"),
    ],
)
def test_run_that_shrinks_or_changes_is_refused(finished, tmp_path, override, field):
    out = Path(shutil.copytree(finished.out, tmp_path / "run"))
    before = tables(out)
    with raises(RunMismatchError, path=out, problem="conflict") as caught:
        finished.build(out, [finished.generator], [ROUGH, finished.metric], override)
    assert field in caught.value.value
    assert tables(out) == before
    assert yaml.safe_load((out / "run.yaml").read_text())["corpus"]["limit"] is None


def test_texts_of_clips_that_come_are_learnt_for_those_that_were_there(base, tmp_path):
    """A metric that studies the corpus scores all of it anew, and only that metric does."""
    names = sorted(path.name for path in (base / "speech").iterdir())
    lines = [f"speech/{name},sentence {place}" for place, name in enumerate(names)]
    (base / "growing.csv").write_text("\n".join(["path,text", *lines]), encoding="utf-8")
    source = {"kind": "manifest", "path": "growing.csv", "columns": {"text": "text"}}
    counting = {"metric": "cheap:Counting", "options": {"log": str(tmp_path / "asked")}}

    def built(out, limit):
        corpus = {**RUN["corpus"], "source": source, "limit": limit}
        panel = [{"metric": "cheap:Talkative"}, counting]
        run = run_file.parse({**RUN, "corpus": corpus, "panel": panel}, run_file.Run, "test")
        return build(run, out, base=base)

    built(tmp_path / "run", 3)
    (tmp_path / "asked").unlink()
    built(tmp_path / "run", 5)
    assert len((tmp_path / "asked").read_text().split()) == 2
    heard = {row["notes"]["heard"] for row in rows(tmp_path / "run", "scores")}
    assert len(heard) == 1
    assert heard.pop().count("/") == 4


def test_clips_that_left_the_corpus_are_told(base, tmp_path):
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
