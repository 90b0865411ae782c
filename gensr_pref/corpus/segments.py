"""Where a recording is cut into clips.

Every clip is a whole number of 20 ms frames (320 samples at 16 kHz). DNSMOS repeats a short clip
until it fills 9 seconds; only where the clip is whole frames does each repetition meet its network
on the same grid, which is what lets a repetition be computed once, with the same score. Cutting a
clip afterwards would change its score, so it is cut here, before anything is scored.
"""

from __future__ import annotations

from dataclasses import dataclass

from gensr_pref.audio import FRAMES_PER_SECOND, whole_frames
from gensr_pref.errors import ConfigError, Problem, Unusable
from gensr_pref.schema import Reason


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording.

    Attributes:
        start, frames: at the recording's rate.
        num_samples: at the clips' rate.
        whole: it is all of the recording, but for less than 20 ms at the end.
    """

    start: int
    frames: int
    num_samples: int
    whole: bool


def bounds(segment_seconds: tuple[float, float], rate: int) -> tuple[int, int]:
    """The shortest and the longest clip, in samples, as whole frames within `segment_seconds`.

    Raises:
        ConfigError: no whole frame lies between the two.
    """
    shortest = -whole_frames(-round(segment_seconds[0] * rate), rate)
    longest = whole_frames(round(segment_seconds[1] * rate), rate)
    if longest < shortest:
        raise ConfigError(
            f"no multiple of {1 / FRAMES_PER_SECOND:g} s lies in {list(segment_seconds)}; widen it",
            field="corpus.segment_seconds",
            value=segment_seconds,
            problem=Problem.INVALID,
        )
    return shortest, longest


def segments(
    frames: int, rate: int, segment_seconds: tuple[float, float], target_rate: int
) -> tuple[Segment, ...]:
    """Cut a recording into the fewest equal pieces that are short enough.

    Where no number of equal pieces is both long and short enough (only possible if the longest is
    less than twice the shortest), as many of the longest as fit are taken, and the rest is left.

    Args:
        frames, rate: of the recording.
        segment_seconds: shortest and longest piece.
        target_rate: of the clips, in Hz.

    Raises:
        Unusable: TOO_SHORT.
        ConfigError: no whole frame lies within `segment_seconds`.
    """
    shortest, longest = bounds(segment_seconds, target_rate)
    total = frames * target_rate // rate
    if total < shortest:
        raise Unusable(
            Reason.TOO_SHORT,
            f"{total / target_rate:.3f} s; corpus.segment_seconds asks for {segment_seconds[0]:g}",
        )
    pieces = -(-whole_frames(total, target_rate) // longest)
    length = whole_frames(total // pieces, target_rate)
    if length < shortest:
        pieces, length = total // longest, longest
    whole = length == whole_frames(total, target_rate)
    return tuple(
        _segment(k * length, length, frames, rate, target_rate, whole) for k in range(pieces)
    )


def _segment(
    first: int, length: int, frames: int, rate: int, target_rate: int, whole: bool
) -> Segment:
    start = first * rate // target_rate
    needed = -(-length * rate // target_rate)
    return Segment(start, min(needed, frames - start), length, whole)
