"""Tests of the pairs that are counted while a build is running."""

import json

from gensr_pref.building.open_run import read_document
from gensr_pref.building.yield_count import YieldSoFar
from gensr_pref.pairing.rules import find_rule
from gensr_pref.rundir import part_files


def count(out, rule="unanimous"):
    return YieldSoFar(out, read_document(out), find_rule(rule))


def test_counts_of_all_shards_are_those_of_the_summary(finished):
    summary = json.loads((finished / "summary.json").read_text())
    so_far = count(finished)
    for shard in range(summary["shards"]):
        so_far.add(shard)
    assert so_far.clips == summary["clips"]
    assert so_far.paired == summary["clips_with_pair"]
    assert so_far.pairs == summary["pairs"]


def test_shard_whose_scores_cannot_be_read_is_not_counted(copy):
    part_files.part(copy, "scores", 0).write_bytes(b"damaged")
    so_far = count(copy)
    for shard in (0, 1, 99):
        so_far.add(shard)
    assert so_far.clips == 2


def test_rule_that_needs_clean_speech_is_not_counted(finished):
    so_far = count(finished, "golden")
    so_far.add(0)
    assert (so_far.clips, so_far.paired, so_far.pairs) == (0, 0, 0)
