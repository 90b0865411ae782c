"""Tests of settings from a YAML file or from Python, checked against a model."""

from pathlib import Path

import pytest

from gensr_pref.config.run_file import MetricUse
from gensr_pref.config.settings import load_any, parse, read_yaml
from gensr_pref.errors import ConfigError
from tests.refusals import raises


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[1, 2]", "invalid"),
        ("a: [", "invalid"),
        ("", "empty"),
        ("\x00", "invalid"),
        ("seed: 1\nseed: 2\n", "invalid"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content, problem):
    path = tmp_path / "run.yaml"
    path.write_text(content)
    with raises(ConfigError, path="run.yaml", problem=problem):
        read_yaml(path)


def test_a_missing_file_is_refused(tmp_path: Path):
    with raises(ConfigError, path="absent.yaml", problem="unreadable"):
        read_yaml(tmp_path / "absent.yaml")


def test_fields_of_a_part_are_named_from_the_top():
    with raises(ConfigError, field="panel.3.vot", value="vot", problem="unknown"):
        parse({"metric": "wer", "vot": 1}, MetricUse, field="panel.3")


def test_a_file_its_data_and_its_model_give_the_same(tmp_path: Path):
    path = tmp_path / "entry.yaml"
    path.write_text("metric: wer\nvote: false\n")
    entry = MetricUse(metric="wer", vote=False)
    assert load_any(path, MetricUse) == (entry, tmp_path)
    assert load_any({"metric": "wer", "vote": False}, MetricUse, tmp_path) == (entry, tmp_path)
    assert load_any(entry, MetricUse, tmp_path) == (entry, tmp_path)
    changed = load_any(entry, MetricUse, tmp_path, ["vote=true"])
    assert changed == (MetricUse(metric="wer", vote=True), tmp_path)


def test_an_address_with_a_password_is_refused_wherever_it_is():
    options = {"stores": ["s3://name:secret@host/bucket"]}
    with raises(ConfigError, field="options.stores.0", problem="unsafe") as caught:
        load_any({"metric": "wer", "options": options}, MetricUse)
    assert "secret" not in str(caught.value)
