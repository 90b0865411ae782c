"""Tests of the advice in messages: each wrong setting, and what the command line shows about it."""

import shutil
from pathlib import Path

import pytest
import yaml

from gensr_pref.building.build import build
from gensr_pref.config import plugins, run_file
from gensr_pref.config.run_file import Columns, Degrade, GeneratorUse, MetricUse, parse
from gensr_pref.errors import (
    ConfigError,
    InputError,
    MissingWeightsError,
    RunIncompleteError,
    SourceError,
    UnknownPluginError,
)
from tests.refusals import raises, refusal, require_facts
from tests.small_run import RUN

OWN_PLUGINS = """

def best(ballot, pairing):
    return [Pair(0, 1, 1.0)] if len(ballot.scores) > 1 else []


class Bilingual:
    model, licence, sample_rate, longest_seconds = "bilingual", "MIT", 16000, None
    languages = ("de", "en")

    def load(self, device): ...

    def language_of(self, sound): ...

    def transcribe(self, sounds, language, text=None): ...
"""


@pytest.fixture(scope="module")
def project(base, tmp_path_factory):
    """A folder with a run file, its recordings, and a run whose rule is the user's own."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(base / "speech", folder / "speech")
    shutil.copytree(base / "noise", folder / "noise")
    own = (base / "cheap.py").read_text(encoding="utf-8") + OWN_PLUGINS
    (folder / "own_plugins.py").write_text(own, encoding="utf-8")
    data = {
        **RUN,
        "corpus": {**RUN["corpus"], "limit": 1},
        "generators": [{"use": "own_plugins:Hiss", "candidates": 2}],
        "panel": [{"metric": "own_plugins:Roughness"}],
        "pairing": {"rule": "own_plugins:best"},
    }
    texts = [f"{path.name},hello" for path in sorted((folder / "speech").iterdir())]
    (folder / "texts.csv").write_text("\n".join(["audio,text", *texts]), encoding="utf-8")
    (folder / "run.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    build(run_file.load(folder / "run.yaml"), folder / "run", base=folder)
    return folder


def names(kind):
    return tuple(plugins.names(kind))


def fields(model):
    return tuple(sorted(model.model_fields))


KINDS = ("folder", "huggingface", "manifest", "paired", "parquet")
OPTION = "panel.0.options."
NOISE = "source: {kind: folder, path: noise}"
# The wrong setting as ``key=value``; the error's class and facts (field, value, problem, known);
# the right names or values, each of which must be shown.
WRONG_SETTINGS = [
    # A name that is unknown: the one that was meant, in quotes.
    ("panel.0.metric=dnsmoss", UnknownPluginError,
     ("panel.0", "dnsmoss", "unknown", names("metric")), ["'dnsmos'", "pesq"]),
    ("generators.0.use=fm-tinny", UnknownPluginError,
     ("generators.0", "fm-tinny", "unknown", names("generator")), ["'fm-tiny'", "ar-tiny"]),
    ("pairing.rule=unanimus", UnknownPluginError,
     ("pairing.rule", "unanimus", "unknown", names("rule")), ["'unanimous'", "module:name"]),
    ("panel.0={metric: wer, options: {recogniser: whispr}}", UnknownPluginError,
     (f"{OPTION}recogniser", "whispr", "unknown", names("recogniser")), ["'whisper'"]),
    ("panel.0={metric: si_sdr, options: {allign: true}}", ConfigError,
     (f"{OPTION}allign", "allign", "unknown", ("align",)), ["'align'"]),
    ("corpus.degradee={}", ConfigError,
     ("corpus.degradee", "degradee", "unknown", fields(run_file.Corpus)), ["'degrade'"]),
    ("corpus.degrade={nois: {}}", ConfigError,
     ("corpus.degrade.nois", "nois", "unknown", fields(Degrade)), ["'noise'", "reverb"]),
    ("corpus.source={kind: manifest, path: a.csv, columns: {txt: text}}", ConfigError,
     ("corpus.source.columns.txt", "txt", "unknown", fields(Columns)), ["'text'", "speaker"]),
    ("corpus.source.kind=foldr", ConfigError,
     ("corpus.source.kind", "foldr", "unknown", KINDS), ["'folder'", "manifest"]),
    ("engine.kind=rayy", ConfigError,
     ("engine.kind", "rayy", "unknown", ("ray", "serial")), ["'ray'", "serial"]),
    # A field that is missing: its name, and its values where there are few.
    ("corpus.source={path: speech}", ConfigError,
     ("corpus.source.kind", None, "missing", KINDS), ["corpus.source.kind", *KINDS]),
    ("corpus.source={kind: folder}", ConfigError,
     ("corpus.source.path", None, "missing", ()), ["corpus.source.path"]),
    ("generators=[{candidates: 2}]", ConfigError,
     ("generators.0.use", None, "missing", ()), ["generators.0.use"]),
    ("generators.0={use: command}", ConfigError,
     ("generators.0.options.command", None, "missing", ()), ["generators.0.options.command"]),
    # A value of another type: what to write.
    ("panel.0={metric: si_sdr, options: {align: maybe}}", ConfigError,
     (f"{OPTION}align", "maybe", "invalid", ()), ["true", "false"]),
    ("panel.0={metric: pesq, options: {mode: xb}}", ConfigError,
     (f"{OPTION}mode", "xb", "invalid", ()), ["'wb'", "'nb'"]),
    ("panel.0={metric: wer, options: {language: no}}", ConfigError,
     (f"{OPTION}language", False, "invalid", ()), ["quotes", "null"]),
    ("corpus.limit=many", ConfigError,
     ("corpus.limit", "many", "invalid", ()), ["whole number"]),
    ("generators=[fm-tiny]", ConfigError,
     ("generators.0", "fm-tiny", "invalid", ()), ["key: value", *fields(GeneratorUse)]),
    ("generators=[]", ConfigError, ("generators", [], "invalid", ()), ["1 or more"]),
    # A value out of range: the bound.
    # A field of several types: one line with all of them, or the wrong part of the value.
    ("panel.0.vote=maybe", ConfigError,
     ("panel.0.vote", "maybe", "invalid", ()), ["true, false or a list", "not 'maybe'"]),
    ("panel.0.vote=[1]", ConfigError, ("panel.0.vote.0", 1, "invalid", ()), ["text"]),
    ("engine.workers=0", ConfigError,
     ("engine.workers", 0, "invalid", ()), ["auto or a number of at least 1"]),
    ("engine.scorers=few", ConfigError,
     ("engine.scorers", "few", "invalid", ()), ["auto or a whole number"]),
    ("generators.0.candidates=0", ConfigError,
     ("generators.0.candidates", 0, "invalid", ()), ["at least 1"]),
    (f"corpus.degrade={{noise: {{{NOISE}, probability: 2}}}}", ConfigError,
     ("corpus.degrade.noise.probability", 2, "invalid", ()), ["at most 1"]),
    ("corpus.segment_seconds=[5, 2]", ConfigError,
     ("corpus.segment_seconds", [5, 2], "invalid", ()), ["first", "second"]),
    ("pairing.margin={wer: -1}", ConfigError,
     ("pairing.margin.wer", -1, "invalid", ()), ["at least 0"]),
    ("corpus.sample_rate=11025", ConfigError,
     ("corpus.sample_rate", 11025, "conflict", ()), ["multiple of 50"]),
    # Settings that contradict each other, or the data: the other one.
    ("corpus.degrade={band_limit: {rates_hz: [16000]}}", ConfigError,
     ("corpus.degrade.band_limit.rates_hz", [16000], "conflict", ()), ["lower", "sample_rate"]),
    ("corpus.languages=[de]", SourceError,
     ("corpus.languages", ["de"], "empty", ()), ["corpus.source.columns.language"]),
    ("corpus.languages=[englisch]", ConfigError,
     ("corpus.languages.0", "englisch", "invalid", ()), ["ISO 639"]),
    ("panel.0={metric: wer, options: {language: de}}", ConfigError,
     ("panel.0.options", "wer", "failed", ()), ["en"]),
    ("corpus.source.path=speach", SourceError,
     ("corpus.source.path", None, "missing", ()), ["speach"]),
    ("panel.0.metric=utmos", MissingWeightsError,
     (None, "utmos", "missing", ()), ["gensr-pref fetch utmos"]),
    # An assignment that is wrong itself.
    ("panel.7.vote=true", ConfigError,
     ("overrides", "panel.7.vote=true", "unknown", ()), ["from 0 to 0"]),
    # Other commands: a rule of the user's own, and an option that a metric needs.
    (["pair", "run"], InputError,
     (None, "own_plugins:best", "unsafe", ()), ["rule=own_plugins:best"]),
    (["score", "speech", "--texts", "texts.csv", "--panel", "wer", "--workers", "1",
      "wer.recogniser=own_plugins:Bilingual", "--out", "scores.csv"], RunIncompleteError,
     (None, None, "empty", ()), ["set option 'language'"]),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "kind", "facts", "advice"), WRONG_SETTINGS)
def test_a_wrong_setting_is_shown_with_the_right_one(
    project, tmp_path, monkeypatch, capsys, setting, kind, facts, advice
):
    monkeypatch.chdir(project)
    build_words = ["build", "run.yaml", "--out", tmp_path / "run", setting]
    error = refusal(*(build_words if isinstance(setting, str) else setting))
    field, value, problem, known = facts
    require_facts(error, kind, field=field, value=value, problem=problem, known=known)
    shown = " ".join(capsys.readouterr().err.split())
    if kind is RunIncompleteError:
        shown += Path(error.path).read_text(encoding="utf-8")  # the table that the message names
    assert not [text for text in advice if text not in shown], shown


@pytest.mark.parametrize("value", ["maybe", [1], {"a": 1}])
def test_a_field_of_several_types_has_one_error(value):
    with raises(ConfigError) as caught:
        parse({"metric": "wer", "vote": value}, MetricUse)
    assert len(caught.value.errors) == 1
