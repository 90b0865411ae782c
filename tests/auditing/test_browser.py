"""Tests of the report and the listening page in Chromium; reported as skipped without it."""

import re
import shutil

import pytest

from gensr_pref.auditing.listening import answers
from gensr_pref.auditing.report.write import report
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.build import build
from gensr_pref.config import run_file
from gensr_pref.rundir import part_files
from tests.auditing.listening.test_server import serving
from tests.parts import write_part

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path"),
]
PHONE = {"width": 390, "height": 780}


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    out = tmp_path_factory.mktemp("browsed") / "run"
    build(run_file.load(base / "run.yaml", ["generators.0.candidates=5"]), out, base=base)
    for path in part_files.parts(out, "clips"):
        rows = part_files.read(path).to_pylist()
        write_part(path, [{**r, "text": "<script>document.title = 'x'</script>"} for r in rows])
    return out


@pytest.fixture
def page():
    """A phone's page; the test fails on any console message or failed request."""
    messages = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        new_page = browser.new_page(viewport=PHONE)
        new_page.set_default_timeout(20_000)
        new_page.on("console", lambda message: messages.append(message.text))
        new_page.on("pageerror", lambda error: messages.append(str(error)))
        new_page.urls = []
        new_page.on("request", lambda request: new_page.urls.append(request.url))
        yield new_page
        browser.close()
    assert messages == []


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_report_fits_a_phone_and_makes_no_requests(finished, page):
    path = report(finished, audit(finished))
    page.goto(path.as_uri())
    assert page.title() != "x"
    assert page.get_by_text("<script>").count() > 0
    assert fits(page)
    page.evaluate("document.querySelector('audio').play()")
    page.wait_for_function("document.querySelector('audio').currentTime > 0")
    assert {url.partition(":")[0] for url in page.urls} <= {"file", "data"}


def answer(page, key):
    before = page.get_attribute("body", "data-trial")
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("r")
    page.keyboard.press(key)
    page.wait_for_function("before => document.body.dataset.trial !== before", arg=before)


def test_keys_vote_and_a_reload_continues(finished, page):
    with serving(finished) as port:
        page.goto(f"http://127.0.0.1:{port}/")
        assert fits(page)
        page.keyboard.type("Ann")
        page.keyboard.press("Enter")
        page.wait_for_selector("#ask:not([hidden])")
        assert fits(page)
        page.keyboard.press("a")  # nothing was played yet: no vote
        answer(page, "a")
        answer(page, "t")
        assert [vote["choice"] for vote in answers.read_answers(finished, "ann")] == ["a", "tie"]
        trial = page.get_attribute("body", "data-trial")
        page.reload()
        page.wait_for_selector("#ask:not([hidden])")
        assert page.get_attribute("body", "data-trial") == trial
        assert re.match(r"2 of \d+ questions answered", page.inner_text("#count"))
        own = re.compile(rf"http://127\.0\.0\.1:{port}/|data:")
        assert all(own.match(url) for url in page.urls)
