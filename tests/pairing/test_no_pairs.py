"""The rule `none`: no clip has a pair, whatever its scores; its old name still works."""

from gensr_pref.config import plugins
from gensr_pref.pairing.rules import built_in_rule, find_rule

OLD = "gensr_pref.pairing.unpaired:unpaired"  # in the run.yaml of evaluations of earlier versions


def test_rule_has_both_names():
    assert find_rule(OLD) is find_rule("none")
    assert built_in_rule("none") is find_rule("none")
    assert "none" in plugins.built_in("rule")
