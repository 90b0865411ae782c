"""Tests of docs/metrics.md: the example metric works, and every score is listed."""

import re
from dataclasses import replace
from pathlib import Path

from gensr_pref.apply import catalogue
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import ConfigError
from gensr_pref.metrics.panel import Panel
from tests.metrics.sounds import ask
from tests.refusals import raises

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_example_metric(tmp_path, monkeypatch, clip):
    [source] = re.findall(r"runs this -->\n```python\n(.*?)```", PAGE.read_text(), re.S)
    (tmp_path / "mine_of_the_docs.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    use = MetricUse(metric="mine_of_the_docs:Brightness", options={"above_hz": 6000})
    panel = Panel([use])
    results = ask(panel, replace(clip, candidates=[clip.clean, clip.noisy]))
    clean, noisy = (result.values["brightness"] for result in results)
    assert clean < noisy < 0
    assert panel.votes == ["brightness"]
    with raises(ConfigError, field="panel.0.options.above", value="above", problem="unknown"):
        Panel([use.model_copy(update={"options": {"above": 1}})])


def test_every_score_of_every_metric_is_on_the_page():
    page = PAGE.read_text()
    for row in catalogue.metrics():
        assert f"| `{row['score']}` | `{row['metric']}` |" in page
