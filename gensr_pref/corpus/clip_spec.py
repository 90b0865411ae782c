"""The specification of a clip: which segment of which recording, and in which split."""

from __future__ import annotations

from dataclasses import dataclass

from gensr_pref.corpus.base import Item
from gensr_pref.corpus.fingerprints import Fingerprint
from gensr_pref.corpus.segments import Segment
from gensr_pref.identity import digest

TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True)
class ClipSpec:
    """The specification of a clip; small, so that processes can exchange it.

    Attributes:
        clip_id: id made of source, segment and treatment.
        item: the recording.
        segment: the segment of the recording.
        split: train or validation.
        contents: fingerprints of the item's files, in their order; empty if none were taken.
    """

    clip_id: str
    item: Item
    segment: Segment
    split: str
    contents: tuple[Fingerprint, ...] = ()

    @property
    def content(self) -> str:
        """Digest of what affects the clip in its recording: sound, text, speaker, language."""
        item = self.item
        sounds = [*(fingerprint.digest for fingerprint in self.contents), *item.contents]
        return digest(sounds, item.text, item.speaker, item.language)
