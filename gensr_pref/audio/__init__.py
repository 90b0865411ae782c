"""Reads, writes and resamples audio, and refuses unusable recordings with a reason.

Everywhere in the package a waveform is a float32 NumPy array [T], mono, nominally in [-1, 1].

All recordings are decoded by `read`, `read_header` and `from_column` (`reading`), which refuse what
is not a complete recording. `require_sound` refuses a waveform that is empty, silent or not finite,
and `clip_to_full_scale` one that is far beyond full scale.
The modules that use audio refuse more, each with a reason of `gensr_pref.schema.Reason`:

- ``corpus``: recordings and clips without usable speech (``file_sources``, ``table_sources``,
  ``segments``, ``clips``, ``degrade``), noises and impulse responses that are none;
- ``generators.command`` and ``generators.folder``: files of another rate or length;
- ``building.sampling``: candidates of another rate, length or type;
- ``apply.restore_file``: files to restore;
- ``metrics.panel`` and ``metrics.inputs``: candidates and references that a metric cannot score;
  the module of a metric refuses what is too short or too long for it.

Tests:
    ``content``, ``flac`` in tests/audio/test_containers.py
    ``media`` in tests/audio/test_ffmpeg.py
    ``decoding``, ``stream_cache``, ``survey`` in tests/audio/test_formats.py
    ``mpeg_frames``, ``track`` in tests/audio/test_mpeg.py
    ``sound``, ``writing`` in tests/audio/test_reading.py
"""

from gensr_pref.audio.formats import ffmpeg_suffixes, has_ffmpeg, name_without_suffix, suffixes
from gensr_pref.audio.reading import Header, from_column, read, read_header
from gensr_pref.audio.sound import (
    FRAMES_PER_SECOND,
    LARGEST_SHARE_BEYOND,
    SILENCE,
    Sound,
    Wave,
    clip_to_full_scale,
    require_sound,
    resample,
    whole_frames,
)
from gensr_pref.audio.writing import column_value, flac, pcm16, wav

__all__ = [
    "FRAMES_PER_SECOND",
    "LARGEST_SHARE_BEYOND",
    "SILENCE",
    "Header",
    "Sound",
    "Wave",
    "clip_to_full_scale",
    "column_value",
    "ffmpeg_suffixes",
    "flac",
    "from_column",
    "has_ffmpeg",
    "name_without_suffix",
    "pcm16",
    "read",
    "read_header",
    "require_sound",
    "resample",
    "suffixes",
    "wav",
    "whole_frames",
]
