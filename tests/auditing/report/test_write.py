"""Tests of the report of a real run: complete, self-contained, with every text escaped."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from gensr_pref.auditing.report.write import report
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.errors import InputError
from gensr_pref.rundir import part_files
from tests.commands import run_command
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
def html(finished):
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


def test_html_in_a_transcript_is_escaped(html):
    page = Page(html)
    assert all(tag != "script" for tag, _ in page.tags)
    assert "&lt;script&gt;" in html
    assert EVIL in "".join(page.words)


def test_page_requests_nothing_from_a_network(html):
    assert re.findall(r"https?://|@import|//[a-z]+\.", re.sub(r"base64,[^\"]*", "", html)) == []
    for _, attributes in Page(html).tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))


def test_ids_are_unique_and_links_have_targets(html):
    tags = Page(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inside = {a["href"][1:] for _, a in tags if a.get("href", "").startswith("#")}
    assert inside <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_page_has_every_part_of_the_audit(html):
    words = " ".join(Page(html).words)
    parts = (
        *("Summary", "Listen to pairs", "Yield", "The panel", "Other judges", "Shortcuts"),
        *("Learnability", "Margins", "Listening tests", "Kinds of clips", "Mean scores"),
    )
    for part in parts:
        assert part in words
    for score in ("level", "zero_crossings"):
        assert score in words


def test_chosen_rejected_and_noisy_have_audio_and_spectrograms(html):
    tags = Page(html).tags
    players = [a for tag, a in tags if tag == "audio"]
    assert players
    assert {a["aria-label"] for a in players} >= {"chosen", "rejected", "noisy"}
    assert all(a["src"].startswith("data:audio/flac;base64,") for a in players)
    assert sum(tag == "img" for tag, _ in tags) == len(players)


def test_figures_use_the_colours_of_the_page(html):
    figures = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(figures) >= 5
    for figure in figures:
        assert "var(--" in figure
        assert not re.search(r"(stroke|fill): #0[0-9a-f]{5}", figure)


def test_a_short_audit_gives_no_report(finished):
    with raises(InputError, problem="empty"):
        report(finished, audit(finished, brief=True))


def test_pairs_beyond_the_size_limit_are_left_out_with_a_note(finished, monkeypatch):
    monkeypatch.setattr("gensr_pref.auditing.report.write.MAX_BYTES", 1)
    text = report(finished, audit(finished)).read_text(encoding="utf-8")
    assert text.count("<article") == 1
    assert "Left out, to limit the size of the page" in text


def test_a_run_without_pairs_has_a_report(finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "run")
    assert run_command("pair", out, "margin.level=1000") == 0
    assert run_command("audit", out) == 0
    assert json.loads((out / "audit" / "audit.json").read_text())["pairs"] == 0
    text = (out / "audit" / "report.html").read_text(encoding="utf-8")
    assert "There is no pair with the audio of both candidates." in text


def test_counting_axes_have_whole_numbers():
    from matplotlib.figure import Figure

    from gensr_pref.auditing.report.charts import plot_curves, use_whole_numbers

    axes = Figure().subplots()
    plot_curves(axes, [2, 3], [("", [0.1, 0.4], "black")])
    use_whole_numbers(axes)
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
