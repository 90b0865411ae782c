"""MP4, AAC, WMA and WebM, decoded by FFmpeg where it is installed.

The programs are given the format of the file and may open nothing else: no address, no playlist, no
second file that an untrusted file names.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from gensr_pref.audio import media
from gensr_pref.audio.content import AudioBytes
from gensr_pref.audio.formats import has_ffmpeg
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.track import Track, require_rate
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_PATIENCE_S = 60  # without output from FFmpeg
_BLOCK = 2**20  # bytes read together
_CLOSE_S = 0.1  # allowed excess of the declared duration over the sound: a packet and its delay


@dataclass(frozen=True)
class FfmpegStream:
    """The sound of a file that FFmpeg decodes."""

    demuxer: str
    rate: int
    channels: int
    frames: int
    addressable: bool = False

    def blocks(self, content: AudioBytes, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode from the first frame on, because seeking is inexact; see `Stream.blocks`."""
        return 0, _mix_down(_decode(content, self.demuxer), self.channels)


def ffmpeg_track(content: AudioBytes, kind: media.Kind) -> Track:
    """Return the track of a file with one stream of sound; decodes all of it to find its length.

    Raises:
        Unusable: UNREADABLE (also if FFmpeg is not installed, or reports damage), TRUNCATED or
            EMPTY.
    """
    if not has_ffmpeg():
        raise Unusable(
            Reason.UNREADABLE,
            f"{kind.name} needs FFmpeg: install FFmpeg (ffmpeg and ffprobe on PATH)",
        )
    kind.require_whole(content)
    seconds = _duration(content, kind)
    output = _decode(content, kind.demuxer)
    rate, channels = _format_of(next(output, b""))
    require_rate(rate)
    frames = sum(len(block) for block in _frames(output, channels))
    if kind.timed and seconds is not None and frames / rate < seconds - _CLOSE_S:
        raise Unusable(
            Reason.TRUNCATED, f"it declares {seconds:.2f} s and contains {frames / rate:.2f} s"
        )
    return Track((FfmpegStream(kind.demuxer, rate, channels, frames),))


def _duration(content: AudioBytes, kind: media.Kind) -> float | None:
    """Return the declared duration of the stream of sound, in seconds; None if there is none."""
    with _input(content) as (file, name):
        command = ["ffprobe", *_restriction(kind.demuxer), "-select_streams", "a", "-of", "json"]
        command += ["-show_entries", "stream=duration", name]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, pass_fds=(file,),
                timeout=_PATIENCE_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Unusable(Reason.UNREADABLE, "ffprobe did not end") from error
    if done.returncode:
        raise Unusable(Reason.UNREADABLE, f"FFmpeg cannot open it: {_line(done.stderr)}")
    streams: list[dict[str, Any]] = json.loads(done.stdout).get("streams", [])
    if len(streams) != 1:
        raise Unusable(
            Reason.UNREADABLE, f"it contains {len(streams)} streams of sound; extract one of them"
        )
    duration = streams[0].get("duration")
    return None if duration is None else float(duration)


def _restriction(demuxer: str) -> list[str]:
    """Return options that restrict a program to this one file and its format."""
    return ["-v", "error", "-protocol_whitelist", "file,pipe", "-f", demuxer]


@contextmanager
def _input(content: AudioBytes) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the file, and the name by which a program opens it."""
    if not isinstance(content.source, bytes):
        with content.source.open("rb") as file:
            yield file.fileno(), f"file:/dev/fd/{file.fileno()}"
        return
    with tempfile.TemporaryFile() as copy:
        copy.write(content.source)
        copy.flush()
        yield copy.fileno(), f"file:/dev/fd/{copy.fileno()}"


def _decode(content: AudioBytes, demuxer: str) -> Iterator[bytes]:
    """Decode to Sun's AU format with 32-bit floats; yield the header first, then blocks of bytes.

    Raises:
        Unusable: UNREADABLE where FFmpeg reports an error, or produces no output for a minute.
    """
    with _input(content) as (file, name), tempfile.TemporaryFile() as errors:
        command = ["ffmpeg", "-nostdin", "-threads", "1", *_restriction(demuxer), "-i", name]
        command += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=(file,),
        )
        assert process.stdout is not None
        try:
            yield from _read(process.stdout)
            process.wait(_PATIENCE_S)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        errors.seek(0)
        message = errors.read(2**12)
    if process.returncode or message:
        raise Unusable(Reason.UNREADABLE, f"FFmpeg reports: {_line(message)}")


def _read(pipe: IO[bytes]) -> Iterator[bytes]:
    """Yield an AU file's header, and then the bytes after it."""
    head = b""
    while len(head) < 8 or len(head) < int.from_bytes(head[4:8], "big"):
        more = _read_some(pipe)
        head += more
        if not more:
            return
    size = max(24, int.from_bytes(head[4:8], "big"))
    yield head[:size]
    if head[size:]:
        yield head[size:]
    while more := _read_some(pipe):
        yield more


def _read_some(pipe: IO[bytes]) -> bytes:
    if not select.select([pipe], [], [], _PATIENCE_S)[0]:
        raise Unusable(Reason.UNREADABLE, f"FFmpeg produced no output for {_PATIENCE_S} s")
    return os.read(pipe.fileno(), _BLOCK)


def _format_of(head: bytes) -> tuple[int, int]:
    """Return the rate and the number of channels in the header of an AU file."""
    if head[:4] != b".snd" or len(head) < 24:
        raise Unusable(Reason.EMPTY, "FFmpeg finds no sound in it")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _frames(output: Iterator[bytes], channels: int) -> Iterator[Wave]:
    """Yield whole frames [T, C] from the bytes after an AU file's header."""
    width, rest = 4 * channels, b""
    for data in output:
        rest += data
        whole = len(rest) // width * width
        if whole:
            yield np.frombuffer(rest[:whole], ">f4").reshape(-1, channels)
        rest = rest[whole:]


def _mix_down(output: Iterator[bytes], channels: int) -> Iterator[Wave]:
    next(output, None)
    for block in _frames(output, channels):
        with np.errstate(all="ignore"):
            yield np.asarray(block.mean(axis=1, dtype=np.float32))


def _line(message: bytes) -> str:
    lines = message.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else "nothing"
