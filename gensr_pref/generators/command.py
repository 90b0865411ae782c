"""command: a program that turns a noisy file and a seed into a restored file.

The program runs in its own environment and need not import this package. No shell interprets its
arguments.
"""

from __future__ import annotations

import csv
import os
import shlex
import shutil
import string
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.generators.base import Candidate
from gensr_pref.generators.subprocess_run import describe_status, last_lines, run_program
from gensr_pref.identity import digest, file_digest
from gensr_pref.schema import Reason
from gensr_pref.storage import files
from gensr_pref.untrusted import documents

# Fields of a program that makes one candidate per process.
PER_CANDIDATE = {"input", "output"}
# Fields of a program that makes all candidates of a clip in one process.
PER_CLIP = ({"manifest"}, {"input_folder", "output_folder"})
FIELDS = ("input", "output", "seed", "manifest", "input_folder", "output_folder", "device")
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Command:
    """The generator ``command``.

    Args:
        command: the program and its arguments, as a list or as one text that is split as a shell
            would split it. Fields in braces are filled in: `input`, `output` (WAV files) and `seed`
            for a program that makes one candidate; or `manifest` (a CSV file with the columns
            input, output, seed), or `input_folder` and `output_folder` (files of the same names),
            for a program that makes all candidates of a clip. `device` is the device of the run.
        sample_rate: of the input in Hz: 16-bit WAV, mono.
        output_rate: of the output in Hz; absent = `sample_rate`.
        limit_seconds: time limit of one process, after which it and its children are killed.
        env: environment variables to set. All others are inherited, except those that would change
            Python's module search; arithmetic libraries use one thread unless set here.
        folder: working directory, to which relative names in `command` are relative; absent = the
            run file's folder.
        revision: of the program and its weights; absent = a digest of the command and of the
            files that it names.

    Raises:
        ValueError: options that contradict each other, or a program that does not exist.
    """

    name = "command"
    licence = "that of the program"
    needs = "a program"
    folders = ("folder",)

    def __init__(
        self,
        command: str | Sequence[str],
        sample_rate: int = 16000,
        output_rate: int | None = None,
        limit_seconds: float = 600.0,
        env: Mapping[str, str] | None = None,
        folder: str = ".",
        revision: str | None = None,
    ) -> None:
        self._template = _split_command(command)
        self._together = _makes_all_candidates(self._template)
        self.sample_rate = _require_rate("sample_rate", sample_rate)
        self.output_rate = _require_rate("output_rate", output_rate or sample_rate)
        if not limit_seconds > 0:
            raise ValueError(f"limit_seconds must be above 0, not {limit_seconds!r}")
        self._limit = float(limit_seconds)
        self._env = {str(name): str(value) for name, value in (env or {}).items()}
        self._folder = Path(folder).absolute()
        self._program = _find_program(self._template[0], self._folder)
        self._revision = revision
        self._device = "cpu"

    @property
    def revision(self) -> str:
        """Revision as given, or a digest of the command, its settings and the files it names."""
        if self._revision is None:
            named = (self._folder / word for word in self._template)
            files = [file_digest(path) for path in named if path.is_file()]
            settings = [self.sample_rate, self.output_rate, self._env]
            self._revision = digest(self._template, settings, files)
        return self._revision

    def load(self, device: str) -> None:
        """Store the device, which is passed to the program; the program loads its own weights."""
        self._device = device

    def sample(
        self, noisy: npt.NDArray[np.float32], lengths: Sequence[int], seeds: Sequence[int]
    ) -> list[Candidate | Exception]:
        """Return one candidate per row; see `generators.base.Generator`.

        Raises:
            Unusable: a program that makes all candidates failed: GENERATOR_ERROR with its exit
                status and the last lines of its standard error, or TIMED_OUT.
        """
        with tempfile.TemporaryDirectory(prefix="gensr-pref-") as folder:
            work = _Work(Path(folder), self.sample_rate)
            jobs = [
                work.add_job(row[:length], seed)
                for row, length, seed in zip(noisy, lengths, seeds, strict=True)
            ]
            if self._together:
                self._run(work, work.write_manifest(jobs))
            return [self._candidate(work, job) for job in jobs]

    def _candidate(self, work: _Work, job: _Job) -> Candidate | Exception:
        try:
            if not self._together:
                self._run(work, job.fields)
            sound = _read_output(job.output, self.output_rate)
            return Candidate(sound, _read_sampling(job.output), rate=self.output_rate)
        except Unusable as fault:
            return Unusable(fault.reason, work.without_folder(fault.detail))

    def _run(self, work: _Work, fields: Mapping[str, str]) -> None:
        """Run the program once.

        Raises:
            Unusable: TIMED_OUT, or GENERATOR_ERROR where its exit status is not 0.
        """
        fields = {**fields, "device": self._device}
        arguments = [self._program, *(word.format(**fields) for word in self._template[1:])]
        try:
            status = run_program(
                arguments, self._folder, self._environment(), self._limit, work.log
            )
        except OSError as error:
            raise Unusable(Reason.GENERATOR_ERROR, f"it does not start: {error}") from error
        if status is None:
            raise Unusable(Reason.TIMED_OUT, f"no answer within {self._limit:g} s")
        if status != 0:
            errors = work.without_folder(last_lines(work.log))
            raise Unusable(Reason.GENERATOR_ERROR, f"{describe_status(status)}: {errors}")

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if k not in NOT_INHERITED}
        return {**inherited, **ONE_THREAD, **self._env}


@dataclass(frozen=True)
class _Job:
    """Input file, output file and seed of one candidate."""

    input: Path
    output: Path
    seed: int

    @property
    def fields(self) -> dict[str, str]:
        return {"input": str(self.input), "output": str(self.output), "seed": str(self.seed)}


class _Work:
    """Temporary folder with an input file per candidate and a folder for the outputs."""

    def __init__(self, folder: Path, rate: int) -> None:
        self._folder, self._rate = folder, rate
        self._jobs: list[_Job] = []
        self._written: dict[bytes, Path] = {}
        self.log = folder / "errors.txt"
        for name in ("in", "out"):
            (folder / name).mkdir()

    def add_job(self, wave: audio.Wave, seed: int) -> _Job:
        """Write the input of one candidate; equal inputs are hard links to one file."""
        name = f"{len(self._jobs):03d}.wav"
        job = _Job(self._folder / "in" / name, self._folder / "out" / name, seed)
        content = audio.wav(wave, self._rate)
        if content in self._written:
            job.input.hardlink_to(self._written[content])
        else:
            job.input.write_bytes(content)
            self._written[content] = job.input
        self._jobs.append(job)
        return job

    def write_manifest(self, jobs: Sequence[_Job]) -> dict[str, str]:
        """Write the manifest; return the fields for a program that makes all candidates."""
        manifest = self._folder / "manifest.csv"
        with manifest.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, ["input", "output", "seed"])
            writer.writeheader()
            writer.writerows(job.fields for job in jobs)
        folders = {f"{name}put_folder": str(self._folder / name) for name in ("in", "out")}
        return {"manifest": str(manifest), **folders}

    def without_folder(self, text: str) -> str:
        """Remove this folder's name, which differs from call to call, from a message."""
        return text.replace(f"{self._folder}/", "")


def _split_command(command: Any) -> list[str]:
    words = shlex.split(command) if isinstance(command, str) else list(command)
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"command must be a list of words or one text, not {command!r}")
    return words


def _makes_all_candidates(words: Sequence[str]) -> bool:
    """Check the fields of a command; return whether one process makes all candidates of a clip."""
    parsed = [part for word in words[1:] for part in string.Formatter().parse(word)]
    fields = {field for _, field, _, _ in parsed if field is not None}
    for field in sorted(fields - set(FIELDS)):
        raise ValueError(
            f"command: no field {{{field}}}. Known: {', '.join(FIELDS)}; {{{{ is a brace"
        )
    kinds = [kind for kind in (PER_CANDIDATE, *PER_CLIP) if kind <= fields]
    if len(kinds) != 1 or fields & {f for k in (PER_CANDIDATE, *PER_CLIP) for f in k} != kinds[0]:
        raise ValueError(
            "command: name {input} and {output}, or {manifest}, or {input_folder} and "
            f"{{output_folder}}; it names {', '.join(sorted(fields)) or 'no field'}"
        )
    if kinds[0] is not PER_CANDIDATE and "seed" in fields:
        raise ValueError(
            "command: {seed} is the seed of one candidate. Remove it: a manifest has a column of "
            "seeds"
        )
    return kinds[0] is not PER_CANDIDATE


def _require_rate(name: str, value: Any) -> int:
    if type(value) is not int or value <= 0:
        raise ValueError(f"{name} must be a whole number of Hz, not {value!r}")
    return int(value)


def _find_program(program: str, folder: Path) -> str:
    """Return the path of a program: relative to `folder` if it has a slash, else on the PATH."""
    path = shutil.which(str(folder / program) if "/" in program else program)
    if path is None:
        name = f"{folder / program} is" if "/" in program else f"{program!r} on the PATH is"
        raise ValueError(f"command: {name} not an executable program")
    return path


def _read_output(path: Path, rate: int) -> audio.Wave:
    """Read the output of a program.

    Raises:
        Unusable: MISSING, UNREADABLE, EMPTY, NOT_FINITE or WRONG_RATE.
    """
    header = audio.read_header(path)
    if header.rate != rate:
        raise Unusable(
            Reason.WRONG_RATE, f"the output has {header.rate} Hz, not output_rate = {rate}"
        )
    return audio.read(path).wave


def _read_sampling(output: Path) -> Mapping[str, object]:
    """Read the sampling settings that a program may write beside its output, ``OUTPUT.json``."""
    path = output.with_name(output.name + ".json")
    if not path.is_file():  # reading a named pipe would wait for ever
        return {}
    try:
        sampling = documents.parse_json(files.read_text(path))
    except (OSError, ValueError):
        return {}
    return sampling if isinstance(sampling, dict) else {}
