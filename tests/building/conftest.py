"""Fixtures of the tests of builds: finished runs, and builds with faulty plugins."""

import json
import shutil
from collections import Counter

import pytest

from gensr_pref.building import progress_bar
from gensr_pref.building.build import build
from gensr_pref.building.progress import Progress
from gensr_pref.building.tasks import Lost, Restarted
from gensr_pref.config import run_file
from tests.small_run import rows

HISS = "{use: 'cheap:Hiss', candidates: 2}"


@pytest.fixture(scope="session")
def finished(tmp_path_factory, base):
    """A finished run, which no test changes."""
    out = tmp_path_factory.mktemp("finished") / "run"
    build(run_file.load(base / "run.yaml"), out, base=base)
    return out


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run, which a test may change."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def spoken(base, run):
    """Makes run files whose corpus has texts and whose panel learns from them."""
    names = sorted(path.name for path in (base / "speech").iterdir())
    lines = [f"speech/{name},sentence {index % 2}" for index, name in enumerate(names)]
    (base / "spoken.csv").write_text("\n".join(["path,text", *lines]), encoding="utf-8")
    source = "{kind: manifest, path: spoken.csv, columns: {audio: path, text: text}}"
    return lambda *more: run(f"corpus.source={source}", "panel.0.metric=cheap:Talkative", *more)


@pytest.fixture
def faulty(run, base, tmp_path):
    """Builds two clips with a generator that fails in some way, and with one that works."""

    def build_faulty(how, *overrides, candidates=3, **options):
        values = json.dumps({"how": how, "log": str(tmp_path / "calls"), **options})
        bad = f"{{use: 'cheap:Faulty', candidates: {candidates}, options: {values}}}"
        faulty_run = run(f"generators=[{bad}, {HISS}]", "corpus.limit=2", *overrides)
        return build(faulty_run, tmp_path / "run", base=base)

    return build_faulty


@pytest.fixture
def failed(tmp_path):
    """Counts the failures by generator and reason, and lists their details."""

    def read_failures():
        failures = rows(tmp_path / "run", "failures")
        counts = Counter((row["candidate_id"].split("/")[1], row["reason"]) for row in failures)
        return dict(counts), [row["detail"] for row in failures]

    return read_failures


@pytest.fixture
def restarts(monkeypatch):
    """The events of tasks that a build has restarted or given up."""
    events, real = [], Progress.show

    def show(self, event):
        if isinstance(event, Restarted | Lost):
            events.append(event)
        real(self, event)

    monkeypatch.setattr(Progress, "show", show)
    return events


@pytest.fixture
def longest_clip(run, base, tmp_path):
    """The longer one of the two clips that `faulty` and `poisoned` build."""
    build(run("corpus.limit=2", f"generators=[{HISS}]"), tmp_path / "plain", base=base)
    clips = rows(tmp_path / "plain", "clips")
    assert len({clip["num_samples"] for clip in clips}) == 2
    return max(clips, key=lambda clip: clip["num_samples"])


@pytest.fixture
def poisoned(run, base, tmp_path, longest_clip):
    """Builds two clips with a metric that fails in some way on the longer one."""

    def build_poisoned(how, *overrides, share=1.0):
        options = json.dumps({"clip": longest_clip["num_samples"], "how": how, "share": share})
        panel = f"[{{metric: 'cheap:Roughness'}}, {{metric: 'cheap:Poisoned', options: {options}}}]"
        settings = ["corpus.limit=2", f"generators=[{HISS}]", f"panel={panel}", *overrides]
        return build(run(*settings), tmp_path / "run", base=base)

    return build_poisoned


@pytest.fixture
def frequent_lines(monkeypatch):
    """Writes a snapshot and a plain line after every event."""
    monkeypatch.setattr(progress_bar, "LINE_SECONDS", 0.0)


def read_snapshots(out):
    """Return the lines of ``progress.jsonl``."""
    return [json.loads(line) for line in (out / "progress.jsonl").read_text().splitlines()]


def null_reasons(tmp_path, clip):
    """Return the reasons of the null scores in the rows of a clip; other clips must have none."""
    scores = rows(tmp_path / "run", "scores")
    assert all(row["poisoned"] is not None for row in scores if row["clip_id"] != clip["clip_id"])
    assert all(row["roughness"] is not None for row in scores)
    of_clip = [row["failures"] or [] for row in scores if row["clip_id"] == clip["clip_id"]]
    return [[failure["reason"] for failure in failures] for failures in of_clip]
