"""Cost of reading a long recording: its length, all of it in clips, and one clip.

    python -m tests.benchmarks.reading --minutes 60

The output is in seconds of CPU time, for one recording at 16 kHz in each format. Encoding an hour
of Opus takes long.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gensr_pref import audio
from gensr_pref.audio import stream_cache
from tests.audio.material import InOrder, noise

RATE, CLIP = 16_000, 160_000
KINDS = [
    ("WAV", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("MP3", "MPEG_LAYER_III"),
    ("OGG", "VORBIS"),
    ("WAV", "GSM610"),
    ("OGG", "OPUS"),
]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def forget() -> None:
    """As if nothing had been read yet."""
    stream_cache._tracks.clear()
    stream_cache._decoders.clear()


def main() -> None:
    """Measure each format, and print a row."""
    parser = argparse.ArgumentParser(description="Measure the reading of a long recording.")
    parser.add_argument("--minutes", type=int, default=60)
    clips = parser.parse_args().minutes * 6
    print("| | its length | all clips in order | one clip in the middle |\n|---|---|---|---|")
    for form, subtype in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {form} {subtype} | {_row(Path(folder) / 'long', form, subtype, clips)} |")


def _row(path: Path, form: str, subtype: str, clips: int) -> str:
    block = noise(CLIP)
    with InOrder(path, "w", RATE, 1, subtype, format=form) as file:
        for start in range(0, CLIP * clips, 4000):
            file.write(block[start % CLIP : start % CLIP + 4000])
    forget()
    length = seconds(lambda: audio.read_header(path))
    every = seconds(lambda: [audio.read(path, CLIP * clip, CLIP) for clip in range(clips)])
    stream_cache._decoders.clear()
    middle = seconds(lambda: audio.read(path, CLIP * (clips // 2), CLIP))
    return f"{length:.3f} | {every:.2f} | {middle:.3f}"


if __name__ == "__main__":
    main()
