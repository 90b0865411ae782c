"""Tests of the report of a real run: complete, self-contained, with every text escaped."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from gensr_pref.auditing.report.write import report
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import InputError
from gensr_pref.rundir import part_files
from tests.parts import write_part
from tests.refusals import raises

EVIL = "<script>alert('x')</script> & \"quotes\""


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    out = tmp_path_factory.mktemp("reported") / "run"
    build(run_file.load(base / "run.yaml", ["generators.0.candidates=5"]), out, base=base)
    for path in part_files.parts(out, "clips"):
        rows = part_files.read(path).to_pylist()
        write_part(path, [{**row, "text": EVIL, "speaker": EVIL} for row in rows])
    return out


@pytest.fixture(scope="module")
def written(finished):
    return report(finished, audit(finished)).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def test_a_transcript_is_text(written):
    page = Page(written)
    assert all(tag != "script" for tag, _ in page.tags)
    assert "&lt;script&gt;" in written
    assert EVIL in "".join(page.words)


def test_nothing_is_asked_of_a_network(written):
    assert re.findall(r"https?://|@import|//[a-z]+\.", re.sub(r"base64,[^\"]*", "", written)) == []
    for _, attributes in Page(written).tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))


def test_ids_are_of_one_thing_each_and_links_lead_somewhere(written):
    tags = Page(written).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inside = {a["href"][1:] for _, a in tags if a.get("href", "").startswith("#")}
    assert inside <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", written)) <= set(ids)


def test_every_part_of_the_audit_is_there(written):
    words = " ".join(Page(written).words)
    for part in ("In short", "Hear it", "Yield", "The panel", "Other judges", "Shortcuts",
                 "Learnability", "Margins", "People", "Where", "Means"):  # fmt: skip
        assert part in words
    for score in ("level", "zero_crossings"):
        assert score in words


def test_both_sides_and_the_noisy_can_be_heard(written):
    tags = Page(written).tags
    heard = [a for tag, a in tags if tag == "audio"]
    assert heard
    assert {a["aria-label"] for a in heard} >= {"chosen", "rejected", "noisy"}
    assert all(a["src"].startswith("data:audio/flac;base64,") for a in heard)
    assert sum(tag == "img" for tag, _ in tags) == len(heard)


def test_figures_are_in_the_colours_of_the_page(written):
    figures = re.findall(r"<svg.*?</svg>", written, flags=re.DOTALL)
    assert len(figures) >= 5
    for figure in figures:
        assert "var(--" in figure
        assert not re.search(r"(stroke|fill): #0[0-9a-f]{5}", figure)


def test_a_short_audit_makes_no_report(finished):
    with raises(InputError, problem="empty"):
        report(finished, audit(finished, brief=True))


def test_too_much_sound_is_left_out_and_said(finished, monkeypatch):
    monkeypatch.setattr("gensr_pref.auditing.report.write.MAX_BYTES", 1)
    text = report(finished, audit(finished)).read_text(encoding="utf-8")
    assert text.count("<article") == 1
    assert "more picked pairs would make the page too large" in text


def test_a_run_without_pairs_has_a_report(finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "run")
    assert main(["pair", str(out), "margin.level=1000"]) == 0
    assert main(["audit", str(out)]) == 0
    assert json.loads((out / "audit" / "audit.json").read_text())["pairs"] == 0
    text = (out / "audit" / "report.html").read_text(encoding="utf-8")
    assert "No pair has both sides on the disk." in text


def test_axes_that_count_have_whole_numbers():
    from matplotlib.figure import Figure

    from gensr_pref.auditing.report.charts import plot_curves, use_whole_numbers

    axes = Figure().subplots()
    plot_curves(axes, [2, 3], [("", [0.1, 0.4], "black")])
    use_whole_numbers(axes)
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
