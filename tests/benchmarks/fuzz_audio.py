"""Damaged and unusual audio files, each read by gensr_pref and by an independent decoder.

    python -m tests.benchmarks.fuzz_audio --files 2000 --seed 0

Every file is made from its own seed: a format, a sample rate, a number of channels, a length, and
the damage. `gensr_pref.audio` reads the whole file and a segment of it. FFmpeg reads it too, if it
is installed and knows the format; otherwise the result is compared with what libsndfile decodes
from the undamaged file in one call. The files are read in batches, each in a process with a time
limit whose peak memory is measured. A damaged PCM sample is still a sample, so the test is whether
two decoders of the same bytes give the same sound.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref import audio
from gensr_pref.errors import Unusable
from tests.audio import material
from tests.audio.material import Samples

BATCH = 50
SECONDS = 20  # for one file
MEGABYTES = 300
CLOSE = 1e-4
PADDING = 160  # frames: a GSM packet, which FFmpeg does not cut off; 20 ms of telephone sound
RATES = (4000, 5512, 8000, 11025, 12345, 16000, 22050, 24000, 44100, 48000, 96000, 192000)
FFMPEG_KINDS = {
    "m4a": ("-c:a", "aac"),
    "mp4": ("-c:a", "aac", "-movflags", "+faststart"),
    "aac": ("-c:a", "aac"),
    "wma": ("-c:a", "wmav2"),
    "webm": ("-c:a", "libopus"),
    "mka": ("-c:a", "flac"),
    "mp2": ("-c:a", "mp2"),
    "mp3": ("-c:a", "libmp3lame", "-q:a", "5"),
    "untagged.mp3": ("-c:a", "libmp3lame", "-q:a", "5", "-write_xing", "0"),
    "mp3.wav": ("-c:a", "libmp3lame", "-f", "wav"),
    "flac": ("-c:a", "flac"),
    "ogg": ("-c:a", "libvorbis"),
    "opus": ("-c:a", "libopus"),
    "aiff": (),
    "caf": ("-c:a", "pcm_s16le"),
}


@dataclass(frozen=True)
class Outcome:
    """What came of one file."""

    seed: int
    kind: str
    damage: str
    verdict: str
    detail: str = ""


def damages(data: bytes, other: bytes, rng: np.random.Generator) -> dict[str, bytes]:
    """The same file, with something wrong, by what that is."""
    size = len(data)
    cut, at = int(rng.integers(1, size)), int(rng.integers(0, size))
    head = int(rng.integers(0, min(size, 120)))
    width = int(rng.choice([1, 2, 4, 8]))
    lie = [bytes(width), b"\xff" * width, rng.bytes(width)][rng.integers(3)]
    junk = rng.bytes(int(rng.integers(1, 2000)))
    flipped = bytearray(data)
    for _ in range(int(rng.integers(1, 10))):
        flipped[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
    return {
        "none": data,
        "truncated": data[:cut],
        "flipped": bytes(flipped),
        "lying header": data[:head] + lie + data[head + width :],
        "chained with itself": data + data,
        "chained with another": data + other,
        "junk behind": data + junk,
        "zeros behind": data + bytes(len(junk)),
        "a hole": data[:at] + bytes(len(junk)) + data[at + len(junk) :],
        "a part missing": data[:at] + data[at + len(junk) :],
        "a part twice": data[: at + len(junk)] + data[at:],
        "tag behind": data + b"TAG" + bytes(125),
        "tag before": b"ID3\x04\0\0\0\0\1\0" + bytes(128) + data,
    }


def case(seed: int, folder: Path) -> tuple[str, bytes, bytes, str]:
    """One file: its kind, its bytes, the undamaged ones, and what was done to it."""
    rng = np.random.default_rng(seed)
    rate, channels = int(rng.choice(RATES)), int(rng.choice([1, 1, 1, 2, 2, 3]))
    wave = material.noise(int(rng.integers(1, 3 * min(rate, 48000))), channels, seed)
    kind, data = _encoded(wave, rate, rng, folder)
    if data is None:
        kind, data = "WAV/PCM_16", material.encode(wave, rate, "WAV", "PCM_16")
    assert data is not None
    other = material.encode(wave[: len(wave) // 2], rate, "WAV", "PCM_16") or b""
    made = damages(data, other, rng)
    name = str(rng.choice(list(made)))
    return kind, made[name], data, name


def _encoded(
    wave: Samples, rate: int, rng: np.random.Generator, folder: Path
) -> tuple[str, bytes | None]:
    if material.FFMPEG and rng.random() < 0.4:
        end = str(rng.choice(list(FFMPEG_KINDS)))
        target = folder / f"made.{end}"
        return end, material.encode_by_ffmpeg(wave, rate, target, *FFMPEG_KINDS[end])
    form, subtype = KINDS[int(rng.integers(len(KINDS)))]
    return f"{form}/{subtype}", material.encode(wave, rate, form, subtype)


KINDS = material.kinds()


def judge(seed: int, folder: Path) -> Outcome:
    """Read one file twice, and compare."""
    kind, data, whole, damage = case(seed, folder)
    path = folder / f"x.{kind.rpartition('.')[2].rpartition('/')[0].lower() or kind}"
    path.write_bytes(data)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        sound = audio.read(path)
        _require_stretch(path, sound.wave, seed)
    except Unusable as failed:
        return Outcome(seed, kind, damage, f"refused: {failed.reason}", failed.detail)
    except TimeoutError:
        return Outcome(seed, kind, damage, "HANGS")
    except Exception as error:
        return Outcome(seed, kind, damage, "RAISES", repr(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return Outcome(seed, kind, damage, *_compared(path, sound, whole, damage))


def _require_stretch(path: Path, wave: audio.Wave, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = int(rng.integers(len(wave)))
    frames = int(rng.integers(len(wave) - start)) + 1
    stretch = audio.read(path, start, frames).wave
    apart = np.abs(stretch - wave[start : start + frames]).max()
    if apart > CLOSE / 10:
        raise AssertionError(f"frames {start} to {start + frames} differ by {apart}")


def _compared(path: Path, sound: audio.Sound, whole: bytes, damage: str) -> tuple[str, str]:
    """Equal to FFmpeg, to the undamaged sound, or to what libsndfile makes of it in one call."""
    detail, judged = "FFmpeg does not read it", False
    if material.FFMPEG:
        wave, rate, complaint = material.decode_by_ffmpeg(path)
        judged = rate == sound.rate and len(wave) > 0
        if judged and _apart(sound.wave, wave) <= CLOSE:
            return "equal to FFmpeg", ""
        if judged:
            apart = _apart(sound.wave, wave)
            detail = f"by {apart:.2g}: {len(sound.wave)} frames, FFmpeg {len(wave)} {complaint}"
    once = audio.read(whole).wave
    if _apart(sound.wave, once) <= CLOSE:
        return "equal to the undamaged sound", ""
    if damage == "chained with itself" and _apart(sound.wave, np.tile(once, 2)) <= CLOSE:
        return "equal to both", ""
    if _is_one_call(path, sound):
        return ("libsndfile alone; FFmpeg differs" if judged else "libsndfile alone"), detail
    return "DIFFERS", detail[:150]


def _is_one_call(path: Path, sound: audio.Sound) -> bool:
    """Whether libsndfile hears the same in one call, in the same bytes, up to our end."""
    try:
        wave = material.decode(path.read_bytes())
    except (RuntimeError, MemoryError):
        return False
    with np.errstate(all="ignore"):
        return len(wave) >= len(sound.wave) and _apart(sound.wave, wave[: len(sound.wave)]) <= CLOSE


def _apart(one: Samples, other: Samples) -> float:
    """The largest difference; infinite where the lengths differ by more than a codec's padding."""
    if abs(len(one) - len(other)) > PADDING:
        return float("inf")
    shared = min(len(one), len(other))
    return float(np.abs(one[:shared] - other[:shared]).max(initial=0))


def _batch(first: int, count: int) -> None:
    """Judge files one after the other, in this process; print an outcome a line."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            print(json.dumps(asdict(judge(seed, Path(folder)))), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peak": peak}), flush=True)


def _outcomes(first: int, count: int) -> Iterator[dict[str, Any]]:
    """The outcomes of a batch, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.fuzz_audio", "--batch", f"{first}:{count}"]
    limit = SECONDS * 4 + 10 * count
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit, check=False)
        output = done.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    told = [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
    yield from told
    if not told or "peak" not in told[-1]:
        yield asdict(Outcome(first + len(told), "?", "?", "PROCESS ENDED"))


def main() -> None:
    """Make, read, compare and tell."""
    parser = argparse.ArgumentParser(description="Read damaged files, here and by FFmpeg.")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.batch:
        first, count = map(int, options.batch.split(":"))
        return _batch(first, count)
    first = options.seed * 10**6
    firsts = range(first, first + options.files, BATCH)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        batches = pool.map(lambda at: list(_outcomes(at, BATCH)), firsts)
        told = []
        for batch in batches:
            told += batch
            _shout(batch)
    _tell(told)
    return None


def _shout(told: list[dict[str, Any]]) -> None:
    """What should not have been."""
    for one in (Outcome(**line) for line in told if "peak" not in line):
        if one.verdict.isupper():
            detail = " ".join(one.detail.split())
            print(f"{one.seed} {one.kind}, {one.damage}: {one.verdict} {detail}", flush=True)


def _tell(told: list[dict[str, Any]]) -> None:
    peak = max((line["peak"] for line in told if "peak" in line), default=0)
    outcomes = [Outcome(**line) for line in told if "peak" not in line]
    print(f"\n{len(outcomes)} files; highest memory {peak} MB (at most {MEGABYTES} allowed)\n")
    table = Counter((one.damage, one.verdict) for one in outcomes)
    verdicts = sorted({one.verdict for one in outcomes})
    print("| damage | " + " | ".join(verdicts) + " |\n|" + "---|" * (len(verdicts) + 1))
    for damage in sorted({one.damage for one in outcomes}):
        print(f"| {damage} | " + " | ".join(str(table[damage, v] or "") for v in verdicts) + " |")


if __name__ == "__main__":
    main()
