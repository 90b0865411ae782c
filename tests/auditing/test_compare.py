"""Tests of the comparison of two audits."""

import pytest

from gensr_pref.auditing.compare import compare_audits, flatten_numbers


def test_numbers_of_an_audit_by_path():
    audit = {
        "a": {"b": 1, "c": None, "d": True, "e": "text"},
        "rows": [{"score": "x", "rate": 0.5}, {"scores": ["x", "y"], "tau": 1}],
        "bounds": [0.1, 0.2],
    }
    assert flatten_numbers(audit) == {
        "a.b": 1,
        "rows.x.rate": 0.5,
        "rows.x/y.tau": 1,
        "bounds.0": 0.1,
        "bounds.1": 0.2,
    }


def test_two_audits_side_by_side():
    def audit(rate, low, high, joint):
        rows = [{"score": "pesq", "rate": rate, "low": low, "high": high}]
        yields = {"joint": joint, "joint_interval": [joint - 0.1, joint + 0.1]}
        return {"run": "r", "rule": "unanimous", "hold_out": rows, "yield": yields}

    result = compare_audits(audit(0.6, 0.55, 0.65, 0.5), audit(0.4, 0.3, 0.5, 0.55))
    assert result["numbers"]["hold_out.pesq.rate"]["difference"] == pytest.approx(-0.2)
    assert result["apart"] == ["hold_out.pesq.rate"]
    only = compare_audits({"x": 1}, {"y": 2})["numbers"]
    assert only["x"] == {"a": 1, "b": None, "difference": None}
    assert only["y"] == {"a": None, "b": 2, "difference": None}
