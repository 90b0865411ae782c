"""Tests of the panel of a command: named in few words, or chosen by what is given."""

from pathlib import Path

import pytest

from gensr_pref.apply.audio_folders import Folders
from gensr_pref.apply.default_panel import choose_panel, describe_unused
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import ConfigError, Message
from gensr_pref.metrics.panel import Panel
from tests.refusals import raises


def test_noisy_clips_alone_add_the_speaker_similarity():
    names = [use.metric for use in choose_panel(None, [], reference=False, noisy=True)]
    assert "speaker_similarity" in names
    assert "pesq" not in names


@pytest.mark.parametrize(
    ("panel", "given", "unused"),
    [
        ("speaker_similarity", {"noisy"}, set()),
        ("speaker_similarity", {"noisy", "reference"}, {"noisy"}),
        ("dnsmos", {"noisy", "reference", "language"}, {"noisy", "reference", "language"}),
        ("pesq", {"noisy", "reference"}, {"noisy"}),
        ("wer", {"texts", "language", "noisy"}, set()),
    ],
)
def test_unused_inputs_are_reported(panel, given, unused):
    folders = Folders(
        (Path("one"),),
        **{name: "en" if name == "language" else Path(name) for name in given},
    )
    lines = describe_unused(Panel(choose_panel(panel, [], reference=True)), folders)
    assert {Message(line).partition(":")[0] for line in lines} == unused


def test_alignment_is_refused_if_no_metric_has_it():
    with pytest.raises(ConfigError) as refused:
        choose_panel("dnsmos", [], reference=False, align=True)
    assert refused.value.parameters[0] == "align"


def test_a_panel_by_names_with_options():
    uses = choose_panel("pesq,stoi", ["stoi.align=true"], reference=True)
    assert [(use.metric, use.options) for use in uses] == [("pesq", {}), ("stoi", {"align": True})]
    aligned = choose_panel("dnsmos,stoi", [], reference=True, align=True)
    assert [use.options for use in aligned] == [{}, {"align": True}]


def test_without_a_reference_no_metric_that_needs_one_is_used():
    alone = [use.metric for use in choose_panel(None, [], reference=False)]
    assert alone == ["dnsmos", "utmos"]
    assert "pesq" in [use.metric for use in choose_panel(None, [], reference=True)]


@pytest.mark.parametrize("setting", ["stoi.align", "dnsmoss.x=1", "align=true", "=1"])
def test_an_option_of_no_metric_is_refused(setting):
    with pytest.raises(ConfigError):
        choose_panel("pesq,stoi", [setting], reference=True)


def test_a_panel_from_a_file(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("panel:\n  - {metric: pesq, vote: true}\n")
    [use] = choose_panel(str(path), [], reference=True)
    assert use == MetricUse(metric="pesq", vote=True)
    path.write_text("panel: 3\n")
    with raises(ConfigError, field="panel", problem="missing"):
        choose_panel(str(path), [], reference=True)
