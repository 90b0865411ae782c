"""The catalogue of weights that are not shipped, and their files on this machine.

The cache is one folder: ``$GENSR_PREF_CACHE``, else ``$XDG_CACHE_HOME/gensr_pref``, else
``~/.cache/gensr_pref``. A checkpoint keeps its published file name there, so a file may also be
copied by hand. Beside each file is ``FILE.sha256``, which ``sha256sum -c`` reads. It has the
modification time of the hashed file: while the two times agree, the file is not hashed again.

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
    "the weights are not for commercial use, and the same may hold for derived data, such as pairs "
    "on which they voted"
)
_TWO_LICENCES = (
    "torchaudio says MIT; microsoft/UniSpeech, which publishes WavLM too, says CC BY-SA 3.0"
)


@dataclass(frozen=True)
class Checkpoint:
    """One published file of weights.

    Attributes:
        name: name in ``gensr-pref fetch NAME``.
        url: address of the publication; ends in the file's name.
        licence: licence of the weights.
        revision: a commit, a release, or the version of the package that names the file.
        size: in bytes; None where no public source states it.
        sha256: in hexadecimal; None where no public source states it. Then the digest of the
            first download is stored, and later files must match it.
        notice: text that users must see, such as a restriction of the licence.
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
        """File name in the cache and in a mirror."""
        return self.url.rpartition("/")[2]


# Digests and names are those in `_MODELS` of openai-whisper 20250625; sizes are those of sites that
# have copies.
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
    """Return the entry of a Whisper model; its digest is part of its address."""
    sha256, size, model = line.split()
    url = f"https://openaipublic.azureedge.net/main/whisper/models/{sha256}/{model}.pt"
    revision = "openai-whisper 20250625"
    return Checkpoint(f"whisper-{model}", url, "MIT", revision, int(size), sha256)


def _torchaudio(name: str, file: str, notice: str = "") -> Checkpoint:
    """Return the entry of a bundle in torchaudio.pipelines; no source states its digest."""
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
CATALOGUE: dict[str, Checkpoint] = {checkpoint.name: checkpoint for checkpoint in _ALL}


def find_weights(name: str, path: str | Path | None = None) -> Path:
    """Return the path of a checkpoint's file; verify a file of the cache.

    A file of the cache is hashed once after each change. Its digest must be the published one or,
    where none is published, that of the first download.

    Args:
        name: name of the checkpoint, as in ``gensr-pref fetch NAME``.
        path: a file of the user's, which is not verified; None: the file in the cache.

    Raises:
        MissingWeightsError: the file does not exist or fails verification; says what to do.
        InputError: no checkpoint has that name.
    """
    if path is not None:
        given = expand_user(path)
        if not given.is_file():
            raise MissingWeightsError(
                f"is not a file with the weights of {name!r}",
                path=path,
                value=name,
                problem=Problem.MISSING,
            )
        return given
    checkpoint = get_checkpoint(name)
    if not is_cached(checkpoint):
        raise MissingWeightsError(
            missing_message([checkpoint]), value=checkpoint.name, problem=Problem.MISSING
        )
    verify_digest(checkpoint)
    return cache_path(checkpoint)


def describe_weights(name: str, path: str | Path | None = None) -> str:
    """Return a short description of weights: the published file, or another file by its digest.

    Args:
        name: as for `find_weights`.
        path: as for `find_weights`; a given file is hashed (about 1 s per GB).

    Raises:
        MissingWeightsError, InputError: as `find_weights`.
    """
    file = find_weights(name, path)
    checkpoint = get_checkpoint(name)
    if path is None or (checkpoint.sha256 and sha256_of(file) == checkpoint.sha256):
        return f"{checkpoint.file} of {checkpoint.revision}"
    return f"{file.name}, SHA-256 {sha256_of(file)[:12]}"


def get_checkpoint(name: str) -> Checkpoint:
    """Return the checkpoint with a name.

    Raises:
        InputError: no checkpoint has that name; lists the names.
    """
    if name not in CATALOGUE:
        raise InputError(f"no checkpoint {name!r}.", value=name, known=CATALOGUE)
    return CATALOGUE[name]


def cache_folder() -> Path:
    """Return the folder of fetched weights, which may not exist yet."""
    if own := os.environ.get(CACHE):
        return expand_user(own)
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative path must be ignored (XDG Base Directory Specification 0.8).
    return (shared if shared.is_absolute() else home() / ".cache") / "gensr_pref"


def cache_path(checkpoint: Checkpoint) -> Path:
    """Return the path of a checkpoint in the cache, whether or not it exists."""
    return cache_folder() / checkpoint.file


def is_cached(checkpoint: Checkpoint) -> bool:
    """Return whether the cache holds the checkpoint's file, verified or not."""
    return cache_path(checkpoint).is_file()


def is_offline() -> bool:
    """Return whether the user forbids connections: ``GENSR_PREF_OFFLINE=1``."""
    return os.environ.get(OFFLINE, "").strip().lower() not in {"", "0", "false", "no", "off"}


def missing_message(checkpoints: Iterable[Checkpoint]) -> str:
    """Return the message for checkpoints missing from the cache, with the command to fetch them."""
    checkpoints = list(checkpoints)
    names = ", ".join(repr(checkpoint.name) for checkpoint in checkpoints)
    command = " ".join(["gensr-pref fetch", *(checkpoint.name for checkpoint in checkpoints)])
    message = f"the weights of {names} are not in {cache_folder()}; run: {command}"
    if not is_offline():
        return message
    files = ", ".join(checkpoint.file for checkpoint in checkpoints)
    return f"{message} (unset {OFFLINE} for this, or copy {files} there)"


def verify_digest(checkpoint: Checkpoint, again: bool = False) -> str:
    """Verify the file of a checkpoint in the cache, and return its SHA-256.

    Hashes the file (about 1 s per GB) only if it was written after its ``FILE.sha256``.

    Args:
        checkpoint: a checkpoint whose file `is_cached`.
        again: hash the file in any case.

    Raises:
        MissingWeightsError: the size or the digest differs, or the file cannot be read.
    """
    path = cache_path(checkpoint)
    try:
        status = path.stat()
        _require_size(checkpoint, status.st_size, str(path))
        expected = expected_digest(checkpoint)
        if (
            not again
            and expected is not None
            and _recorded_digest(path) == (expected, status.st_mtime_ns)
        ):
            return expected
        digest = sha256_of(path)
    except OSError as error:
        raise MissingWeightsError(
            f"cannot be read: {error.strerror or error}", path=path, problem=Problem.UNREADABLE
        ) from error
    if expected is not None and digest != expected:
        raise MissingWeightsError(
            f"its SHA-256 is {digest}, not {expected}. "
            f"Delete it, then run: gensr-pref fetch {checkpoint.name}",
            path=path,
            value=digest,
            problem=Problem.DAMAGED,
        )
    with contextlib.suppress(OSError):  # files of a read-only cache are hashed every time
        write_digest(path, digest, status.st_mtime_ns)
    return digest


def _require_size(checkpoint: Checkpoint, size: int, where: str) -> None:
    """Refuse a file whose size differs from the published one.

    Raises:
        MissingWeightsError: names both sizes.
    """
    if checkpoint.size not in (None, size):
        raise MissingWeightsError(
            f"has {size} bytes, not {checkpoint.size}: it is cut off or another file. Delete "
            f"it, then run: gensr-pref fetch {checkpoint.name}",
            path=where,
            value=size,
            problem=Problem.DAMAGED,
        )


def expected_digest(checkpoint: Checkpoint) -> str | None:
    """Return the published SHA-256, else that of the first download, else None."""
    taken = _recorded_digest(cache_path(checkpoint))
    return checkpoint.sha256 or (taken[0] if taken else None)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_digest(path: Path, sha256: str, written_ns: int) -> None:
    """Write ``FILE.sha256`` for a file with the given modification time (ns)."""
    temporary = path.with_name(f".{path.name}.sha256.{os.getpid()}")
    temporary.write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
    os.utime(temporary, ns=(written_ns, written_ns))
    temporary.replace(digest_path(path))


def digest_path(path: Path) -> Path:
    """Return the path of ``FILE.sha256``."""
    return path.with_name(f"{path.name}.sha256")


def _recorded_digest(path: Path) -> tuple[str, int] | None:
    """Return the digest beside a file, and the modification time of the file that was hashed."""
    beside = digest_path(path)
    try:
        digest = re.match(r"[0-9a-f]{64}\b", beside.read_text(encoding="utf-8", errors="replace"))
        return (digest[0], beside.stat().st_mtime_ns) if digest else None
    except OSError:
        return None
