"""Counts the pairs of finished shards while a build is running."""

from __future__ import annotations

from pathlib import Path

from gensr_pref.config.run_file import Pairing, parse
from gensr_pref.errors import GensrPrefError
from gensr_pref.pairing.base import PairRule, wants_clean
from gensr_pref.pairing.columns import columns
from gensr_pref.pairing.no_pairs import asks_for_pairs
from gensr_pref.pairing.pairs import pair_clips
from gensr_pref.pairing.votes import votes_of_run
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.schema import column


class YieldSoFar:
    """Counts of clips and pairs, updated shard by shard.

    Args:
        out: the run directory.
        document: content of ``run.yaml``.
        rule: the rule that its pairing section names.

    Attributes:
        clips: number of clips in the counted shards.
        paired: number of these clips that have a pair.
        pairs: number of pairs of these clips.
        asks_for_pairs: false if the rule makes no pairs.
    """

    def __init__(self, out: Path, document: RunDocument, rule: PairRule) -> None:
        self._out = out
        self._pairing = parse(document.pairing, Pairing, field="pairing")
        self._votes = votes_of_run(document)
        self._rule = rule
        self.asks_for_pairs = asks_for_pairs(self._pairing.rule)
        self.clips = self.paired = self.pairs = 0

    def add(self, shard: int) -> None:
        """Count a scored shard; one whose scores cannot be read is not counted."""
        if wants_clean(self._rule):  # its pairs depend on more than the scores
            return
        if not self.asks_for_pairs:
            return
        try:
            scores = part_files.read(part_files.part(self._out, "scores", shard))
            candidates = columns(scores, None, self._votes)
            pairs = pair_clips(candidates, self._rule, self._pairing)
        except GensrPrefError:  # reported later, when all pairs are made
            return
        self.clips += len(set(column(scores, "clip_id")))
        self.paired += len(set(candidates.clip[pairs.chosen].tolist()))
        self.pairs += len(pairs.chosen)
