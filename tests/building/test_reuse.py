"""Tests of extending a run: only new work is done, and the bytes equal those of a new run."""

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
    """Builds a directory several times, with plugins that log their calls."""

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

    def run_file(self, generators, panel, **corpus):
        document = {**RUN, "generators": generators, "panel": panel}
        document["corpus"] = {**RUN["corpus"], **corpus}
        return run_file.parse(document, run_file.Run, "test")

    def build(self, out, generators, panel, *overrides, **corpus):
        complete = self.run_file(generators, panel, **corpus).model_dump(
            mode="json", exclude_none=True
        )
        run = run_file.parse(run_file.override(complete, list(overrides)), run_file.Run, "test")
        return build(run, out, base=self.base)

    def take_log(self, name):
        """Return and clear a log of calls."""
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


def test_more_candidates_are_drawn_without_drawing_existing_ones_again(project, tmp_path):
    project.build(project.out, [project.generator], [ROUGH, project.metric])
    project.take_log("calls"), project.take_log("asked")
    project.build(project.out, [project.more(5)], [ROUGH, project.metric])
    calls, asked = project.take_log("calls"), project.take_log("asked")
    assert max(calls) == 2  # three exist and five are wanted
    made = [row for row in rows(project.out, "candidates") if row["index"] >= 3]
    assert sum(asked) == len(made)
    project.build(tmp_path / "once", [project.more(5)], [ROUGH, project.metric])
    assert tables(project.out) == tables(tmp_path / "once")
    assert rows(project.out, "failures")  # old and new failures, of odd seeds and odd lengths


def test_another_generator_does_not_run_the_first_one_again(project, tmp_path):
    project.build(project.out, [project.generator], [project.metric])
    before = len(project.take_log("asked"))
    project.take_log("calls")
    project.build(project.out, [OF_HISS, project.generator], [project.metric])
    assert project.take_log("calls") == []
    assert project.take_log("asked") == [2] * before  # not the noisy input again either
    project.build(tmp_path / "once", [OF_HISS, project.generator], [project.metric])
    assert tables(project.out) == tables(tmp_path / "once")


def test_only_an_added_metric_runs(project, tmp_path):
    project.build(project.out, [project.generator], [project.metric])
    untouched = {k: v for k, v in tables(project.out).items() if k[:5] in ("clips", "candi")}
    times = [(project.out / name).stat().st_mtime_ns for name in untouched]
    project.take_log("calls"), project.take_log("asked")
    project.build(project.out, [project.generator], [ROUGH, project.metric])
    assert project.take_log("calls") == project.take_log("asked") == []
    assert [(project.out / name).stat().st_mtime_ns for name in untouched] == times
    project.build(tmp_path / "once", [project.generator], [ROUGH, project.metric])
    assert tables(project.out) == tables(tmp_path / "once")


def test_more_clips_fill_new_shards(project, tmp_path):
    project.build(project.out, [OF_HISS], [project.metric], limit=3)
    before = tables(project.out)
    project.take_log("asked")
    summary = project.build(project.out, [OF_HISS], [project.metric])
    assert summary["clips"] == 7
    assert len(project.take_log("asked")) == 4
    after = tables(project.out)
    assert {k: after[k] for k in before if "pairs" not in k} == {
        k: v for k, v in before.items() if "pairs" not in k
    }
    project.build(tmp_path / "once", [OF_HISS], [project.metric])
    for table, key in (("clips", "clip_id"), ("candidates", "candidate_id"), ("pairs", "pair_id")):
        grown = {row[key]: row for row in rows(project.out, table)}
        assert grown == {row[key]: row for row in rows(tmp_path / "once", table)}


def test_interrupted_extension_is_continued(project, tmp_path, monkeypatch):
    """Until then the old scores still give pairs."""
    project.build(project.out, [project.generator], [ROUGH], limit=3)
    wanted = ([project.more(5), OF_HISS], [project.metric, ROUGH])
    write, written = part_files.write, []

    def failing(path, *rest):
        written.append(path)
        if len(written) == 6:
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


def test_changed_vote_scores_nothing_again(project):
    project.build(project.out, [OF_HISS], [ROUGH, project.metric])
    before = tables(project.out)
    project.take_log("asked")
    project.build(project.out, [OF_HISS], [ROUGH, {**project.metric, "vote": False}])
    assert project.take_log("asked") == []
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


def test_metric_that_learns_from_texts_scores_all_clips_again(base, tmp_path):
    """No other metric scores them again."""
    names = sorted(path.name for path in (base / "speech").iterdir())
    lines = [f"speech/{name},sentence {place}" for place, name in enumerate(names)]
    (base / "growing.csv").write_text("\n".join(["path,text", *lines]), encoding="utf-8")
    source = {"kind": "manifest", "path": "growing.csv", "columns": {"text": "text"}}
    counting = {"metric": "cheap:Counting", "options": {"log": str(tmp_path / "asked")}}

    def build_limited(out, limit):
        corpus = {**RUN["corpus"], "source": source, "limit": limit}
        panel = [{"metric": "cheap:Talkative"}, counting]
        run = run_file.parse({**RUN, "corpus": corpus, "panel": panel}, run_file.Run, "test")
        return build(run, out, base=base)

    build_limited(tmp_path / "run", 3)
    (tmp_path / "asked").unlink()
    build_limited(tmp_path / "run", 5)
    assert len((tmp_path / "asked").read_text().split()) == 2
    texts = {row["notes"]["heard"] for row in rows(tmp_path / "run", "scores")}
    assert len(texts) == 1
    assert texts.pop().count("/") == 4
