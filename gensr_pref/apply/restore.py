"""Using a generator: a file or a folder of them restored, the best of N where a panel is to judge.

A long file is worked through in overlapping pieces, so that memory does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import numpy as np

from gensr_pref import audio, process
from gensr_pref.apply.best_of import Judge, judge_of
from gensr_pref.apply.chunks import OVERLAP_SECONDS, PIECE_SECONDS, open_output, pieces
from gensr_pref.audio import Sound, Wave
from gensr_pref.building import open_run
from gensr_pref.building.sampling import GeneratorRequest, Row, sample_clip
from gensr_pref.building.worker import load_generator
from gensr_pref.config import plugins, run_file
from gensr_pref.config.run_file import GeneratorUse
from gensr_pref.corpus.degrade import HEADROOM
from gensr_pref.corpus.listing import LeftOut, list_audio
from gensr_pref.errors import ConfigError, InputError, Problem, Unusable, parameter
from gensr_pref.generators.base import Origin
from gensr_pref.generators.registry import check_clips, label_of, make_generator
from gensr_pref.identity import digest, seed_for
from gensr_pref.rundir import part_files
from gensr_pref.schema import Failure, Reason

LEDGER = "restored.jsonl"  # of a folder of outputs: what was made of what


@dataclass(frozen=True)
class _Wanted:
    """What is asked for.

    Attributes:
        use: the generator; `candidates` are drawn of every piece.
        by: the score that chooses among them; None where there is nothing to choose.
        seed: what all that is random comes from, together with the name of the file.
        device: a torch device.
    """

    use: GeneratorUse
    by: str | None = None
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class _File:
    """One file: its relative path without suffix and with it, where it is, where it goes."""

    name: str
    place: str
    source: Path
    target: Path

    @property
    def stamp(self) -> list[int]:
        seen = self.source.stat()
        return [seen.st_size, seen.st_mtime_ns]


@dataclass(frozen=True)
class _RestoredFile:
    """A file that was written: by which gain its source was scaled, what was chosen of each piece.

    Its source is scaled as a build scales it: by one factor, where it exceeds full scale.
    """

    file: str
    gain: float
    pieces: list[Row]


class RestoreReport(TypedDict):
    """What was restored; see `restore`."""

    out: str
    restored: int
    skipped: int
    failed: list[dict[str, str]]
    scaled: list[dict[str, Any]]
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
    """Restore a file, or every audio file below a folder, or continue.

        restore("noisy", "restored", "fm-tiny")

    Args:
        source: a file or a folder.
        out: the file or folder to make. A FLAC file becomes FLAC, any other a WAV file, 16-bit mono
            at the generator's rate, under its own relative name.
        generator: its name, or an entry as in a run file, whose `candidates` are drawn of every
            piece.
        by: the score that chooses among them; None: the usual one, where there is a choice.
        seed: what all that is random comes from, together with the name of the file.
        device: a torch device.

    Returns:
        ``restored``, ``skipped`` (made by an earlier call), ``failed`` (file, reason, detail),
        ``scaled`` (file, gain: recordings beyond full scale, which were scaled by that gain before
        the generator heard them), ``unjudged`` (pieces whose candidates could not be scored: the
        first was taken), ``left_out`` (what the folder holds besides), and ``notices`` of whoever
        made the judge.

    Raises:
        InputError: before any work, also where a file is there that this call did not make.
    """
    source, out = Path(source), Path(out)
    wanted = _Wanted(_use(generator), by, seed, device)
    files, left_out = _files(source, out)
    model = make_generator(wanted.use, parameter("generator"), Path.cwd())
    judge = judge_of(wanted.by, wanted.use.candidates)
    settings = _settings(wanted, model)
    with ExitStack() as held:
        done: dict[str, Any] = {}
        if source.is_dir():
            held.enter_context(open_run.lock_run(out))
            done = {line["file"]: line for line in part_files.read_json_lines(out / LEDGER)}
        todo = [file for file in files if not _is_done(file, done, settings)]
        work = _Work(wanted, _generator_request(wanted, model), judge)
        work.prepare(todo)
        made, failed = _run(todo, work, out / LEDGER if source.is_dir() else None, settings)
    return {
        "out": str(out),
        "restored": len(made),
        "skipped": len(files) - len(todo),
        "failed": failed,
        "scaled": [{"file": one.file, "gain": one.gain} for one in made if one.gain != 1],
        "unjudged": sum(map(_is_unjudged, (p for one in made for p in one.pieces))) if judge else 0,
        "left_out": [asdict(one) for one in left_out],
        "notices": judge.panel.notices if judge else [],
    }


def _files(source: Path, out: Path) -> tuple[list[_File], tuple[LeftOut, ...]]:
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
        return [_File(source.stem, source.name, source, out)], ()
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(
            f"{out} is in {source}, and would be restored too. Name another",
            field=parameter("out"),
            value=out,
            problem=Problem.CONFLICT,
        )
    listing = list_audio(source, parameter("source"))
    files = [
        _File(name, place, source / place, out / _output_name(place))
        for name, place in listing.by_name().items()
    ]
    return files, listing.left_out


def _output_name(place: str) -> str:
    path = PurePosixPath(place)
    return str(path if path.suffix.lower() in (".wav", ".flac") else path.with_suffix(".wav"))


def _use(generator: str | Mapping[str, Any] | GeneratorUse) -> GeneratorUse:
    if isinstance(generator, GeneratorUse):
        return generator
    data = {"use": generator} if isinstance(generator, str) else generator
    return run_file.parse({"candidates": 1, **data}, GeneratorUse, parameter("generator"))


def _settings(wanted: _Wanted, generator: Any) -> str:
    """Of all that shapes what is made of a file."""
    use = run_file.dump_fields(wanted.use)
    shape = [PIECE_SECONDS, OVERLAP_SECONDS]
    return digest(use, wanted.by, wanted.seed, generator.revision, shape)


def _generator_request(wanted: _Wanted, generator: Any) -> GeneratorRequest:
    label, limit = label_of(wanted.use, generator), run_file.Engine().limit_seconds
    return GeneratorRequest(label, generator, generator.revision, wanted.use.candidates, limit)


def _is_done(file: _File, done: dict[str, Any], settings: str) -> bool:
    """Whether an earlier call made a file.

    Raises:
        InputError: it is there, and that call did not, or not so.
    """
    if not file.target.exists():
        return False
    line = done.get(file.name)
    if line is None:
        raise InputError(
            f"{file.target} is there already; remove it or name another {parameter('out')}",
            field=parameter("out"),
            value=file.target,
            problem=Problem.EXISTS,
        )
    if line["settings"] != settings or line["stamp"] != file.stamp:
        raise InputError(
            f"{file.target} was made with other settings or of another "
            f"file; remove it or name another {parameter('out')}",
            field=parameter("out"),
            value=file.target,
            problem=Problem.CHANGED,
        )
    return True


def _run(
    todo: Sequence[_File], work: _Work, ledger: Path | None, settings: str
) -> tuple[list[_RestoredFile], list[dict[str, str]]]:
    """The files that were made, and those that were not."""
    from tqdm import tqdm

    made: list[_RestoredFile] = []
    failed: list[dict[str, str]] = []
    with tqdm(total=sum(map(work.count, todo)), unit="piece", disable=None) as bar:
        for file in todo:
            try:
                made.append(work.restore_file(file, bar))
            except Unusable as fault:
                why = {"reason": str(fault.reason), "detail": fault.detail}
                failed.append({"file": file.name, **why})
                continue
            if ledger is not None:
                line = {"file": file.name, "settings": settings, "stamp": file.stamp}
                told = {"gain": made[-1].gain, "pieces": made[-1].pieces}
                part_files.append_json(ledger, {**line, **told})
    return made, failed


class _Work:
    """A generator and a judge at work, loaded when the first file comes."""

    def __init__(self, wanted: _Wanted, asked: GeneratorRequest, judge: Judge | None) -> None:
        self._wanted, self._asked, self._judge = wanted, asked, judge

    def prepare(self, todo: Sequence[_File]) -> None:
        """Check and load, if there is anything to do."""
        if not todo:
            return
        origins = [origin for file in todo for origin in self._origins(file)]
        check_clips(self._asked.generator, origins, self._asked.candidates)
        plugins.search(Path.cwd())
        load_generator(self._asked.label, self._asked.generator, self._wanted.device)
        if self._judge is not None:
            self._judge.panel.load(self._wanted.device)

    def count(self, file: _File) -> int:
        """How many pieces a file has; none where it cannot be read."""
        return len(list(self._origins(file)))

    def restore_file(self, file: _File, bar: Any) -> _RestoredFile:
        """Write a file.

        Raises:
            Unusable: it cannot be read, or a piece of it cannot be restored.
        """
        header = audio.read_header(file.source)
        rate = _output_rate(self._asked.generator, header.rate)
        gain = self._gain(file)
        chosen: list[Row] = []
        with open_output(file.target, rate) as joined:
            for origin in self._origins(file):
                process.raise_if_interrupted()
                noisy = _scale(audio.read(file.source, origin.start, origin.frames), gain)
                wave, told = self._piece(origin, noisy, rate)
                chosen.append(told)
                ends = [round(at * rate / header.rate) for at in (origin.start, _end(origin))]
                joined.add(wave, ends[0], ends[1])
                bar.update(1)
            if all(told["chosen"] is None for told in chosen):
                raise Unusable(Reason.SILENT, "the whole file")
        return _RestoredFile(file.name, gain, chosen)

    def _gain(self, file: _File) -> float:
        """The factor that brings a recording beyond full scale below it; else 1.

        A file is decoded twice for this: all its pieces have one gain.
        """
        peak = 0.0
        for origin in self._origins(file):
            process.raise_if_interrupted()
            wave = audio.read(file.source, origin.start, origin.frames).wave
            peak = max(peak, float(np.abs(wave).max(initial=0.0)))
        return HEADROOM / peak if peak > 1 else 1.0

    def _origins(self, file: _File) -> Iterator[Origin]:
        try:
            header = audio.read_header(file.source)
        except Unusable:
            return
        for place, piece in enumerate(pieces(header.frames, header.rate)):
            name = f"{file.name}/{place}"
            yield Origin(name, file.place, header.rate, piece.start, piece.frames, header.frames)

    def _piece(self, origin: Origin, noisy: Sound, rate: int) -> tuple[Wave, Row]:
        try:
            audio.require_sound(noisy.wave)
        except Unusable:  # nothing to restore: it stays as it is
            return noisy.at(rate).wave, {"chosen": None, "score": None}
        drawn = sample_clip(origin, noisy, self._asked, self._seed)
        if not drawn.rows:
            raise _first(drawn.failures)
        sounds = [audio.read(row["audio"]["bytes"]) for row in drawn.rows]
        best, score = self._judge.best(sounds, noisy) if self._judge else (0, None)
        return sounds[best].at(rate).wave, {"chosen": drawn.rows[best]["index"], "score": score}

    def _seed(self, *identity: str | int) -> int:
        return seed_for(self._wanted.seed, "restore", *identity)


def _scale(sound: Sound, gain: float) -> Sound:
    return sound if gain == 1 else replace(sound, wave=sound.wave * np.float32(gain))


def _is_unjudged(piece: Row) -> bool:
    return piece["chosen"] is not None and piece["score"] is None


def _end(origin: Origin) -> int:
    return origin.start + origin.frames


def _first(failures: Sequence[Failure]) -> Unusable:
    return Unusable(failures[0].reason, failures[0].detail)


def _output_rate(generator: Any, source: int) -> int:
    """Of what is written; a `command` may have another than its input, files have their own."""
    return int(getattr(generator, "output_rate", None) or generator.sample_rate or source)
