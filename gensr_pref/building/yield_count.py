"""The yield of the shards that are scored, while others are not."""

from __future__ import annotations

from pathlib import Path

from gensr_pref.config.run_file import Pairing, parse
from gensr_pref.errors import GensrPrefError
from gensr_pref.pairing.base import PairRule, wants_clean
from gensr_pref.pairing.columns import columns
from gensr_pref.pairing.pairs import pair_clips
from gensr_pref.pairing.votes import votes_of_run
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument
from gensr_pref.schema import column


class YieldSoFar:
    """Clips and pairs, counted shard by shard.

    Args:
        out: the run directory.
        document: what ``run.yaml`` holds.
        rule: of its pairing section.

    Attributes:
        clips: of the shards that were counted.
        paired: how many of them have a pair.
        pairs: how many there are.
    """

    def __init__(self, out: Path, document: RunDocument, rule: PairRule) -> None:
        self._out = out
        self._pairing = parse(document.pairing, Pairing, field="pairing")
        self._votes = votes_of_run(document)
        self._rule = rule
        self.clips = self.paired = self.pairs = 0

    def add(self, shard: int) -> None:
        """Count a shard whose scores are there; one that cannot be read is not counted."""
        if wants_clean(self._rule):  # its pairs are no matter of the scores alone
            return
        try:
            scores = part_files.read(part_files.part(self._out, "scores", shard))
            found = columns(scores, None, self._votes)
            made = pair_clips(found, self._rule, self._pairing)
        except GensrPrefError:  # it will be told where it matters
            return
        self.clips += len(set(column(scores, "clip_id")))
        self.paired += len(set(found.clip[made.chosen].tolist()))
        self.pairs += len(made.chosen)
