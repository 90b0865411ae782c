"""Tests of the checks before a build, and of the run.yaml that it writes."""

import pytest
import yaml

from gensr_pref.building.build import build
from gensr_pref.errors import InputError


def test_run_yaml_has_every_default_and_the_provenance(finished):
    document = yaml.safe_load((finished / "run.yaml").read_text())
    assert document["pairing"]["pairs_per_clip"] == 1
    assert document["provenance"]["generators"][0]["revision"] == "1"
    assert document["provenance"]["panel"][0]["scores"][0]["name"] == "roughness"
    assert len(document["provenance"]["fingerprint"]) == 32


@pytest.mark.parametrize(
    ("overrides", "field", "value", "problem"),
    [
        (["generators.0.use=hisss"], "generators.0", "hisss", "unknown"),
        (["generators.0.options.loud=1"], "generators.0.options.loud", "loud", "unknown"),
        (
            ["generators=[{use: 'cheap:Hiss'}, {use: 'cheap:Hiss'}]"],
            "generators.1.name", "hiss", "duplicate",
        ),
        (["generators.0.name=noisy"], "generators.0.name", "noisy", "conflict"),
        (["panel.0.metric=dnsmoss"], "panel.0", "dnsmoss", "unknown"),
        (["pairing.rule=unanimus"], "pairing.rule", "unanimus", "unknown"),
        (["pairing.margin={wer: 1}"], "pairing.margin.wer", "wer", "unknown"),
        (["panel.0.vote=false"], "pairing.votes", None, "empty"),
        (["generators.0.candidates=1"], "generators", None, "empty"),
        (
            ["generators.0.use=cheap:Roughness"],
            "generators.0", ("sample", "candidates_of"), "missing",
        ),
        (["generators.0.use=cheap:NoSuch"], "generators.0", "cheap:NoSuch", "failed"),
        (["panel.0.metric=cheap:WORD"], "panel.0", "cheap:WORD", "invalid"),
        (["pairing.rule=cheap:Hiss"], "pairing.rule", "cheap:Hiss", "invalid"),
        (
            ["pairing.margin={zero_crossings: 0.1}"],
            "pairing.margin.zero_crossings", "zero_crossings", "conflict",
        ),
        (["corpus.source.path=nowhere"], "corpus.source.path", None, "missing"),
        (
            ["corpus.degrade=null", "panel=[{metric: pesq, vote: true}]"],
            "panel", "pesq", "conflict",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_any_work(
    run, base, tmp_path, overrides, field, value, problem
):
    with pytest.raises(InputError) as caught:
        build(run(*overrides), tmp_path / "run", base=base)
    error = caught.value
    assert (error.field, error.value, error.problem) == (field, value, problem), error
    assert not (tmp_path / "run").exists()
