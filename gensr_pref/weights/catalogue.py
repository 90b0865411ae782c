"""Weights that are not shipped: where each is published, and where it is on this machine.

The cache is one folder: ``$GENSR_PREF_CACHE``, else ``$XDG_CACHE_HOME/gensr_pref``, else
``~/.cache/gensr_pref``. A checkpoint keeps its published file name in it, so a file may as well be
copied there by hand. Beside each lies ``FILE.sha256``, which ``sha256sum -c`` reads. It has the
modification time of the file that it was taken of: while the two agree, nothing is hashed again.

`gensr_pref.weights.fetch` fills the cache. Nothing in this module opens a connection.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gensr_pref.errors import InputError, MissingWeightsError, Problem
from gensr_pref.storage.location import expand_user, home

CACHE = "GENSR_PREF_CACHE"
OFFLINE = "GENSR_PREF_OFFLINE"
MIRROR = "GENSR_PREF_MIRROR"

_NISQA_COMMIT = "fe84f0f252abec382b24367d5b22498a7ce34dbb"
_NON_COMMERCIAL = (
    "the weights are not for commercial use, and so may be what is derived from them, such as "
    "pairs they voted on"
)
_TWO_LICENCES = (
    "torchaudio says MIT; microsoft/UniSpeech, which publishes WavLM too, says CC BY-SA 3.0"
)


@dataclass(frozen=True)
class Checkpoint:
    """One published file.

    Attributes:
        name: as in ``gensr-pref fetch NAME``.
        url: where it is published; ends in the file's name.
        licence: of the weights.
        revision: which publication: a commit, a release, or the version of the package that
            names the file.
        size: in bytes; None where no public source states it.
        sha256: in hexadecimal; None where no public source states it. Then the digest of the
            first file that is fetched is kept, and later ones must have it.
        notice: what a user must be told.
    """

    name: str
    url: str
    licence: str
    revision: str
    size: int | None = None
    sha256: str | None = None
    notice: str = ""

    @property
    def file(self) -> str:
        """Its name in the cache and in a mirror."""
        return self.url.rpartition("/")[2]


# Digest and name as in `_MODELS` of openai-whisper 20250625; bytes as sites list them that keep
# copies.
_WHISPER = """
d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03   75571315 tiny.en
65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9   75572083 tiny
25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead  145261783 base.en
ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e  145262807 base
f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872  483615683 small.en
9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794  483617219 small
d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f 1528006491 medium.en
345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1 1528008539 medium
e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a 3086999982 large-v1
81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524 3086999982 large-v2
e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb 3087371615 large-v3
aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a 1617941637 large-v3-turbo
"""


def _whisper(line: str) -> Checkpoint:
    """A Whisper model; its digest is part of its address."""
    sha256, size, model = line.split()
    url = f"https://openaipublic.azureedge.net/main/whisper/models/{sha256}/{model}.pt"
    revision = "openai-whisper 20250625"
    return Checkpoint(f"whisper-{model}", url, "MIT", revision, int(size), sha256)


def _torchaudio(name: str, file: str, notice: str = "") -> Checkpoint:
    """The file of a bundle in torchaudio.pipelines; nobody states its digest."""
    url = f"https://download.pytorch.org/torchaudio/models/{file}"
    return Checkpoint(name, url, "MIT", "torchaudio 2.11", notice=notice)


_ALL = (
    # SpeechMOS 1.2.0 still takes its weights from the release 1.0.0.
    Checkpoint(
        "utmos",
        "https://github.com/tarepan/SpeechMOS/releases/download/v1.0.0/"
        "utmos22_strong_step7459_v1.pt",
        "MIT",
        "SpeechMOS v1.2.0",
        411_179_119,
        "38aa51ab79e2a4e09a1449758a4b37e9cbb2e8235a49662a732d33a9ba1e9bff",
    ),
    Checkpoint(
        "nisqa",
        f"https://raw.githubusercontent.com/gabrielmittag/NISQA/{_NISQA_COMMIT}/weights/nisqa.tar",
        "CC-BY-NC-SA-4.0",
        f"NISQA {_NISQA_COMMIT[:7]}",
        1_051_663,
        "7ec4cf937514dd3f8860b21e66fabd8ca87a168572675ef8d979c4c4ad2e805c",
        _NON_COMMERCIAL,
    ),
    _torchaudio("wavlm-large", "wavlm_large.pth", notice=_TWO_LICENCES),
    _torchaudio("hubert-base", "hubert_fairseq_base_ls960.pth"),
    *map(_whisper, _WHISPER.strip().splitlines()),
)
CATALOGUE: dict[str, Checkpoint] = {one.name: one for one in _ALL}


def find(name: str, path: str | Path | None = None) -> Path:
    """The file with a checkpoint's weights.

    A file in the cache is what it should be: it was hashed once since it was last written, and its
    digest is the published one, or the one it was first fetched with.

    Args:
        name: of the checkpoint, as in ``gensr-pref fetch NAME``.
        path: where the user says it is, taken as it is; absent = in the cache.

    Raises:
        MissingWeightsError: it is not there, or not what it should be; the message says what to do.
        InputError: no checkpoint has that name.
    """
    if path is not None:
        given = expand_user(path)
        if not given.is_file():
            raise MissingWeightsError(
                f"there is no file with the weights of {name!r}",
                path=path,
                value=name,
                problem=Problem.MISSING,
            )
        return given
    checkpoint = named(name)
    if not is_here(checkpoint):
        raise MissingWeightsError(
            missing([checkpoint]), value=checkpoint.name, problem=Problem.MISSING
        )
    checked(checkpoint)
    return cached(checkpoint)


def identity(name: str, path: str | Path | None = None) -> str:
    """Which weights these are, in few words: the published file, or another one by its digest.

    Args:
        name, path: as `find` takes them; hashes the file (about 1 s per GB) where a path is given.

    Raises:
        MissingWeightsError, InputError: as `find`.
    """
    found = find(name, path)
    checkpoint = named(name)
    if path is None or (checkpoint.sha256 and sha256_of(found) == checkpoint.sha256):
        return f"{checkpoint.file} of {checkpoint.revision}"
    return f"{found.name}, SHA-256 {sha256_of(found)[:12]}"


def named(name: str) -> Checkpoint:
    """The checkpoint of that name.

    Raises:
        InputError: none has it; the message lists those that exist.
    """
    if name not in CATALOGUE:
        raise InputError(f"no checkpoint {name!r}.", value=name, known=CATALOGUE)
    return CATALOGUE[name]


def cache_folder() -> Path:
    """Where fetched weights are kept; it need not exist yet."""
    if own := os.environ.get(CACHE):
        return expand_user(own)
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative one is to be ignored (XDG Base Directory Specification 0.8).
    return (shared if shared.is_absolute() else home() / ".cache") / "gensr_pref"


def cached(checkpoint: Checkpoint) -> Path:
    """Where a checkpoint is, or will be, in the cache."""
    return cache_folder() / checkpoint.file


def is_here(checkpoint: Checkpoint) -> bool:
    """Whether there is a file of it in the cache, whatever is in it."""
    return cached(checkpoint).is_file()


def offline() -> bool:
    """Whether the user has forbidden connections: ``GENSR_PREF_OFFLINE=1``."""
    return os.environ.get(OFFLINE, "").strip().lower() not in {"", "0", "false", "no", "off"}


def missing(checkpoints: Iterable[Checkpoint]) -> str:
    """What is not in the cache and how to get it."""
    lacking = list(checkpoints)
    names = ", ".join(repr(one.name) for one in lacking)
    command = " ".join(["gensr-pref fetch", *(one.name for one in lacking)])
    told = f"the weights of {names} are not in {cache_folder()}; run: {command}"
    if not offline():
        return told
    files = ", ".join(one.file for one in lacking)
    return f"{told} (without {OFFLINE}, which is set; or copy {files} there)"


def checked(checkpoint: Checkpoint, again: bool = False) -> str:
    """The SHA-256 of a checkpoint in the cache, once it is found to be what it should be.

    Hashes the file (about 1 s per GB) only if it was written after its ``FILE.sha256``.

    Args:
        checkpoint: one that `is_here`.
        again: hash in any case.

    Raises:
        MissingWeightsError: its size or digest differs, or it cannot be read.
    """
    path = cached(checkpoint)
    try:
        facts = path.stat()
        _require_size(checkpoint, facts.st_size, str(path))
        expected = expected_digest(checkpoint)
        if not again and expected is not None and _taken_at(path) == (expected, facts.st_mtime_ns):
            return expected
        found = sha256_of(path)
    except OSError as error:
        raise MissingWeightsError(
            f"cannot be read: {error.strerror or error}", path=path, problem=Problem.UNREADABLE
        ) from error
    if expected is not None and found != expected:
        raise MissingWeightsError(
            f"its SHA-256 is {found}, not {expected}. "
            f"Delete it, then run: gensr-pref fetch {checkpoint.name}",
            path=path,
            value=found,
            problem=Problem.DAMAGED,
        )
    with contextlib.suppress(OSError):  # a cache that is read-only is hashed every time
        record(path, found, facts.st_mtime_ns)
    return found


def _require_size(checkpoint: Checkpoint, size: int, where: str) -> None:
    """Refuse a file that is not as long as the published one.

    Raises:
        MissingWeightsError: the message gives both sizes.
    """
    if checkpoint.size not in (None, size):
        raise MissingWeightsError(
            f"has {size} bytes, not {checkpoint.size}: cut off, or another file. Delete "
            f"it, then run: gensr-pref fetch {checkpoint.name}",
            path=where,
            value=size,
            problem=Problem.DAMAGED,
        )


def expected_digest(checkpoint: Checkpoint) -> str | None:
    """The published SHA-256, else that of the file that was fetched first, else None."""
    taken = _taken_at(cached(checkpoint))
    return checkpoint.sha256 or (taken[0] if taken else None)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(path: Path, sha256: str, written_ns: int) -> None:
    """Write ``FILE.sha256``, of a file as it was at a modification time (ns)."""
    temporary = path.with_name(f".{path.name}.sha256.{os.getpid()}")
    temporary.write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
    os.utime(temporary, ns=(written_ns, written_ns))
    temporary.replace(digest_file(path))


def digest_file(path: Path) -> Path:
    """Where the digest of a file is kept."""
    return path.with_name(f"{path.name}.sha256")


def _taken_at(path: Path) -> tuple[str, int] | None:
    """The digest beside a file, and the modification time of what it was taken of."""
    beside = digest_file(path)
    try:
        digest = re.match(r"[0-9a-f]{64}\b", beside.read_text(encoding="utf-8", errors="replace"))
        return (digest[0], beside.stat().st_mtime_ns) if digest else None
    except OSError:
        return None
