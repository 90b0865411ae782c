"""Restores a file or a folder of files with a generator; if a panel is given, the best of N."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from gensr_pref.apply.best_of import judge_of
from gensr_pref.apply.file_pieces import OVERLAP_SECONDS, PIECE_SECONDS
from gensr_pref.apply.restore_file import FileRestorer, RestoredFile, SourceFile
from gensr_pref.building import open_run
from gensr_pref.building.sampling import GeneratorRequest
from gensr_pref.config import run_file
from gensr_pref.config.bounds import require_whole_number
from gensr_pref.config.run_file import GeneratorUse
from gensr_pref.corpus.listing import LeftOut, list_audio
from gensr_pref.errors import ConfigError, InputError, Problem, Unusable, parameter
from gensr_pref.generators.registry import label_of, make_generator
from gensr_pref.identity import digest
from gensr_pref.rundir import part_files

LEDGER = "restored.jsonl"  # of a folder of outputs: what was made from which file


@dataclass(frozen=True)
class _Settings:
    """What a caller wants.

    Attributes:
        use: the generator; it draws `candidates` of every piece.
        by: the score that chooses among them; None: the usual one, if there is a choice.
        seed: seed of all random numbers, together with the name of the file.
        device: a torch device.
    """

    use: GeneratorUse
    by: str | None = None
    seed: int = 0
    device: str = "cpu"

    def digest(self, generator: Any) -> str:
        """Return a digest of everything that determines what is made from a file."""
        use = run_file.dump_fields(self.use)
        pieces = [PIECE_SECONDS, OVERLAP_SECONDS]
        return digest(use, self.by, self.seed, generator.revision, pieces)


class FailedFile(TypedDict):
    """A file that could not be restored: its name, a reason of `Reason`, and the details."""

    file: str
    reason: str
    detail: str


class ScaledFile(TypedDict):
    """A file beyond full scale: its name and the gain by which it was scaled before."""

    file: str
    gain: float


class RestoreReport(TypedDict):
    """What `restore` returns and prints as JSON.

    ``out``: the output; ``restored``: number of files that were made; ``skipped``: number that an
    earlier call made; ``failed`` and ``scaled``: files; ``unjudged``: number of pieces whose
    candidates could not be scored, so that the first was used; ``left_out``: other content of the
    folder, as `LeftOut`; ``notices``: of the metric that chooses.
    """

    out: str
    restored: int
    skipped: int
    failed: list[FailedFile]
    scaled: list[ScaledFile]
    unjudged: int
    left_out: list[dict[str, Any]]
    notices: list[str]


def restore(
    source: str | Path,
    out: str | Path,
    generator: str | Mapping[str, Any] | GeneratorUse,
    *,
    by: str | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> RestoreReport:
    """Restore a file, or every audio file below a folder, or continue an interrupted call.

        restore("noisy", "restored", "fm-tiny")

    Args:
        source: a file or a folder.
        out: the file or folder to make. A FLAC file becomes FLAC, any other a WAV file, 16-bit mono
            at the generator's rate, under its own relative name.
        generator: its name, or an entry as in a run file, whose `candidates` are drawn of every
            piece.
        by: the score that chooses among them; None: the usual one, if there is a choice.
        seed: seed of all random numbers, together with the name of the file.
        device: a torch device.

    Raises:
        InputError: an input is wrong, or a file exists that this call did not make; raised before
            any work.
    """
    source, out = Path(source), Path(out)
    require_whole_number(seed, "seed")
    wanted = _Settings(_use(generator), by, seed, device)
    files, left_out = _files(source, out)
    model = make_generator(wanted.use, parameter("generator"), Path.cwd())
    judge = judge_of(wanted.by, wanted.use.candidates)
    settings = wanted.digest(model)
    with ExitStack() as held:
        entries: dict[str, Any] = {}
        if source.is_dir():
            held.enter_context(open_run.lock_run(out))
            entries = {line["file"]: line for line in part_files.read_json_lines(out / LEDGER)}
        todo = [file for file in files if not _is_done(file, entries, settings)]
        restorer = FileRestorer(_generator_request(wanted, model), judge, seed, device)
        restorer.prepare(todo)
        ledger = out / LEDGER if source.is_dir() else None
        restored, failed = _restore_files(todo, restorer, ledger, settings)
    return {
        "out": str(out),
        "restored": len(restored),
        "skipped": len(files) - len(todo),
        "failed": failed,
        "scaled": [{"file": file.name, "gain": file.gain} for file in restored if file.gain != 1],
        "unjudged": sum(file.unjudged_pieces for file in restored) if judge else 0,
        "left_out": [asdict(part) for part in left_out],
        "notices": judge.panel.notices if judge else [],
    }


def _files(source: Path, out: Path) -> tuple[list[SourceFile], tuple[LeftOut, ...]]:
    if source.is_file():
        if out.is_dir():
            out = out / _output_name(source.name)
        if out.suffix.lower() not in (".wav", ".flac"):
            raise ConfigError(
                f"{out.name!r} ends in neither .wav nor .flac",
                field=parameter("out"),
                value=out,
                problem=Problem.UNSUPPORTED,
            )
        return [SourceFile(source.stem, source.name, source, out)], ()
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(
            f"{out} is in {source}, and would be restored too. Name another",
            field=parameter("out"),
            value=out,
            problem=Problem.CONFLICT,
        )
    listing = list_audio(source, parameter("source"))
    files = [
        SourceFile(name, path, source / path, out / _output_name(path))
        for name, path in listing.by_name().items()
    ]
    return files, listing.left_out


def _output_name(relative: str) -> str:
    path = PurePosixPath(relative)
    return str(path if path.suffix.lower() in (".wav", ".flac") else path.with_suffix(".wav"))


def _use(generator: str | Mapping[str, Any] | GeneratorUse) -> GeneratorUse:
    if isinstance(generator, GeneratorUse):
        return generator
    data = {"use": generator} if isinstance(generator, str) else generator
    data = {"candidates": 1, **data}
    require_whole_number(data["candidates"], "candidates", 1)
    return run_file.parse(data, GeneratorUse, field=parameter("generator"))


def _generator_request(wanted: _Settings, generator: Any) -> GeneratorRequest:
    label, limit = label_of(wanted.use, generator), run_file.Engine().limit_seconds
    return GeneratorRequest(label, generator, generator.revision, wanted.use.candidates, limit)


def _is_done(file: SourceFile, entries: Mapping[str, Any], settings: str) -> bool:
    """Return whether an earlier call made a file with the same settings.

    Args:
        entries: the ledger, by the name of the file.
        settings: digest of the settings.

    Raises:
        InputError: the file exists, but no earlier call made it with these settings.
    """
    if not file.target.exists():
        return False
    entry = entries.get(file.name)
    if entry is None:
        raise InputError(
            f"{file.target} exists already; remove it or name another {parameter('out')}",
            field=parameter("out"),
            value=file.target,
            problem=Problem.EXISTS,
        )
    if entry["settings"] != settings or entry["stamp"] != file.stamp:
        raise InputError(
            f"{file.target} was made with other settings or from another "
            f"file; remove it or name another {parameter('out')}",
            field=parameter("out"),
            value=file.target,
            problem=Problem.CHANGED,
        )
    return True


def _restore_files(
    todo: Sequence[SourceFile], restorer: FileRestorer, ledger: Path | None, settings: str
) -> tuple[list[RestoredFile], list[FailedFile]]:
    """Restore files, record each in the ledger, and return those that were made and that failed."""
    from tqdm import tqdm

    restored: list[RestoredFile] = []
    failed: list[FailedFile] = []
    with tqdm(total=sum(map(restorer.count, todo)), unit="piece", disable=None) as bar:
        for file in todo:
            try:
                result = restorer.restore_file(file, bar)
            except Unusable as error:
                reason = str(error.reason)
                failed.append({"file": file.name, "reason": reason, "detail": error.detail})
                continue
            restored.append(result)
            if ledger is not None:
                entry = {"file": file.name, "settings": settings, "stamp": file.stamp}
                choice = {"gain": result.gain, "pieces": result.pieces}
                part_files.append_json(ledger, {**entry, **choice})
    return restored, failed
