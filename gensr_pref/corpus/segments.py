"""The segments of a recording that become clips.

Every clip is a whole number of 20 ms frames (320 samples at 16 kHz). DNSMOS repeats a short clip
until it fills 9 seconds. Only if the clip is a whole number of frames is each repetition on the
same grid of frames, so that it can be computed once, with the same score. Cutting a clip later
would change its score, so it is cut here, before scoring.
"""

from __future__ import annotations

from dataclasses import dataclass

from gensr_pref.audio import FRAMES_PER_SECOND, whole_frames
from gensr_pref.errors import ConfigError, Problem, Unusable
from gensr_pref.schema import Reason


@dataclass(frozen=True)
class Segment:
    """A segment of a recording.

    Attributes:
        start, frames: first frame and length, at the recording's rate.
        num_samples: length at the clips' rate.
        whole: whether it is the whole recording, except for less than 20 ms at the end.
    """

    start: int
    frames: int
    num_samples: int
    whole: bool


def length_bounds(segment_seconds: tuple[float, float], rate: int) -> tuple[int, int]:
    """Return the shortest and the longest clip, in samples: whole frames within `segment_seconds`.

    Raises:
        ConfigError: no whole number of frames lies between the two.
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


def cut_segments(
    frames: int, rate: int, segment_seconds: tuple[float, float], target_rate: int
) -> tuple[Segment, ...]:
    """Cut a recording into the fewest equal segments that are short enough.

    If no number of equal segments is both long and short enough (only possible if the longest is
    less than twice the shortest), the longest segments are cut, and the rest is dropped.

    Args:
        frames: length of the recording.
        rate: rate of the recording, in Hz.
        segment_seconds: shortest and longest segment.
        target_rate: rate of the clips, in Hz.

    Raises:
        Unusable: TOO_SHORT.
        ConfigError: no whole number of frames lies within `segment_seconds`.
    """
    shortest, longest = length_bounds(segment_seconds, target_rate)
    total = frames * target_rate // rate
    if total < shortest:
        raise Unusable(
            Reason.TOO_SHORT,
            f"{total / target_rate:.3f} s; corpus.segment_seconds requires {segment_seconds[0]:g}",
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
